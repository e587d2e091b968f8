package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aiperf-go/aiperf/recipes"
)

// profileSchema is the version of AIPerf's export format that is followed.
const profileSchema = "1.4"

// Profile writes profile_export_aiperf.json of one trial (from 0) of the i-th
// probe: a block a metric, then what was run and what went wrong.
func Profile(w io.Writer, o *recipes.Outcome, i, trial int) error {
	p := &o.Probes[i]
	m := p.Trials[trial]
	// Metrics are keys of the top level, as in AIPerf's file.
	doc := map[string]any{
		"schema_version": profileSchema,
		"aiperf_version": Library(),
		"benchmark_id":   benchmarkID(o, i, trial),
		"input_config":   inputConfig(o, m),
		"run_info": runInfo{
			ID: benchmarkID(o, i, trial), Sweep: sweepID(o), Seed: o.Spec.Workload.Seed, Trial: trial,
			Run: fmt.Sprintf("run_%04d", trial+1), Label: pointLabel(o, i), Index: i, Values: valuesOf(o, &o.Probes[i]),
		},
		"was_cancelled": false,
		"is_complete":   p.State() != "cut",
		"error_summary": errorSummary(m),
		"start_time":    nil,
		"end_time":      nil,
		"ended":         m.Ended,
		"client_health": clientHealth{num(ms(m.Health.SendLagP99)), num(ms(m.Health.BeatLagP99)), num(m.Health.CPU), num(ms(m.Health.GCPause))},
	}
	if first, last, ok := span(m); ok {
		doc["start_time"], doc["end_time"] = first.Format(stamp), last.Format(stamp)
	}
	for tag, metric := range m.Metrics {
		doc[tag] = block(metric)
	}
	return writeJSON(w, doc)
}

const stamp = "2006-01-02T15:04:05.000000"

type runInfo struct {
	ID     string           `json:"benchmark_id"`
	Sweep  string           `json:"sweep_id"`
	Seed   uint64           `json:"random_seed"`
	Trial  int              `json:"trial"`
	Run    string           `json:"run_label"`
	Label  string           `json:"variation_label"`
	Index  int              `json:"variation_index"`
	Values map[string]whole `json:"variation_values"`
}

