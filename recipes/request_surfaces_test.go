package recipes_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat/distuv"
)

// dependence is how the requests of one probe hang together.
type dependence int

const (
	independent dependence = iota
	blocks                 // c requests at a time share a factor exp(0.2·z − 0.02)
)

const (
	requestSpread = 0.5 // sd of the log of a request's latency
	blockSpread   = 0.2
	probeRequests = 1000
)

// surfaceRequest is one request of a probe: its latency by metric key, and
// whether it failed or was not good.
type surfaceRequest struct {
	latency      map[string]float64
	failed, good bool
}

// tails are the percentiles that the latency keys stand for.
var tails = map[string]float64{keyTTFT: 0.95, keyITL: 0.95, keyE2E: 0.99}

// requests draws the requests of a probe at concurrency c whose metrics came
// out as v: never fewer than 2c. The latencies are scaled so that v is the
// percentile of the population, the blocks' factors included: dependence then
// changes how far a probe scatters, not what is true.
func requests(v map[string]float64, c, n int, law dependence, rng *rand.Rand) []surfaceRequest {
	n = max(n, 2*c)
	out := make([]surfaceRequest, n)
	shared, spread, shift := 0.0, requestSpread, 0.0
	if law == blocks {
		spread, shift = math.Hypot(requestSpread, blockSpread), -blockSpread*blockSpread/2
	}
	for i := range out {
		if law == blocks && i%c == 0 {
			shared = blockSpread*rng.NormFloat64() + shift
		}
		r := surfaceRequest{latency: map[string]float64{}}
		for key, p := range tails {
			top := spread*distuv.UnitNormal.Quantile(p) + shift // ln of the percentile of the unscaled law
			r.latency[key] = v[key] * math.Exp(requestSpread*rng.NormFloat64()+shared-top)
		}
		r.failed = rng.Float64()*100 < v[keyErr]
		r.good = rng.Float64() < v[keyGood]
		out[i] = r
	}
	return out
}

// The share of requests above the probe's pXX is 1 − XX/100 under both
// laws; blocks make it scatter more; failures and good requests come at
// the probe's rates.
func TestRequestLevel(t *testing.T) {
	v := map[string]float64{keyTTFT: 200, keyITL: 20, keyE2E: 3000, keyErr: 5, keyGood: 0.9}
	const c, probes = 50, 300
	scatter := map[dependence]float64{}
	for _, law := range []dependence{independent, blocks} {
		rng := rand.New(rand.NewPCG(3, uint64(law)))
		var above, failed, good, squares float64
		for range probes {
			share := 0.0
			rs := requests(v, c, probeRequests, law, rng)
			for _, r := range rs {
				n := float64(len(rs))
				if r.latency[keyTTFT] > v[keyTTFT] {
					share += 1 / n
				}
				if r.failed {
					failed += 1 / n / probes
				}
				if r.good {
					good += 1 / n / probes
				}
			}
			above += share / probes
			squares += (share - 0.05) * (share - 0.05) / probes
		}
		assert.InDelta(t, 0.05, above, 0.006, "law %d", law)
		assert.InDelta(t, 0.05, failed, 0.003)
		assert.InDelta(t, 0.9, good, 0.003)
		scatter[law] = math.Sqrt(squares)
	}
	assert.InDelta(t, math.Sqrt(0.05*0.95/probeRequests), scatter[independent], 0.0012, "binomial")
	assert.Greater(t, scatter[blocks], 1.3*scatter[independent])
	assert.Len(t, requests(v, 900, probeRequests, independent, rand.New(rand.NewPCG(1, 1))), 1800, "never fewer than 2c")
	rs := requests(v, 10, 2000, independent, rand.New(rand.NewPCG(1, 1)))
	slices.SortFunc(rs, func(a, b surfaceRequest) int {
		return int(math.Copysign(1, a.latency[keyE2E]-b.latency[keyE2E]))
	})
	assert.InEpsilon(t, v[keyE2E], rs[1980].latency[keyE2E], 0.15, "p99")
}
