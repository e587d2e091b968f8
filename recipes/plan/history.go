package plan

import (
	"cmp"
	"math"
	"slices"
)

// belief is what all visits of one point say about one tier.
type belief struct {
	x       float64      // the point, in its first dimension
	visits  []int        // indexes of the observations made there that said something
	pass    float64      // P(every limit of the tier holds)
	margins []float64    // pooled g per limit of the tier; NaN: none measured
	z       []float64    // evidence that the limit holds, per limit of the tier
	weight  []float64    // its weight when it is pooled with that of other points
	values  [][]Estimate // g of each whole visit per limit of the tier; of the rough ones when there is no other
}

// passes reports whether the point is believed to pass; visits that balance
// each other do not make a pass.
func (b belief) passes() bool { return b.pass > 0.5 }

// worst is the largest pooled margin: that of the limit nearest to breaking, or
// most broken. It is NaN when any limit has none.
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

// track is what a history says about one tier along one dimension: the
// distinct points that said something, ascending.
type track struct {
	points     []belief
	confidence float64
	noise      []scale // per-visit scatter of g per limit of the tier, where it has to be estimated
}

// noiseUse says what stands in for a certainty that no observation carries.
type noiseUse bool

const (
	signDecides   noiseUse = false // the sign of the margin, as certain
	noiseEstimate noiseUse = true  // the margin against the scatter of the history
)

// tiers returns the problem's sets of limits, n being the number of limits an
// observation carries.
func tiers(p Problem, h []Observation) [][]int {
	if len(p.Tiers) > 0 {
		return p.Tiers
	}
	n := 0
	for _, o := range h {
		n = max(n, len(o.Limits))
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return [][]int{all}
}

func confidence(p Problem) float64 {
	if p.Confidence > 0.5 && p.Confidence < 1 {
		return p.Confidence
	}
	return DefaultConfidence
}

// says reports whether an observation says anything about the server.
func says(o Observation) bool { return o.State != Unmeasured && o.State != Untrusted }

// read pools a history per distinct point of its first dimension, for the
// limits of one tier.
func read(p Problem, h []Observation, tier []int, use noiseUse) track {
	t := track{confidence: confidence(p), noise: make([]scale, len(tier))}
	groups := visitsByPoint(h)
	for _, visits := range groups {
		t.points = append(t.points, gather(h, visits, tier))
	}
	if use == noiseEstimate {
		slices.SortFunc(t.points, func(a, b belief) int { return cmp.Compare(a.x, b.x) })
		for j := range tier {
			t.noise[j] = scatter(t.points, j)
		}
	}
	for i := range t.points {
		t.points[i].judge(h, tier, t.noise, use)
	}
	if len(p.Dims) == 1 {
		slices.SortFunc(t.points, func(a, b belief) int { return cmp.Compare(a.x, b.x) })
		t.lend()
	}
	return t
}

// visitsByPoint groups the indexes of the observations that say something by
// where they were made, in order of first visit.
func visitsByPoint(h []Observation) [][]int {
	var groups [][]int
	for i, o := range h {
		if len(o.At) == 0 || !says(o) {
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

// gather pools the margins of one point's visits.
func gather(h []Observation, visits []int, tier []int) belief {
	b := belief{
		x: h[visits[0]].At[0], visits: visits,
		margins: make([]float64, len(tier)),
		z:       make([]float64, len(tier)),
		weight:  make([]float64, len(tier)),
		values:  make([][]Estimate, len(tier)),
	}
	for j, k := range tier {
		for _, v := range visits {
			o := h[v]
			if o.State != Failed && k >= 0 && k < len(o.Limits) && !math.IsNaN(o.Limits[k].Value) && o.State == Full {
				b.values[j] = append(b.values[j], o.Limits[k].Estimate)
			}
		}
		if len(b.values[j]) == 0 { // a rough value is better than none
			for _, v := range visits {
				o := h[v]
				if o.State == Cut && k >= 0 && k < len(o.Limits) && !math.IsNaN(o.Limits[k].Value) {
					b.values[j] = append(b.values[j], o.Limits[k].Estimate)
				}
			}
		}
		b.margins[j] = pool(b.values[j])
	}
	return b
}
