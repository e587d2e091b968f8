package plan

// Bayes is Bayesian optimization (style bo, AIPerf's planner "bayesian"): one Gaussian
// process per limit, on the margin, and one per goal; the next point has the largest
// noisy log expected improvement times the probability that every limit holds. In one
// dimension it uses that margins rise with load: the processes have a straight trend,
// initial points fall only where the verdict is still open, and the boundary of the
// limits is settled before the goal. With several goals the improvement is that of
// hypervolume. Several tiers are settled one after the other from shared probes. Its
// answers have an Interval at level 0.90 where there are limits, and a Bracket otherwise.
//
// It ends with AIPerf's reasons ([ReasonMaxIterations], [ReasonPatience],
// [ReasonPlateau]) or with one of its own: bayesian_precision_reached,
// bayesian_no_pass_in_range, bayesian_no_failure_in_range, bayesian_no_points_left;
// unmeasured and untrusted as every style. The zero value is ready.
type Bayes struct {
	// Initial is the number of quasi-random points before the models; zero means 5.
	Initial int
	// Patience is the number of probes without a feasible improvement before it ends;
	// zero means 10.
	Patience int
	// Window is the number of feasible goals that the plateau rule looks at; zero means
	// 8.
	Window int
	// Threshold is the relative deviation that is a plateau; zero means 0.01.
	Threshold float64
}

// orDefault returns v if it is set.
func orDefault[T int | float64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// settings are AIPerf's defaults but for plausible, which is a third of a percent: less
// than a probe can show.
func (b Bayes) settings() settings {
	return settings{
		prefix:        "bayesian",
		initial:       orDefault(b.Initial, 5),
		boundaryFirst: true,
		plausible:     0.003,
		suggest:       (*study).improve,
		signals: signals{
			Patience:  orDefault(b.Patience, 10),
			Window:    orDefault(b.Window, 8),
			Threshold: orDefault(b.Threshold, 0.01),
		},
	}
}

// Next returns the next point of the search.
func (b Bayes) Next(p Problem, h []Observation) Step { return b.settings().next(viewsOf(p, h)) }

// Answers returns what the history supports, per tier.
func (b Bayes) Answers(p Problem, h []Observation) []Answer { return eachTier(p, h, modelled) }

// modelled reads the boundary off the models, where there are some.
func modelled(v view) Answer {
	s := newStudy(v)
	a := s.track.answer()
	if len(v.Dims) == 1 && len(s.points) > 0 && len(v.tier) > 0 {
		median, lo, hi := s.prospect().interval()
		a.Estimate = median
		a.within(lo, hi, modelLevel)
	}
	return a
}
