package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// track is what a history says about one tier along one dimension: the distinct points
// that said something, ascending.
type track struct {
	view
	points []belief
	// confidence is P(pass) from which a verdict is certain.
	confidence float64
	// noise is the scatter of g from visit to visit, per limit of the tier, where it has
	// to be estimated.
	noise []scale
}

// noiseUse says what stands in for a certainty that no observation carries.
type noiseUse bool

// What may stand in for it.
const (
	signDecides   noiseUse = false // the sign of the margin, as certain
	noiseEstimate noiseUse = true  // the margin against the scatter of the history
)

// read pools the history per distinct point of its first dimension.
func (v view) read(use noiseUse) track {
	t := track{view: v, confidence: v.Problem.confidence(), noise: make([]scale, len(v.tier))}
	for _, visits := range v.visitsByPoint() {
		t.points = append(t.points, v.gather(visits))
	}
	ascending := func(a, b belief) int { return cmp.Compare(a.x, b.x) }
	if use == noiseEstimate {
		slices.SortFunc(t.points, ascending)
		for j := range v.tier {
			t.noise[j] = scatter(t.points, j)
		}
	}
	for i := range t.points {
		t.judge(&t.points[i], use)
	}
	if len(v.Dims) == 1 {
		slices.SortFunc(t.points, ascending)
		t.overrule()
		t.lend()
	}
	return t
}

// prefix returns how many of the lowest points are believed to pass: the boundary is that
// of the last of them, whatever passes above the first failure.
func (t track) prefix() int {
	for i, b := range t.points {
		if !b.passes() {
			return i
		}
	}
	return len(t.points)
}

// safe returns the index of the largest point of the prefix that passes with certainty,
// −1 for none.
func (t track) safe() int { return t.last(t.prefix(), t.certainPass) }

// last returns the index of the largest of the lowest end points that is sure, −1 for
// none.
func (t track) last(end int, sure func(belief) bool) int {
	for i := end - 1; i >= 0; i-- {
		if sure(t.points[i]) {
			return i
		}
	}
	return -1
}

// nonMonotone reports a certain contradiction: a point whose own visits certainly pass above
// one whose own visits certainly fail. What neighbours lend does not count here, nor does a
// verdict that may be chance: near the boundary believed verdicts take turns on any server.
func (t track) nonMonotone() bool { return t.contradicted() >= 0 }

// contradicted returns the index of the lowest certain failure that a certain pass above
// contradicts, -1 for none.
func (t track) contradicted() int {
	fail := -1
	for i, b := range t.points {
		own := 1.0
		for _, z := range b.z {
			own *= normal.CDF(z)
		}
		switch {
		case len(b.z) == 0:
		case own <= 1-t.confidence && fail < 0:
			fail = i
		case own >= t.confidence && fail >= 0:
			return fail
		}
	}
	return -1
}

// maxVisits is how often one point is probed for its verdict: once, then at twice and
// four times the length. What is open after seven times the normal probe is within a
// fraction of a percent of its limit, and stays open.
const maxVisits = 3

// openEnds returns the indexes of the two ends between which the boundary is still to be
// searched: the largest believed pass of the prefix and the point above it. A pass that
// stayed open at its last visit counts as the upper end, since what cannot be confirmed
// is not an answer; below it only certain passes count as the lower one, at one visit
// each: they share their evidence, and repeating every step of a plateau would cost
// thrice as much. lo is −1 when no pass is left, hi is len(points) when nothing lies
// above.
func (t track) openEnds() (lo, hi int) {
	hi = t.prefix()
	lo = hi - 1
	if lo < 0 || !t.open(t.points[lo]) || len(t.points[lo].visits) < maxVisits {
		return lo, hi
	}
	for ; lo >= 0 && t.open(t.points[lo]); lo-- {
		hi = lo
	}
	return lo, hi
}

// confirming is why a point is visited again whose verdict is open.
const confirming = "confirming an open verdict"

