package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// aggregateSchema is the version of AIPerf's aggregate format that is followed.
const aggregateSchema = "1.0"

type pointAggregate struct {
	Schema   string                 `json:"schema_version"`
	Library  string                 `json:"aiperf_version"`
	Metadata pointMetadata          `json:"metadata"`
	Metrics  map[string]sweep.Block `json:"metrics"`
}

type pointMetadata struct {
	Type           string           `json:"aggregation_type"`
	Runs           int              `json:"num_profile_runs"`
	SuccessfulRuns int              `json:"num_successful_runs"`
	FailedRuns     []failedRun      `json:"failed_runs"`
	Level          float64          `json:"confidence_level"`
	Labels         []string         `json:"run_labels"`
	Single         bool             `json:"single_run"`
	Cooldown       float64          `json:"cooldown_seconds"`
	Label          string           `json:"variation_label"`
	Values         map[string]whole `json:"variation_values"`
	Mode           string           `json:"sweep_mode"`
	Model          string           `json:"model"`
}

type failedRun struct {
	Label string `json:"label"`
	Error string `json:"error"`
}

// aggregateOf gathers all trials of the i-th probe's point, over all its visits.
func aggregateOf(o *recipes.Outcome, i int) pointAggregate {
	var trials []*loadgen.Measurement
	for k := range o.Probes {
		if slices.Equal(o.Probes[k].Step.At, o.Probes[i].Step.At) {
			trials = append(trials, o.Probes[k].Trials...)
		}
	}
	a := pointAggregate{
		Schema: aggregateSchema, Library: Library(),
		Metadata: pointMetadata{
			Type: "confidence", Runs: len(trials), FailedRuns: []failedRun{}, Level: sweep.Level, Labels: []string{},
			Single: len(trials) == 1, Label: pointLabel(o, i), Values: valuesOf(o, &o.Probes[i]), Mode: "repeated", Model: o.Server.Model,
		},
		Metrics: sweep.OverTrials(trials),
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

// PointAggregate writes profile_export_aiperf_aggregate.json of the i-th probe's
// point: each statistic of each metric over the trials so far, with Student's
// interval for its mean.
func PointAggregate(w io.Writer, o *recipes.Outcome, i int) error {
	return writeJSON(w, aggregateOf(o, i))
}

// PointAggregateCSV writes the same as a table, then its metadata.
func PointAggregateCSV(w io.Writer, o *recipes.Outcome, i int) error {
	a := aggregateOf(o, i)
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

// table of comma-separated values with the line ends that AIPerf's have.
type csvTable struct {
	w   *csv.Writer
	err error
}

func newCSV(w io.Writer) *csvTable {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return &csvTable{w: c}
}

func (c *csvTable) row(cells ...string) {
	if c.err == nil {
		c.err = c.w.Write(cells)
	}
}

func (c *csvTable) done() error {
	c.w.Flush()
	if c.err != nil {
		return c.err
	}
	return c.w.Error()
}

// fixed writes a number with so many decimals; what is not there is empty.
func fixed(v any, decimals int) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'f', decimals, 64)
	case int:
		return strconv.FormatFloat(float64(v), 'f', decimals, 64)
	}
	return ""
}
