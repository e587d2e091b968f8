package repeats

import (
	"flag"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
)

var (
	runs     = flag.Int("runs", 4, "searches of an engine in a style")
	styles   = flag.String("styles", "sequential", "styles, joined by commas")
	engines  = flag.String("engines", "batch", "names of engines, joined by commas")
	drawn    = flag.Uint64("drawn", 0, "engines that are drawn at random, in place of those named")
	draws    = flag.Uint64("draws", 1, "seed of the first engine that is drawn")
	restarts = flag.Int("restarts", Restarts, "restarts that are pooled for the truth")
	mixed    = flag.Int("mixed", 1, "searches under a mixed workload")
	compute  = flag.Bool("truth", false, "compute the truth of the mixed workload")
)

// TestRepeats searches one server several times, each with another seed, in virtual
// time: the answers must lie near each other and near the truth, and the intervals that
// they state must hold it. All engines and styles, ten searches each, take some four
// minutes:
//
//	go test ./internal/repeats -run TestRepeats -v -args -runs 10 -engines batch,long-step,chunked \
//		-styles sequential,smooth_isotonic,monotonic
//
// Others may be named, too, or drawn. Of them it is only held that no answer is far above the truth.
// For some of them twenty restarts tell the truth badly, and -restarts 300 pools more.
//
// The command internal/experiments/repeats does the same over sockets, in real time.
func TestRepeats(t *testing.T) {
	tuned := Engines()
	var searched []Engine
	for _, e := range slices.Concat(tuned, Others()) {
		if strings.Contains(","+*engines+",", ","+e.Name+",") && *drawn == 0 {
			searched = append(searched, e)
		}
	}
	for i := range *drawn {
		e := Drawn(*draws + i)
		t.Logf("%s: %v, %v a sequence, %v a token, chunk %d, %d in, %d out, TTFT p95 < %v", e.Name, e.Model.Step, e.Model.PerSeq,
			e.Model.PerPromptToken, e.Model.Chunk, e.ISL, e.OSL, e.Limit)
		searched = append(searched, e)
	}
	for _, e := range searched {
		truth := e.Truth(*restarts)
		for _, style := range strings.Split(*styles, ",") {
			t.Run(e.Name+"/"+style, func(t *testing.T) {
				var answers []Answer
				for seed := range uint64(*runs) {
					synctest.Test(t, func(t *testing.T) {
						a, err := e.SearchInMemory(t.Context(), recipes.Style(style), seed+1)
						require.NoError(t, err)
						t.Logf("%.0f in [%.1f, %.1f], %v, %s, %d requests, %.0f s", a.Safe, a.Lo, a.Hi, a.Verdict, a.Reason, a.Requests, a.Took.Seconds())
						answers = append(answers, a)
					})
				}
				s := Summarize(answers, truth)
				t.Logf("truth %d, mean %.1f, CV %.1f%%, %d more than 5%% above, %d more than 10%%; %d of %d intervals hold the truth; %.0f s a search",
					truth, s.Mean, 100*s.CV, s.Above5, s.Above, s.Holds, s.N-s.Without, s.Seconds)
				assert.Zero(t, s.None)
				assert.Zero(t, s.Above)
				if !slices.ContainsFunc(tuned, func(o Engine) bool { return o.Name == e.Name }) {
					return
				}
				assert.LessOrEqual(t, math.Abs(s.Mean/float64(truth)-1), 0.05)
				for _, a := range answers {
					assert.Greater(t, a.Safe, 0.85*float64(truth), "an answer fell")
				}
				if len(answers) >= 10 { // fewer say too little of how answers scatter
					assert.LessOrEqual(t, s.CV, 0.04)
					assert.LessOrEqual(t, s.Above5, s.N/10)
					assert.GreaterOrEqual(t, s.Holds, (s.N-s.Without)*9/10)
				}
			})
		}
	}
}

// TestMixed searches an engine under the load that people have: lengths that are log-normal,
// three shared prefixes, and conversations with several turns for one in five. The answers must
// lie within 5% of the truth on average, and near each other. Ten searches take some two
// minutes, and with -truth the truth is computed and not only looked up, which takes another
// half:
//
//	go test ./internal/repeats -run TestMixed -v -args -mixed 10 -truth
func TestMixed(t *testing.T) {
	e, truth := Mixed()
	if *compute {
		require.Equal(t, e.Truth(Restarts), truth)
	}
	var answers []Answer
	for seed := range uint64(*mixed) {
		synctest.Test(t, func(t *testing.T) {
			a, err := e.SearchInMemory(t.Context(), "", seed+1)
			require.NoError(t, err)
			t.Logf("%.0f in [%.1f, %.1f], %v, %s, %d requests, %.0f s", a.Safe, a.Lo, a.Hi, a.Verdict, a.Reason, a.Requests, a.Took.Seconds())
			answers = append(answers, a)
		})
	}
	s := Summarize(answers, truth)
	t.Logf("truth %d, mean %.1f, CV %.1f%%, %d of %d intervals hold the truth; %.0f s a search",
		truth, s.Mean, 100*s.CV, s.Holds, s.N-s.Without, s.Seconds)
	assert.Zero(t, s.None)
	for _, a := range answers {
		assert.InEpsilon(t, float64(truth), a.Safe, 0.10)
	}
	if len(answers) >= 10 { // one search in fourteen answers 55, and a few say too little of the mean
		assert.InEpsilon(t, float64(truth), s.Mean, 0.05)
		assert.LessOrEqual(t, s.CV, 0.03)
	}
}