type errorCount struct {
	Code    *int   `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
	Count   int    `json:"count"`
}

// block is a metric as AIPerf writes it: unit and statistics side by side.
func block(m recipes.Metric) map[string]any {
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

// sweepID names the run; it is the same for all its probes.
func sweepID(o *recipes.Outcome) string {
	return fmt.Sprintf("%s-%d-%d", o.Recipe.Name, o.Began.UTC().UnixNano(), o.Spec.Workload.Seed)
}

func benchmarkID(o *recipes.Outcome, i, trial int) string {
	return fmt.Sprintf("%s-%04d-%04d", sweepID(o), i, trial+1)
}

// pointLabel is AIPerf's label of a variation: path=value, joined by commas.
func pointLabel(o *recipes.Outcome, i int) string {
	if o.Plan.Search != nil {
		return fmt.Sprintf("search_iter_%04d", i)
	}
	s := ""
	for k, path := range paths(o.Plan) {
		if k > 0 {
			s += ", "
		}
		s += path + "=" + digits(o.Probes[i].Step.At[k])
	}
	return s
}

// span is when the first request of the cohort started and the last one ended.
func span(m *recipes.Measurement) (first, last time.Time, ok bool) {
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

// errorSummary lists failures by what they were, the most frequent first.
func errorSummary(m *recipes.Measurement) []errorCount {
	out := []errorCount{}
	for _, f := range m.Failures {
		e := errorCount{Type: string(f.Kind), Message: f.Message, Count: f.Count}
		if f.Status != 0 {
			e.Code = &f.Status
		}
		out = append(out, e)
	}
	return out
}

// inputConfig describes the run in AIPerf's terms. Secrets are left out or
// starred.
func inputConfig(o *recipes.Outcome, m *recipes.Measurement) map[string]any {
	t := o.Spec.Target
	headers := map[string]string{}
	for k := range t.Header {
		headers[k] = "***" // which of them are secret, only their owner knows
	}
	length := func(n int) map[string]any { return map[string]any{"mean": n, "stddev": 0} }
	protocol := t.Protocol
	if protocol == "" {
		protocol = "chat"
	}
	return map[string]any{
		"models": map[string]any{"strategy": "round_robin", "items": []any{map[string]any{"name": o.Server.Model}}},
		"endpoint": map[string]any{
			"urls": []string{t.Redacted()}, "type": protocol, "streaming": !t.NoStream, "headers": headers,
			"timeout": t.Timeout.Seconds(), "connection_reuse": "pooled",
		},
		"datasets": []any{map[string]any{
			"name": "main", "type": "synthetic", "entries": m.Load.Requests,
			"prompts": map[string]any{"isl": length(m.Load.ISL), "osl": length(m.Load.OSL)},
		}},
		"phases": []any{map[string]any{
			"name": "profiling", "kind": "profiling", "type": "concurrency",
			"requests": m.Load.Requests, "concurrency": m.Load.Concurrency, "window_seconds": m.Load.Window.Seconds(),
		}},
	}
}

// Records writes profile_export.jsonl of one trial of the i-th probe: a line a
// request, in order of start. It writes nothing once the requests have been
// released.
func Records(w io.Writer, o *recipes.Outcome, i, trial int) error {
	m := o.Probes[i].Trials[trial]
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	for k := range m.Requests {
		if err := e.Encode(recordOf(o, m, i, trial, &m.Requests[k])); err != nil {
			return err
		}
	}
	return b.Flush()
}

type record struct {
	Metadata recordMetadata         `json:"metadata"`
	Metrics  map[string]recordValue `json:"metrics"`
	Error    *recordError           `json:"error"`
}

type recordMetadata struct {
	Session      int    `json:"session_num"`
	Request      string `json:"x_request_id"`
	Correlation  string `json:"x_correlation_id"`
	Conversation string `json:"conversation_id"`
	Turn         int    `json:"turn_index"`
	Issued       int64  `json:"credit_issued_ns"`
	Start        int64  `json:"request_start_ns"`
	End          int64  `json:"request_end_ns"`
	Phase        string `json:"benchmark_phase"`
	Cancelled    bool   `json:"was_cancelled"`
	Replays      int    `json:"replays"`
	DialNS       int64  `json:"dial_ns"`
}

type recordValue struct {
	Value any    `json:"value"`
	Unit  string `json:"unit"`
}

type recordError struct {
	Code    *int   `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

// recordTags are the metrics of one request, with their units.
var recordTags = []struct{ tag, unit string }{
	{"time_to_first_token", "ms"}, {"time_to_second_token", "ms"}, {"request_latency", "ms"}, {"inter_token_latency", "ms"},
	{"output_token_throughput_per_user", "tokens/sec/user"}, {"input_sequence_length", "tokens"}, {"output_sequence_length", "tokens"},
	{"schedule_lag", "ms"},
}

func recordOf(o *recipes.Outcome, m *recipes.Measurement, i, trial int, q *recipes.Request) record {
	at := func(d time.Duration) int64 { return m.Epoch.Add(d).UnixNano() }
	id := fmt.Sprintf("%s-%06d", benchmarkID(o, i, trial), q.Index)
	r := record{
		Metadata: recordMetadata{
			Session: q.Index, Request: id, Correlation: id, Conversation: fmt.Sprintf("session_%06d", q.Index),
			Issued: at(q.Scheduled), Start: at(q.Start), End: at(q.EOF), Phase: "profiling",
			Replays: q.Replays, DialNS: int64(q.Dial),
		},
		Metrics: map[string]recordValue{},
	}
	for _, t := range recordTags {
		if v, ok := q.Value(t.tag); ok {
			r.Metrics[t.tag] = recordValue{num(v), t.unit}
		}
	}
	if q.Failure != nil {
		r.Error = &recordError{Type: string(q.Failure.Kind), Message: q.Failure.Message}
		if q.Failure.Status != 0 {
			r.Error.Code = &q.Failure.Status
		}
		return r
	}
	gaps := []num{}
	for k := 1; k < len(q.Chunks); k++ {
		gaps = append(gaps, num(ms(q.Chunks[k]-q.Chunks[k-1])))
	}
	if len(gaps) > 0 {
		r.Metrics["inter_chunk_latency"] = recordValue{gaps, "ms"}
	}
	return r
}
