package plan

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Evidence of one visit, as a z-score.
const (
	// maxZ caps what one visit can say: a probe that is certain to 1e-5 is not
	// evidence against a network fault that happens once in a thousand probes.
	maxZ = 4.0
	// failedZ is the evidence of a visit whose requests all failed: P = 0.055, a failure that one more visit makes certain.
	// Taking it as certain at once lets one transient fault end a search
	// (AIPerf answers 15 where 300 is true); taking it as nothing would let a
	// crashed server pass.
	failedZ = -1.6
	// missingZ is the evidence of a visit that lacks a limit's metric: P = 0.01.
	// What was not measured never passes, and asking again seldom helps.
	missingZ = -2.33
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

// lend lets neighbours of the same verdict share evidence: where a margin does
// not fall with load, its mean over [x, y] is at least its value at x, so what
// is pooled over passing points from x upwards speaks for x, and over failing
// points from x downwards against it. (The min-max form of isotonic
// regression, Barlow et al. 1972, applied to z-scores.) It changes how certain
// a verdict is, never the verdict.
func (t *track) lend() {
	own := slices.Clone(t.points)
	for i, b := range own {
		step := -1
		if b.passes() {
			step = 1
		}
		pass := 1.0
		for j := range b.z {
			best, sum, squares := b.z[j], 0.0, 0.0
			for k := i; k >= 0 && k < len(own) && own[k].passes() == b.passes(); k += step {
				sum, squares = sum+own[k].weight[j]*own[k].z[j], squares+own[k].weight[j]*own[k].weight[j]
				z := sum / math.Sqrt(squares)
				if b.passes() {
					best = max(best, z)
				} else {
					best = min(best, z)
				}
			}
			pass *= normal(best)
		}
		if len(b.z) > 0 {
			t.points[i].pass = pass
		}
	}
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

// pool averages margins by inverse variance when every standard error is known.
// Otherwise it takes the mean of two and the median of more, so that one
// outlier cannot move three visits.
func pool(es []Estimate) float64 {
	if len(es) == 0 {
		return math.NaN()
	}
	var exact, sum, weight float64
	n, known := 0, true
	vs := make([]float64, 0, len(es))
	for _, e := range es {
		vs = append(vs, e.Value)
		switch {
		case math.IsNaN(e.SE) || math.IsInf(e.SE, 0) || e.SE < 0:
			known = false
		case e.SE == 0:
			exact, n = exact+e.Value, n+1
		default:
			w := 1 / (e.SE * e.SE)
			sum, weight = sum+w*e.Value, weight+w
		}
	}
	switch {
	case n > 0:
		return exact / float64(n)
	case known && !math.IsInf(sum, 0) && weight > 0:
		return sum / weight
	case len(vs) == 2:
		return midpoint(vs[0], vs[1])
	}
	return median(vs)
}

func midpoint(a, b float64) float64 {
	m := a/2 + b/2
	if math.IsNaN(m) { // −Inf and +Inf
		return 0
	}
	return m
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return midpoint(s[n/2-1], s[n/2])
}

// judge pools the verdicts of a point's visits: per limit, z of P(limit holds)
// by Stouffer's method with weights sqrt(Requests), then the product over the
// limits. The product is the conservative choice for limits that move together.
func (b *belief) judge(h []Observation, tier []int, noise []scale, use noiseUse) {
	visits, failed := b.visits, 0.0
	known := true
	for _, v := range visits {
		if h[v].Requests <= 0 {
			known = false
		}
	}
	weight := func(v int) float64 {
		if known {
			return math.Sqrt(float64(h[v].Requests))
		}
		return 1
	}
	b.pass = 1
	for j, k := range tier {
		var sum, squares float64
		unknown := 0
		for _, v := range visits {
			o, w := h[v], weight(v)
			z := missingZ
			switch {
			case o.State == Failed:
				z = failedZ
			case k >= 0 && k < len(o.Limits):
				l := o.Limits[k]
				switch {
				case !math.IsNaN(l.Pass):
					z = zOf(l.Pass)
				case math.IsNaN(l.Value):
				case !math.IsNaN(l.SE) && l.SE >= 0:
					z = zOfMargin(l.Value, l.SE)
				default:
					unknown++
					continue
				}
			}
			sum, squares = sum+w*z, squares+w*w
		}
		if unknown > 0 {
			// Visits of unknown certainty are judged together, by their pooled
			// margin against the scatter; the rest joins as one more opinion.
			z := zOfMargin(b.margins[j], 0)
			if use == noiseEstimate {
				z = noise[j].z(b.margins[j], unknown)
			}
			w := math.Sqrt(float64(unknown))
			if known {
				w = 0
				for _, v := range visits {
					w += float64(h[v].Requests)
				}
				w = math.Sqrt(w)
			}
			sum, squares = sum+w*z, squares+w*w
		}
		b.weight[j] = math.Sqrt(squares)
		b.z[j] = sum / b.weight[j]
		b.pass *= normal(b.z[j])
	}
	if len(tier) == 0 { // without limits a point passes unless it failed
		for _, v := range visits {
			if h[v].State == Failed {
				failed++
			}
		}
		if failed > 0 {
			n := float64(len(visits))
			b.pass = normal((failed*failedZ + (n-failed)*maxZ) / math.Sqrt(n))
		}
	}
}

func normal(z float64) float64 { return distuv.UnitNormal.CDF(z) }

func zOf(p float64) float64 {
	if p <= 0 {
		return -maxZ
	}
	if p >= 1 {
		return maxZ
	}
	return max(-maxZ, min(maxZ, distuv.UnitNormal.Quantile(p)))
}

// zOfMargin is the evidence of margin g with standard error se; at se 0 the
// sign decides, and g = 0 does not violate.
func zOfMargin(g, se float64) float64 {
	switch {
	case math.IsNaN(g):
		return missingZ
	case se <= 0 && g > 0, math.IsInf(g, 1):
		return -maxZ
	case se <= 0, math.IsInf(g, -1):
		return maxZ
	}
	return max(-maxZ, min(maxZ, -g/se))
}

// The scatter that is assumed before a history has shown any: 3 % of the
// value, worth two residuals.
const (
	priorNoise  = 0.03
	priorWeight = 2
	nearMargin  = 0.5 // margins beyond it lie where the curve is not locally straight
)

var nearSpan = math.Log(1.3) // points further apart than this factor show curvature, not noise

// scatter estimates the per-visit standard deviation of limit j's margin from
// what repeats of a point and near neighbours disagree by, with a weak prior.
// Residuals count up to three times their median (as a normal standard
// deviation): an outlier tells that it is there, not how much the rest
// scatters.
func scatter(points []belief, j int) scale {
	var rs []float64
	for range priorWeight {
		rs = append(rs, priorNoise)
	}
	for _, b := range points {
		vs := b.values[j]
		for i := 1; i < len(vs); i++ { // successive differences: each has variance 2σ²
			if d := vs[i].Value - vs[i-1].Value; !math.IsNaN(d) {
				rs = append(rs, math.Abs(d)/math.Sqrt2)
			}
		}
	}
	var near []belief
	for _, b := range points {
		if b.x > 0 && math.Abs(b.margins[j]) <= nearMargin {
			near = append(near, b)
		}
	}
	for i := 1; i+1 < len(near); i++ {
		a, b, c := near[i-1], near[i], near[i+1]
		la, lb, lc := math.Log(a.x), math.Log(b.x), math.Log(c.x)
		if lc-la > nearSpan || (a.margins[j] > 0) != (c.margins[j] > 0) { // a cliff may lie between the two
			continue
		}
		w := (lb - la) / (lc - la)
		r := b.margins[j] - (1-w)*a.margins[j] - w*c.margins[j]
		v := 1/float64(len(b.values[j])) + (1-w)*(1-w)/float64(len(a.values[j])) + w*w/float64(len(c.values[j]))
		rs = append(rs, math.Abs(r)/math.Sqrt(v))
	}
	limit := 3 * median(rs) / 0.6745
	sum := 0.0
	for _, r := range rs {
		r = min(r, limit)
		sum += r * r
	}
	return scale{sd: math.Sqrt(sum / float64(len(rs))), dof: float64(len(rs))}
}

// scale is an estimated standard deviation and the number of residuals that it
// rests on.
type scale struct{ sd, dof float64 }

// z is the evidence that a limit holds whose margin is g, the mean of n visits:
// the z-score of Student's t, since a scatter known from few residuals may be
// far larger than it looks.
func (s scale) z(g float64, n int) float64 {
	if math.IsNaN(g) || math.IsInf(g, 0) {
		return zOfMargin(g, 0)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: s.dof}
	return zOf(t.CDF(-g / (s.sd / math.Sqrt(float64(n)))))
}

// certainPass and certainFail compare a belief with the asked confidence.
func (t track) certainPass(b belief) bool { return b.pass >= t.confidence }
func (t track) certainFail(b belief) bool { return b.pass <= 1-t.confidence }
func (t track) open(b belief) bool        { return !t.certainPass(b) && !t.certainFail(b) }

// prefix returns how many of the lowest points are believed to pass: the
// boundary is that of the last of them, whatever passes above the first
// failure.
func (t track) prefix() int {
	for i, b := range t.points {
		if !b.passes() {
			return i
		}
	}
	return len(t.points)
}

// safe returns the index of the largest point of the prefix that passes with
// certainty, −1 for none.
func (t track) safe() int {
	for i := t.prefix() - 1; i >= 0; i-- {
		if t.certainPass(t.points[i]) {
			return i
		}
	}
	return -1
}

// nonMonotone reports a believed pass above a believed failure.
func (t track) nonMonotone() bool {
	for _, b := range t.points[t.prefix():] {
		if b.passes() {
			return true
		}
	}
	return false
}

// answer reads the boundary off a track: Lo and Hi are the ends of the bracket,
// Estimate the zero of the worst margin between them, straight in ln x.
func (t track) answer() Answer {
	a := Answer{Safe: math.NaN(), Estimate: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), NonMonotone: t.nonMonotone()}
	for _, b := range t.points {
		a.Passed = a.Passed || t.certainPass(b)
	}
	if i := t.safe(); i >= 0 {
		a.Safe = t.points[i].x
	}
	n := t.prefix()
	if n > 0 {
		a.Lo = t.points[n-1].x
		a.Estimate = a.Lo
	}
	if n < len(t.points) {
		a.Hi = t.points[n].x
	}
	if n > 0 && n < len(t.points) {
		a.Estimate = crossing(t.points[n-1], t.points[n])
	}
	return a
}

// crossing interpolates the worst margin of a pass and a failure to zero,
// straight in ln x as latency curves nearly are; without two finite margins of
// opposite sign it returns the passing point.
func crossing(pass, fail belief) float64 {
	g, h := pass.worst(), fail.worst()
	if !(g <= 0 && h > 0) || math.IsInf(g, 0) || math.IsInf(h, 0) || pass.x <= 0 {
		return pass.x
	}
	w := -g / (h - g)
	return math.Exp((1-w)*math.Log(pass.x) + w*math.Log(fail.x))
}

// distinct counts the distinct points of a history, and tells whether at is
// one of them.
func distinct(h []Observation, at []float64) (n int, seen bool) {
	for i, o := range h {
		if slices.Equal(o.At, at) {
			seen = true
		}
		if !slices.ContainsFunc(h[:i], func(q Observation) bool { return slices.Equal(q.At, o.At) }) {
			n++
		}
	}
	return n, seen
}
