package recipes

import (
	"encoding/json"
	"math"
)

// Knee is where concurrency-ramp's metric leaves what it is at the lowest
// concurrency: the first point above (1 + Threshold) · Baseline.
type Knee struct {
	Metric, Stat  string  // whose rise is watched, by tag
	Threshold     float64 // share by which the metric may rise
	Lowest        int     // the lowest concurrency of the ramp
	Baseline      float64 // the metric there, in its display unit
	Concurrency   int     // the first at which it has risen by more; 0: none of the ramp
	Value         float64 // the metric there; NaN: no knee
	Highest, Last float64 // the highest concurrency and the metric there
}

// TTFTFit is TTFT in ms as a polynomial of the prompt's length in tokens, fitted by
// least squares: a line, or a parabola where the line's r² is below the floor.
type TTFTFit struct {
	Coefficients []float64 // highest power first: two of a line, three of a parabola; empty: there was nothing to fit
	RSquared     float64   // share of the variance that the fit explains; NaN: there is none
	Floor        float64   // of r², below which the fit is not to be relied on
	Confident    bool      // r² reaches the floor
	From, To     float64   // prompt lengths that were measured
	Problem      string    // why there is no fit; empty: there is one
}

// At returns the fitted TTFT in ms at a prompt length in tokens; NaN when there
// is no fit.
func (f TTFTFit) At(isl float64) float64 {
	if len(f.Coefficients) == 0 {
		return math.NaN()
	}
	return evaluate(f.Coefficients, isl)
}

// ITLSurface is inter-token latency in ms as measured over two axes.
type ITLSurface struct {
	Concurrency, OSL []float64   // ascending
	ITL              [][]float64 // ms, [concurrency][osl]; NaN: not measured
}

// Frontier is pareto-sweep's trade of x, of which less is better, against y, of
// which more is.
type Frontier struct {
	XMetric, XStat, YMetric, YStat string
	Cells                          []FrontierCell // every point, in the order of the sweep
}

// FrontierCell is one point of a Frontier, in the display units of its metrics.
type FrontierCell struct {
	ISL, OSL, Concurrency int
	X, Y                  float64 // NaN: not measured
	Optimal               bool    // no other point has less x and more y
}

// Breach is where the limits break along a grid of concurrencies.
type Breach struct {
	MaxPassing   float64 // the largest at which all hold, even if one below it fails; NaN: none
	FirstFailing float64 // the smallest at which one does not; NaN: none
	Limit        Limit   // the first limit that breaks there
	Observed     float64 // what was seen of it; NaN: nothing
	Monotone     bool    // no concurrency passes above one that fails
}

// Knee returns the result of concurrency-ramp; ok is false where there is none.
func (o *Outcome) Knee() (k Knee, ok bool) {
	var head struct {
		Threshold float64          `json:"threshold_pct"`
		Metric    string           `json:"swept_metric"`
		Stat      string           `json:"stat"`
		Path      string           `json:"swept_param"`
		Points    []map[string]num `json:"all_points"`
	}
	raw, ok := o.derived(handlerKnee, &head)
	if !ok || len(head.Points) == 0 {
		return k, false
	}
	var keys map[string]json.RawMessage
	_ = json.Unmarshal(raw, &keys)
	read := func(key string) float64 {
		v := num(nan)
		_ = json.Unmarshal(keys[key], &v)
		return float64(v)
	}
	l := leaf(head.Path)
	last := head.Points[len(head.Points)-1]
	k = Knee{
		Metric: head.Metric, Stat: head.Stat, Threshold: head.Threshold,
		Lowest: int(read("baseline_" + l)), Baseline: read("baseline_" + head.Stat),
		Value: read("knee_" + head.Stat), Highest: float64(last[l]), Last: float64(last[head.Stat]),
	}
	if x := read("knee_" + l); finite(x) {
		k.Concurrency = int(x)
	}
	return k, true
}

// TTFTFit returns the result of prefill-ttft-curve; ok is false where there is
// none.
func (o *Outcome) TTFTFit() (fit TTFTFit, ok bool) {
	var f ttftFit
	if _, ok := o.derived(handlerTTFT, &f); !ok || len(f.Points) == 0 {
		return fit, false
	}
	return TTFTFit{
		Coefficients: floats(f.Coefficients), RSquared: float64(f.RSquared), Floor: f.Floor, Confident: !f.BelowFloor,
		From: float64(f.Points[0].ISL), To: float64(f.Points[len(f.Points)-1].ISL), Problem: f.Problem,
	}, true
}

// ITLSurface returns the result of decode-itl-curve; ok is false where there is
// none.
func (o *Outcome) ITLSurface() (surface ITLSurface, ok bool) {
	var s itlSurface
	if _, ok := o.derived(handlerITL, &s); !ok || s.Failed {
		return surface, false
	}
	surface = ITLSurface{Concurrency: floats(s.Surface.Concurrency), OSL: floats(s.Surface.OSL)}
	for _, line := range s.Surface.ITL {
		surface.ITL = append(surface.ITL, floats(line))
	}
	return surface, true
}

// Frontier returns the result of pareto-sweep; ok is false where there is none.
func (o *Outcome) Frontier() (f Frontier, ok bool) {
	var file frontier
	if _, ok := o.derived(handlerPareto, &file); !ok {
		return f, false
	}
	f = Frontier{XMetric: file.XMetric, XStat: file.XStat, YMetric: file.YMetric, YStat: file.YStat}
	for _, c := range file.Cells {
		f.Cells = append(f.Cells, FrontierCell{c.ISL, c.OSL, c.Concurrency, float64(c.X), float64(c.Y), c.Optimal})
	}
	return f, true
}

// Breach returns the result of style grid; ok is false where there is none.
func (o *Outcome) Breach() (b Breach, ok bool) {
	var file struct {
		Path     string     `json:"swept_param"`
		First    *slaBreach `json:"first_failing_breach"`
		Monotone bool       `json:"monotonicity_check"`
	}
	raw, ok := o.derived(handlerBreach, &file)
	if !ok {
		return b, false
	}
	var keys map[string]any
	_ = json.Unmarshal(raw, &keys)
	read := func(key string) float64 {
		if v, ok := numeric(keys[key]); ok {
			return v
		}
		return nan
	}
	b = Breach{
		MaxPassing: read("max_passing_" + leaf(file.Path)), FirstFailing: read("first_failing_" + leaf(file.Path)),
		Observed: nan, Monotone: file.Monotone,
	}
	if f := file.First; f != nil {
		b.Limit = Limit{f.Metric, f.Stat, f.Op, float64(f.Threshold)}
		if f.Observed != nil {
			b.Observed = float64(*f.Observed)
		}
	}
	return b, true
}

// derived decodes what the plan's handler made, when it is that one.
func (o *Outcome) derived(handler string, into any) (json.RawMessage, bool) {
	if o.Plan == nil || o.Plan.Post == nil || o.Plan.Post.Handler != handler {
		return nil, false
	}
	raw, ok := o.Derived[o.Plan.Post.File]
	return raw, ok && json.Unmarshal(raw, into) == nil
}

func floats(ns []num) []float64 {
	out := make([]float64, len(ns))
	for i, n := range ns {
		out[i] = float64(n)
	}
	return out
}
