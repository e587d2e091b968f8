package aiperftest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// unasked stands for an endpoint that bad input never reaches.
type unasked struct{}

func (unasked) Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error) {
	return nil, errors.New("was asked")
}

// TestSpoken: what the engine says of inputs is said of options here, and of
// AIPerf's flags.
func TestSpoken(t *testing.T) {
	limit := 100.0
	tier := recipes.Tier{Label: "a", Limits: []sla.Limit{{Metric: loadgen.TagTTFT, Stat: "p95", Op: sla.LT, Threshold: 5}}}
	for _, tt := range []struct {
		recipe string
		spec   recipes.Spec
		want   string
	}{
		{"max-throughput-ttft-sla", recipes.Spec{},
			`recipe "max-throughput-ttft-sla" requires aiperftest.TTFT(…) (AIPerf: --ttft-sla-ms): the limit on p95 TTFT`},
		{"max-throughput-ttft-sla", recipes.Spec{Inputs: recipes.Inputs{TTFT: new(math.NaN())}},
			`recipe "max-throughput-ttft-sla" cannot use aiperftest.TTFT(…) (AIPerf: --ttft-sla-ms): the threshold is NaN ms; it ` +
				`must be positive and finite`},
		{"max-throughput-ttft-sla", recipes.Spec{Inputs: recipes.Inputs{TTFT: &limit}, Trials: -1},
			`recipe "max-throughput-ttft-sla" cannot use aiperftest.Trials(…) (AIPerf: --num-profile-runs): -1 ` +
				`is negative; give at least 1`},
		{"max-throughput-ttft-sla", recipes.Spec{Inputs: recipes.Inputs{TTFT: &limit, Streaming: new(false)}},
			`recipe "max-throughput-ttft-sla" requires streaming: "ttft p95" has no value when aiperftest.Streaming(…) (AIPerf: ` +
				`--streaming) is off; turn it on or choose another recipe`},
		{"max-throughput-ttft-sla", recipes.Spec{Inputs: recipes.Inputs{TTFT: &limit, Tiers: []recipes.Tier{tier, tier}}},
			`recipe "max-throughput-ttft-sla" cannot use aiperftest.Tier(…) (AIPerf: --search-sla-tier): duplicate label "a"`},
		{"prefill-ttft-curve", recipes.Spec{Target: loadgen.Target{Prompts: "x.jsonl"}},
			`recipe "prefill-ttft-curve" sweeps prompt lengths and cannot send prompts from a file; leave out ` +
				`aiperftest.Prompts(…) (AIPerf: --input-file)`},
		{"prefill-ttft-curve", recipes.Spec{Inputs: recipes.Inputs{MaxProbes: new(4), Replicates: new(2)}},
			`recipe "prefill-ttft-curve" cannot use aiperftest.MaxProbes(…) (AIPerf: --search-max-iterations), ` +
				`aiperftest.Replicates(…): the recipe measures every point of a sweep and has no search to tune; leave it ` +
				`out, or ask for other points with aiperftest.Steps(…) (AIPerf: --concurrency-steps, --isl-steps)`},
	} {
		r, err := recipes.Lookup(tt.recipe)
		require.NoError(t, err)
		tt.spec.Prober = unasked{}
		_, err = recipes.Run(t.Context(), r, tt.spec)
		require.Error(t, err)
		assert.EqualError(t, spoken(err), tt.want)
		assert.ErrorAs(t, spoken(err), new(*recipes.InputError), "a caller can still act on it")
		assert.EqualError(t, spoken(spoken(err)), tt.want, "once is enough")
		assert.NotContains(t, err.Error(), "aiperftest.", "the engine knows no front door")
	}
	assert.ErrorContains(t, spoken(&recipes.DeadlineError{Probes: 3}), "give the test more time (go test -timeout) or shorter probes")
	assert.ErrorContains(t, spoken(fmt.Errorf("while: %w", &recipes.DeadlineError{Probes: 3})), "while: the deadline came after 3 probes")
	unauthorized := &loadgen.UnauthorizedError{URL: "http://h", Status: 401}
	assert.EqualError(t, spoken(unauthorized), "endpoint http://h answered 401: it requires an API key and none is set; "+
		"set AIPERF_API_KEY or use aiperftest.APIKey")
	unauthorized.HasKey = true
	assert.EqualError(t, spoken(unauthorized), "endpoint http://h answered 401: it refuses the API key that is set; "+
		"give another by AIPERF_API_KEY or aiperftest.APIKey")
	assert.Nil(t, spoken(nil))
	plain := errors.New("plain")
	assert.Equal(t, plain, spoken(plain))
	assert.EqualError(t, unwritten(plain), "plain with aiperftest.Artifacts or AIPERF_ARTIFACTS")
}

// TestOptionNames: every input of the table is the name of an option.
func TestOptionNames(t *testing.T) {
	for in := range flags {
		assert.Contains(t, optionOf(in), "aiperftest."+string(in)+"(…)")
	}
	assert.Equal(t, "aiperftest.Replicates(…)", optionOf("Replicates"), "AIPerf has no flag for it")
}
