package aiperftest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

// A gate takes an interval from its baseline, at the level that it has, and no bracket:
// how far apart the last pass and the first failure lie says nothing of how well the
// boundary between them is known.
func TestGateInterval(t *testing.T) {
	for _, k := range []string{"AIPERF_URL", "AIPERF_ARTIFACTS", "AIPERF_REQUIRE", "AIPERF_SEED", "AIPERF_UPDATE_BASELINE"} {
		t.Setenv(k, "")
	}
	for _, tt := range []struct {
		why       string
		style     recipes.Style
		tolerance float64
		level     float64
		says      string // after the boundary
	}{
		{"a bracket, which is narrower than the tolerance", recipes.Monotonic, 0.2, 0, "in "},
		{"a bracket, which would be too wide for an interval", recipes.Monotonic, 0.01, 0, "in "},
		{"an interval of the usual level", recipes.Sequential, 0.2, 0.95, "(95% CI ["},
		{"an interval of a lower level", recipes.BO, 0.2, 0.90, "(90% CI ["},
	} {
		t.Run(tt.why, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				common := aiperftest.Options{
					aiperftest.Charts(false), aiperftest.Tokens(550, 128), aiperftest.Seed(7), aiperftest.Requests(2000),
					aiperftest.ProbeTime(time.Minute),
					aiperftest.Concurrency(1, 200), aiperftest.TTFT(200 * time.Millisecond), aiperftest.Prober(&curve{ttft: linear(2)}),
				}
				within := func(body func(aiperftest.T)) *fakeT {
					f := &fakeT{TB: fixedDir{t, dir}, name: "TestCapacity"}
					done := make(chan struct{})
					go func() { defer close(done); body(f) }()
					<-done
					return f
				}
				within(func(ft aiperftest.T) {
					aiperftest.RunRecipe(ft, "max-concurrency-under-sla", common, aiperftest.Style(tt.style), aiperftest.Artifacts(dir))
				})
				path := filepath.Join(dir, "search_history.json")
				_, err := os.Stat(path)
				require.NoError(t, err)

				var out *recipes.Outcome
				f := within(func(ft aiperftest.T) {
					out = aiperftest.Gate(ft, "max-concurrency-under-sla", path, common, aiperftest.Tolerance(tt.tolerance))
				})
				text := unfolded(f.transcript())
				require.NotNil(t, out.Spec.Gate, text)
				assert.Equal(t, tt.level, out.Spec.Gate.Level)
				assert.Regexp(t, `the boundary was [0-9.]+ `+regexp.QuoteMeta(tt.says), text)
				assert.NotContains(t, text, "its boundary is known to")
			})
		})
	}
}
