package plan

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/unrest"
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
	// searched value.
	nearAnswer = 0.06
	// unlikely is P(a limit holds) at the last visit below which an answer is looked at again:
	// no search ends on a visit that speaks against what it answers.
	unlikely = 0.5
	// disagree is the ratio of variances from which visits do not agree.
	disagree = 2.5
	// unsettling is the scatter of a margin from which a disagreement is worth more visits:
	// a verdict within 2% of its limit is left as open as it is.
	unsettling = 0.02
	// opposed is the scatter from which visits that speak against each other are more than
	// the few percent by which one pattern of phases differs from another.
	opposed = 0.05
	// steepness is how far from 1 the slope of a margin in ln of the load is believed to be,
	// and rateSteepness in ln of a rate: a queue at a server that is all but full grows ten
	// times as fast as what is offered.
	steepness, rateSteepness = 0.8, 10.0
	// roughness widens the error of a visit that ended early where visits are compared.
	roughness = 1.2
	// farSure is P(a limit holds), or does not, from which a visit far from the limit counts
	// among those around the boundary, and farWindow how near to their middle it must be, in ln
	// of the searched value.
	farSure, farWindow = 0.98, 0.2
	// plenty is how many degrees of freedom an error has that is known well.
	plenty = 30
	// faith is how many visits' worth of belief there is that only the requests scatter.
	faith = 2.0
)

