package plan

// Optuna is the style "optuna": a sampler by name, the rules of [Bayes]. The
// sampler "tpe" is a tree-structured Parzen estimator with feasible points
// first, "gp" plain log expected improvement. The goal comes before the boundary,
// which is judged by the same models whatever the sampler. Reasons are those of
// Bayes with the prefix "optuna", [ReasonRegretBound] and [ReasonEMMR].
type Optuna struct {
	Sampler   string  // "tpe" (also for "") or "gp"
	Initial   int     // quasi-random points before the sampler; 0 means 5
	Patience  int     // probes without a feasible improvement before it ends; 0 means 10
	Window    int     // feasible goals the plateau rule looks at; 0 means 8
	Threshold float64 // relative deviation that is a plateau; 0 means 0.01

	// Terminator is one more rule that ends a search for one goal:
	// [TerminatorRegret], when no point can beat the best by more than noise, or
	// [TerminatorEMMR], when the expected minimum simple regret falls by less
	// than 1 % of the goal. Empty: none.
	Terminator string
}

func (o Optuna) settings(p Problem) settings {
	c := Bayes{Initial: o.Initial, Patience: o.Patience, Window: o.Window, Threshold: o.Threshold}.settings(p)
	c.prefix, c.terminator = "optuna", o.Terminator
	c.boundaryFirst = false
	c.suggest, c.plausible = (*study).ratio, 0.02
	if o.Sampler == "gp" {
		c.suggest, c.plausible = (*study).expect, 0.005
	}
	return c
}

// Next returns the next point of the search.
func (o Optuna) Next(p Problem, h []Observation) Step { return o.settings(p).next(p, h) }

// Answers returns what the history supports, per tier.
func (o Optuna) Answers(p Problem, h []Observation) []Answer { return o.settings(p).answers(p, h) }
