package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

// Confirmed is a search whose answer has to hold again at other times. A probe's own
// standard error knows how its requests scatter, and nothing of what moves them all for
// seconds: a neighbour on the machine, a garbage collector, a stall each ten seconds. When
// the search is over, its answer is measured again, whole, with pauses between; what those
// visits differ by beyond their own errors is a scatter that every verdict then carries.
// The search goes on with verdicts so widened, until its answer has been seen often
// enough.
//
// A history whose margins carry no certainties of their own is left alone: its scatter
// from visit to visit is what the search estimates anyway.
type Confirmed struct{ Planner }

const (
	// apartFor is the pause before the first confirming visit at most; the next two are two
	// and four times as long. Visits of seconds then span half a minute, so that what
	// comes and goes every ten seconds is seen, and a server that is throttled in its first
	// minute. A search of shorter probes waits twice as long as its last one took: who asks
	// for a verdict in a second does not ask what the server does in a minute. Once as long
	// was tried: of searches by probes of two seconds, a quarter then answered more than 5%
	// above the boundary of a server that got slower by 30% in a minute.
	apartFor = 4 * time.Second
	// enoughVisits confirm an answer whose visits agree, and moreVisits one whose visits
	// do not. mostConfirming bounds them over a search whose answer moves.
	enoughVisits, moreVisits, mostConfirming = 3, 6, 18
	// stretch is how many times as long as the first, at most, a pause is between visits that
	// agree, and twice that between visits that do not.
	// Neither is longer than longestPause, or longestOpen. Where the limit is far away for
	// the scatter that is seen, the first pause is enough, and one more visit.
	stretch                   = 4
	longestPause, longestOpen = 16 * time.Second, 20 * time.Second
	// overtime is the share of its time, as one over it, that a search takes longer at most to
	// see an answer just below one that was refuted, in place of the next that was visited.
	overtime = 16
	// nearAnswer is how near to the answer a visit must be to confirm it, in ln of the
	// searched value. One of another point confirms it only if it passes: with those that had
	// refuted a higher answer counted, too, 6% of the searches of a server that gets slower by 30%
	// in a minute answered more than 5% above its boundary, and 2% without.
	nearAnswer = 0.06
	// rateDoubt is how far below the estimate of a highest rate its answer lies at most for want
	// of certainty, in ln of the rate.
	rateDoubt = 0.02
	// unlikely is P(a limit holds) at the last visit below which an answer is looked at again:
	// no search ends on a visit that speaks against what it answers.
	unlikely = 0.5
	// patterns is the least standard deviation of the margin from visit to visit: clients of a server
	// that works in steps keep the phases of their requests for a whole visit, and p95 differs by
	// some 3% from one pattern of phases to another. Three visits that agree better do so by chance.
	patterns = 0.03
	// cautiousPass is P(b ≥ x) that the answer of a search needs whose visits disagree. With 0.9, as
	// where they agree, 9% of the searches of a server whose latencies wander by 30% in ten seconds
	// answered more than 5% above its boundary, and with this 2% to 6%, as the seeds have it.
	cautiousPass = 0.95
	// disagree is the ratio of variances from which visits do not agree.
	disagree = 2.5
	// unsettling is the scatter of a margin from which a disagreement is worth more visits:
	// a verdict within 2% of its limit is left as open as it is.
	unsettling = 0.02
	// faith is how many visits' worth of belief there is that only the requests scatter.
	faith = 2.0
)

