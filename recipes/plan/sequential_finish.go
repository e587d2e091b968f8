package plan

import (
	"math"
	"slices"
)

const (
	// finishSpread is the spread of the posterior in ln x from which on it chooses the
	// points.
	finishSpread = 0.08
	// finishWindow is how near to the median, in ln x, a probe counts as the finish's.
	finishWindow = 0.15
	// mostRefining is the number of visits after the first bracket from which on noise is
	// taken to leave the posterior wide.
	mostRefining = 14

	// goldenShare is 2 − φ, φ being the golden ratio.
	goldenShare = 0.381966011250105
	// climbWidth is the width in ln x at which an optimum is known: it is flat.
	climbWidth = 0.35
	// climbProbes is how many probes a climb takes at most.
	climbProbes = 6
)

// standard is what an answer has to be.
type standard struct {
	// pass is the least P(b ≥ x) of it, and aim that of a point that is probed to be it.
	pass, aim float64
	// close is the least share of the boundary's median that it must reach.
	close float64
	// probes is how many are made around the median, beyond the first, before it is taken as it is.
	probes int
}

var (
	// certainStandard holds where probes carry certainties of their own. With close at 0.95 an
	// engine of long steps was answered 5% too low, for 2% fewer requests.
	certainStandard = standard{pass: 0.9, aim: 0.92, close: 0.97, probes: 5}
	// scatteredStandard holds where visits have to tell what a probe is worth. With a pass of 0.86
	// and close at 0.97 a search of the public surfaces took 7.9 probes in place of 7.4, and 3.2%
	// of its answers violated their limits in place of 1.8%; they lay nearer, by 3.2% and not by 4%.
	scatteredStandard = standard{pass: 0.91, aim: 0.92, close: 0.95, probes: 4}
	// followedStandard is that of such visits beside a baseline. Where nothing has changed, they only
	// have to agree with it, and two are enough.
	followedStandard = standard{pass: 0.86, aim: 0.88, close: 0.97, probes: 5}
)

// standard is that of this search.
func (s *sequence) standard() standard {
	_, follows := s.baseline()
	switch {
	case s.known:
		return certainStandard
	case follows:
		return followedStandard
	}
	return scatteredStandard
}

// sure reports whether a point is an answer: the posterior leaves little doubt, or the
// point's own verdict is certain and the posterior does not contradict. Where requests
// carry the certainty it takes more agreement, since they know nothing of what moves a
// whole probe; a verdict beyond 99.9% stands alone: at a cliff a straight line is the
// wrong neighbourhood.
func (s *sequence) sure(b belief) bool {
	if s.post == nil || b.x <= s.Lo { // below the range nothing speaks for its lowest point
		return s.certainPass(b)
	}
	if s.closed() && b.x == s.points[s.end-1].x {
		return true
	}
	p := s.post.Passes(b.x)
	agrees := p >= 0.7 || p >= 0.5 && (!s.known || b.pass > 0.999)
	return p >= s.standard().pass || s.certainPass(b) && agrees
}

// closed reports whether the boundary lies between a certain pass and a certain failure that are
// as near to each other as an answer has to be. A posterior adds nothing there: where the curve has
// a kink it is the straight line's, and may lie below both. Where probes carry no certainties,
// verdicts rest on the scatter of a few visits, which is not enough to end a search by.
func (s *sequence) closed() bool {
	if !s.known || s.exact || s.end == 0 || s.end >= len(s.points) {
		return false
	}
	lo, hi := s.points[s.end-1], s.points[s.end]
	return s.certainPass(lo) && s.certainFail(hi) && s.narrow(lo.x, hi.x, relativePrecision)
}

// finish probes where the boundary is likely to hold, until such a point is close to the
// boundary's median or enough probes lie around it.
func (s *sequence) finish() Step {
	must, m := s.standard(), s.post.Quantile(0.5)
	i := s.safeIndex()
	if i >= 0 && s.points[i].x >= s.clampDown(must.close*m) {
		return done(s.ending(false))
	}
	near := s.near(m, finishWindow)
	if _, steps := s.firstWidth(); near <= must.probes && steps < mostRefining {
		x := s.clampDown(s.post.Quantile(must.aim))
		if !s.spent(x) {
			return probe(x, "where the boundary is likely to hold")
		}
	}
	if i < 0 { // nothing is certain yet: the largest that may be
		for k := s.end - 1; k >= max(0, s.end-3); k-- {
			if step, ok := s.confirm(k); ok {
				return step
			}
		}
	}
	return done(s.ending(true))
}

