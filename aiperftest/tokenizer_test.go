package aiperftest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestTokenizer: a server that reports no usage is measured in the tokenizer's
// tokens, and without one in estimates that are called so.
func TestTokenizer(t *testing.T) {
	mute := aiperftest.Simulated(simserver.Model{Step: time.Millisecond, Faults: simserver.Faults{NoUsage: true}})
	size := aiperftest.Options{mute, aiperftest.Tokens(16, 6), aiperftest.Requests(20), aiperftest.Seed(7)}
	for _, tt := range []struct {
		why    string
		option aiperftest.Option
		osl    float64 // of " the quick brown fox jumps over"
		guess  bool
	}{
		{"by the events", nil, 6, true},
		{"by the vocabulary, as Hugging Face has it", aiperftest.Tokenizer("../loadgen/internal/bpe/testdata/gpt2.tokenizer.json"),
			18, false},
	} {
		var out *recipes.Outcome
		f := run(t, "TestLoad", func(ft aiperftest.T) { out = aiperftest.Run(ft, recipes.Fixed(2), size, tt.option) })
		require.Empty(t, f.errs, tt.why)
		v, ok := out.Probes[0].Trials[0].Stat("output_sequence_length", "avg")
		require.True(t, ok)
		assert.Equal(t, tt.osl, v, tt.why)
		assert.Equal(t, tt.guess, strings.Contains(unfolded(f.transcript()), "token counts are estimates"), tt.why)
	}
	f := run(t, "TestLoad", func(ft aiperftest.T) { aiperftest.Run(ft, recipes.Fixed(2), size, aiperftest.Tokenizer("none.json")) })
	assert.Contains(t, unfolded(strings.Join(f.errs, "\n")),
		"cannot use aiperftest.Tokenizer(…), the path of a tokenizer.json (names are not downloaded): open none.json")
}
