package sla

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
)

// sampler draws requests by the request-level law of surfaces.md: log-normal
// TTFT with log-sd 0.5 and a given 95th percentile, in blocks that share a
// factor or not.
type sampler struct {
	rng    *rand.Rand
	p95    float64 // ms, of the population
	errors float64 // share of requests that fail
	bad    float64 // share of requests that miss their SLO
	block  int     // requests that share a factor exp(0.2 z − 0.02); 0: independent
	n      int
	shared float64
	chunk  [1]time.Duration
}

var p95OfNormal = distuv.UnitNormal.Quantile(0.95)

func (s *sampler) next() loadgen.Request {
	sd := 0.5
	if s.block > 0 {
		sd = math.Sqrt(0.25 + 0.04)
		if s.n%s.block == 0 {
			s.shared = 0.2*s.rng.NormFloat64() - 0.02
		}
	}
	s.n++
	q := loadgen.Request{Index: s.n - 1, Streamed: true, OSL: 2, Good: s.rng.Float64() >= s.bad}
	if s.rng.Float64() < s.errors {
		q.Good, q.Failure = false, &loadgen.Failure{Kind: loadgen.FailedStatus, Status: 500}
		return q
	}
	median := math.Log(s.p95) - p95OfNormal*sd
	if s.block > 0 {
		median += 0.02
	}
	ms := math.Exp(median + s.shared + 0.5*s.rng.NormFloat64())
	s.chunk[0] = time.Duration(ms * float64(time.Millisecond))
	q.Chunks, q.End = s.chunk[:], s.chunk[0]+time.Millisecond
	return q
}

var simulations = flag.Int("runs", 100, "simulated probes of each row of TestSequentialErrorRates")

// The sequential test is wrong at most as often as it says, outside the
// indifference zone. With -runs 10000 the upper 99% bound (Clopper and Pearson 1934)
// of wrong verdicts must be at or below 2% among all runs of a row, and among the
// decided ones where they are a twentieth at least. Fewer runs, as by default, can
// only show a rate that is significantly higher.
func TestSequentialErrorRates(t *testing.T) {
	slow.Test(t, slow.Pure)
	const (
		threshold = 200.0
		n         = 1000
	)
	runs := *simulations
	limit := Limit{loadgen.TagTTFT, "p95", LT, threshold}
	var table strings.Builder
	table.WriteString("| requests | c | T/p95 | exceed | wrong of decided | 99% bound | open | curtailed | requests used |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, blocks := range []bool{false, true} {
		for _, c := range []int{8, 32, 100, 250} {
			for _, ratio := range []float64{0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.4, 2} {
				rng := rand.New(rand.NewPCG(uint64(c), math.Float64bits(ratio)))
				sd, kind := 0.5, "independent"
				if blocks {
					sd, kind = math.Sqrt(0.29), "blocks"
				}
				q := 1 - distuv.UnitNormal.CDF(p95OfNormal+math.Log(ratio)/sd)
				wrong, decided, curtailed, used := 0, 0, 0, 0
				for range runs {
					s := sampler{rng: rng, p95: threshold / ratio}
					if blocks {
						s.block = c
					}
					d := NewDecider([]Limit{limit}, n, c, 0.98)
					for range d.planned {
						if d.Seen(s.next()) {
							break
						}
					}
					used += d.seen
					switch r := conclude([]*Decider{d}, limit); {
					case r.ruling != open:
						decided++
						if (r.ruling == holds) != (q < 0.05) {
							wrong++
						}
					case d.seen < d.planned:
						curtailed++
					}
				}
				bound := upperBound(wrong, decided, 0.99)
				fmt.Fprintf(&table, "| %s | %d | %.2f | %.2f%% | %d/%d = %.2f%% | %.2f%% | %.1f%% | %.1f%% | %d |\n", kind, c, ratio, 100*q,
					wrong, decided, 100*float64(wrong)/max(float64(decided), 1), 100*bound,
					100-100*float64(decided)/float64(runs), 100*float64(curtailed)/float64(runs), used/runs)
				if inside := q > 0.04 && q < 0.0625; inside {
					continue
				}
				what := fmt.Sprintf("%s, c %d, T/p95 %v: %d wrong of %d decided, %d runs", kind, c, ratio, wrong, decided, runs)
				assert.LessOrEqual(t, lowerBound(wrong, decided, 0.999), 0.02, "significantly too many: %s", what)
				if runs >= 10000 {
					assert.LessOrEqual(t, upperBound(wrong, runs, 0.99), 0.02, "of all: %s", what)
					if decided >= runs/20 { // of fewer, no share can be shown to be small
						assert.LessOrEqual(t, bound, 0.02, "of decided: %s", what)
					}
				}
			}
		}
	}
	t.Logf("%d runs a row\n%s", runs, table.String())
}