// ending names the end of a search that has a posterior; spent says that it had no probes
// left for a better answer.
func (s *sequence) ending(spent bool) string {
	n := len(s.points)
	switch ok, _ := s.identifiable(); {
	case s.end == n && s.points[n-1].x >= s.Hi && s.sure(s.points[n-1]):
		return sequentialNoFailure
	case spent && !ok:
		return notIdentifiable
	}
	return sequentialPrecision
}

// identifiable reports whether the boundary is known to ±10%. Where it is not, factor is
// how many times the requests a probe would take to settle it.
func (s *sequence) identifiable() (ok bool, factor float64) {
	if s.post == nil {
		return true, 1
	}
	lo, _, hi := s.interval()
	return s.identifies(lo, hi)
}

// climb searches the best first goal at or below the answer by golden section (Kiefer
// 1953) in ln x. Where the best point is the answer itself the goal still rises there,
// and nothing is left to search; neither is it where the best point is better by no more
// than two standard errors, since a goal that has levelled off has its best point anywhere.
func (s *sequence) climb() (Step, bool) {
	last := s.safeIndex()
	if last < 1 || s.Lo <= 0 {
		return Step{}, false
	}
	values, errs := make([]float64, last+1), make([]float64, last+1)
	for i := range values {
		values[i], errs[i] = s.goal(s.points[i])
	}
	if math.IsNaN(values[last]) {
		return s.measure(s.points[last].x)
	}
	best := last
	for i, v := range values {
		if !math.IsNaN(v) && (v > values[best]) == s.Goals[0].Maximize && v != values[best] {
			best = i
		}
	}
	if best == last || math.Abs(values[best]-values[last]) <= 2*math.Hypot(errs[best], errs[last]) {
		return Step{}, false
	}
	at := math.Log(s.points[best].x)
	below, above := math.Log(s.Lo), math.Log(s.points[best+1].x)
	if best > 0 {
		below = math.Log(s.points[best-1].x)
	}
	if above-below < climbWidth || s.climbed() >= climbProbes {
		return Step{}, false
	}
	x := at + goldenShare*(above-at)
	if at-below > above-at {
		x = at - goldenShare*(at-below)
	}
	y := s.clamp(math.Exp(x))
	for _, b := range s.points {
		if b.x == y {
			return Step{}, false
		}
	}
	return s.measure(y)
}

// climbing is why the climb asks for a point. The history is searched for it, so that it
// never changes.
const climbing = "golden section on the objective"

// measure asks for the goal at x; ok is false where it was asked often enough.
func (s *sequence) measure(x float64) (step Step, ok bool) {
	if s.spent(x) {
		return Step{}, false
	}
	return whole(x, climbing), true
}

// climbed counts the probes of the golden section. Visits of the answer itself are not
// among them: they only had the goal measured there.
func (s *sequence) climbed() (n int) {
	safe := s.points[s.safeIndex()].x
	for _, o := range s.history {
		if o.Asked.Reason == climbing && !slices.Equal(o.At, []float64{safe}) {
			n++
		}
	}
	return n
}

// goal is the mean of the first goal over a point's visits, of whole ones where there are
// some, with its standard error, 0 where that is not known; NaN when it was never measured.
func (s *sequence) goal(b belief) (mean, se float64) {
	for _, cut := range []bool{false, true} {
		sum, variance, n := 0.0, 0.0, 0.0
		for _, v := range b.visits {
			o := s.history[v]
			if o.State == Full || cut && o.State == Cut {
				if len(o.Goals) > 0 && !math.IsNaN(o.Goals[0].Value) {
					sum, n = sum+o.Goals[0].Value, n+1
					if e := o.Goals[0].SE; e > 0 {
						variance += e * e
					}
				}
			}
		}
		if n > 0 {
			return sum / n, math.Sqrt(variance) / n
		}
	}
	return math.NaN(), 0
}
