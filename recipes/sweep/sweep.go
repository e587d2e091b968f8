package sweep

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Sweep is a finished sweep, a row for each point in the order of first visits. It
// is what AIPerf writes to sweep_aggregate/profile_export_aiperf_sweep.json, with
// its keys and nesting, but for what is computed of the rows.
type Sweep struct {
	Type           string      `json:"aggregation_type"` // always "sweep"
	Runs           int         `json:"num_profile_runs"` // trials over all points
	SuccessfulRuns int         `json:"num_successful_runs"`
	FailedRuns     []FailedRun `json:"failed_runs"`
	Metadata       Metadata    `json:"metadata"`
	Points         []Point     `json:"per_combination_metrics"`
}

// FailedRun is a trial of which every request failed.
type FailedRun struct {
	Error string `json:"error"`
	Label string `json:"label"`
}

// Metadata says what was swept, and how the points stand to the limits. Its keys
// are in the alphabet's order, as AIPerf writes them.
type Metadata struct {
	Type       string      `json:"aggregation_type"`
	Level      float64     `json:"confidence_level"` // of the intervals over trials
	Size       int         `json:"num_combinations"`
	Trials     int         `json:"num_trials_per_value"` // the most that any point has
	Axes       *Axes       `json:"pareto_axes,omitempty"`
	SLA        *Counts     `json:"sla_constraints,omitempty"`
	Mode       string      `json:"sweep_mode"`
	Parameters []Parameter `json:"sweep_parameters"`
}

// Axes names the metrics of the recipe's chart.
type Axes struct {
	Series    []string `json:"series_keys"`
	XMetric   string   `json:"x_metric"`
	XMinimize bool     `json:"x_minimize"`
	XStat     string   `json:"x_stat"`
	YMaximize bool     `json:"y_maximize"`
	YMetric   string   `json:"y_metric"`
	YStat     string   `json:"y_stat"`
}

// Counts says how many points meet all limits, and how many do not.
type Counts struct {
	Filters    []ActiveFilter `json:"active_filters"`
	Feasible   int            `json:"feasible_count"`
	Infeasible int            `json:"infeasible_count"`
}

// ActiveFilter is a limit in the metadata, its keys in the alphabet's order.
type ActiveFilter struct {
	Metric    string  `json:"metric_tag"`
	Op        string  `json:"op"`
	Stat      string  `json:"stat"`
	Threshold float64 `json:"threshold"`
}

// Parameter is one swept value and all that it was.
type Parameter struct {
	Name   string `json:"name"` // the path's leaf, for example concurrency
	Values []any  `json:"values"`
}

// Point is one row of a sweep.
type Point struct {
	Params  Params           `json:"parameters"`
	Metrics map[string]Block `json:"metrics"`
}

// Params are the swept values of a point by their paths' leaves (concurrency, isl,
// osl): whole numbers as int, others as float64. A sweep that was read from JSON
// may hold numbers as text.
type Params map[string]any

// Block describes a metric at a point: its unit and its statistics by name. With a
// single trial a block stands for a metric (request_latency, with avg, min, max and
// percentiles); with several for one statistic of it (request_latency_p99, with
// mean, std, ci_low … over the trials).
type Block map[string]any

// Param returns a swept value by the path's leaf or the whole path; ok is false
// when the point has no such number.
func (p *Point) Param(path string) (v float64, ok bool) {
	raw, ok := p.param(path)
	if !ok {
		return 0, false
	}
	return numeric(raw)
}

// param returns a swept value as it came: the caller's own type is kept in what
// is derived from it.
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

// Stat returns a statistic of a metric, by tag; ok is false when the point has no
// such value. It is the statistic that was asked for or none: AIPerf's handlers
// take the mean where a point of one trial lacks a percentile, and call it p99.
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

// numeric reads a number as JSON and its writers have it: also as text, with NaN
// and infinities among them.
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

// Leaf is a path's last segment: concurrency for phases.profiling.concurrency. It
// names the path in files and folders.
func Leaf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// Number is v as files show it: an int when it is whole, since AIPerf writes such
// numbers without a fraction.
func Number(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int(v)
	}
	return v
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
