package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// parzen is a density over the unit cube: a mixture of truncated normals, one
// a point, and one over the whole cube, the prior, all of equal weight
// (Bergstra et al. 2011, section 4.2). The dimensions of one component are
// independent, the mixture's are not (Watanabe 2023, "multivariate").
type parzen struct {
	centres [][]float64
	widths  [][]float64
}

// newParzen returns the density of points. A component is as wide as the
// distance to the farther of its neighbours, never narrower than a share of the
// cube that shrinks with the number of points ("magic clipping", Watanabe 2023,
// section 3.3.3).
func newParzen(points [][]float64, d int) parzen {
	middle, whole := make([]float64, d), make([]float64, d)
	for i := range d {
		middle[i], whole[i] = 0.5, 1
	}
	p := parzen{centres: append(slices.Clone(points), middle)}
	narrowest := 1 / min(100, 1+float64(len(p.centres)))
	for range points {
		p.widths = append(p.widths, make([]float64, d))
	}
	p.widths = append(p.widths, whole)
	for i := range d {
		order := make([]int, len(p.centres))
		for k := range order {
			order[k] = k
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.centres[a][i], p.centres[b][i]) })
		for rank, k := range order {
			if k == len(points) {
				continue
			}
			left, right := 0.0, 1.0
			if rank > 0 {
				left = p.centres[order[rank-1]][i]
			}
			if rank+1 < len(order) {
				right = p.centres[order[rank+1]][i]
			}
			x := p.centres[k][i]
			p.widths[k][i] = min(max(x-left, right-x, narrowest), 1)
		}
	}
	return p
}

// sample draws a point of the cube.
func (p parzen) sample(rng *rand.Rand) []float64 {
	k := rng.IntN(len(p.centres))
	u := make([]float64, len(p.centres[k]))
	for i := range u {
		u[i] = -1
		for try := 0; (u[i] < 0 || u[i] > 1) && try < 100; try++ {
			u[i] = p.centres[k][i] + p.widths[k][i]*rng.NormFloat64()
		}
		u[i] = min(max(u[i], 0), 1)
	}
	return u
}

// logDensity returns ln of the density at u.
func (p parzen) logDensity(u []float64) float64 {
	logs := make([]float64, len(p.centres))
	for k := range logs {
		for i, x := range u {
			c, w := p.centres[k][i], p.widths[k][i]
			inside := normalCDF((1-c)/w) - normalCDF(-c/w)
			logs[k] += logNormalPDF((x-c)/w) - math.Log(w*inside)
		}
	}
	return logSum(logs) - math.Log(float64(len(logs)))
}

// logSum returns ln Σ exp(x).
func logSum(xs []float64) float64 {
	top := slices.Max(xs)
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - top)
	}
	return top + math.Log(sum)
}

// Settings of the tree-structured Parzen estimator, Optuna's defaults.
const (
	tpeShare      = 0.1 // of the points, rounded up, is the better group
	tpeMost       = 25  // points in the better group
	tpeCandidates = 24
)

// ratio returns the unprobed point, among candidates drawn from the density of
// the better points, with the largest ratio of better to worse density: the
// order of expected improvement (Bergstra et al. 2011, section 4.1). Better means
// feasible first: feasible points by their goal, then the rest by how much they
// violate, as Optuna and c-TPE do (Watanabe & Hutter 2023).
func (s *study) ratio(rng *rand.Rand) pick {
	order := s.ranked()
	below := min(int(math.Ceil(tpeShare*float64(len(order)))), tpeMost)
	var better, worse [][]float64
	for rank, i := range order {
		if rank < below {
			better = append(better, s.units[i])
		} else {
			worse = append(worse, s.units[i])
		}
	}
	d := len(s.space.dims)
	good, bad := newParzen(better, d), newParzen(worse, d)
	hopeless := s.hopelessFrom()
	top, topScore := pick{}, math.Inf(-1)
	found := 0
	for range 40 * tpeCandidates {
		at := s.space.point(good.sample(rng))
		if s.probed(at) || d == 1 && at[0] >= hopeless {
			continue
		}
		u := s.space.unit(at)
		if score := good.logDensity(u) - bad.logDensity(u); score > topScore {
			topScore = score
			top = pick{at: at, reason: "tree-structured Parzen estimator"}
		}
		if found++; found == tpeCandidates {
			break
		}
	}
	model := s.expect(rng)
	if top.at == nil { // the density is all on probed points
		return model
	}
	top.gain = model.gain // the estimator has none of its own; Optuna's terminators use a GP too
	return top
}

// hopelessFrom returns the smallest point in one dimension from which, by the
// models, no prefix passes; +Inf when there is none.
func (s *study) hopelessFrom() float64 {
	if len(s.space.dims) != 1 || len(s.tier) == 0 {
		return math.Inf(1)
	}
	o := s.prospect()
	for i, p := range o.pass {
		if p < 0.05 {
			return o.xs[i]
		}
	}
	return math.Inf(1)
}

// ranked returns the indexes of the study's points, best first.
func (s *study) ranked() []int {
	type rank struct {
		feasible  bool
		violation float64
		goal      float64
	}
	ranks := make([]rank, len(s.units))
	goals := s.scalar()
	order := make([]int, len(ranks))
	for i, b := range s.track.points {
		order[i] = i
		ranks[i] = rank{feasible: b.passes(), goal: goals[i]}
		for _, g := range b.margins {
			if math.IsNaN(g) {
				g = lostMargin
			}
			ranks[i].violation += max(0, squash(g))
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := ranks[i], ranks[j]
		switch {
		case a.feasible != b.feasible:
			if a.feasible {
				return -1
			}
			return 1
		case a.feasible:
			return cmp.Compare(b.goal, a.goal)
		}
		return cmp.Compare(a.violation, b.violation)
	})
	return order
}

// scalar returns one number a point, larger is better, −Inf where a goal is
// missing: the goal, or with several goals minus the number of points that
// dominate it and, on the front, the share of its own volume that only it covers.
func (s *study) scalar() []float64 {
	out := make([]float64, len(s.units))
	goals := s.problem.Goals
	values := make([][]float64, len(out))
	for i := range out {
		for k := range goals {
			values[i] = append(values[i], s.goals[i][k].Value)
		}
	}
	switch len(goals) {
	case 0:
		for i, at := range s.points {
			out[i] = at[0]
		}
		return out
	case 1:
		for i, v := range values {
			out[i] = v[0]
			if !goals[0].Maximize {
				out[i] = -v[0]
			}
			if math.IsNaN(v[0]) {
				out[i] = math.Inf(-1)
			}
		}
		return out
	}
	reference := ReferencePoint(goals, values)
	boxes := make([][]float64, len(values))
	for i, v := range values {
		boxes[i] = boxOf(goals, reference, v)
	}
	for i, v := range values {
		if !allFinite(v) {
			out[i] = math.Inf(-1)
			continue
		}
		var others [][]float64
		for j, w := range values {
			if j != i && dominates(goals, w, v) {
				out[i]--
			}
			if j != i && boxes[j] != nil {
				others = append(others, boxes[j])
			}
		}
		if out[i] == 0 && boxes[i] != nil {
			own := 1.0
			for _, x := range boxes[i] {
				own *= x
			}
			out[i] = 0.5 * exclusive(boxes[i], others) / own
		}
	}
	return out
}