// Next is the search's own step; at its end, another visit of its answer.
func (c Confirmed) Next(p Problem, h []Observation) Step {
	tempered, moved, inflation := temper(p, h)
	style := c.styled(h, tempered)
	step := c.Planner.Next(p, style)
	v := viewsOf(p, h)[0]
	timed := v.Time > 0 && len(p.Tiers) <= 1 // with tiers the first says nothing of the others
	if timed && !step.Done {
		if reason, over := v.with(tempered).read(noiseEstimate).overdue(); over {
			step = done(reason)
		}
	}
	if !step.Done || len(p.Tiers) > 1 || !v.single() || !v.certain() {
		return step
	}
	if s, ok := v.silence(); ok {
		return s
	}
	answer, at := v.confirmed(c.Planner.Answers(p, style)[0], inflation, v.with(tempered).read(signDecides))
	if math.IsNaN(at) && timed {
		if longer, ok := v.with(tempered).read(noiseEstimate).longer(); ok {
			return longer
		}
	}
	if math.IsNaN(at) || v.remote(at) {
		return step
	}
	near, all, visits, first := 0, 0, 0, math.NaN()
	for _, o := range h {
		if !o.confirms() {
			visits++
			continue
		}
		if all++; all == 1 {
			first = o.At[0]
		}
		if o.At[0] == at || math.Log(o.At[0]/at) >= -nearAnswer && passing(o, v.tier) {
			near++
		}
	}
	if all == 1 && at < first && !v.lately(first) {
		at = first // a second look tells whether visits differ, which one knows badly
	}
	need, pause := enoughVisits, min(pauseOf(h)*time.Duration(min(1<<all, stretch)), longestPause)
	if inflation > disagree && slices.ContainsFunc(moved, func(u unsettled) bool { return u.scatter > unsettling }) {
		need, pause = moreVisits, pauseOf(h)
		if v.threatened(at, moved) {
			pause = min(pause*time.Duration(min(1<<max(all, 1), 2*stretch)), longestOpen)
		}
	}
	if v.lately(at) || slices.ContainsFunc(moved, func(u unsettled) bool { return u.drifting }) {
		need = max(need, near+1)
	}
	if timed {
		now, fell := v.read(noiseEstimate), answer.Safe < at*math.Exp(-nearAnswer)
		if now.late(pause) && (!fell || now.late(pause-v.Time/overtime)) {
			return step
		}
	}
	if _, seen := v.distinct([]float64{at}); seen && near >= need || all >= min(mostConfirming, max(moreVisits, visits)) {
		return step
	}
	return Step{At: []float64{at}, Size: 1, Full: true, Apart: pause, Reason: "the answer, at another time"}
}

// styled is the history that the style is shown. A bisection on widened verdicts has nothing to go by:
// every point near the boundary is open, and it looked for an end that passes with certainty far
// below, until its points were spent (52 to 56 of 69 where p95 differs by 3% from visit to visit,
// 28 of 100 where by 30%). What the visits differ by is for the answer to respect; see located.
func (c Confirmed) styled(h, tempered []Observation) []Observation {
	if _, ok := c.Planner.(Monotonic); ok {
		return h
	}
	return tempered
}

// confirms reports that the visit was made to see an answer at another time.
func (o Observation) confirms() bool { return o.Asked.Apart > 0 && o.State == Full }

// pauseOf is the pause before the first confirming visit of a search. Its last visits are
// those near its answer; the first, of a single request at a time, may take far longer.
func pauseOf(h []Observation) time.Duration {
	last := time.Millisecond
	for _, o := range h {
		if !o.confirms() && o.Lasted > 0 {
			last = o.Lasted
		}
	}
	return min(apartFor, 2*last)
}

// lower returns a point just below an answer that its own visits speak against, as far
// below as they lie beyond the limit by the slope that is seen there; the answer itself
// where they do not.
func (v view) lower(safe float64, seen track) float64 {
	for range mostConfirming {
		g, doubted := v.doubted(safe, seen)
		if math.IsNaN(safe) || !doubted {
			return safe
		}
		safe = v.clampDown(min(safe*math.Exp(-max(g/seen.slopeAt(safe), 0.02)), safe-1e-9))
		if v.Int {
			safe = math.Floor(safe)
		}
		if safe < v.Lo {
			return math.NaN()
		}
	}
	return math.NaN()
}

// slopeAt is the slope of the worst margin in ln x around a point: between the largest
// believed pass below it and the lowest believed failure at or above it that is so far from
// the other that noise does not make the slope. It is 1 without two such points, as where
// latency grows in proportion to the load, and never less. A queue at a server that is all
// but full is a cliff: over a request rate the slope may be 20.
func (t track) slopeAt(x float64) float64 {
	below := -1
	for i, b := range t.points {
		if b.x < x && b.x > 0 && b.passes() {
			below = i
		}
		if below < 0 || b.x < x || b.passes() || b.x < t.points[below].x*math.Exp(nearAnswer) {
			continue
		}
		a := t.points[below]
		slope := (straightened(b.worst()) - straightened(a.worst())) / math.Log(b.x/a.x)
		if slope > 1 {
			return slope
		}
		return 1
	}
	return 1
}

