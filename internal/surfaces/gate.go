package surfaces

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// What docs/gate.md promises of a gate.
const (
	gateTolerance  = 0.05
	gateFalseAlarm = 0.01   // the share of false alarms, at most
	gateFound      = 0.95   // the share of losses of 10% that is found, at least
	gateRequests   = 12_000 // of a capacity gate, at most, where the boundary is at most 500
)

// Verdicts counts the verdicts of the gates of one case, and what they cost.
type Verdicts struct {
	verdicts [3]int
	requests int
	most     int // requests of the gate that took the most
}

func (c *Verdicts) add(v recipes.Verdict, requests int) {
	c.verdicts[v]++
	c.requests += requests
	c.most = max(c.most, requests)
}

// Runs is how many gates were run.
func (c *Verdicts) Runs() int { return c.verdicts[0] + c.verdicts[1] + c.verdicts[2] }

func (c *Verdicts) share(v recipes.Verdict) float64 {
	return float64(c.verdicts[v]) / float64(max(c.Runs(), 1))
}

// GateHead is the head of a Markdown table of Gates.Rows.
const GateHead = "| surface | requests of a probe | capacity | met | missed | inconclusive | requests | at most |\n" +
	"|---|---|---|---|---|---|---|---|\n"

// Gates is how the gates of one surface did: of the same server as the baseline's, and
// of one that lost a tenth of its capacity.
type Gates struct {
	Surface     Surface
	Kind        string
	Same, Worse Verdicts
	// Baseline is the requests that a baseline takes, and Vague the share of the
	// baselines that a gate would refuse; of capacity gates only.
	Baseline int
	Vague    float64

	most int // bound of the requests that a gate takes; zero means none
}

// Rows is the figures as lines of a Markdown table.
func (g *Gates) Rows() string {
	text := ""
	for _, c := range []struct {
		capacity string
		v        *Verdicts
	}{{"unchanged", &g.Same}, {"−10%", &g.Worse}} {
		text += fmt.Sprintf("| %s | %s | %s | %.1f%% | %.1f%% | %.1f%% | %d | %d |\n", g.Surface.Name, g.Kind, c.capacity,
			100*c.v.share(recipes.Met), 100*c.v.share(recipes.Missed), 100*c.v.share(recipes.Inconclusive),
			c.v.requests/max(c.v.Runs(), 1), c.v.most)
	}
	return text
}

// Check returns the promises that the gates break, as strictly as the number of runs
// allows: the rates themselves from 1,000 runs on, and with fewer what is plainly
// beyond chance.
func (g *Gates) Check() []error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(g.Surface.Name+" "+g.Kind+": "+format, args...))
	}
	runs := g.Same.Runs()
	alarms, lost := g.Same.verdicts[recipes.Missed], g.Worse.Runs()-g.Worse.verdicts[recipes.Missed]
	if !within(alarms, runs, gateFalseAlarm) {
		bad("%d false alarms in %d runs", alarms, runs)
	}
	if !within(lost, g.Worse.Runs(), 1-gateFound) {
		bad("%d losses not found in %d runs", lost, g.Worse.Runs())
	}
	if share := g.Same.share(recipes.Missed); runs >= 1000 && share > gateFalseAlarm {
		bad("a share of %v are false alarms", share)
	}
	if share := g.Worse.share(recipes.Missed); runs >= 1000 && share < gateFound {
		bad("a share of %v of the losses is found", share)
	}
	if most := max(g.Same.most, g.Worse.most); g.most > 0 && most > g.most {
		bad("a gate took %d requests, more than %d", most, g.most)
	}
	return errs
}

