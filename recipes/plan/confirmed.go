package plan

import (
	"math"
	"time"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
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
	// apartFor is the pause before a confirming visit. Three visits of seconds then span
	// a quarter of a minute, so that what comes and goes every ten seconds is seen.
	apartFor = 8 * time.Second
	// enoughVisits confirm an answer whose visits agree, and moreVisits one whose visits
	// do not. mostConfirming bounds them over a search whose answer moves.
	enoughVisits, moreVisits, mostConfirming = 3, 5, 9
	// nearAnswer is how near to the answer a visit must be to confirm it, in ln of the
	// searched value.
	nearAnswer = 0.06
	// disagree is the ratio of variances from which visits do not agree.
	disagree = 2.5
	// faith is how many visits' worth of belief there is that only the requests scatter.
	faith = 2.0
)

// Next is the search's own step; at its end, another visit of its answer.
func (c Confirmed) Next(p Problem, h []Observation) Step {
	tempered, inflation := temper(p, h)
	step := c.Planner.Next(p, tempered)
	v := viewsOf(p, h)[0]
	if !step.Done || len(p.Tiers) > 1 || !v.single() || !v.certain() {
		return step
	}
	if s, ok := v.silence(); ok {
		return s
	}
	a := c.Planner.Answers(p, tempered)[0]
	if math.IsNaN(a.Safe) {
		return step
	}
	near, all := 0, 0
	for _, o := range h {
		if !o.confirms() {
			continue
		}
		all++
		if math.Abs(math.Log(o.At[0]/a.Safe)) <= nearAnswer || o.At[0] > a.Safe && o.State == Full && passing(o, v.tier) {
			near++
		}
	}
	need := enoughVisits
	if inflation > disagree {
		need = moreVisits
	}
	if near >= need || all >= mostConfirming {
		return step
	}
	return Step{At: []float64{a.Safe}, Size: 1, Full: true, Apart: apartFor, Reason: "the answer, at another time"}
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
	tempered, _ := temper(p, h)
	return c.Planner.Answers(p, tempered)
}

// confirms reports that the visit was made to see an answer at another time.
func (o Observation) confirms() bool { return o.Asked.Apart > 0 && o.State == Full }

// temper widens the errors of a history by the scatter from visit to visit that its
// confirming visits show. inflation is the ratio of the variance that they have to the one
// that their own errors explain, at least 1.
func temper(p Problem, h []Observation) (tempered []Observation, inflation float64) {
	inflation = 1
	v := viewsOf(p, h)[0]
	if !v.single() {
		return h, inflation
	}
	extra := make([]float64, len(allLimits(h))) // variance, per limit
	for k := range extra {
		ratio, typical := v.scatterApart(k)
		inflation = max(inflation, ratio)
		extra[k] = typical * typical * (ratio - 1)
	}
	if inflation == 1 {
		return h, inflation
	}
	tempered = make([]Observation, len(h))
	for i, o := range h {
		tempered[i] = o
		tempered[i].Margins = make([]Margin, len(o.Margins))
		for k, m := range o.Margins {
			tempered[i].Margins[k] = m.widened(extra[k])
		}
	}
	return tempered, inflation
}

// widened is the margin with another variance added to its own.
func (m Margin) widened(extra float64) Margin {
	if !(extra > 0) {
		return m
	}
	se := m.SE
	if !(se > 0) || math.IsInf(se, 0) { // one that ended early has none that could be used
		z := math.Abs(zOf(min(max(m.Pass, 1e-6), 1-1e-6)))
		se = math.Abs(m.Value) / max(z, 1)
		if math.IsNaN(se) {
			return m
		}
	}
	wide := math.Sqrt(se*se + extra)
	if !math.IsNaN(m.Pass) && m.Pass > 0 && m.Pass < 1 {
		m.Pass = normal.CDF(zOf(m.Pass) * se / wide)
	}
	if m.SE > 0 {
		m.SE = wide
	}
	return m
}

// scatterApart compares what whole visits of one limit at different times differ by with
// their own errors. Visits of points near each other are brought together by the slope of
// latency in the load, which is about 1 in logarithms.
func (v view) scatterApart(k int) (ratio, typical float64) {
	var g, se []float64
	last := math.NaN()
	for _, o := range v.history {
		if o.confirms() {
			last = o.At[0]
		}
	}
	if math.IsNaN(last) {
		return 1, 0
	}
	for _, o := range v.history {
		m, ok := o.margin(k)
		if !ok || o.State != Full || !(m.SE > 0) || math.IsInf(m.Value, 0) || math.IsNaN(m.Value) {
			continue
		}
		u := math.Log(o.At[0] / last)
		if math.Abs(u) > 2*nearAnswer {
			continue
		}
		g, se = append(g, m.Value-u), append(se, m.SE)
	}
	n := float64(len(g))
	if n < 2 {
		return 1, 0
	}
	mean, mse := 0.0, 0.0
	for i := range g {
		mean += g[i] / n
		mse += se[i] * se[i] / n
	}
	ss := 0.0
	for i := range g {
		ss += (g[i] - mean) * (g[i] - mean)
	}
	typical = math.Sqrt(mse)
	return max((faith+ss/mse)/(faith+n-1), 1), typical
}
