package surfaces

import (
	"fmt"

	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Style is one row of the table, with what it has to beat.
type Style struct {
	Name    string
	Planner plan.Planner
	Budget  int       // probes
	List    []float64 // the points of a grid

	// AIPerf is the row of its namesake: mean probes and mean error on the 14 public
	// surfaces at 20 seeds. MayTie allows as many probes.
	AIPerf struct{ Probes, Error float64 }
	MayTie bool
	// MaxProbes bounds the mean probes, and MaxViolates the share of answers that violate the
	// SLA. Zero means that nothing does.
	MaxProbes, MaxViolates float64
}

func row(probes, err float64) struct{ Probes, Error float64 } {
	return struct{ Probes, Error float64 }{probes, err}
}

// Styles are compared with AIPerf's, in this order. The grid has the points and the
// verdicts of AIPerf's, so its error is the same but for the noise drawn: 32% to 33%,
// on either side of the row. Style sequential has no namesake: it is held to the error of
// optuna GP, and to less than the probes of smooth_isotonic, AIPerf's default.
var Styles = []Style{
	{Name: "grid", Planner: plan.List{}, List: []float64{1, 3, 7, 19, 52, 139, 373, 1000}, Budget: 8, AIPerf: row(8, 0.33), MayTie: true},
	{Name: "monotonic", Planner: plan.Monotonic{}, Budget: 20, AIPerf: row(17.9, 0.203)},
	{Name: "smooth_isotonic", Planner: plan.SmoothIsotonic{}, Budget: 30, AIPerf: row(12.5, 0.015), MaxViolates: 0.05},
	{Name: "bo", Planner: plan.Bayes{}, Budget: 30, AIPerf: row(19.8, 0.153), MaxViolates: 0.05},
	{Name: "optuna-tpe", Planner: plan.Optuna{}, Budget: 30, AIPerf: row(19.8, 0.153), MaxViolates: 0.05},
	{Name: "optuna-gp", Planner: plan.Optuna{Sampler: "gp"}, Budget: 30, AIPerf: row(20.5, 0.064), MaxViolates: 0.05},
	{Name: "sequential", Planner: plan.Sequential{}, Budget: 30, AIPerf: row(12.5, 0.064), MaxProbes: 7.5, MaxViolates: 0.02},
}

// Run searches a surface once, a probe being one draw of its metrics.
func (st Style) Run(s Surface, seed int) (Score, error) {
	rng := RNG(s.Name, seed, "noise")
	p := s.Problem(st.Budget, uint64(seed))
	for _, x := range st.List {
		p.List = append(p.List, []float64{x})
	}
	h, _, err := Search(st.Planner, p, func(step plan.Step) plan.Observation {
		return s.Observe(step.At, s.Noisy(int(step.At[0]), rng), false)
	})
	if err != nil {
		return Score{}, fmt.Errorf("style %s on %s, seed %d: %w", st.Name, s.Name, seed, err)
	}
	return s.ScoreOf(st.Planner.Answers(p, h)[0], h), nil
}

// Check returns what the figures of the 14 public surfaces at 20 seeds or more lack
// to beat AIPerf's.
func (st Style) Check(f Figures) []error {
	var errs []error
	if f.Probes > st.AIPerf.Probes || f.Probes == st.AIPerf.Probes && !st.MayTie {
		errs = append(errs, fmt.Errorf("%s: %v probes a search, AIPerf's takes %v", st.Name, f.Probes, st.AIPerf.Probes))
	}
	if !(f.Error < st.AIPerf.Error) {
		errs = append(errs, fmt.Errorf("%s: the mean error is %v, AIPerf's is %v", st.Name, f.Error, st.AIPerf.Error))
	}
	if st.MaxProbes > 0 && f.Probes > st.MaxProbes {
		errs = append(errs, fmt.Errorf("%s: %v probes a search, the bound is %v", st.Name, f.Probes, st.MaxProbes))
	}
	if st.MaxViolates > 0 && f.Violates > st.MaxViolates {
		errs = append(errs, fmt.Errorf("%s: a share of %v of the answers violates the SLA, the bound is %v",
			st.Name, f.Violates, st.MaxViolates))
	}
	return errs
}

// Styled is one style's searches of several surfaces: the figures of all, and of
// each surface by its name.
type Styled struct {
	Style     Style
	Figures   Figures
	BySurface map[string]Figures
}

// RunStyles searches every surface with the given styles, once a seed.
func RunStyles(styles []Style, all []Surface, seeds int) ([]Styled, error) {
	var out []Styled
	for _, st := range styles {
		r := Styled{Style: st, BySurface: map[string]Figures{}}
		var scores []Score
		for _, s := range all {
			first := len(scores)
			for seed := range seeds {
				sc, err := st.Run(s, seed)
				if err != nil {
					return nil, err
				}
				scores = append(scores, sc)
			}
			r.BySurface[s.Name] = Summarise(scores[first:])
		}
		r.Figures = Summarise(scores)
		out = append(out, r)
	}
	return out, nil
}