// within reports whether k of n is what a true share of at most p brings about, but
// for one time in a thousand.
func within(k, n int, p float64) bool {
	tail, term := 0.0, math.Pow(1-p, float64(n))
	for i := range k {
		tail += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return 1-tail > 0.001
}

// each calls f for 0 … n−1 on all cores, and returns an error of those it had.
func each(n int, f func(int) error) error {
	var wg sync.WaitGroup
	next, errs := make(chan int), make(chan error, n)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				errs <- f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func gateKind(blocks bool) string {
	if blocks {
		return "in blocks"
	}
	return "independent"
}

// GateRates counts the verdicts of capacity gates. Each baseline is itself a search
// with noise, and shared by so many gates of either case.
func GateRates(s Surface, blocks bool, runs, shared int) (*Gates, error) {
	g := &Gates{Surface: s, Kind: gateKind(blocks)}
	if s.Truth.Boundary != nil && *s.Truth.Boundary <= 500 {
		g.most = gateRequests
	}
	var mu sync.Mutex
	n := runs / shared
	err := each(n, func(i int) error {
		rng := RNG(s.Name, i, "gate "+g.Kind)
		old := &Server{Surface: s, Blocks: blocks, RNG: rng}
		base, err := recipes.Run(context.Background(), s.Recipe(), recipes.Spec{
			Prober: old, Workload: loadgen.Load{Requests: ProbeRequests}, Precise: (&recipes.Gate{Tolerance: gateTolerance}).Precise()})
		if err != nil {
			return fmt.Errorf("a baseline of %s: %w", s.Name, err)
		}
		gate := &recipes.Gate{Was: base.Boundary.Estimate, Interval: base.Boundary.Interval, Tolerance: gateTolerance}
		mu.Lock()
		g.Baseline += old.Requests
		if gate.Vague() {
			g.Vague++
		}
		mu.Unlock()
		for range shared {
			for k, left := range []float64{1, 0.9} {
				now := &Server{Surface: s, Blocks: blocks, RNG: rng, Capacity: left}
				out, err := recipes.Run(context.Background(), s.Recipe(), recipes.Spec{
					Prober: now, Workload: loadgen.Load{Requests: ProbeRequests}, Baseline: base, Gate: gate})
				if err != nil {
					return fmt.Errorf("a gate of %s: %w", s.Name, err)
				}
				mu.Lock()
				[]*Verdicts{&g.Same, &g.Worse}[k].add(out.Verdict, now.Requests)
				mu.Unlock()
			}
		}
		return nil
	})
	g.Baseline /= n
	g.Vague /= float64(n)
	return g, err
}

// FixedGateRates counts the verdicts of gates of a fixed load at the surface's boundary:
// ten measurements for a baseline, and as many more as the gate chooses by itself.
func FixedGateRates(s Surface, blocks bool, runs int) (*Gates, error) {
	if s.Truth.Boundary == nil {
		return nil, fmt.Errorf("%s has no boundary to fix a load at", s.Name)
	}
	g := &Gates{Surface: s, Kind: gateKind(blocks)}
	var mu sync.Mutex
	err := each(runs, func(i int) error {
		rng := RNG(s.Name, i, "fixed gate "+g.Kind)
		measure := func(left float64, trials int) ([]bench.Series, int, error) {
			server := &Server{Surface: s, Blocks: blocks, RNG: rng, Capacity: left}
			out, err := recipes.Run(context.Background(), recipes.Fixed(*s.Truth.Boundary), recipes.Spec{
				Prober: server, Workload: loadgen.Load{Requests: ProbeRequests}, Trials: trials})
			if err != nil {
				return nil, 0, fmt.Errorf("a fixed load on %s: %w", s.Name, err)
			}
			return seriesOf(out), server.Requests, nil
		}
		old, _, err := measure(1, 10)
		if err != nil {
			return err
		}
		for k, left := range []float64{1, 0.9} {
			now, n, err := measure(left, bench.TrialsFor(10, len(old)))
			if err != nil {
				return err
			}
			v := bench.Compare(old, now, gateTolerance).Verdict()
			mu.Lock()
			[]*Verdicts{&g.Same, &g.Worse}[k].add(v, n)
			mu.Unlock()
		}
		return nil
	})
	return g, err
}

// seriesOf is what bench.txt would have of a surface's run.
func seriesOf(o *recipes.Outcome) []bench.Series {
	var out []bench.Series
	for _, m := range []struct {
		tag, stat string
		higher    bool
	}{
		{loadgen.TagTTFT, "p95", false}, {loadgen.TagITL, "p95", false}, {loadgen.TagLatency, "p99", false},
		{loadgen.TagTokenRate, "avg", true}, {loadgen.TagGoodput, "avg", true}, {loadgen.TagErrorRate, "avg", false},
	} {
		s := bench.Series{Unit: m.tag + " " + m.stat, Higher: m.higher}
		for _, trial := range o.Probes[0].Trials {
			if v, ok := trial.Stat(m.tag, m.stat); ok {
				s.Values = append(s.Values, v)
			}
		}
		out = append(out, s)
	}
	return out
}
