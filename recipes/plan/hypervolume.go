package plan

import (
	"math"
	"slices"
)

// Hypervolume returns the volume between the reference point and the front of
// points: what they dominate, each goal counted from its reference. Points no
// better than the reference in some goal add nothing, and so do points that are
// not finite. Exact for any number of goals, by slicing along the last one
// (While et al. 2006, HSO); meant for two or three goals and tens of points.
func Hypervolume(goals []Goal, reference []float64, points [][]float64) float64 {
	var boxes [][]float64
	for _, p := range points {
		if box := boxOf(goals, reference, p); box != nil {
			boxes = append(boxes, box)
		}
	}
	return sliceVolume(boxes, len(goals))
}

// boxOf returns how much a point is better than the reference in each goal, nil
// when it is not in some.
func boxOf(goals []Goal, reference, point []float64) []float64 {
	box := make([]float64, len(goals))
	for i, goal := range goals {
		box[i] = point[i] - reference[i]
		if !goal.Maximize {
			box[i] = -box[i]
		}
		if !(box[i] > 0) || math.IsInf(box[i], 0) {
			return nil
		}
	}
	return box
}

// sliceVolume returns the volume of the union of the boxes [0, p) over the
// first d coordinates: between two neighbouring values of the last coordinate
// the cross-section is the union of the boxes that reach that far.
func sliceVolume(points [][]float64, d int) float64 {
	if len(points) == 0 || d == 0 {
		return 0
	}
	last := d - 1
	if d == 1 {
		widest := 0.0
		for _, p := range points {
			widest = max(widest, p[0])
		}
		return widest
	}
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
	if d == 2 { // one pass: from the highest down, the widest seen so far
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

// exclusive returns the volume that only the box [0, y) covers, given boxes
// [0, p): y's own less the union of the others cut down to it, of which few are
// left after dropping those inside another (While, Bradstreet & Barone 2012,
// WFG).
func exclusive(y []float64, boxes [][]float64) float64 {
	own := 1.0
	for _, v := range y {
		if v <= 0 {
			return 0
		}
		own *= v
	}
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

// ReferencePoint returns the reference to count a hypervolume from: each goal's
// own where it has one (a finite Reference), else the worst finite value among
// points moved out by 5 % of itself.
func ReferencePoint(goals []Goal, points [][]float64) []float64 {
	reference := make([]float64, len(goals))
	for i, goal := range goals {
		if finite(goal.Reference) {
			reference[i] = goal.Reference
			continue
		}
		worst := math.NaN()
		for _, p := range points {
			v := p[i]
			if finite(v) && (math.IsNaN(worst) || (v < worst) == goal.Maximize) {
				worst = v
			}
		}
		if margin := 0.05 * math.Abs(worst); goal.Maximize {
			reference[i] = worst - margin
		} else {
			reference[i] = worst + margin
		}
	}
	return reference
}