// confirm returns another, longer visit of a point whose verdict is open, or whose visits
// contradict each other; and of a lowest point that failed, since a first probe may have
// paid for a cold start, and of a failure that a single visit puts there (see lone).
func (t track) confirm(i int) (Step, bool) {
	b := t.points[i]
	hopeless := t.prefix() == 0 && len(b.visits) == 1 && b.inexact()
	switch {
	case len(b.visits) >= maxVisits:
		return Step{}, false
	case t.open(b) && len(b.visits) > 1:
		return longer(b.x, 4, confirming), true
	case t.open(b):
		return longer(b.x, 2, confirming), true
	case hopeless || t.lone(i) && i == t.prefix():
		return probe(b.x, "a failure that only one probe saw: once more"), true
	case b.contrary():
		return probe(b.x, "visits that disagree: once more"), true
	}
	return Step{}, false
}

// lone reports that point i, the lowest failure, is known by a single visit that the
// point below does not lead to expect. A stalled probe looks like that, and so does a
// cliff: no search may end there before a second visit.
func (t track) lone(i int) bool {
	if i < 1 || i >= len(t.points) {
		return false
	}
	b := t.points[i]
	return len(b.visits) == 1 && b.inexact() && b.worst()-t.points[i-1].worst() > contradiction
}

// arbiter is a third visit of a point whose two visits contradict each other.
func (t track) arbiter() (Step, bool) {
	for _, b := range t.points {
		if len(b.visits) == 2 && b.contrary() {
			return whole(b.x, "two visits disagree: once more"), true
		}
	}
	return Step{}, false
}

// Spent returns how long a search of the problem has taken so far, by its visits and the pauses
// that it asked for; what its Time is the bound of.
func (Problem) Spent(h []Observation) (d time.Duration) {
	for _, o := range h {
		d += o.Lasted + o.Asked.Apart
	}
	return d
}

// late reports that a visit of ordinary length which begins after a pause would end after
// the time of the search.
func (t track) late(pause time.Duration) bool {
	return t.Time > 0 && t.Spent(t.history)+pause+t.typical() > t.Time
}

// typical is how long a visit of size 1 takes: by those of the largest point that passes or,
// while there is none, by the last visit. Points that fail take longer, and are no answer.
func (t track) typical() (one time.Duration) {
	visits := []int{len(t.history) - 1}
	if n := t.prefix(); n > 0 {
		visits = t.points[n-1].visits
	}
	for _, i := range visits {
		if i >= 0 {
			o := t.history[i]
			one = max(one, time.Duration(float64(o.Lasted)/(settling+(1-settling)*max(o.Asked.Size, 1))))
		}
	}
	return one
}

const (
	// settling is the share of a visit that brings the load to its level and lets it end.
	settling = 0.35
	// longest is how many times as long as others a visit is that is to make an answer
	// certain, at most.
	longest = 4.0
)

// overdue reports that a search of one dimension has to come to its end: another visit
// would leave no time to see its answer once more or, where nothing is certain, to make it
// so. A search that has seen no failure yet, or no pass, has no answer to end with, and may
// take twice its time.
func (t track) overdue() (reason string, over bool) {
	if n := len(t.history); t.Time <= 0 || !t.single() || n == 0 || !t.history[n-1].says() {
		return "", false
	}
	n, last := t.prefix(), t.typical()
	reserve := last + apartFor
	if t.safe() < 0 {
		reserve = lasts(last, longest)
	}
	if n > 0 && (n < len(t.points) || t.points[n-1].x >= t.Hi) {
		return ReasonMaxTime, t.late(reserve)
	}
	return ReasonOutOfTime, t.late(reserve - t.Time)
}

// longer visits the largest point that is believed to pass, for as long as the time of the
// search allows: a slow server answers too few requests in an ordinary probe for a certain
// verdict.
func (t track) longer() (Step, bool) {
	n, last := t.prefix(), t.typical()
	if n == 0 || last <= 0 || t.late(0) { // without the lengths of visits nothing would end it
		return Step{}, false
	}
	size := (float64(t.Time-t.Spent(t.history))/float64(last) - settling) / (1 - settling)
	return Step{At: []float64{t.points[n-1].x}, Size: min(size, longest), Full: true, Reason: "the answer so far, for longer"}, true
}

// lasts is how long a visit of a size takes where one of size 1 takes that long.
func lasts(one time.Duration, size float64) time.Duration {
	return time.Duration((settling + (1-settling)*size) * float64(one))
}
