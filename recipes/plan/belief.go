package plan

import (
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// belief is what all visits of one point say about one tier.
type belief struct {
	// x is the point, in its first dimension.
	x float64
	// visits are the indexes of the observations made there that said something.
	visits []int
	// pass is P(every limit of the tier holds).
	pass float64

	// The rest is per limit of the tier. margins are pooled, NaN where none was measured;
	// z is the evidence that the limit holds, weight its weight when it is pooled with
	// that of other points.
	margins, z, weight []float64
	// values are the margins of the whole visits, or of the rough ones when there is no
	// other.
	values [][]Estimate
}

// passes reports whether the point is believed to pass; visits that balance each other do
// not make a pass.
func (b belief) passes() bool { return b.pass > 0.5 }

// worst is the largest pooled margin: that of the limit nearest to breaking, or most
// broken. It is NaN when any limit has none.
func (b belief) worst() float64 {
	w := math.Inf(-1)
	for _, g := range b.margins {
		if math.IsNaN(g) {
			return g
		}
		w = max(w, g)
	}
	return w
}

// visitsByPoint groups the indexes of the observations that say something by where they
// were made, in order of first visit.
func (v view) visitsByPoint() [][]int {
	var groups [][]int
	h := v.history
	for i, o := range h {
		if len(o.At) == 0 || !o.says() {
			continue
		}
		k := slices.IndexFunc(groups, func(g []int) bool { return slices.Equal(h[g[0]].At, o.At) })
		if k < 0 {
			groups = append(groups, []int{i})
			continue
		}
		groups[k] = append(groups[k], i)
	}
	return groups
}

// gather pools the margins of one point's visits. It leaves the verdict open; see judge.
func (v view) gather(visits []int) belief {
	n := len(v.tier)
	b := belief{
		x: v.history[visits[0]].At[0], visits: visits,
		margins: make([]float64, n), z: make([]float64, n), weight: make([]float64, n),
		values: make([][]Estimate, n),
	}
	for j, k := range v.tier {
		b.values[j] = v.values(visits, k, Full)
		if len(b.values[j]) == 0 { // a rough value is better than none
			b.values[j] = v.values(visits, k, Cut)
		}
		b.margins[j] = pool(b.values[j])
	}
	return b
}

// values returns the margins of limit k that the visits in the given state have.
func (v view) values(visits []int, k int, state State) (values []Estimate) {
	for _, i := range visits {
		o := v.history[i]
		if m, ok := o.margin(k); ok && o.State == state && !math.IsNaN(m.Value) {
			values = append(values, m.Estimate)
		}
	}
	return values
}

// contrary reports that visits of a point lie on both sides of a limit, and far apart. A factor
// of e is far whatever their errors are: a history that was tempered has made these as wide as
// the disagreement of its visits, and two of them would then never be too far apart for noise.
func (b belief) contrary() bool {
	for _, vs := range b.values {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range vs {
			lo, hi = min(lo, v.Value), max(hi, v.Value)
		}
		if lo <= 0 && hi > 0 && hi-lo > min(apart(vs), 1) {
			return true
		}
	}
	return false
}

// disturbed reports that a visit was a stalled probe, by the median of three or more at
// the point.
func (b belief) disturbed(j int, e Estimate) bool {
	vs := b.values[j]
	return len(vs) > 2 && math.Abs(e.Value-b.margins[j]) > apart(vs)
}

// contradiction is how far visits of a point must differ, in g, for another to decide
// between them: ten times the usual scatter.
const contradiction = 0.3

// apart is how far visits must differ to be more than noise.
func apart(vs []Estimate) float64 {
	least := contradiction
	for _, v := range vs {
		if v.SE > 0 && !math.IsInf(v.SE, 0) {
			least = max(least, 5*v.SE) // five standard errors are no noise
		}
	}
	return least
}

// inexact reports that a margin was measured, and may be off.
func (b belief) inexact() bool {
	for _, vs := range b.values {
		for _, v := range vs {
			if v.SE != 0 {
				return true
			}
		}
	}
	return false
}

// Pooled returns what all visits of a point say together, one observation for each point
// that a visit says something about. Along one dimension they ascend; otherwise they are
// in the order of first visits. Every margin has a Pass, which rests on the point's own
// visits; one without a certainty of its own is decided by its sign.
//
// pass has, for each point, P(every limit of the first tier holds). Along one dimension
// neighbours of the same verdict lend their evidence, as they do in a search.
func (p Problem) Pooled(h []Observation) (points []Observation, pass []float64) {
	tempered, _, _ := temper(p, h)
	for _, b := range viewsOf(p, tempered)[0].read(signDecides).points {
		pass = append(pass, b.pass)
	}
	return p.pooled(tempered), pass
}

// pooled returns the points of Pooled, of a history that was tempered.
func (p Problem) pooled(tempered []Observation) (points []Observation) {
	p.Tiers = nil // every limit counts
	all := viewsOf(p, tempered)[0].read(signDecides)
	for _, b := range all.points {
		o := Observation{At: tempered[b.visits[0]].At, State: Failed}
		for j := range all.tier {
			o.Margins = append(o.Margins, Margin{
				Estimate: Estimate{Value: b.margins[j], SE: pooledSE(b.values[j])},
				Pass:     normal.CDF(b.z[j]),
			})
		}
		for _, v := range b.visits {
			o.Requests += tempered[v].Requests
			o.Lasted += tempered[v].Lasted
			o.State = min(o.State, tempered[v].State) // a whole visit says most
		}
		points = append(points, o)
	}
	return points
}
