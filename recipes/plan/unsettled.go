package plan

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/unrest"
)

const (
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
	// leastRepeated is how many points of a list were visited twice where a scatter is read off them.
	leastRepeated = 3
	// plenty is how many degrees of freedom an error has that is known well.
	plenty = 30
)

// unsettled is what moves whole visits of one limit.
type unsettled struct {
	// scatter is the standard deviation of the margin from visit to visit beyond the errors of
	// visits, which are typical, and free how many degrees of freedom it is known by.
	scatter, typical, free float64
	// lasts is P(what moves a visit also moves those around it).
	lasts float64
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
				u.scatter, u.lasts, u.free, u.may = against, 1, plenty, nil
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

// at is what a visit at time t lacks to the margin as it is in the end and over a long time,
// with the error of that, where the visit shares its time with as many as crowd.
func (u unsettled) at(t, crowd float64) Estimate {
	ago := u.end - min(t, u.end)
	unsure := u.bias / 2 // it is known no better than the scatter
	return Estimate{
		Value: u.bias + u.rate*ago,
		SE:    math.Sqrt(u.scatter*u.scatter*(1+(crowd-1)*u.lasts) + unsure*unsure + u.rateSE*u.rateSE*ago*ago),
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
	allowed := 0.0
	for _, o := range v.history {
		if m, ok := o.margin(k); ok {
			allowed = max(allowed, m.Allowed)
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
		count := m.Excess + allowed*float64(o.Requests)
		if count > 0.5 { // visits without a slow request say nothing of how their share changes
			l := math.Log(count / float64(o.Requests) / allowed)
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
	ts, memory := times(h), memory(h)
	var told []float64
	for i, o := range h {
		if o.says() {
			told = append(told, ts[i])
		}
	}
	out := make([]float64, len(h))
	for i, t := range ts {
		out[i] = unrest.Crowd(told, t, memory)
	}
	return out
}

// moved is the margin with what it lacks added, and another error to its own. What its requests
// say stays; the limit holds with no more certainty than the value lies away from it by the
// wider error, of which free degrees of freedom are known. A verdict far from the limit, made
// early because it is far, thus stays certain. The share of its requests beyond the limit is that of
// this visit alone, and counts for no other time.
func (m Margin) moved(by Estimate, free float64) Margin {
	if !(by.SE > 0) {
		return m
	}
	own := m.Value
	m.Value, m.Allowed = m.Value+by.Value, 0
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
	if len(v.List) > 1 {
		return v.repeated(k)
	}
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
		scatter: seen.SD, free: seen.Free, lasts: seen.Lasts, typical: u.typical, weight: seen.Scatters,
	}
	if v.Int {
		scattered.bias = v.beyond(k, seen.SD)
	}
	drifted := unsettled{
		rate: seen.Rate, rateSE: seen.RateSE, end: seen.End, drifting: seen.End == seen.Last,
		free: plenty, typical: u.typical, weight: seen.Drifts,
	}
	switch seen.Kind {
	case unrest.Scattered:
		u = scattered
	case unrest.Drifting:
		u = drifted
	}
	u.may = []unsettled{scattered, drifted}
	return u
}

// repeated reads what moves whole visits of limit k off the points of a list that were visited more
// than once. No line is laid through its points, which span all loads.
func (v view) repeated(k int) unsettled {
	u := unsettled{free: 1}
	var points [][]unrest.Visit
	ts, squares, n := times(v.history), 0.0, 0.0
	for _, visits := range v.visitsByPoint() {
		var one []unrest.Visit
		for _, i := range visits {
			o := v.history[i]
			if m, ok := o.margin(k); ok && o.State == Full && m.SE > 0 && !math.IsNaN(m.Value) {
				one = append(one, unrest.Visit{G: m.Value, SE: m.SE, At: ts[i]})
			}
		}
		if len(one) < 2 {
			continue
		}
		points = append(points, one)
		for _, a := range one {
			squares, n = squares+a.SE*a.SE, n+1
		}
	}
	if len(points) < leastRepeated {
		return u
	}
	u.typical = math.Sqrt(squares / n)
	for _, one := range points {
		for i := range one {
			// The error of a percentile of a hundred requests is an estimate itself, and too small for
			// some visits: their difference would be taken for a scatter.
			one[i].SE = max(one[i].SE, u.typical)
		}
	}
	seen := unrest.Repeated(points, memory(v.history))
	if seen.Kind == unrest.Scattered {
		u.scatter, u.free, u.weight = seen.SD, seen.Free, seen.Scatters
		if v.Int {
			u.bias = v.beyond(k, seen.SD)
		}
		u.may = []unsettled{u}
	}
	return u
}

// Scatter returns, for each margin of the history, what the visits at other times say of it:
// Value is what the margin lacks to the one over a long time, SE the error that it has beyond
// its own, and Pass the probability that the limit holds. No visit is more certain than
// all visits of its point together: one that the others contradict was bad luck, or a bad moment.
func (p Problem) Scatter(h []Observation) [][]Margin {
	tempered, moved, _ := temper(p, h)
	all, ts := make([][]Margin, len(h)), times(h)
	points := p.pooled(tempered)
	for i, o := range h {
		at := slices.IndexFunc(points, func(b Observation) bool { return slices.Equal(b.At, o.At) })
		for k, m := range o.Margins {
			u := moved[k]
			beyond := Margin{Estimate: u.at(ts[i], 1), Pass: u.passes(m, ts[i])}
			if at >= 0 {
				beyond.Pass = allowed(beyond.Pass, points[at].Margins[k].Pass)
			}
			if beyond.SE > 0 { // an error known by few visits may be far larger than it looks
				t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: u.free}
				beyond.SE *= t.Quantile(1-tailMass) / zOf(1-tailMass)
			}
			all[i] = append(all[i], beyond)
		}
	}
	return all
}

// allowed is the probability of a visit's own verdict as far as that of all visits of its point
// allows it. It stays on its side of even: the visit saw what it saw.
func allowed(own, together float64) float64 {
	if own < 0.5 {
		return max(own, min(together, 0.5))
	}
	return min(own, max(together, 0.5))
}
