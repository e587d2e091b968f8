package front

import (
	"math"
	"slices"
)

// Volume returns the volume between the reference point and the front of points: what
// they dominate, each goal counted from its reference. Points no better than the
// reference in some goal add nothing, and neither do points that are not finite. It is
// exact for any number of goals, by slicing along the last one (While et al. 2006, HSO),
// and meant for two or three goals and tens of points.
func (m Maximize) Volume(reference []float64, points [][]float64) float64 {
	var boxes [][]float64
	for _, p := range points {
		if box := m.Box(reference, p); box != nil {
			boxes = append(boxes, box)
		}
	}
	return sliceVolume(boxes, len(m))
}

// Box returns by how much a point is better than the reference in each goal; nil when it
// is no better in some goal, or not finite.
func (m Maximize) Box(reference, point []float64) []float64 {
	box := make([]float64, len(m))
	for i, more := range m {
		box[i] = point[i] - reference[i]
		if !more { // smaller is better by as much
			box[i] = -box[i]
		}
		if !(box[i] > 0) || math.IsInf(box[i], 0) {
			return nil
		}
	}
	return box
}

// sliceVolume returns the volume of the union of the boxes [0, p) over the first d
// coordinates: between two neighbouring values of the last coordinate the cross-section
// is the union of the boxes that reach that far.
func sliceVolume(points [][]float64, d int) float64 {
	if len(points) == 0 || d == 0 {
		return 0
	}
	last := d - 1
	// In one dimension the largest box holds all others.
	if d == 1 {
		widest := 0.0
		for _, p := range points {
			widest = max(widest, p[0])
		}
		return widest
	}
	// From the highest value of the last coordinate down: the first i points are those
	// that reach the i-th slice.
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b []float64) int {
		switch {
		case a[last] > b[last]:
			return -1
		case a[last] < b[last]:
			return 1
		}
		return 0
	})
	// In two dimensions one pass is enough: a slice is as wide as the widest box so far.
	if d == 2 {
		area, widest := 0.0, 0.0
		for i, p := range points {
			widest = max(widest, p[0])
			next := 0.0
			if i+1 < len(points) {
				next = points[i+1][1]
			}
			area += widest * (p[1] - next)
		}
		return area
	}
	// Otherwise each slice is the volume of one dimension less, times its height.
	volume := 0.0
	for i, p := range points {
		next := 0.0
		if i+1 < len(points) {
			next = points[i+1][last]
		}
		if height := p[last] - next; height > 0 {
			volume += height * sliceVolume(points[:i+1], last)
		}
	}
	return volume
}

// Exclusive returns the volume that only the box [0, y) covers, given boxes [0, p): y's
// own less the union of the others cut down to it, of which few are left after dropping
// those inside another (While, Bradstreet & Barone 2012, WFG).
func Exclusive(y []float64, boxes [][]float64) float64 {
	own := 1.0 // the volume of y itself
	for _, v := range y {
		if v <= 0 {
			return 0
		}
		own *= v
	}
	// What the others have in common with y; a box inside another one adds nothing.
	var cut [][]float64
	for _, p := range boxes {
		c := make([]float64, len(y))
		for i := range c {
			c[i] = min(p[i], y[i])
		}
		if covers(c, y) {
			return 0
		}
		if slices.ContainsFunc(cut, func(q []float64) bool { return covers(q, c) }) {
			continue
		}
		cut = slices.DeleteFunc(cut, func(q []float64) bool { return covers(c, q) })
		cut = append(cut, c)
	}
	// What is left of y once the union of the others is taken off.
	return own - sliceVolume(cut, len(y))
}

// covers reports whether the box [0, a) contains [0, b).
func covers(a, b []float64) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

// referenceShare is how far beyond the worst value a reference lies, as a share of it, so
// that the worst point itself adds a little (AIPerf's 5%).
const referenceShare = 0.05

// Reference returns the point to count a volume from: each goal's own value where that is
// finite, otherwise the worst finite value among points, moved out by 5% of itself. It is
// NaN in a goal that no point has a finite value of.
func (m Maximize) Reference(own []float64, points [][]float64) []float64 {
	reference := make([]float64, len(m))
	for i, more := range m {
		if finite(own[i]) {
			reference[i] = own[i]
			continue
		}
		worst := math.NaN()
		for _, p := range points {
			v := p[i]
			if finite(v) && (math.IsNaN(worst) || (v < worst) == more) {
				worst = v
			}
		}
		if beyond := referenceShare * math.Abs(worst); more {
			reference[i] = worst - beyond
		} else {
			reference[i] = worst + beyond
		}
	}
	return reference
}
