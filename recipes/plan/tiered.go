package plan

// MultiTier finds one boundary per tier of Problem.Tiers in one search: a shared doubling
// until every tier that passes at the lower bound has failed, then the middle of the
// widest open bracket, the first of equals. Every probe counts for every tier, so tiers
// whose limits are harder need no ordering of their own (AIPerf's transfers between
// ordered tiers say nothing that the shared observations do not). Unlike AIPerf's, a tier
// that fails at the lower bound ends with its reason while the others go on, and only a
// tier's final ends are asked again. Its answers have a Bracket. The zero value is ready.
type MultiTier struct{}

// Next returns the next shared probe.
func (MultiTier) Next(p Problem, h []Observation) Step {
	views := viewsOf(p, h)
	all := views[0]
	if s, ok := all.blocked(); ok {
		return s
	}
	var widest, confirming Step
	gap := -1.0
	for _, v := range views {
		t := v.read(noiseEstimate)
		s := t.bisect()
		if s.Done {
			continue
		}
		if _, again := v.distinct(s.At); again {
			if confirming.At == nil {
				confirming = s
			}
		} else if g := t.gap(); g > gap {
			gap, widest = g, s
		}
	}
	switch {
	case widest.At != nil: // confirmations wait: a shared probe may settle them
		return all.within(widest)
	case confirming.At != nil:
		return all.within(confirming)
	}
	return done(tiersConverged)
}

// gap is the width of the open bracket; without an upper end it reaches to the upper
// bound, and beyond by the whole range, so that the doubling goes first.
func (t track) gap() float64 {
	n := t.prefix()
	switch {
	case n == 0:
		return t.Hi - t.Lo
	case n == len(t.points):
		return t.Hi - t.points[n-1].x + (t.Hi - t.Lo)
	}
	return t.points[n].x - t.points[n-1].x
}

// tierReasons are the ends of one tier by those of its bisection.
var tierReasons = map[string]string{
	monotonicNoPass:    tierNoPass,
	monotonicNoFailure: tierNoFailure,
	monotonicPrecision: tierPrecision,
}

// Answers returns one answer per tier, with its reason.
func (MultiTier) Answers(p Problem, h []Observation) []Answer {
	return eachTier(p, h, func(v view) Answer {
		t := v.read(noiseEstimate)
		a := t.answer()
		a.Reason = ReasonMaxIterations
		if v.single() {
			if s := t.bisect(); s.Done {
				a.Reason = tierReasons[s.Reason]
			}
		}
		return a
	})
}
