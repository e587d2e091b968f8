package recipes

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

var nan = math.NaN()

// at is one point of a curve.
type at struct{ x, y float64 }

// curve reads a metric over one swept value, in its order; rows that lack either
// are left out, and to have none at all is an error.
func (a *Aggregate) curve(handler, path, tag, stat string) ([]at, error) {
	var points []at
	for i := range a.Rows {
		x, ok := a.Rows[i].Param(path)
		if !ok {
			continue
		}
		if y, ok := a.Rows[i].Stat(tag, stat); ok {
			points = append(points, at{x, y})
		}
	}
	if len(points) == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has both %s and %s %s; were all its requests failed, or not streamed?", handler, leaf(path), tag, stat)
	}
	slices.SortStableFunc(points, func(p, q at) int { return cmp.Compare(p.x, q.x) })
	return points, nil
}

// findKnee finds the first swept value at which a metric exceeds
// baseline·(1 + threshold_pct), the baseline being its value at the lowest one.
// A value that is not a number exceeds nothing.
func findKnee(a *Aggregate, from map[string]any) (any, error) {
	var tag, stat, path string
	if err := texts(handlerKnee, from, map[string]*string{"metric_tag": &tag, "stat": &stat, "swept_param": &path}); err != nil {
		return nil, err
	}
	threshold, ok := numeric(from["threshold_pct"])
	if !ok {
		return nil, fmt.Errorf("%s: params need \"threshold_pct\", a fraction", handlerKnee)
	}
	points, err := a.curve(handlerKnee, path, tag, stat)
	if err != nil {
		return nil, err
	}
	base := points[0]
	if !finite(base.y) || base.y <= 0 {
		return nil, fmt.Errorf("%s: the baseline, %s %s at %s %v, is %v; only a positive finite one can be exceeded by a share", handlerKnee, tag, stat, leaf(path), base.x, base.y)
	}
	var kneeX, kneeY any
	all := []object{}
	for i, p := range points {
		all = append(all, object{{leaf(path), integral(p.x)}, {stat, num(p.y)}})
		if i > 0 && kneeX == nil && p.y > base.y*(1+threshold) {
			kneeX, kneeY = integral(p.x), num(p.y)
		}
	}
	return object{
		{"baseline_" + leaf(path), integral(base.x)}, {"baseline_" + stat, num(base.y)},
		{"knee_" + leaf(path), kneeX}, {"knee_" + stat, kneeY},
		{"threshold_pct", threshold}, {"swept_metric", tag}, {"stat", stat}, {"swept_param", path},
		{"all_points", all},
	}, nil
}
