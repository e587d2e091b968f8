package sla

// curtail returns the count verdict once it is settled: once it is the same
// whatever the remaining requests, at most left of them, turn out to be. It returns
// open before that.
//
// A request may also not count at all, for example an answer too short to have an
// ITL, and a window that runs out of time has fewer requests than planned. The two
// bounds below cover those cases too, since each further bad request only adds to
// the share and each further good one only takes from it.
//
// The method is exact curtailment of single sampling inspection: Wetherill and
// Brown 1991, Statistical Process Control, section 12.5.
func (r rule) curtail(t tally, left int) ruling {
	t.allowed = r.allowed
	worst, best := t, t
	worst.bad, worst.n = t.bad+left, t.n+left
	best.n = t.n + left
	switch {
	case t.n > 0 && worst.holds(r.op):
		return holds
	case best.n > 0 && !best.holds(r.op), best.n == 0:
		// With best.n == 0 no request can count any more, and what was not
		// measured never passes.
		return breaks
	}
	return open
}
