// Command scenes searches servers whose latencies hang together in known ways, and
// prints how often each style is wrong.
//
//	go run ./internal/experiments/scenes -seeds 100
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"

	"github.com/aiperf-go/aiperf/internal/scenes"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// tally sums what the searches of one scene by one style came to.
type tally struct {
	runs, answers, above, far, wrong, certain, intervals, holds, open, cis, covered int
	requests, seconds, low                                                          float64
	probes                                                                          int
}

func main() {
	seeds := flag.Int("seeds", 20, "seeds a cell")
	from := flag.Uint64("from", 0, "the first seed: settings that were chosen by some seeds are checked with others")
	wrongs := flag.Bool("wrong", false, "print the probes of each search that has wrong certain verdicts or a far answer")
	styles := flag.String("styles", "sequential,smooth_isotonic,monotonic", "styles, joined by commas; all for every one")
	only := flag.String("scene", "", "scenes whose name contains this; empty for all")
	flag.Parse()
	if *styles == "all" {
		*styles = "sequential,smooth_isotonic,monotonic,bo,optuna,grid"
	}
	fmt.Println("| scene | style | met | > 5% above | above | wrong certain | holds | open | covers | answer | probes | requests | s |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, law := range scenes.Laws() {
		if !strings.Contains(law.Name, *only) {
			continue
		}
		shares := sharesOf(law)
		for _, style := range strings.Split(*styles, ",") {
			var t tally
			var mu sync.Mutex
			var wg sync.WaitGroup
			gate := make(chan struct{}, 2)
			for i := range *seeds {
				seed := *from + uint64(i)
				wg.Add(1)
				gate <- struct{}{}
				go func() {
					defer func() { <-gate; wg.Done() }()
					one, out := search(law, recipes.Style(style), seed, shares)
					mu.Lock()
					defer mu.Unlock()
					t.add(one)
					if *wrongs && one.wrong+one.far > 0 {
						printProbes(out, seed, shares)
					}
				}()
			}
			wg.Wait()
			fmt.Println(t.row(law.Name, style))
		}
	}
}

// sharesOf is the true share of slow requests by concurrency.
func sharesOf(law scenes.Law) func(c int) float64 {
	known := map[int]float64{}
	var mu sync.Mutex
	return func(c int) float64 {
		mu.Lock()
		defer mu.Unlock()
		if v, ok := known[c]; ok {
			return v
		}
		known[c] = law.Exceeds(float64(c))
		return known[c]
	}
}

// search runs one search and counts its answer, its certain verdicts and its intervals.
func search(law scenes.Law, style recipes.Style, seed uint64, share func(int) float64) (t tally, out *recipes.Outcome) {
	limit := scenes.Limit
	s := scenes.New(law, seed)
	r, err := recipes.Lookup("max-concurrency-under-sla")
	if err != nil {
		panic(err)
	}
	out, err = recipes.Run(context.Background(), r, recipes.Spec{
		Prober:   s,
		Inputs:   recipes.Inputs{TTFT: &limit, Style: style, Concurrency: recipes.Bounds{Max: new(400)}},
		Workload: loadgen.Load{Seed: seed},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, law.Name, style, seed, err)
	}
	t.runs, t.requests, t.seconds, t.probes = 1, float64(s.Asked), s.Now().Seconds(), s.Probes
	for i := range out.Probes {
		p := &out.Probes[i]
		pass, certain := p.Passes(out.Spec.Confidence)
		if counts, right := truth(share(p.Load.Concurrency)); certain && counts {
			t.certain++
			if pass != right {
				t.wrong++
			}
		}
		if v := p.Readings[0]; !math.IsNaN(v.Lo) && p.State() == "full" && law.Stall == 0 && law.Drift == 0 {
			t.cis++
			if truth := quantile(law, float64(p.Load.Concurrency)); v.Lo <= truth && truth <= v.Hi {
				t.covered++
			}
		}
	}
	if out.Verdict != recipes.Met {
		t.open = 1
		return t, out
	}
	a := float64(out.Best.Concurrency())
	t.answers = 1
	t.low = a
	if a > scenes.Boundary {
		t.above = 1
	}
	if a > 1.05*scenes.Boundary {
		t.far = 1
	}
	if b := out.Boundary; !math.IsNaN(b.Lo) && !math.IsNaN(b.Hi) {
		t.intervals = 1
		if b.Lo <= scenes.Boundary+0.5 && scenes.Boundary-0.5 <= b.Hi {
			t.holds = 1
		}
	}
	return t, out
}

