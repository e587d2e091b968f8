package plan

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// Evidence of one visit, as a z-score.
const (
	// maxZ caps what one visit can say: a probe that is certain to 1e-5 is not evidence
	// against a network fault that happens once in a thousand probes.
	maxZ = 4.0
	// failedZ is the evidence of a visit whose requests all failed: P = 0.055, a failure
	// that one more visit makes certain. Taking it as certain at once lets one transient
	// fault end a search (AIPerf answers 15 where 300 is true); taking it as nothing
	// would let a crashed server pass.
	failedZ = -1.6
	// missingZ is the evidence of a visit that lacks a limit's metric: P = 0.01. What was
	// not measured never passes, and asking again seldom helps.
	missingZ = -2.33
)

// judge pools the verdicts of a point's visits: per limit, z of P(limit holds) by
// Stouffer's method with weights √Requests, then the product over the limits. The product
// is the conservative choice for limits that move together.
func (t track) judge(b *belief, use noiseUse) {
	known := true
	for _, v := range b.visits {
		known = known && t.history[v].Requests > 0
	}
	weight := func(v int) float64 {
		if known {
			return math.Sqrt(float64(t.history[v].Requests))
		}
		return 1
	}
	b.pass = 1
	for j, k := range t.tier {
		var sum, squares float64
		unknown := 0
		for _, v := range b.visits {
			z, ok := evidence(t.history[v], k)
			if !ok {
				unknown++
				continue
			}
			w := weight(v)
			sum, squares = sum+w*z, squares+w*w
		}
		if unknown > 0 {
			// Visits of unknown certainty are judged together, by their pooled margin
			// against the scatter; the rest joins as one more opinion.
			z := zOfMargin(b.margins[j], 0)
			if use == noiseEstimate {
				z = t.noise[j].z(b.margins[j], unknown)
			}
			w := math.Sqrt(float64(unknown))
			if known {
				w = math.Sqrt(t.requests(b.visits))
			}
			sum, squares = sum+w*z, squares+w*w
		}
		b.weight[j] = math.Sqrt(squares)
		b.z[j] = sum / b.weight[j]
		b.pass *= normal.CDF(b.z[j])
	}
	if failed := t.failed(b.visits); len(t.tier) == 0 && failed > 0 {
		// Without limits a point passes unless it failed.
		n := float64(len(b.visits))
		b.pass = normal.CDF((failed*failedZ + (n-failed)*maxZ) / math.Sqrt(n))
	}
}

// evidence is what one visit says of limit k, as a z-score; ok is false where the visit
// does not know how certain its margin is.
func evidence(o Observation, k int) (z float64, ok bool) {
	m, has := o.margin(k)
	switch {
	case o.State == Failed:
		return failedZ, true
	case !has:
		return missingZ, true
	case !math.IsNaN(m.Pass):
		return zOf(m.Pass), true
	case math.IsNaN(m.Value):
		return missingZ, true
	case !math.IsNaN(m.SE) && m.SE >= 0:
		return zOfMargin(m.Value, m.SE), true
	}
	return 0, false
}

// requests returns how many requests the visits made together.
func (t track) requests(visits []int) (n float64) {
	for _, v := range visits {
		n += float64(t.history[v].Requests)
	}
	return n
}

// failed returns how many of the visits failed as a whole.
func (t track) failed(visits []int) (n float64) {
	for _, v := range visits {
		if t.history[v].State == Failed {
			n++
		}
	}
	return n
}

// zOf returns the z-score of P(a limit holds), capped at ±maxZ.
func zOf(p float64) float64 {
	if p <= 0 {
		return -maxZ
	}
	if p >= 1 {
		return maxZ
	}
	return max(-maxZ, min(maxZ, distuv.UnitNormal.Quantile(p)))
}

// zOfMargin is the evidence of margin g with standard error se; at se 0 the sign decides,
// and g = 0 does not violate.
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

// lend lets neighbours of the same verdict share evidence: where a margin does not fall
// with load, its mean over [x, y] is at least its value at x, so what is pooled over
// passing points from x upwards speaks for x, and over failing points from x downwards
// against it. (The min-max form of isotonic regression, Barlow et al. 1972, applied to
// z-scores.) It changes how certain a verdict is, never the verdict.
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
			pass *= normal.CDF(best)
		}
		if len(b.z) > 0 {
			t.points[i].pass = pass
		}
	}
}

// overrule turns failures that are open where points above pass by more evidence: what holds at a
// load holds at a lower one. Such points are believed by their evidence pooled, as by pooling
// adjacent violators (Ayer et al. 1955, An empirical distribution function for sampling with
// incomplete information). A failure that is certain stands, and is for contradicted to tell, and so
// do visits that all failed or that contradict each other. Without this a search looked for a boundary
// below what had failed by chance, where a request at a time takes minutes to show that it was chance.
func (t *track) overrule() {
	for i, b := range t.points {
		if b.passes() || !t.open(b) || t.failed(b.visits) > 0 || b.contrary() {
			continue
		}
		best, until := 0.5, -1
		sums, squares := make([]float64, len(b.z)), make([]float64, len(b.z))
		for k := i; k < len(t.points) && !t.certainFail(t.points[k]); k++ {
			pass := 1.0
			for j, z := range t.points[k].z {
				w := t.points[k].weight[j]
				sums[j], squares[j] = sums[j]+w*z, squares[j]+w*w
				pass *= normal.CDF(sums[j] / math.Sqrt(squares[j]))
			}
			if len(b.z) > 0 && pass > best {
				best, until = pass, k
			}
		}
		for k := i; k <= until; k++ {
			t.points[k].pass = max(t.points[k].pass, best)
		}
	}
}

// certainPass and certainFail compare a belief with the asked confidence.
func (t track) certainPass(b belief) bool { return b.pass >= t.confidence }
func (t track) certainFail(b belief) bool { return b.pass <= 1-t.confidence }
func (t track) open(b belief) bool        { return !t.certainPass(b) && !t.certainFail(b) }
