package sla

// curtail says whether the count verdict is settled: whether it is the same
// whatever the at most left further requests are. A request may also not count
// at all (an answer too short to have an ITL), and a window that its time ends
// has fewer requests than planned; the shares below bound those cases too,
// since each further bad request only adds to the share and each further good
// one only takes from it. (Exact curtailment of single sampling inspection:
// Wetherill and Brown 1991, Statistical Process Control, section 12.5.)
func (r rule) curtail(t tally, left int) ruling {
	t.allowed = r.allowed
	worst, best := t, t
	worst.bad, worst.n = t.bad+left, t.n+left
	best.n = t.n + left
	switch {
	case t.n > 0 && worst.holds(r.op):
		return holds
	case best.n > 0 && !best.holds(r.op), best.n == 0: // nothing that counts: what was not measured never passes
		return breaks
	}
	return open
}
