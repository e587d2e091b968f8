package report

import (
	"io"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// profileSchema is the version of AIPerf's export format that is followed.
const profileSchema = "1.4"

// profile writes profile_export_aiperf.json of one trial (from 0) of the i-th
// probe: a block a metric, then what was run and what went wrong:
//
//	"time_to_first_token": {"unit": "ms", "avg": 61.2, "p50": 60.8, "p95": 84.1, …},
//	"run_info": {"benchmark_id": "…", "trial": 0, "variation_values": {…}, …},
//	"error_summary": [{"error_details": {"code": 503, "type": "status", "message": "overloaded"}, "count": 3}]
//
// Two keys are ours: ended, which is why the measurement stopped, and client_health. A third,
// endpoints, is there if there are several: one object an endpoint, with its URL and the
// same blocks. A fourth, turns, is there if requests are turns of conversations: one object
// a turn, with its turn_index and the same blocks. A fifth, stages, is there if the rate
// changed with time: one object a stage.
func (v *view) profile(w io.Writer, i, trial int) error {
	p := v.probes[i]
	m := p.Trials[trial]
	// Metrics are keys of the top level, as in AIPerf's file.
	doc := map[string]any{
		"schema_version": profileSchema,
		"aiperf_version": library(),
		"benchmark_id":   v.benchmarkID(i, trial),
		"input_config":   v.inputConfig(i, trial),
		"run_info": runInfo{
			ID: v.benchmarkID(i, trial), Sweep: v.sweepID(), Seed: v.Spec.Workload.Seed, Trial: trial, Run: runLabel(trial),
			Label: v.variationLabel(i), Index: i, Values: v.values(p), Command: v.aiperfCommand(i, trial),
		},
		"was_cancelled": false,
		"is_complete":   p.complete(),
		"error_summary": v.errorSummary(m),
		"start_time":    nil,
		"end_time":      nil,
		"ended":         m.Ended,
		"client_health": v.trialHealth(m),
	}
	if first, last, ok := span(m); ok {
		doc["start_time"], doc["end_time"] = first.Format(stamp), last.Format(stamp)
	}
	for tag, metric := range m.Metrics {
		doc[tag] = block(metric)
	}
	v.withEnergy(doc, m)
	if parts := v.byEndpoint(m); parts != nil {
		doc["endpoints"] = parts
	}
	if parts := byTurn(m); parts != nil {
		doc["turns"] = parts
	}
	if parts := byStage(m); parts != nil {
		doc["stages"] = parts
	}
	return writeJSON(w, doc)
}

// byEndpoint has one object for each endpoint of a measurement, in the order in which they
// were given; nil if there is only one.
func (v *view) byEndpoint(m *loadgen.Measurement) (parts []map[string]any) {
	names := v.Spec.Target.Endpoints()
	for k, metrics := range m.Endpoints {
		if k >= len(names) {
			break
		}
		part := map[string]any{"url": names[k]}
		for tag, metric := range metrics {
			part[tag] = block(metric)
		}
		parts = append(parts, part)
	}
	return parts
}

// byTurn has one object for each turn of conversations, in their order; nil if there are none.
func byTurn(m *loadgen.Measurement) (parts []map[string]any) {
	for k, metrics := range m.Turns {
		part := map[string]any{"turn_index": k}
		for tag, metric := range metrics {
			part[tag] = block(metric)
		}
		parts = append(parts, part)
	}
	return parts
}

// byStage has one object for each stage of a schedule of rates, in order: its rates in
// requests a second, its seconds, and the metrics of its requests; nil if there are none.
// The rates are those that were sent: of a schedule that was scaled to another mean, in
// proportion to its own.
func byStage(m *loadgen.Measurement) (parts []map[string]any) {
	rates := m.Load.Schedule()
	for k, metrics := range m.Stages {
		part := map[string]any{"from": rates[k].From, "to": rates[k].To, "seconds": rates[k].Over.Seconds()}
		for tag, metric := range metrics {
			part[tag] = block(metric)
		}
		parts = append(parts, part)
	}
	return parts
}

// runInfo says which trial of which point the file is about.
type runInfo struct {
	// ID names the trial, and Sweep the run that it is part of.
	ID    string `json:"benchmark_id"`
	Sweep string `json:"sweep_id"`
	// Seed is the run's; each probe has one of its own, made from it.
	Seed uint64 `json:"random_seed"`
	// Trial counts from 0, and the number in Run, its label, from 1.
	Trial int    `json:"trial"`
	Run   string `json:"run_label"`
	// Label and Values are the point, and Index the probe, from 0.
	Label  string           `json:"variation_label"`
	Index  int              `json:"variation_index"`
	Values map[string]whole `json:"variation_values"`

	// Command asks AIPerf for the same load: there is no command line behind a
	// Go test, and this is the one that scripts can compare with.
	Command string `json:"cli_command"`
}

// errorCount is one kind of failure with how often it came.
type errorCount struct {
	Details recordError `json:"error_details"`
	Count   int         `json:"count"`
}

// recordError is what a request failed of.
type recordError struct {
	// Code is the HTTP status; null when there was no answer.
	Code    *int   `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

// block is a metric as AIPerf writes it: unit and statistics side by side, those that
// are no numbers as null.
func block(m loadgen.Metric) map[string]any {
	b := map[string]any{"unit": m.Unit}
	for stat, v := range m.Stats {
		if stat == "count" {
			b[stat] = int(v)
			continue
		}
		b[stat] = num(v)
	}
	return b
}

// span is when the first request of the cohort started and the last one ended; ok is
// false when there is none, or their records have been released.
func span(m *loadgen.Measurement) (first, last time.Time, ok bool) {
	for i := range m.Requests {
		q := &m.Requests[i]
		a, b := m.Epoch.Add(q.Start), m.Epoch.Add(q.EOF)
		if !ok || a.Before(first) {
			first = a
		}
		if !ok || b.After(last) {
			last = b
		}
		ok = true
	}
	return first, last, ok
}

// errorSummary lists failures by what they were, in the order of the measurement, the
// most frequent first. It is never nil.
func (v *view) errorSummary(m *loadgen.Measurement) []errorCount {
	out := []errorCount{}
	for _, f := range m.Failures {
		e := errorCount{Details: recordError{Type: string(f.Kind), Message: v.redact(f.Message)}, Count: f.Count}
		if f.Status != 0 {
			e.Details.Code = &f.Status
		}
		out = append(out, e)
	}
	return out
}
