package plan

// Convergence reasons of AIPerf's multi-tier planner: of the run, and of each
// of its tiers.
const (
	tiersConverged = "multi_tier_all_converged"
	tierPrecision  = "multi_tier_precision_reached"
	tierNoFailure  = "no_failure_in_range"
	tierNoPass     = "no_pass_in_range"
)

// MultiTier finds one boundary per tier of Problem.Tiers in one search: a
// shared doubling until every tier that passes at the lower bound has failed,
// then the middle of the widest open bracket, the first of equals. Every probe
// counts for every tier, so tiers whose limits are harder need no ordering of
// their own (AIPerf's transfers between ordered tiers say nothing that the
// shared observations do not). Mended: a tier that fails at the lower bound
// ends with its reason while the others go on, and only a tier's final ends
// are asked again. The zero value is ready.
type MultiTier struct{}

// Next returns the next shared probe.
func (MultiTier) Next(p Problem, h []Observation) Step {
	a, ok := only(p)
	if !ok {
		return Step{Done: true, Reason: reasonNotOneDimension}
	}
	if s, ok := silence(h); ok {
		return s
	}
	var widest, confirming Step
	gap := -1.0
	for _, tier := range tiers(p, h) {
		t := read(p, h, tier, noiseEstimate)
		s := t.bisect(a)
		switch {
		case s.Done:
		case again(h, s):
			if confirming.At == nil {
				confirming = s
			}
		default:
			if g := t.gap(a); g > gap {
				gap, widest = g, s
			}
		}
	}
	switch {
	case widest.At != nil: // confirmations wait: a shared probe may settle them
		return within(p, h, widest)
	case confirming.At != nil:
		return within(p, h, confirming)
	}
	return Step{Done: true, Reason: tiersConverged}
}

// again reports that a step visits a point once more.
func again(h []Observation, s Step) bool {
	_, seen := distinct(h, s.At)
	return seen
}

// gap is the width of the open bracket; without an upper end it reaches to the
// upper bound, so that the doubling goes first.
func (t track) gap(a axis) float64 {
	n := t.prefix()
	switch {
	case n == 0:
		return a.Hi - a.Lo
	case n == len(t.points):
		return a.Hi - t.points[n-1].x + (a.Hi - a.Lo)
	}
	return t.points[n].x - t.points[n-1].x
}

// Answers returns one answer per tier, with its reason.
func (MultiTier) Answers(p Problem, h []Observation) []Answer {
	out := answers(p, h, noiseEstimate)
	a, ok := only(p)
	for i, tier := range tiers(p, h) {
		out[i].Reason = maxIterations
		if !ok {
			continue
		}
		if s := read(p, h, tier, noiseEstimate).bisect(a); s.Done {
			out[i].Reason = map[string]string{
				monotonicNoPass:    tierNoPass,
				monotonicNoFailure: tierNoFailure,
				monotonicPrecision: tierPrecision,
			}[s.Reason]
		}
	}
	return out
}