// remote reports that every limit is so far from what was measured at x that no scatter
// between visits is read there, let alone turns a verdict, and that no visit near x says
// otherwise: a single far visit among others near the limit is the disturbed one.
func (v view) remote(x float64) bool {
	seen := false
	for _, o := range v.history {
		if !o.says() || math.Abs(math.Log(o.At[0]/x)) > nearAnswer {
			continue
		}
		here := o.At[0] == x
		seen = seen || here
		for _, k := range v.tier {
			m, ok := o.margin(k)
			if near := math.Abs(m.Value) <= boundary.Straight; ok && near || here && !(ok && m.Value < -boundary.Straight) {
				return false
			}
		}
	}
	return seen
}

// threatened reports that a limit is within three standard errors of the mean that was
// measured at x, by the scatter from visit to visit.
func (v view) threatened(x float64, moved []unsettled) bool {
	for _, k := range v.tier {
		sum, n := 0.0, 0.0
		for _, o := range v.history {
			if m, ok := o.margin(k); ok && o.State == Full && o.At[0] == x && !math.IsNaN(m.Value) {
				sum, n = sum+straightened(m.Value), n+1
			}
		}
		if n == 0 || sum/n > -3*moved[k].scatter/math.Sqrt(n) {
			return true
		}
	}
	return false
}

// lately reports that the last visit made to confirm an answer at x speaks against it.
func (v view) lately(x float64) bool {
	for i := len(v.history) - 1; i >= 0; i-- {
		o := v.history[i]
		if !o.confirms() || math.Log(o.At[0]/x) > nearAnswer {
			continue
		}
		for _, k := range v.tier {
			if m, ok := o.margin(k); ok && m.Pass < unlikely {
				return true
			}
		}
		return false
	}
	return false
}

// passing reports that every limit of the tier is believed to hold at a visit.
func passing(o Observation, tier []int) bool {
	for _, k := range tier {
		if m, ok := o.margin(k); !ok || !(m.Value <= 0) {
			return false
		}
	}
	return true
}

// Answers are those of the search by what is known with the widened verdicts.
func (c Confirmed) Answers(p Problem, h []Observation) []Answer {
	tempered, _, inflation := temper(p, h)
	answers := c.Planner.Answers(p, c.styled(h, tempered))
	if v := viewsOf(p, h)[0]; len(answers) == 1 && v.single() {
		answers[0], _ = v.confirmed(answers[0], inflation, v.with(tempered).read(signDecides))
	}
	return answers
}

// confirmed is the search's own answer, brought into line with the visits that confirm it,
// and the point that has to be confirmed. That is the answer, or a point between it and
// what the boundary is known to reach, where none was visited and the answer is therefore
// far below. A point that was refuted or is in doubt gives way to one just below it, and
// not to the next that happens to have been visited.
func (v view) confirmed(own Answer, inflation float64, seen track) (a Answer, aim float64) {
	a, below := own, own.Safe
	known := located(own, seen)
	if inflation > disagree {
		if own.Level > 0 {
			known = v.warier(known, located(Answer{Safe: own.Safe}, seen))
		}
		a.Safe = v.cautious(known).Safe
	}
	a.Safe = v.upheld(a.Safe, seen)
	if most, ok := v.most(known); ok {
		most = v.clampDown(most)
		if inflation > disagree {
			below = min(below, most)
		}
		if below < most*math.Exp(-v.apart()) {
			below = most
		}
	}
	aim = a.Safe
	if x := v.lower(below, seen); x > aim || math.IsNaN(aim) {
		aim = x
	}
	if v.visited(func(x float64) bool { return x == aim }) == aim {
		a.Safe = aim
	}
	v.include(&a, seen)
	return a, aim
}

// warier is that of two answers by which the boundary is known to reach less far. A model of a whole
// curve takes visits for more than they are worth that a disturbance has moved together: by the
// intervals of style bo alone, 6% to 10% of its searches of a server whose latencies wander
// by 30% in ten seconds answered more than 5% above its boundary, and 2% with those of a posterior.
func (v view) warier(a, b Answer) Answer {
	x, ok := v.most(a)
	if y, also := v.most(b); also && (!ok || y < x) {
		return b
	}
	return a
}

