package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// aggregateSchema is the version of AIPerf's aggregate format that is followed.
const aggregateSchema = "1.0"

// aggregate is profile_export_aiperf_aggregate.json: a block of statistics for each
// statistic of each metric, by tag and statistic.
type aggregate struct {
	Schema   string                 `json:"schema_version"`
	Library  string                 `json:"aiperf_version"`
	Metadata pointMetadata          `json:"metadata"`
	Metrics  map[string]sweep.Block `json:"metrics"`
	// Endpoints is ours: the same for each of several endpoints. It is absent if there is
	// only one.
	Endpoints []endpointAggregate `json:"endpoints,omitempty"`
}

// endpointAggregate is what one of several endpoints did, over all trials.
type endpointAggregate struct {
	URL     string                 `json:"url"`
	Metrics map[string]sweep.Block `json:"metrics"`
}

// pointMetadata says what was aggregated.
type pointMetadata struct {
	Type string `json:"aggregation_type"`
	// Runs are the trials, and SuccessfulRuns those in which some request succeeded.
	Runs           int         `json:"num_profile_runs"`
	SuccessfulRuns int         `json:"num_successful_runs"`
	FailedRuns     []failedRun `json:"failed_runs"`
	// Level is that of the intervals of all means.
	Level  float64  `json:"confidence_level"`
	Labels []string `json:"run_labels"`
	// Single says that there was one trial only, so that nothing has an interval.
	Single   bool    `json:"single_run"`
	Cooldown float64 `json:"cooldown_seconds"`
	// Label and Values are the point.
	Label  string           `json:"variation_label"`
	Values map[string]whole `json:"variation_values"`
	Mode   string           `json:"sweep_mode"`
	Model  string           `json:"model"`
}

// failedRun is a trial in which every request failed.
type failedRun struct {
	Label string `json:"label"`
	Error string `json:"error"`
}

// aggregate gathers all trials of the i-th probe's point, over all its visits: a point
// that was visited again has one aggregate, which the last visit completes.
func (v *view) aggregate(i int) aggregate {
	_, trials := v.trialsAt(i)
	a := aggregate{
		Schema: aggregateSchema, Library: library(),
		Metadata: pointMetadata{
			Type: "confidence", Runs: len(trials), FailedRuns: []failedRun{}, Level: sweep.Level, Labels: []string{},
			Single: len(trials) == 1, Label: v.pointLabel(i), Values: v.values(v.probes[i]), Mode: "repeated", Model: v.Server.Model,
		},
		Metrics: sweep.OverTrials(trials),
	}
	for k, url := range v.Spec.Target.Endpoints() {
		var parts []*loadgen.Measurement
		for _, m := range trials {
			if k < len(m.Endpoints) {
				parts = append(parts, &loadgen.Measurement{Metrics: m.Endpoints[k]})
			}
		}
		if len(parts) > 0 {
			a.Endpoints = append(a.Endpoints, endpointAggregate{url, sweep.OverTrials(parts)})
		}
	}
	for k, m := range trials {
		label := fmt.Sprintf("run_%04d", k+1)
		a.Metadata.Labels = append(a.Metadata.Labels, label)
		valid, _ := m.Stat(loadgen.TagCount, "avg")
		failed, _ := m.Stat(loadgen.TagErrors, "avg")
		if valid == 0 && failed > 0 {
			a.Metadata.FailedRuns = append(a.Metadata.FailedRuns, failedRun{label, "every request failed"})
		} else {
			a.Metadata.SuccessfulRuns++
		}
	}
	return a
}

// pointAggregate writes profile_export_aiperf_aggregate.json of the i-th probe's
// point: each statistic of each metric over the trials so far, with Student's
// interval for its mean. One trial has a mean and no interval.
//
// The file is written anew after each visit, so that a run which is broken off leaves
// the aggregate of what it has.
func (v *view) pointAggregate(w io.Writer, i int) error {
	return writeJSON(w, v.aggregate(i))
}

// pointAggregateCSV writes the same as a table, then its metadata.
func (v *view) pointAggregateCSV(w io.Writer, i int) error {
	a := v.aggregate(i)
	c := newCSV(w)
	c.row("metric", "mean", "std", "min", "max", "cv", "se", "ci_low", "ci_high", "t_critical", "unit")
	for _, key := range slices.Sorted(maps.Keys(a.Metrics)) {
		m := a.Metrics[key]
		unit, _ := m["unit"].(string)
		c.row(key, fixed(m["mean"], 2), fixed(m["std"], 2), fixed(m["min"], 2), fixed(m["max"], 2), fixed(m["cv"], 4), fixed(m["se"], 4),
			fixed(m["ci_low"], 2), fixed(m["ci_high"], 2), fixed(m["t_critical"], 4), unit)
	}
	c.row()
	m := a.Metadata
	c.row("Aggregation Type", m.Type)
	c.row("Total Runs", strconv.Itoa(m.Runs))
	c.row("Successful Runs", strconv.Itoa(m.SuccessfulRuns))
	c.row("Confidence Level", exact(m.Level))
	c.row("Variation Label", m.Label)
	c.row("Sweep Mode", m.Mode)
	c.row("Model", m.Model)
	return c.done()
}
