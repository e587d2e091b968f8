package sweep

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Sweep is a finished sweep, with a row for each point in the order of first
// visits. It is what AIPerf writes to sweep_aggregate/profile_export_aiperf_sweep.json,
// with the same keys and nesting, except for what AIPerf computes from the rows.
//
// Begin and Add build one; a Sweep can also be read from JSON.
type Sweep struct {
	// Type is always "sweep".
	Type string `json:"aggregation_type"`
	// Runs is the number of trials over all points.
	Runs int `json:"num_profile_runs"`
	// SuccessfulRuns is the number of trials in which a request succeeded.
	SuccessfulRuns int `json:"num_successful_runs"`
	// FailedRuns are the trials in which every request failed.
	FailedRuns []failedRun `json:"failed_runs"`
	// Metadata says what was swept, and how the points stand to the limits. Its
	// keys are in alphabetical order, as AIPerf writes them.
	Metadata struct {
		Type string `json:"aggregation_type"`
		// Level is the confidence level of the intervals over trials.
		Level float64 `json:"confidence_level"`
		// Size is the number of points.
		Size int `json:"num_combinations"`
		// Trials is the largest number of trials that any point has.
		Trials int `json:"num_trials_per_value"`
		// Chart names the metrics of the recipe's chart, as a JSON object.
		Chart json.RawMessage `json:"pareto_axes,omitempty"`
		// SLA counts the points that meet the limits; nil without limits.
		SLA        *counts     `json:"sla_constraints,omitempty"`
		Mode       string      `json:"sweep_mode"`
		Parameters []Parameter `json:"sweep_parameters"`
	} `json:"metadata"`
	// Points are the rows.
	Points []Point `json:"per_combination_metrics"`
}

// failedRun is a trial in which every request failed.
type failedRun struct {
	Error string `json:"error"`
	// Label names the point by its parameters, and the trial by its number.
	Label string `json:"label"`
}

// counts says how many points meet all limits, and how many do not.
type counts struct {
	Filters    []activeFilter `json:"active_filters"`
	Feasible   int            `json:"feasible_count"`
	Infeasible int            `json:"infeasible_count"`
}

// activeFilter is a limit in the metadata, with its keys in alphabetical order.
type activeFilter struct {
	Metric    string  `json:"metric_tag"`
	Op        string  `json:"op"`
	Stat      string  `json:"stat"`
	Threshold float64 `json:"threshold"`
}

// Parameter is a swept value with everything that it was set to.
type Parameter struct {
	// Name is the leaf of the swept path, for example concurrency.
	Name string `json:"name"`
	// Values are distinct, in the order of first visits.
	Values []any `json:"values"`
}

// Point is one row of a sweep.
type Point struct {
	Params Params `json:"parameters"`
	// Metrics has a Block by tag, or by tag and statistic; see Block.
	Metrics map[string]Block `json:"metrics"`

	// readings are how the point stands to the limits of the run; nil when that is read
	// off its metrics.
	readings []sla.Reading
}

// Judged says how the point that was added last stands to the limits of the run, by all of
// its visits and with failures counted. Without it a derivation compares what the
// successful requests had with the limits.
func (s *Sweep) Judged(readings []sla.Reading) { s.Points[len(s.Points)-1].readings = readings }

// Params are the swept values of a point by the leaves of their paths (concurrency,
// isl, osl): int for whole numbers, float64 for others. A sweep that was read from
// JSON may hold numbers as text.
type Params map[string]any

// Block describes a metric at a point: its unit, and its statistics by name. With a
// single trial a block stands for a metric (request_latency, with avg, min, max and
// percentiles). With several it stands for one statistic of a metric
// (request_latency_p99, with mean, std, ci_low … over the trials).
type Block map[string]any

// Param returns a swept value by the leaf of its path or by the whole path; ok is
// false when the point has no such number.
func (p *Point) Param(path string) (v float64, ok bool) {
	raw, ok := p.param(path)
	if !ok {
		return 0, false
	}
	return numeric(raw)
}

// param returns a swept value as it is stored, so that results keep its type.
func (p *Point) param(path string) (any, bool) {
	if v, ok := p.Params[path]; ok {
		return v, true
	}
	if v, ok := p.Params[Leaf(path)]; ok {
		return v, true
	}
	for at, v := range p.Params {
		if Leaf(at) == Leaf(path) {
			return v, true
		}
	}
	return nil, false
}

// Stat returns a statistic of a metric, by tag, in the unit of the metric; ok is
// false when the point has no such value. It returns the statistic that was asked
// for or none. AIPerf's handlers take the mean where a point of one trial lacks a
// percentile, and call it p99.
func (p *Point) Stat(tag, stat string) (v float64, ok bool) {
	if mean, ok := p.Metrics[tag+"_"+stat]["mean"]; ok {
		return numeric(mean)
	}
	block := p.Metrics[tag]
	if v, ok := block[stat]; ok {
		return numeric(v)
	}
	if v, ok := block["mean"]; ok && stat == "avg" {
		return numeric(v)
	}
	return 0, false
}

// numeric reads a number in any form that JSON and its writers give it, which
// includes text, NaN and infinities.
func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil
	}
	return 0, false
}

// Leaf returns the last segment of a swept path, for example concurrency for
// phases.profiling.concurrency. It names the path in files and folders.
func Leaf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// shown returns v in the form that files have: an int when it is whole, since AIPerf
// writes such numbers without a fraction.
func shown(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int(v)
	}
	return v
}

// finite reports whether v is neither NaN nor infinite.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
