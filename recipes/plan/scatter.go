package plan

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

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