// truth is the verdict on a point with a share q of slow requests. It counts if the point is not so
// near to the limit of 5% that no verdict on it is wrong.
func truth(q float64) (counts, pass bool) { return q < 0.04 || q > 0.0625, q < 0.05 }

// printProbes prints what a search saw, in order, with the verdicts that are certain.
func printProbes(out *recipes.Outcome, seed uint64, share func(int) float64) {
	b := out.Boundary
	fmt.Printf("seed %d: %v, answer %v, estimate %.1f in [%.1f, %.1f], %s\n",
		seed, out.Verdict, out.Best.Concurrency(), b.Estimate, b.Lo, b.Hi, out.Reason)
	now := 0.0
	for i := range out.Probes {
		p := &out.Probes[i]
		o, r := p.Observed, p.Readings[0]
		now += o.Asked.Apart.Seconds() + o.Lasted.Seconds()
		said := ""
		if pass, certain := p.Passes(out.Spec.Confidence); certain {
			said = fmt.Sprint("certain: ", pass)
			if counts, right := truth(share(p.Load.Concurrency)); counts && pass != right {
				said += " WRONG"
			}
		}
		fmt.Printf("  %6.1f s: %3d, apart %4.1f, %4.1f s, %5d requests, %-9s "+
			"margin %+.3f ± %.3f, now ± %.3f, P %.4f, now %.4f, excess %+.0f %s\n",
			now, p.Load.Concurrency, o.Asked.Apart.Seconds(), o.Lasted.Seconds(), o.Requests, p.State(),
			o.Margins[0].Value, o.Margins[0].SE, r.MarginSE, o.Margins[0].Pass, r.Pass, o.Margins[0].Excess, said)
	}
}

// quantiles keeps the true percentiles by scene and concurrency.
var quantiles sync.Map

func quantile(l scenes.Law, c float64) float64 {
	key := fmt.Sprint(l.Name, c)
	if v, ok := quantiles.Load(key); ok {
		return v.(float64)
	}
	v := l.Quantile(c, 0.95)
	quantiles.Store(key, v)
	return v
}

func (t *tally) add(o tally) {
	t.runs += o.runs
	t.answers += o.answers
	t.above += o.above
	t.far += o.far
	t.wrong += o.wrong
	t.certain += o.certain
	t.intervals += o.intervals
	t.holds += o.holds
	t.open += o.open
	t.cis += o.cis
	t.covered += o.covered
	t.requests += o.requests
	t.seconds += o.seconds
	t.probes += o.probes
	t.low += o.low
}

func (t tally) row(scene, style string) string {
	share := func(a, b int) string {
		if b == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f%%", 100*float64(a)/float64(b))
	}
	n := float64(t.runs)
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %d of %d, %.1f%% | %s | %s | %s | %.0f | %.1f | %.0f | %.0f |",
		scene, style, share(t.answers, t.runs), share(t.far, t.runs), share(t.above, t.runs),
		t.wrong, t.certain, 100*float64(t.wrong)/max(float64(t.certain), 1),
		share(t.holds, t.intervals), share(t.open, t.runs), share(t.covered, t.cis), t.low/max(float64(t.answers), 1),
		float64(t.probes)/n, t.requests/n, t.seconds/n)
}