// located is an answer with an interval: its own or, of a style that only narrows a bracket, the one
// that a posterior has through the same visits.
func located(a Answer, seen track) Answer {
	if a.Level > 0 {
		return a
	}
	if s := newSequence(seen.view); s.post != nil {
		lo, median, hi := s.interval()
		a.Estimate = median
		a.within(lo, hi, intervalLevel)
	}
	return a
}

// include widens what is stated about the boundary so that it agrees with the answer and
// with the visits that confirmed it: it holds the answer, and where two of them or more
// know how their values scatter, the boundary by those, at the interval's level. Latency
// is taken to rise in proportion to the load, and as fast as was seen with a rate.
func (v view) include(a *Answer, seen track) {
	if math.IsNaN(a.Safe) {
		return
	}
	if a.Bracket.Lo > a.Safe { // the visits that confirm refute it
		a.Bracket.Lo = a.Safe
	}
	if !(a.Level > 0) || math.IsNaN(a.Lo) {
		return
	}
	a.Lo = min(a.Lo, a.Safe)
	for _, k := range v.tier {
		if lo, hi, ok := v.counted(k, a.Safe); ok {
			a.Lo, a.Hi = min(a.Lo, lo), max(a.Hi, hi)
		}
	}
	slope := 1.0
	if !v.Int {
		slope = seen.slopeAt(a.Safe)
	}
	lowest, highest := math.Inf(1), math.Inf(1) // of ln(boundary), over the limits
	for _, k := range v.tier {
		var gs []float64
		own, remote := 0.0, true
		for _, o := range v.history {
			m, ok := o.margin(k)
			away := math.Log(o.At[0] / a.Safe)
			if !ok || !o.confirms() || math.Abs(away) > nearAnswer || math.IsNaN(m.Value) {
				continue
			}
			gs = append(gs, straightened(m.Value-slope*away))
			remote = remote && m.Value < -boundary.Straight
			if m.SE > 0 {
				own += m.SE * m.SE
			}
		}
		if len(gs) < 2 {
			return
		}
		if remote { // such visits know that the limit holds, and not how far it is
			continue
		}
		n := float64(len(gs))
		mean, sd := stat.MeanStdDev(gs, nil)
		sd = max(sd, math.Sqrt(own/n), patterns) // few visits may happen to agree
		half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1 + faith}.Quantile((1+a.Level)/2) * sd / math.Sqrt(n)
		lowest, highest = min(lowest, (-mean-half)/slope), min(highest, (-mean+half)/slope)
	}
	if math.IsInf(lowest, 1) {
		return
	}
	a.Lo, a.Hi = min(a.Lo, a.Safe*math.Exp(lowest)), max(a.Hi, a.Safe*math.Exp(highest))
}

// counted are the points next to an answer, below and above, up to which the requests of all visits
// from the answer on are so few, or so many, beyond limit k that chance does not explain it, or
// the ends of the range. ok says that the limit's latencies have two modes, as two visits or more
// show: how far a percentile that jumps is from its limit says nothing of how far away the boundary
// is, and searches of a server that is flat until it breaks told a third of the time that it breaks
// within 10% of where they had happened to end.
func (v view) counted(k int, safe float64) (lo, hi float64, ok bool) {
	type visit struct{ x, excess, variance float64 }
	var below, above []visit
	jumps := 0
	for _, o := range v.history {
		m, has := o.margin(k)
		if !has || !o.says() || !(m.Allowed > 0) || o.Requests == 0 {
			continue
		}
		if m.jumps(o.Requests) {
			jumps++
		}
		one := visit{o.At[0], m.Excess, m.Allowed * (1 - m.Allowed) * float64(o.Requests)}
		if one.x > safe {
			above = append(above, one)
		} else {
			one.excess = -one.excess
			below = append(below, one)
		}
	}
	slices.SortStableFunc(below, func(a, b visit) int { return cmp.Compare(b.x, a.x) })
	slices.SortStableFunc(above, func(a, b visit) int { return cmp.Compare(a.x, b.x) })
	until := func(visits []visit, end float64) float64 {
		sum, variance := 0.0, 0.0
		for _, o := range visits {
			sum, variance = sum+o.excess, variance+o.variance
			if sum > zOf((1+intervalLevel)/2)*math.Sqrt(variance) {
				return o.x
			}
		}
		return end
	}
	return until(below, v.Lo), until(above, v.Hi), jumps > 1
}

