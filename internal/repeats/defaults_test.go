package repeats

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

var defaultCells = flag.String("cells", "max-throughput-ttft-sla/bo/3,max-concurrency-under-sla/bo/40",
	"cells of TestDefaults as RECIPE/STYLE/BOUNDARY, patterns joined by commas")

// sized is a server whose boundary is known, for the default lengths of prompts and
// answers.
type sized struct {
	boundary int
	model    simserver.Model
	// batch is the model's MaxBatch where TTFT is limited: of a few requests in flight only
	// queueing has a sharp effect on it.
	batch int
	// The limits on p95 of TTFT and of ITL lie between their values at the boundary and
	// just above it.
	ttft, itl float64 // ms
}

// sizes are a server that is slow, one of an ordinary size and one that is large.
var sizes = []sized{
	{boundary: 3, batch: 3, model: simserver.Model{Step: 20 * time.Millisecond, PerSeq: time.Millisecond,
		PerPromptToken: 250 * time.Microsecond, Chunk: 512}},
	{boundary: 40, model: simserver.Model{Step: 10 * time.Millisecond, PerSeq: 200 * time.Microsecond,
		PerPromptToken: 30 * time.Microsecond, Chunk: 512}},
	{boundary: 900, model: simserver.Model{Step: 10 * time.Millisecond, PerSeq: 15 * time.Microsecond,
		PerPromptToken: 2 * time.Microsecond, Chunk: 4096, MaxBatch: 4096}},
}

// limited fills in the limits.
func (s sized) limited() sized {
	p95 := func(c, batch int) (ttft, itl float64) {
		var ttfts, itls []float64
		m := s.model
		m.MaxBatch = cmp.Or(batch, m.MaxBatch)
		traces := m.Pooled(simserver.Clients{Concurrency: c, ISL: loadgen.DefaultISL, OSL: loadgen.DefaultOSL,
			Requests: max(300, c), Seed: 1}, 3)
		for _, r := range traces {
			ttfts = append(ttfts, float64(r.First-r.Arrived)/1e6)
			itls = append(itls, float64(r.Last-r.First)/1e6/(loadgen.DefaultOSL-1))
		}
		slices.Sort(ttfts)
		slices.Sort(itls)
		return ttfts[len(ttfts)*95/100], itls[len(itls)*95/100]
	}
	above := s.boundary + max(1, s.boundary/40)
	t0, _ := p95(s.boundary, s.batch)
	t1, _ := p95(above, s.batch)
	_, i0 := p95(s.boundary, 0)
	_, i1 := p95(above, 0)
	s.ttft, s.itl = math.Sqrt(t0*t1), math.Sqrt(i0*i1)
	return s
}

// inputs are the least that a recipe needs.
func (s sized) inputs(recipe string, style recipes.Style) recipes.Inputs {
	in := recipes.Inputs{Style: style}
	switch recipe {
	case "max-throughput-itl-sla":
		in.ITL = &s.itl
	case "max-goodput-under-slo":
		in.TTFT, in.ITL, in.E2E = &s.ttft, new(10*s.itl), new(1e6)
	default:
		in.TTFT = &s.ttft
	}
	return in
}

// TestDefaults checks that a search with nothing but its limit given fits into a go test
// and spares its server, whatever the server's size: the first verdict comes within 30
// seconds, the answer within 4 minutes, and no probe asks for more than four times the
// boundary. All cells take five minutes:
//
//	go test ./internal/repeats -run TestDefaults -v -timeout 2h -args -cells '*/*/*'
func TestDefaults(t *testing.T) {
	var table []string
	for _, s := range sizes {
		s := s
		for _, recipe := range []string{"max-concurrency-under-sla", "max-throughput-ttft-sla", "max-throughput-itl-sla",
			"max-goodput-under-slo"} {
			for _, style := range []recipes.Style{recipes.SmoothIsotonic, recipes.Monotonic, recipes.BO, recipes.Optuna, recipes.Sequential} {
				cell := fmt.Sprintf("%s/%s/%d", recipe, style, s.boundary)
				if !slices.ContainsFunc(strings.Split(*defaultCells, ","), func(p string) bool { ok, _ := path.Match(p, cell); return ok }) {
					continue
				}
				t.Run(cell, func(t *testing.T) {
					if s.ttft == 0 {
						s = s.limited()
						t.Logf("limits: TTFT p95 %.1f ms, ITL p95 %.2f ms", s.ttft, s.itl)
					}
					synctest.Test(t, func(t *testing.T) { table = append(table, s.search(t, cell, recipe, style)) })
				})
			}
		}
	}
	t.Logf("%-46s %7s %7s %6s %5s %7s\n%s", "cell", "verdict", "answer", "probes", "most", "safe", strings.Join(table, "\n"))
}

// search runs one cell and returns its row of the table.
func (s sized) search(t *testing.T, cell, recipe string, style recipes.Style) string {
	r, err := recipes.Lookup(recipe)
	require.NoError(t, err)
	m := s.model
	if recipe != "max-throughput-itl-sla" {
		m.MaxBatch = cmp.Or(s.batch, m.MaxBatch)
	}
	srv := simserver.NewInMemory(m)
	ctx, cancel := context.WithCancel(t.Context())
	defer srv.Close()
	defer cancel()
	began := time.Now()
	first := time.Duration(math.MaxInt64)
	out, err := recipes.Run(ctx, r, recipes.Spec{
		Target: loadgen.Target{URL: srv.URL, Dial: boundaries.Afar(srv)},
		Inputs: s.inputs(recipe, style),
		Observe: func(o *recipes.Outcome) error {
			if len(o.Probes) > 0 {
				first = min(first, time.Since(began))
			}
			return nil
		},
	})
	require.NoError(t, err)
	took := time.Since(began)
	most := 0
	for _, p := range out.Probes {
		most = max(most, p.Load.Concurrency)
		reading := p.Readings[0]
		t.Logf("conc %4d size %.2f: %8.2f, %d of %d, P(pass) %.3f, %s %5.1fs (%s)", p.Load.Concurrency, p.Step.Size,
			reading.Value, reading.Exceeded, reading.Of, reading.Pass, p.State(), p.Wall.Seconds(), p.Step.Reason)
	}
	assert.LessOrEqual(t, first, 30*time.Second, "the first verdict")
	assert.LessOrEqual(t, took, 4*time.Minute, "the answer")
	assert.LessOrEqual(t, most, 4*s.boundary, "the largest probe")
	assert.NotEqual(t, recipes.Missed, out.Verdict)
	assert.False(t, out.Boundary.Safe > 1.1*float64(s.boundary), "the answer is %v", out.Boundary.Safe)
	assert.GreaterOrEqual(t, out.Boundary.Safe, 0.5*float64(s.boundary), "the answer")
	row := fmt.Sprintf("%-46s %6.0fs %6.0fs %6d %5d %7.0f %s", cell, first.Seconds(), took.Seconds(), len(out.Probes), most,
		out.Boundary.Safe, out.Reason)
	t.Log(row)
	return row
}
