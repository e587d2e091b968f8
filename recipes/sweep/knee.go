package sweep

import (
	"fmt"
)

// KneeRule finds the first swept value at which a metric has risen by more than a
// share over what it is at the lowest one: concurrency-ramp's result.
type KneeRule struct {
	// Metric and Stat are watched, the metric by tag.
	Metric string `json:"metric_tag"`
	Stat   string `json:"stat"`
	// Path is the swept value.
	Path string `json:"swept_param"`
	// Threshold is the share by which the metric may rise: 0.2 for 20%.
	Threshold float64 `json:"threshold_pct"`
}

// Knee is where concurrency-ramp's metric leaves what it is at the lowest
// concurrency: the first point above (1 + Threshold) · Baseline.
type Knee struct {
	Metric, Stat  string  // whose rise is watched, by tag
	Threshold     float64 // share by which the metric may rise
	Lowest        int     // the lowest concurrency of the ramp
	Baseline      float64 // the metric there, in its display unit
	Concurrency   int     // the first at which it has risen by more; 0 when none has
	Value         float64 // the metric there; NaN without a knee
	Highest, Last float64 // the highest concurrency and the metric there

	path   string
	points []at
	knee   int // index into points; 0 without a knee
}

// Name is AIPerf's.
func (KneeRule) Name() string { return "degradation_knee_detect" }

// File is AIPerf's.
func (KneeRule) File() string { return "degradation_knee.json" }

// Derive returns a Knee. A value that is not a number exceeds nothing. To have no
// point with the metric, or a baseline that no share can exceed, is an error.
func (r KneeRule) Derive(s *Sweep) (Result, error) {
	if err := need(r.Name(), quantity{r.Metric, r.Stat}); err != nil {
		return nil, err
	}
	if err := needPaths(r.Name(), r.Path); err != nil {
		return nil, err
	}
	points, err := s.curve(r.Name(), r.Path, r.Metric, r.Stat)
	if err != nil {
		return nil, err
	}
	base, last := points[0], points[len(points)-1]
	if !finite(base.y) || base.y <= 0 {
		return nil, fmt.Errorf("%s: the baseline, %s %s at %s %v, is %v; only a positive finite one can be exceeded by a share",
			r.Name(), r.Metric, r.Stat, Leaf(r.Path), base.x, base.y)
	}
	k := Knee{
		Metric: r.Metric, Stat: r.Stat, Threshold: r.Threshold, Lowest: int(base.x), Baseline: base.y,
		Value: nan, Highest: last.x, Last: last.y, path: r.Path, points: points,
	}
	if !finite(k.Last) {
		k.Last = nan // as the file has it
	}
	for i, p := range points[1:] {
		if p.y > base.y*(1+r.Threshold) {
			k.knee, k.Concurrency, k.Value = i+1, int(p.x), p.y
			break
		}
	}
	return k, nil
}

// MarshalJSON writes degradation_knee.json.
func (k Knee) MarshalJSON() ([]byte, error) {
	leaf := Leaf(k.path)
	var x, y any
	if k.knee > 0 {
		p := k.points[k.knee]
		x, y = Number(p.x), num(p.y)
	}
	all := []object{}
	for _, p := range k.points {
		all = append(all, object{{leaf, Number(p.x)}, {k.Stat, num(p.y)}})
	}
	var base any
	if len(k.points) > 0 {
		base = Number(k.points[0].x)
	}
	return object{
		{"baseline_" + leaf, base}, {"baseline_" + k.Stat, num(k.Baseline)},
		{"knee_" + leaf, x}, {"knee_" + k.Stat, y},
		{"threshold_pct", k.Threshold}, {"swept_metric", k.Metric}, {"stat", k.Stat}, {"swept_param", k.path},
		{"all_points", all},
	}.MarshalJSON()
}
