package recipes

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Aggregate is a sweep as post-process handlers read it: what AIPerf writes to
// sweep_aggregate/profile_export_aiperf_sweep.json, with its keys and nesting.
type Aggregate struct {
	Type           string            `json:"aggregation_type"` // sweep
	Runs           int               `json:"num_profile_runs"`
	SuccessfulRuns int               `json:"num_successful_runs"`
	FailedRuns     []map[string]any  `json:"failed_runs"` // label and error of trials whose every request failed
	Metadata       map[string]any    `json:"metadata"`
	Rows           []Combination     `json:"per_combination_metrics"`
	Best           map[string]any    `json:"best_configurations"`
	ParetoOptimal  []json.RawMessage `json:"pareto_optimal"`
}

// Combination is one point of a sweep.
type Combination struct {
	// Parameters are the swept values by leaf: concurrency, isl, osl.
	Parameters map[string]any `json:"parameters"`
	// Metrics are blocks of statistics. Of a single trial: by tag, as
	// request_latency, with avg, min, max, percentiles …; of several: by tag and
	// statistic, as request_latency_p99, with its mean, std, ci_low … over the
	// trials.
	Metrics map[string]map[string]any `json:"metrics"`
}

// Param returns a swept value, by the path's leaf or the whole path; ok is false
// when the row has no such number.
func (c *Combination) Param(path string) (v float64, ok bool) {
	raw, ok := c.param(path)
	if !ok {
		return 0, false
	}
	return numeric(raw)
}

// param returns a swept value as it came: the caller's own type is kept in what
// is derived from it.
func (c *Combination) param(path string) (any, bool) {
	if v, ok := c.Parameters[path]; ok {
		return v, true
	}
	if v, ok := c.Parameters[leaf(path)]; ok {
		return v, true
	}
	for p, v := range c.Parameters {
		if leaf(p) == leaf(path) {
			return v, true
		}
	}
	return nil, false
}

// Stat returns a statistic of a metric; ok is false when the row has no such
// value. It is the statistic that was asked for or none: AIPerf's handlers take
// the mean where a row of one trial lacks a percentile, and call it p99.
func (c *Combination) Stat(tag, stat string) (v float64, ok bool) {
	if mean, ok := c.Metrics[tag+"_"+stat]["mean"]; ok {
		return numeric(mean)
	}
	block := c.Metrics[tag]
	if v, ok := block[stat]; ok {
		return numeric(v)
	}
	if v, ok := block["mean"]; ok && stat == "avg" {
		return numeric(v)
	}
	return 0, false
}

// numeric reads a number as JSON and its writers have it: also as text, NaN and
// infinities among them.
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

// leaf is a path's last segment.
func leaf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// integral writes whole numbers as such.
func integral(v float64) any {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int(v)
	}
	return v
}

// Aggregate gathers what was measured, a row for each point in the order of
// first visits; points of which nothing was measured are left out. A point whose
// every request failed stays, with the metrics it has: AIPerf drops it, and a
// crash then is no failing point.
func (o *Outcome) Aggregate() *Aggregate {
	a := &Aggregate{
		Type: "sweep", FailedRuns: []map[string]any{}, Rows: []Combination{},
		Best: map[string]any{}, ParetoOptimal: []json.RawMessage{},
	}
	paths := o.Plan.Paths()
	values := make([][]any, len(paths))
	feasible, most := 0, 1
	for _, visits := range o.Visits() {
		at := o.Probes[visits[0]].Step.At
		row := Combination{Parameters: map[string]any{}}
		var label []string
		for i, path := range paths {
			v := integral(at[i])
			row.Parameters[leaf(path)] = v
			label = append(label, fmt.Sprintf("%s_%v", leaf(path), v))
			if !slices.Contains(values[i], v) {
				values[i] = append(values[i], v)
			}
		}
		var trials []*loadgen.Measurement
		for _, i := range visits {
			trials = append(trials, o.Probes[i].Trials...)
		}
		for i, m := range trials {
			if allFailed(m) {
				a.FailedRuns = append(a.FailedRuns, map[string]any{
					"label": fmt.Sprintf("%s/trial_%04d", strings.Join(label, "__"), i+1), "error": "every request failed"})
			} else {
				a.SuccessfulRuns++
			}
		}
		a.Runs += len(trials)
		most = max(most, len(trials))
		row.Metrics = metricBlocks(trials)
		a.Rows = append(a.Rows, row)
		if pass, _ := o.Probes[visits[len(visits)-1]].Passes(o.Spec.Confidence); pass {
			feasible++
		}
	}
	parameters := []map[string]any{}
	for i, path := range paths {
		parameters = append(parameters, map[string]any{"name": leaf(path), "values": values[i]})
	}
	a.Metadata = map[string]any{
		"aggregation_type": a.Type, "sweep_parameters": parameters, "num_combinations": len(a.Rows),
		"sweep_mode": "repeated", "confidence_level": confidenceLevel, "num_trials_per_value": most,
	}
	if len(o.Plan.Limits) > 0 {
		a.Metadata["sla_constraints"] = map[string]any{
			"active_filters": filters(o.Plan.Limits), "feasible_count": feasible, "infeasible_count": len(a.Rows) - feasible,
		}
	}
	if x := o.Recipe.Axes; x.XMetric != "" {
		a.Metadata["pareto_axes"] = map[string]any{
			"x_metric": x.XMetric, "x_stat": x.XStat, "x_minimize": !x.XMaximize,
			"y_metric": x.YMetric, "y_stat": x.YStat, "y_maximize": !x.YMinimize,
			"series_keys": append([]string{}, x.Series...),
		}
	}
	return a
}

