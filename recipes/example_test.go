package recipes_test

import (
	"context"
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// A recipe of one's own: pareto-sweep under a new name, with the whole request's
// latency on the x axis instead of TTFT's.
func ExampleRegister() {
	pareto, _ := recipes.Lookup("pareto-sweep")
	mine := *pareto
	mine.Name = "latency-frontier"
	mine.Doc = "frontier of p99 latency against output token throughput"
	mine.Expand = func(in recipes.Inputs) (*recipes.Plan, error) {
		p, err := pareto.Expand(in)
		if err == nil {
			rule := p.Derive.(sweep.FrontierRule)
			rule.XMetric, rule.XStat = loadgen.TagLatency, "p99"
			p.Derive = rule
		}
		return p, err
	}
	if err := recipes.Register(&mine); err != nil {
		fmt.Println(err)
	}
	r, _ := recipes.Lookup("latency-frontier")
	pairs := "128/8,1024/8"
	out, err := recipes.Run(context.Background(), r, recipes.Spec{
		Prober: &formula{}, // an endpoint: Target: loadgen.Target{URL: …}
		Inputs: recipes.Inputs{Pairs: &pairs, ConcurrencyList: []int{1, 16}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, _ := out.Frontier()
	for _, c := range f.Cells {
		fmt.Printf("%d/%d at %d: %.0f ms, %.0f tok/s, optimal %v\n", c.ISL, c.OSL, c.Concurrency, c.X, c.Y, c.Optimal)
	}
	// Output:
	// 128/8 at 1: 81 ms, 148 tok/s, optimal true
	// 128/8 at 16: 108 ms, 1775 tok/s, optimal true
	// 1024/8 at 1: 148 ms, 81 tok/s, optimal false
	// 1024/8 at 16: 175 ms, 1095 tok/s, optimal false
}

// The smallest complete run: one question, one endpoint, one answer.
func ExampleRun() {
	r, err := recipes.Lookup("max-concurrency-under-sla")
	if err != nil {
		fmt.Println(err)
		return
	}
	ttft := 200.0 // ms, at the 95th percentile
	out, err := recipes.Run(context.Background(), r, recipes.Spec{
		Prober: &formula{}, // an endpoint: Target: loadgen.Target{URL: …}
		Inputs: recipes.Inputs{TTFT: &ttft},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Verdict, out.Best.Concurrency())
	// Output:
	// met 241
}

// A derivation of one's own: the concurrency with the least latency a token.
func ExampleRun_derivation() {
	least := func(s *sweep.Sweep) (any, error) {
		best, least := 0.0, 0.0
		for i := range s.Points {
			c, ok1 := s.Points[i].Param("concurrency")
			v, ok2 := s.Points[i].Stat(loadgen.TagITL, "p95")
			if ok1 && ok2 && (best == 0 || v < least) {
				best, least = c, v
			}
		}
		return map[string]float64{"concurrency": best, "itl_p95_ms": least}, nil
	}
	out, err := recipes.Run(context.Background(), &recipes.Recipe{
		Name: "least-latency",
		Doc:  "the concurrency with the least latency a token",
		Expand: func(recipes.Inputs) (*recipes.Plan, error) {
			return &recipes.Plan{
				Grid:   []recipes.Axis{{Path: recipes.PathConcurrency, Values: []float64{4, 1, 16}}},
				Derive: sweep.Custom{Handler: "least_latency", Output: "least_latency.json", Rule: least},
			}, nil
		},
	}, recipes.Spec{Prober: &formula{}, Workload: loadgen.Load{ISL: 128, OSL: 8}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", out.Derived["least_latency.json"])
	// Output:
	// {"concurrency":1,"itl_p95_ms":6.375}
}