// upheld returns the largest point at or below an answer that its own visits do not speak
// against; NaN when there is none.
func (v view) upheld(safe float64, seen track) float64 {
	for !math.IsNaN(safe) {
		if _, doubted := v.doubted(safe, seen); !doubted {
			break
		}
		safe = v.visited(func(x float64) bool { return x < safe })
	}
	return safe
}

// visited returns the largest visited point of a kind; NaN when there is none.
func (v view) visited(kind func(x float64) bool) float64 {
	largest := math.NaN()
	for _, o := range v.history {
		if x := o.At[0]; o.says() && kind(x) && !(x <= largest) {
			largest = x
		}
	}
	return largest
}

// straightened is a margin no further from its limit than where visits count by their value.
func straightened(g float64) float64 { return min(max(g, -boundary.Straight), boundary.Straight) }

// doubted reports that the visits of a point speak against it, and by how much: those made
// to confirm it, two or more, or all of them pooled, as the tempered history has them.
func (v view) doubted(x float64, seen track) (g float64, yes bool) {
	if g, yes := v.refuted(x); yes {
		return g, true
	}
	for _, b := range seen.points {
		if b.x == x {
			for j, z := range b.z {
				if z < 0 {
					g, yes = max(g, straightened(b.margins[j])), true
				}
			}
		}
	}
	return g, yes
}

// refuted reports that the visits that were made to confirm x, two or more, come out beyond
// a limit, and by how much at most on average. Where requests are counted, those of all
// the visits count together.
func (v view) refuted(x float64) (g float64, yes bool) {
	n := 0
	sums, excess := make([]float64, len(v.tier)), make([]float64, len(v.tier))
	for _, o := range v.history {
		if !o.confirms() || o.At[0] != x {
			continue
		}
		n++
		for j, k := range v.tier {
			if m, ok := o.margin(k); ok && !math.IsNaN(m.Value) {
				sums[j] += straightened(m.Value)
				excess[j] += m.Excess
			}
		}
	}
	if n < 2 {
		return 0, false
	}
	for j, sum := range sums {
		bad := sum > 0
		if e := excess[j]; e != 0 && !math.IsNaN(e) {
			bad = e > 0
		}
		if bad {
			g, yes = max(g, sum/float64(n)), true
		}
	}
	return g, yes
}

// apart is how far below what is known to be reached an answer may lie, in ln of the searched
// value, before another point is visited for it, and half of it how far above. A rate has no steps,
// and its boundary is known within a few percent.
func (v view) apart() float64 {
	if v.Int {
		return nearAnswer
	}
	return nearAnswer / 2
}

// cautious lowers an answer whose visits disagree: to the largest point that was visited,
// and lies where the boundary is not below with the probability that an answer needs. A few
// visits know their scatter badly, and an answer that errs low is the smaller harm.
func (v view) cautious(a Answer) Answer {
	most, ok := v.most(a)
	if !ok {
		return a
	}
	upTo := func(bound float64) float64 {
		return v.visited(func(x float64) bool { return x <= bound && x <= a.Safe })
	}
	safe := upTo(most)
	if !(safe >= most*math.Exp(-v.apart())) {
		// Visited points may lie far apart: one a little above is then nearer to what is known.
		safe = upTo(most * math.Exp(v.apart()/2))
	}
	if !math.IsNaN(safe) {
		a.Safe = safe
	}
	return a
}

// most is the value below which the boundary does not lie with the probability that an answer
// needs, by the answer's interval, or the largest point up to the answer where every limit was far
// away: at a cliff nothing is known by the values around it. ok is false where the answer
// has no interval.
func (v view) most(a Answer) (x float64, ok bool) {
	if !(a.Level > 0) || !(a.Lo > 0) || !(a.Estimate > a.Lo) {
		return 0, false
	}
	doubt := math.Log(a.Estimate/a.Lo) / zOf((1+a.Level)/2)
	if v.Int {
		doubt *= zOf(cautiousPass)
	} else {
		doubt = min(doubt*zOf(v.level()), rateDoubt)
	}
	x = a.Estimate * math.Exp(-doubt)
	if far := v.visited(func(x float64) bool { return x <= a.Safe && v.remote(x) }); far > x {
		x = far
	}
	return x, true
}