// confidenceLevel of the intervals over trials.
const confidenceLevel = 0.95

// Visits groups the measured probes, by index, by their points, in the order of
// first visits: the rows of Aggregate.
func (o *Outcome) Visits() [][]int {
	var groups [][]int
	for i := range o.Probes {
		if len(o.Probes[i].Trials) == 0 {
			continue
		}
		k := slices.IndexFunc(groups, func(g []int) bool { return slices.Equal(o.Probes[g[0]].Step.At, o.Probes[i].Step.At) })
		if k < 0 {
			groups = append(groups, nil)
			k = len(groups) - 1
		}
		groups[k] = append(groups[k], i)
	}
	return groups
}

func allFailed(m *loadgen.Measurement) bool {
	done, _ := m.Stat(loadgen.TagCompleted, "avg")
	failed, _ := m.Stat(loadgen.TagErrors, "avg")
	return done > 0 && failed >= done
}

// metricBlocks describes a point's trials. Values that are not finite have no form in
// JSON and are left out.
func metricBlocks(trials []*loadgen.Measurement) map[string]map[string]any {
	out := map[string]map[string]any{}
	if len(trials) == 1 {
		for tag, m := range trials[0].Metrics {
			if b := single(m); len(b) > 1 {
				out[tag] = b
			}
		}
		return out
	}
	return (&Probe{Trials: trials}).Confidence()
}

// Confidence describes each statistic of each metric over the probe's trials, by
// tag and statistic as request_latency_p99: mean, std (sample), min, max, cv, se,
// and Student's 95 % interval for the mean (ci_low, ci_high, t_critical), which
// collapses to the mean of a single trial. Values that are not finite have no
// form in JSON and are left out.
func (p *Probe) Confidence() map[string]map[string]any {
	out := map[string]map[string]any{}
	series := map[string][]float64{}
	units := map[string]string{}
	for _, t := range p.Trials {
		for tag, m := range t.Metrics {
			for name, v := range m.Stats {
				if !finite(v) {
					continue
				}
				key := tag + "_" + name
				series[key] = append(series[key], v)
				units[key] = m.Unit
			}
		}
	}
	for key, vs := range series {
		out[key] = over(vs, units[key])
	}
	return out
}

// single is the block of one trial: its statistics, and an interval that has
// collapsed to the average.
func single(m loadgen.Metric) map[string]any {
	b := map[string]any{"unit": m.Unit}
	avg, ok := m.Stats["avg"]
	if ok && finite(avg) {
		for _, key := range []string{"mean", "ci_low", "ci_high", "min", "max"} {
			b[key] = avg
		}
		b["std"], b["cv"] = 0.0, 0.0
	}
	for name, v := range m.Stats {
		if name == "std" || !finite(v) {
			continue // std is that over trials
		}
		if name == "count" {
			b[name] = integral(v)
			continue
		}
		b[name] = v
	}
	return b
}

// over is the block of one statistic over several trials, with Student's
// interval for its mean.
func over(vs []float64, unit string) map[string]any {
	mean := stat.Mean(vs, nil)
	b := map[string]any{"unit": unit, "mean": mean, "min": slices.Min(vs), "max": slices.Max(vs),
		"std": 0.0, "se": 0.0, "cv": 0.0, "ci_low": mean, "ci_high": mean, "t_critical": nil}
	n := float64(len(vs))
	if n < 2 {
		return b
	}
	std := stat.StdDev(vs, nil)
	se := std / math.Sqrt(n)
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1 + confidenceLevel) / 2)
	b["std"], b["se"], b["t_critical"] = std, se, t
	b["ci_low"], b["ci_high"] = mean-t*se, mean+t*se
	if mean != 0 {
		b["cv"] = std / mean
	}
	return b
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// filters writes limits as AIPerf's SLA filters.
func filters(limits []Limit) []map[string]any {
	out := []map[string]any{}
	for _, l := range limits {
		out = append(out, map[string]any{"metric_tag": l.Metric, "stat": l.Stat, "op": string(l.Op), "threshold": l.Threshold})
	}
	return out
}