// upperBound and lowerBound are one-sided confidence bounds of a share.
func upperBound(k, n int, level float64) float64 {
	if k >= n {
		return 1
	}
	return distuv.Beta{Alpha: float64(k) + 1, Beta: float64(n - k)}.Quantile(level)
}

func lowerBound(k, n int, level float64) float64 {
	if k == 0 {
		return 0
	}
	return distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(1 - level)
}

// decided runs a decider over the requests of a probe and returns where it
// stopped, and whether it did.
func decided(d *Decider, qs []loadgen.Request) (n int, stopped bool) {
	for i, q := range qs {
		if d.Seen(q) {
			return i + 1, true
		}
	}
	return len(qs), false
}

// Exact curtailment has the verdict of the whole probe, whatever the rest of it
// holds: the property is checked against the whole sample, at random shares,
// lengths, rules, and windows that their time has cut short.
func TestCurtailmentIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	limits := []Limit{
		{loadgen.TagTTFT, "p95", LT, 200}, {loadgen.TagTTFT, "p99", LE, 200}, {loadgen.TagTTFT, "max", LT, 200},
		{loadgen.TagTTFT, "min", LT, 200},
		{loadgen.TagTTFT, "p50", GT, 200},
		{loadgen.TagErrorRate, "avg", LT, 1}, {loadgen.TagErrorRate, "avg", LE, 0}, {loadgen.TagGoodShare, "avg", GE, 0.95},
		{loadgen.TagITL, "p95", LT, 1}, // one request in three has no ITL
	}
	early := map[ruling]int{}
	for range 4000 {
		l := limits[rng.IntN(len(limits))]
		n, c := 1+rng.IntN(200), 1+rng.IntN(40)
		s := sampler{rng: rng, p95: 200 * math.Exp(rng.NormFloat64()), errors: 0.02 * rng.Float64(), bad: 0.1 * rng.Float64()}
		r, ok := ruleOf(l)
		require.True(t, ok)
		var qs []loadgen.Request
		n = max(n, 2*c)
		for range n {
			q := s.next()
			q.Chunks = []time.Duration{q.End - time.Millisecond}
			if l.Metric == loadgen.TagITL {
				q.OSL = 2 - rng.IntN(3)/2
				q.End += time.Duration(rng.Float64() * float64(time.Millisecond) / 10)
			}
			qs = append(qs, q)
		}
		at, verdict := 0, open
		k := counter{rule: r, counted: true, blocks: newBlocks(c)}
		for i := range qs {
			k.count(&qs[i])
			if verdict = r.curtail(k.tally, n-i-1); verdict != open {
				at = i + 1
				break
			}
		}
		require.NotEqual(t, open, verdict, "%s: a whole probe is always settled", l)
		if at < n {
			early[verdict]++
		}
		for _, end := range []int{n, at + rng.IntN(n-at+1)} { // all of it, or as far as the window's time went
			whole, _ := tallyOf(l, []*loadgen.Measurement{{Requests: qs[:end]}})
			full := breaks
			if whole.n > 0 && whole.holds(l.Op) {
				full = holds
			}
			require.Equal(t, full, verdict, "%s: settled at %d of %d, whole to %d: %d of %d bad", l, at, n, end, whole.bad, whole.n)
		}
	}
	assert.Greater(t, early[holds], 100, "the property must not be vacuous")
	assert.Greater(t, early[breaks], 100)
}

