package surfaces

import (
	"fmt"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Score is how one search did.
type Score struct {
	probes   int
	relErr   float64 // distance from the true boundary, as a share of it
	violates bool
	unsafe   bool
	regret   float64 // share of the best objective that is given away; NaN where nothing passes
	wasted   int     // probes at a concurrency already probed
}

// ScoreOf compares an answer, and the history that it was read off, with the truth.
// An answer violates if a filter fails there without noise; it is unsafe if, besides,
// nothing within 5% of it passes, or if it is more than 5% above the boundary.
func (s Surface) ScoreOf(a plan.Answer, h []plan.Observation) Score {
	sc := Score{probes: len(h), regret: math.NaN()}
	seen := map[float64]bool{}
	for _, o := range h {
		if seen[o.At[0]] {
			sc.wasted++
		}
		seen[o.At[0]] = true
	}
	none := math.IsNaN(a.Safe)
	switch {
	case s.Truth.Boundary == nil:
		if !none {
			sc.relErr, sc.unsafe = 1, true
		}
	case none:
		sc.relErr = 1
	default:
		sc.relErr = math.Abs(a.Safe-float64(*s.Truth.Boundary)) / float64(*s.Truth.Boundary)
	}
	if !none && !s.Passes(int(a.Safe)) {
		sc.violates = true
		near := false
		for c := int(math.Ceil(a.Safe * 0.95)); c <= int(a.Safe*1.05); c++ {
			near = near || c >= s.Lo && c <= s.Hi && s.Passes(c)
		}
		sc.unsafe = sc.unsafe || !near
	}
	if b := s.Truth.Boundary; b != nil && !none && a.Safe > 1.05*float64(*b) {
		sc.unsafe = true
	}
	if s.Truth.BestObjective != nil {
		sc.regret = 1
		if c, ok := s.chosen(a, h); ok {
			sc.regret = (*s.Truth.BestObjective - s.ObjectiveAt(c)) / *s.Truth.BestObjective
		}
	}
	return sc
}

// chosen is the concurrency of best_trials[0]: the best observed objective
// among the points at or below the safe value, one trial a visit.
func (s Surface) chosen(a plan.Answer, h []plan.Observation) (int, bool) {
	best, at := math.NaN(), math.NaN()
	for _, o := range h {
		ok := o.State == plan.Full && len(o.Goals) > 0 && !math.IsNaN(o.Goals[0].Value) && o.At[0] <= a.Safe &&
			!slices.ContainsFunc(o.Margins, func(l plan.Margin) bool { return !(l.Value <= 0) })
		if ok && (math.IsNaN(best) || s.better(o.Goals[0].Value, best)) {
			best, at = o.Goals[0].Value, o.At[0]
		}
	}
	if math.IsNaN(at) {
		return 0, false
	}
	return int(at), true
}

// Figures are the scores of one style over all runs.
type Figures struct {
	Runs int
	// Probes, Error and Wasted are means a search.
	Probes, Error, Wasted float64
	// Over5, Violates and Unsafe are shares of the searches.
	Over5, Violates, Unsafe float64
	// Regret is the median over the searches on surfaces where something passes.
	Regret float64
}

// Summarise makes one row's figures.
func Summarise(scores []Score) Figures {
	f := Figures{Runs: len(scores)}
	n := float64(len(scores))
	var regrets []float64
	share := func(b bool) float64 {
		if b {
			return 1 / n
		}
		return 0
	}
	for _, s := range scores {
		f.Probes += float64(s.probes) / n
		f.Error += s.relErr / n
		f.Wasted += float64(s.wasted) / n
		f.Over5 += share(s.relErr > 0.05)
		f.Violates += share(s.violates)
		f.Unsafe += share(s.unsafe)
		if !math.IsNaN(s.regret) {
			regrets = append(regrets, s.regret)
		}
	}
	slices.Sort(regrets)
	f.Regret = math.NaN()
	if k := len(regrets); k > 0 {
		f.Regret = (regrets[(k-1)/2] + regrets[k/2]) / 2
	}
	return f
}

// TableHead is the head of a Markdown table of Figures.Row.
const TableHead = "| style | probes | mean error | error > 5% | violates | unsafe | regret, median | wasted |\n" +
	"|---|---|---|---|---|---|---|---|\n"

// Row is the figures as a line of a Markdown table.
func (f Figures) Row(name string) string {
	return fmt.Sprintf("| %s | %.2f | %.2f%% | %.1f%% | %.1f%% | %.1f%% | %.2f%% | %.2f |\n",
		name, f.Probes, 100*f.Error, 100*f.Over5, 100*f.Violates, 100*f.Unsafe, 100*f.Regret, f.Wasted)
}

// BenchLine is the figures as a line that benchstat reads.
func (f Figures) BenchLine(name string) string {
	return fmt.Sprintf("BenchmarkSurfaces/style=%s %d %.4g probes/op %.4g error-pct %.4g over5-pct"+
		" %.4g violates-pct %.4g unsafe-pct %.4g regret-pct %.4g wasted/op\n",
		name, f.Runs, f.Probes, 100*f.Error, 100*f.Over5, 100*f.Violates, 100*f.Unsafe, 100*f.Regret, f.Wasted)
}
