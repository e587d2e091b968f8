package plan

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// pool averages margins by inverse variance when every standard error is known. Values
// without error outweigh all others. Otherwise it takes the mean of two and the median of
// more, so that one outlier cannot move three visits. Without values it is NaN.
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

// midpoint is the mean of two values; that of −Inf and +Inf is 0, on the limit.
func midpoint(a, b float64) float64 {
	m := a/2 + b/2
	if math.IsNaN(m) {
		return 0
	}
	return m
}

// median is the middle value, or the midpoint of the two middle ones.
func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return midpoint(s[n/2-1], s[n/2])
}

// pooledSE returns the standard error of the inverse-variance mean of es; NaN when one is
// unknown.
func pooledSE(es []Estimate) float64 {
	precision := 0.0
	for _, e := range es {
		precision += 1 / (e.SE * e.SE)
	}
	if se := 1 / math.Sqrt(precision); finite(se) {
		return se
	}
	return math.NaN()
}

const (
	// priorNoise is the scatter that is assumed before a history has shown any: 3% of the
	// value. priorWeight is the number of residuals that it is worth: two are soon
	// overruled.
	priorNoise  = 0.03
	priorWeight = 2
	// nearMargin is the margin beyond which the curve is not locally straight.
	nearMargin = 0.5
)

// nearSpan is the widest span of three points, in ln x, whose middle one is off the line
// through the others by noise; in a wider one it is off by curvature.
var nearSpan = math.Log(1.3)

// scatter estimates the per-visit standard deviation of limit j's margin from what
// repeats of a point and near neighbours disagree by, with a weak prior. Residuals count
// up to three times their median (as a normal standard deviation): an outlier tells that
// it is there, not how much the rest scatters.
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
	limit := 3 * median(rs) / 0.6745 // the median of |z| of a standard normal
	sum := 0.0
	for _, r := range rs {
		r = min(r, limit)
		sum += r * r
	}
	return scale{sd: math.Sqrt(sum / float64(len(rs))), dof: float64(len(rs))}
}

// scale is an estimated standard deviation and the number of residuals that it rests on.
type scale struct{ sd, dof float64 }

// z is the evidence that a limit holds whose margin is g, the mean of n visits: the
// z-score of Student's t, since a scatter known from few residuals may be far larger than
// it looks.
func (s scale) z(g float64, n int) float64 {
	if math.IsNaN(g) || math.IsInf(g, 0) {
		return zOfMargin(g, 0)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: s.dof}
	return zOf(t.CDF(-g / (s.sd / math.Sqrt(float64(n)))))
}

// finite reports whether x is a number, and not infinite.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
