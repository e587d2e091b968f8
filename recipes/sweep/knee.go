package sweep

import "fmt"

// KneeRule finds the first swept value at which a metric has risen by more than a
// share over its value at the lowest one. It gives the result of concurrency-ramp.
type KneeRule struct {
	// Metric, by tag, and Stat name what is watched. Stat is avg, p50, p90, p95 or
	// p99.
	Metric string `json:"metric_tag"`
	Stat   string `json:"stat"`
	// Path is the swept value.
	Path string `json:"swept_param"`
	// Threshold is the share by which the metric may rise, for example 0.2 for 20%.
	Threshold float64 `json:"threshold_pct"`
}

// Knee is where a metric leaves its value at the lowest concurrency: the first point
// above (1 + Threshold) · Baseline. Values are in the metric's display unit.
type Knee struct {
	// Metric, by tag, and Stat name what is watched.
	Metric, Stat string
	// Threshold is the share by which the metric may rise.
	Threshold float64
	// Lowest is the lowest concurrency of the ramp, and Baseline the metric there.
	Lowest   int
	Baseline float64
	// Concurrency is the first at which the metric has risen by more, and Value the
	// metric there. Without a knee they are 0 and NaN.
	Concurrency int
	Value       float64
	// Highest is the highest concurrency, and Last the metric there; Last is NaN
	// when it is not finite.
	Highest, Last float64

	path   string
	points []at
	// knee is an index into points; 0, which is the baseline, without a knee.
	knee int
}

// Name returns AIPerf's name of the handler.
func (KneeRule) Name() string { return "degradation_knee_detect" }

// File returns AIPerf's name of the file.
func (KneeRule) File() string { return "degradation_knee.json" }

// CheckStat reports a Stat that no sweep is compared by.
func (r KneeRule) CheckStat() error { return checkStat(r.Stat) }

// Derive returns a Knee. A value that is NaN exceeds nothing. It is an error if no
// point has the metric, or if the baseline is not positive and finite, so that no
// share can exceed it.
func (r KneeRule) Derive(s *Sweep) (Result, error) {
	points, err := s.curve(r.Name(), r.Path, r.Metric, r.Stat)
	if err != nil {
		return nil, err
	}
	base, last := points[0], points[len(points)-1]
	if !finite(base.y) || base.y <= 0 {
		return nil, fmt.Errorf("%s: the baseline, %s %s at %s %v, is %v; it must be positive and finite to be exceeded by a share",
			r.Name(), r.Metric, r.Stat, Leaf(r.Path), base.x, base.y)
	}
	k := Knee{
		Metric: r.Metric, Stat: r.Stat, Threshold: r.Threshold, Lowest: int(base.x), Baseline: base.y,
		Value: nan, Highest: last.x, Last: last.y, path: r.Path, points: points,
	}
	if !finite(k.Last) {
		k.Last = nan // the file has null
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
		x, y = shown(p.x), num(p.y)
	}
	all := []object{}
	for _, p := range k.points {
		all = append(all, object{{leaf, shown(p.x)}, {k.Stat, num(p.y)}})
	}
	var base any
	if len(k.points) > 0 {
		base = shown(k.points[0].x)
	}
	return object{
		{"baseline_" + leaf, base}, {"baseline_" + k.Stat, num(k.Baseline)},
		{"knee_" + leaf, x}, {"knee_" + k.Stat, y},
		{"threshold_pct", k.Threshold}, {"swept_metric", k.Metric}, {"stat", k.Stat}, {"swept_param", k.path},
		{"all_points", all},
	}.MarshalJSON()
}