// Next is the search's own step; at its end, another visit of its answer.
func (c Confirmed) Next(p Problem, h []Observation) Step {
	tempered, moved, inflation := temper(p, h)
	step := c.Planner.Next(p, tempered)
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
	answer, at := v.confirmed(c.Planner.Answers(p, tempered)[0], inflation, v.with(tempered).read(signDecides))
	if math.IsNaN(at) && timed {
		if longer, ok := v.with(tempered).read(noiseEstimate).longer(); ok {
			return longer
		}
	}
	if math.IsNaN(at) || v.remote(at) {
		return step
	}
	near, all, visits := 0, 0, 0
	for _, o := range h {
		if !o.confirms() {
			visits++
			continue
		}
		all++
		if math.Abs(math.Log(o.At[0]/at)) <= nearAnswer || o.At[0] > at && passing(o, v.tier) {
			near++
		}
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
	answers := c.Planner.Answers(p, tempered)
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
	if inflation > disagree {
		a = v.cautious(a)
	}
	a.Safe = v.upheld(a.Safe, seen)
	if most, ok := v.most(own); ok {
		most = v.clampDown(most)
		if inflation > disagree {
			below = min(below, most)
		}
		if below < most*math.Exp(-2*nearAnswer) {
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
		sd = max(sd, math.Sqrt(own/n)) // few visits may happen to agree
		half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1 + faith}.Quantile((1+a.Level)/2) * sd / math.Sqrt(n)
		lowest, highest = min(lowest, (-mean-half)/slope), min(highest, (-mean+half)/slope)
	}
	if math.IsInf(lowest, 1) {
		return
	}
	a.Lo, a.Hi = min(a.Lo, a.Safe*math.Exp(lowest)), max(a.Hi, a.Safe*math.Exp(highest))
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
	if !(safe >= most*math.Exp(-2*nearAnswer)) {
		// Visited points may lie far apart: one a little above is then nearer to what is known.
		safe = upTo(most * math.Exp(nearAnswer))
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
	sd := math.Log(a.Estimate/a.Lo) / zOf((1+a.Level)/2)
	x = a.Estimate * math.Exp(-zOf(v.level())*sd)
	if far := v.visited(func(x float64) bool { return x <= a.Safe && v.remote(x) }); far > x {
		x = far
	}
	return x, true
}

// Scatter returns, for each margin of the history, what the visits at other times say of it:
// Value is what the margin lacks to the one over a long time, SE the error that it has beyond
// its own, and Pass the probability that the limit holds.
func (c Confirmed) Scatter(p Problem, h []Observation) [][]Margin {
	_, moved, _ := temper(p, h)
	all, ts := make([][]Margin, len(h)), times(h)
	for i, o := range h {
		for k, m := range o.Margins {
			u := moved[k]
			beyond := Margin{Estimate: u.at(ts[i], 1), Pass: u.passes(m, ts[i])}
			if beyond.SE > 0 { // an error known by few visits may be far larger than it looks
				t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: u.free}
				beyond.SE *= t.Quantile(1-tailMass) / zOf(1-tailMass)
			}
			all[i] = append(all[i], beyond)
		}
	}
	return all
}

// confirms reports that the visit was made to see an answer at another time.
func (o Observation) confirms() bool { return o.Asked.Apart > 0 && o.State == Full }

// temper widens the errors of a history by the scatter from visit to visit that it shows, and
// brings its margins to where a drift has come. moved has, per limit, what it was tempered by;
// inflation is the ratio of the variance that visits have to the one that their own errors
// explain, at least 1.
func temper(p Problem, h []Observation) (tempered []Observation, moved []unsettled, inflation float64) {
	inflation = 1
	v := viewsOf(p, h)[0]
	moved = make([]unsettled, len(allLimits(h)))
	if !v.single() {
		return h, moved, inflation
	}
	still := true
	for k := range moved {
		u := v.unrest(k)
		if u.scatter > 0 {
			inflation = max(inflation, 1+u.scatter*u.scatter/(u.typical*u.typical))
		}
		if against := v.against(k); against > opposed {
			inflation = max(inflation, 2*disagree)
			if against > u.scatter {
				u.scatter, u.free, u.may = against, plenty, nil
			}
		}
		moved[k], still = u, still && u.scatter == 0 && u.rate == 0
	}
	if still {
		return h, moved, inflation
	}
	tempered = make([]Observation, len(h))
	crowd, ts := crowds(h), times(h)
	for i, o := range h {
		tempered[i] = o
		tempered[i].Margins = make([]Margin, len(o.Margins))
		for k, m := range o.Margins {
			tempered[i].Margins[k] = m.moved(moved[k].at(ts[i], crowd[i]), moved[k].free)
		}
	}
	return tempered, moved, inflation
}

// unsettled is what moves whole visits of one limit.
type unsettled struct {
	// scatter is the standard deviation of the margin from visit to visit beyond the errors of
	// visits, which are typical, and free how many degrees of freedom it is known by.
	scatter, typical, free float64
	// bias is by how much the margin over a long time lies above that of single visits.
	bias float64
	// rate is how fast the margin rises, per second, until end, and rateSE its error. drifting
	// says that it still does.
	rate, rateSE, end float64
	drifting          bool

	// may is what may move visits, whether it is the likeliest or not; weight is how likely.
	may    []unsettled
	weight float64
}

// at is what a visit at time t lacks to the margin as it is in the end and over a long time,
// with the error of that, where the visit shares its time with as many as crowd.
func (u unsettled) at(t, crowd float64) Estimate {
	ago := u.end - min(t, u.end)
	unsure := u.bias / 2 // it is known no better than the scatter
	return Estimate{
		Value: u.bias + u.rate*ago,
		SE:    math.Sqrt(u.scatter*u.scatter*crowd + unsure*unsure + u.rateSE*u.rateSE*ago*ago),
	}
}

// passes is P(the limit holds) by the margin m of a visit at time t, over all that may have moved
// it: a verdict is not certain before what would turn it has been ruled out.
func (u unsettled) passes(m Margin, t float64) float64 {
	if u.may == nil {
		return m.moved(u.at(t, 1), u.free).Pass
	}
	p, rest := 0.0, 1.0
	for _, one := range u.may {
		p += one.weight * m.moved(one.at(t, 1), one.free).Pass
		rest -= one.weight
	}
	return p + rest*m.Pass
}

// beyond is by how much the percentile of limit k over a long time lies beyond those of single
// visits, in ln of the value, where those scatter by sd: the slow requests of a long time are
// those of its slow visits. With 5% beyond the limit on average, most visits have far fewer. It
// is that of normal laws of ln of the value, whose scatter within a visit is what the shares
// beyond the limit show as they change with the margins. The percentiles' mean was tried: of
// servers whose latencies wander by 30% it made answers 14% too high, however often they were
// confirmed. It is not for rates: the queue of a server that is all but full scatters far more than
// normal laws have it, and answers came out 5% to 10% too low.
func (v view) beyond(k int, sd float64) float64 {
	allowed := 0.0 // visits far below the limit have no request beyond it
	for _, o := range v.history {
		if m, ok := o.margin(k); ok && o.says() && o.Requests > 0 && !math.IsNaN(m.Excess) {
			allowed = max(allowed, -m.Excess/float64(o.Requests))
		}
	}
	if !(sd > 0) || !(allowed > 0 && allowed < 0.5) {
		return 0
	}
	var along, squares float64
	for _, o := range v.history {
		m, ok := o.margin(k)
		if !ok || !o.says() || o.Requests == 0 || !(math.Abs(m.Value) <= boundary.Straight) {
			continue
		}
		if l := math.Log1p(m.Excess / float64(o.Requests) / allowed); finite(l) {
			along, squares = along+math.Abs(m.Value*l), squares+l*l
		}
	}
	if squares == 0 {
		return 0
	}
	z := zOf(1 - allowed)
	within := along / squares * distuv.UnitNormal.Prob(z) / allowed
	return z * (math.Hypot(within, sd) - within)
}

// memory is how long a disturbance is taken to last, in seconds, where one is seen: ten, or
// as much shorter as the pauses are. A search of short visits cannot tell disturbances
// that outlast it from the server.
func memory(h []Observation) float64 { return 2.5 * pauseOf(h).Seconds() }

// times returns when each visit was, in seconds of the search: the middle of it. A visit
// whose length is not known takes as long as a pause.
func times(h []Observation) []float64 {
	ts, unknown := make([]float64, len(h)), pauseOf(h)
	now := 0.0
	for i, o := range h {
		lasted := o.Lasted
		if lasted <= 0 {
			lasted = unknown
		}
		now += o.Asked.Apart.Seconds()
		ts[i] = now + lasted.Seconds()/2
		now += lasted.Seconds()
	}
	return ts
}

// crowds returns how many visits each visit shares its time with, itself included: those
// see one disturbance together, and are together worth one look at it.
func crowds(h []Observation) []float64 {
	ts := times(h)
	out, memory := make([]float64, len(h)), memory(h)
	for i := range h {
		for j := range h {
			if h[j].says() {
				out[i] += math.Exp(-math.Abs(ts[i]-ts[j]) / memory)
			}
		}
	}
	return out
}

// moved is the margin with what it lacks added, and another error to its own. What its requests
// say stays; the limit holds with no more certainty than the value lies away from it by the
// wider error, of which free degrees of freedom are known. A verdict far from the limit, made
// early because it is far, thus stays certain.
func (m Margin) moved(by Estimate, free float64) Margin {
	if !(by.SE > 0) {
		return m
	}
	own := m.Value
	m.Value += by.Value
	wide := by.SE
	if m.SE > 0 {
		wide = math.Hypot(m.SE, wide)
		m.SE = wide
	}
	if math.IsNaN(m.Pass) || math.IsNaN(m.Value) {
		return m
	}
	switch away := (distuv.StudentsT{Mu: 0, Sigma: 1, Nu: free}).CDF(-m.Value / wide); {
	case (own < 0) != (m.Value < 0): // its requests speak for the side where it was
		m.Pass = away
	case m.Value < 0:
		m.Pass = min(m.Pass, max(away, 0.5))
	default:
		m.Pass = max(m.Pass, min(away, 0.5))
	}
	return m
}

// against returns the standard deviation from visit to visit that explains visits of limit
// k which speak against each other: one that certainly holds at a load no lower than that
// of another which certainly does not. They differ then by two standard deviations. It is
// zero where none do, and for a limit that does not count requests, which may be a floor
// that low loads do not reach. A failure that was looked at twice more speaks for itself:
// it is the server's when it stands, and a stall when it does not.
func (v view) against(k int) (sd float64) {
	const sure = 0.95
	seen := map[float64]int{}
	for _, o := range v.history {
		if o.says() {
			seen[o.At[0]]++
		}
	}
	for _, above := range v.history {
		m, ok := above.margin(k)
		if !ok || !above.says() || !(m.Pass > sure) || math.IsNaN(m.Excess) {
			continue
		}
		for _, below := range v.history {
			n, ok := below.margin(k)
			if ok && seen[below.At[0]] <= 2 && n.Pass < 1-sure && below.At[0] <= above.At[0] {
				sd = max(sd, (straightened(n.Value)-straightened(m.Value))/(2*math.Sqrt2))
			}
		}
	}
	return sd
}

// unrest reads what moves whole visits of limit k off the visits whose margin is known by its
// value. Those that ended early count, too, once an answer has been confirmed: a search has a
// dozen of them near its boundary and three that confirm it, which may agree by chance.
func (v view) unrest(k int) unsettled {
	u := unsettled{free: 1}
	steep := steepness
	if !v.Int {
		steep = rateSteepness
	}
	var visits, far []unrest.Visit
	ts, confirmed := times(v.history), false
	squares, middle := 0.0, 0.0
	for i, o := range v.history {
		m, ok := o.margin(k)
		if !ok || o.State > Cut || !(m.SE > 0) || math.IsNaN(m.Value) {
			continue
		}
		one := unrest.Visit{U: math.Log(o.At[0]), G: straightened(m.Value), SE: m.SE, At: ts[i]}
		if o.State == Cut {
			one.SE *= roughness
		}
		if math.Abs(m.Value) > boundary.Straight {
			// What lies far from its limit, a share without one bad request for example, is not
			// known by its value, and between two modes of latency neither is a percentile. It
			// says that something was amiss where its requests are certain of the side.
			if m.Pass < 1-farSure || m.Pass > farSure {
				far = append(far, one)
			}
			continue
		}
		visits = append(visits, one)
		confirmed = confirmed || o.confirms()
		squares, middle = squares+m.SE*m.SE, middle+one.U
	}
	if !confirmed {
		return u
	}
	n := float64(len(visits))
	for _, one := range far {
		if math.Abs(one.U-middle/n) <= farWindow {
			visits = append(visits, one)
		}
	}
	u.typical = math.Sqrt(squares / n)
	seen := unrest.Read(visits, unrest.Prior{Steep: steep, Memory: memory(v.history)})
	scattered := unsettled{
		scatter: seen.SD, free: seen.Free, typical: u.typical, weight: seen.Scatters,
	}
	if v.Int {
		scattered.bias = v.beyond(k, seen.SD)
	}
	drifted := unsettled{
		rate: seen.Rate, rateSE: seen.RateSE, end: seen.End, drifting: seen.End == seen.Last,
		free: plenty, typical: u.typical, weight: seen.Drifts,
	}
	may := []unsettled{scattered, drifted}
	switch seen.Kind {
	case unrest.Scattered:
		u = scattered
	case unrest.Drifting:
		u = drifted
	}
	if seen.Scatters+seen.Drifts > 0 {
		u.may = may
	}
	return u
}
