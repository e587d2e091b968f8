package recipes_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

func TestGateSim(t *testing.T) {
	runs := 100
	if v := os.Getenv("AIPERF_GATE_RUNS"); v != "" {
		runs, _ = strconv.Atoi(v)
	}
	var b strings.Builder
	for _, s := range loadSurfaces(t) {
		if s.Truth.Boundary == nil || *s.Truth.Boundary == 1000 || *s.Truth.Boundary < 10 {
			continue
		}
		if only := os.Getenv("ONLY"); only != "" && !strings.Contains(s.Name, only) {
			continue
		}
		for _, blocks := range []bool{false, true} {
			var baseReq, gateReq [2]int
			var count [2][3]int
			var bias, sq float64
			worst, refused := 0, 0
			for i := range runs {
				rng := surfaceRNG(s.Name, i, fmt.Sprint("gate", blocks))
				old := &requestServer{surface: s, blocks: blocks, rng: rng}
				base, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{Prober: old, Workload: loadgen.Load{Requests: 1000}, Precise: 0.03})
				require.NoError(t, err)
				baseReq[0] += 2 * old.requests
				e := math.Log(base.Boundary.Estimate / (float64(*s.Truth.Boundary) + 0.5))
				bias += e
				sq += e * e
				for v, k := range []float64{1, 0.9} {
					now := &requestServer{surface: s, blocks: blocks, rng: rng, capacity: k}
					out, err := recipes.Run(context.Background(), s.recipe(), recipes.Spec{Prober: now, Workload: loadgen.Load{Requests: 1000},
						Gate: &recipes.Gate{Was: base.Boundary.Estimate, Tolerance: 0.05}})
					require.NoError(t, err)
					gateReq[v] += now.requests
					worst = max(worst, now.requests)
					count[v][out.Verdict]++
				}
			}
			fmt.Fprintf(&b, "refused %d ", refused)
			n := float64(runs - refused)
			fmt.Fprintf(&b, "%-18s blocks %-5v base: %5.0f req, bias %+.3f rms %.3f | same: missed %5.1f%% open %5.1f%% %5.0f req | -10%%: missed %5.1f%% open %5.1f%% met %5.1f%% %5.0f req (worst %d)\n", s.Name, blocks,
				float64(baseReq[0]+baseReq[1])/2/n, bias/n, math.Sqrt(sq/n),
				100*float64(count[0][recipes.Missed])/n, 100*float64(count[0][recipes.Inconclusive])/n, float64(gateReq[0])/n,
				100*float64(count[1][recipes.Missed])/n, 100*float64(count[1][recipes.Inconclusive])/n, 100*float64(count[1][recipes.Met])/n, float64(gateReq[1])/n, worst)
		}
	}
	t.Logf("%d runs\n%s", runs, b.String())
}