func TestSequentialStops(t *testing.T) {
	ttft := Limit{loadgen.TagTTFT, "p95", LT, 200}
	errs := Limit{loadgen.TagErrorRate, "avg", LT, 1}
	average := Limit{loadgen.TagTTFT, "avg", LT, 200}
	rate := Limit{loadgen.TagTokenRate, "avg", GT, 100}
	for _, tt := range []struct {
		reason   string
		limits   []Limit
		p95      float64
		errors   float64
		n, c     int
		stops    bool
		from, to int // requests
		ruling   ruling
	}{
		{"a plain failure is seen at once", []Limit{ttft}, 600, 0, 1000, 4, true, 8, 30, breaks},
		{"no verdict before two turnovers", []Limit{ttft}, 600, 0, 1000, 100, true, 200, 300, breaks},
		{"a pass takes ln(2/0.02)/−ln(1−0.0625) good requests at least", []Limit{ttft}, 50, 0, 1000, 4, true, 72, 250, holds},
		{"two limits share the error: ln(2/0.01)/−ln(1−0.0125)", []Limit{ttft, errs}, 50, 0, 4000, 4, true, 422, 2200, holds},
		{"failed requests exceed a latency limit", []Limit{ttft}, 50, 0.5, 1000, 4, true, 8, 40, breaks},
		{"one limit that fails is enough", []Limit{errs, ttft}, 50, 0.3, 5000, 4, true, 8, 80, breaks},
		{"an average wants the whole window", []Limit{average}, 50, 0, 500, 4, false, 500, 500, open},
		{"a rate does, and keeps a pass open", []Limit{rate, ttft}, 50, 0, 500, 4, false, 500, 500, open},
		{"beside a rate a failure still ends the probe", []Limit{ttft, rate}, 600, 0, 500, 4, true, 8, 30, breaks},
		{"without limits there is nothing to decide", nil, 50, 0, 300, 4, false, 300, 300, open},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			s := sampler{rng: rand.New(rand.NewPCG(1, 2)), p95: tt.p95, errors: tt.errors}
			var qs []loadgen.Request
			for range tt.n {
				q := s.next()
				q.Chunks = append([]time.Duration(nil), q.Chunks...)
				qs = append(qs, q)
			}
			d := NewDecider(tt.limits, tt.n, tt.c, 0.98)
			n, stopped := decided(d, qs)
			assert.Equal(t, tt.stops, stopped)
			assert.GreaterOrEqual(t, n, tt.from)
			assert.LessOrEqual(t, n, tt.to)
			if len(tt.limits) > 0 && tt.stops {
				got := conclude([]*Decider{d}, tt.limits[0])
				assert.Equal(t, tt.ruling, got.ruling)
				if tt.ruling == holds {
					assert.GreaterOrEqual(t, got.pass, 0.98)
				} else {
					assert.LessOrEqual(t, got.pass, 0.02)
				}
			}
		})
	}
}

// TestDeciderEvery: a trial of which every limit's verdict is wanted goes on when the first
// has failed, and ends once the last is settled.
func TestDeciderEvery(t *testing.T) {
	hard, easy := Limit{Metric: loadgen.TagLatency, Stat: "p95", Op: LT, Threshold: 50},
		Limit{Metric: loadgen.TagLatency, Stat: "p95", Op: LT, Threshold: 200}
	ends := map[bool]int{}
	for _, every := range []bool{false, true} {
		d := NewDecider([]Limit{hard, easy}, 1000, 4, 0.98)
		d.Every = every
		for n := 1; n <= 1000 && ends[every] == 0; n++ {
			if d.Seen(loadgen.Request{End: 100 * time.Millisecond}) {
				ends[every] = n
			}
		}
	}
	assert.Less(t, ends[false], 20, "the hard limit fails at once")
	assert.Greater(t, ends[true], 50, "that the easy one holds takes longer")
	assert.Less(t, ends[true], 300)
}
