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
		case s.Size > 1:
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

// Answers returns one answer per tier.
func (MultiTier) Answers(p Problem, h []Observation) []Answer {
	return answers(p, h, noiseEstimate)
}

// Reasons returns why each tier ended, as AIPerf names it; max_iterations for
// one that had not.
func (MultiTier) Reasons(p Problem, h []Observation) []string {
	a, ok := only(p)
	var out []string
	for _, tier := range tiers(p, h) {
		reason := maxIterations
		if ok {
			if s := read(p, h, tier, noiseEstimate).bisect(a); s.Done {
				reason = map[string]string{
					monotonicNoPass:    tierNoPass,
					monotonicNoFailure: tierNoFailure,
					monotonicPrecision: tierPrecision,
				}[s.Reason]
			}
		}
		out = append(out, reason)
	}
	return out
}
