// Package llmd writes what a trial measured as a benchmark report of llm-d, version 0.2, the
// form that llm-d-benchmark converts the results of all its load generators into and compares
// them in. One report is one trial at one load:
//
//	t := llmd.Trial{Outcome: out, Probe: 3, ID: "max-…-0003-0001", Tool: "aiperf for Go", Version: "devel"}
//	err := t.Write(f)
//
// What is written is JSON, which is YAML as well: PyYAML, with which llm-d reads its reports,
// takes it as it is. Numbers are therefore without exponents, since that reader takes 1e-05 for
// a text.
//
// The form knows the server as a stack of components. An inference engine has an accelerator
// there, and a parallelism, which nobody outside of the server can know; so the server is a
// generic component, with its model and with the facts that the user gave of it. Percentiles
// that the form has and AIPerf has not (0.1 and 99.9) are left out, and so is all that was not
// measured: a key without a value would be a value of nothing.
package llmd

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// Name is the name of the file of a trial, as llm-d-benchmark's tools look for it: the version,
// a comma, and the name of the file that has the same results in the load generator's own form.
const Name = "benchmark_report_v0.2,_profile_export_aiperf.json.yaml"

// Trial is one trial of a run's probe.
type Trial struct {
	// Outcome is the run, and Probe and Trial the places of the trial in it, from 0.
	Outcome      *recipes.Outcome
	Probe, Trial int
	// ID names the trial, and Run the run that it is part of.
	ID, Run string
	// Tool and Version are those of the load generator.
	Tool, Version string
}

// object is a JSON object of the form.
type object = map[string]any

// number is a number without an exponent.
type number float64

// MarshalJSON writes the digits that the number needs.
func (n number) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(n), 'f', -1, 64), nil
}

// Write writes the report. The error is the writer's.
func (t Trial) Write(w io.Writer) error {
	o := t.Outcome
	m := o.Probes[t.Probe].Trials[t.Trial]
	report := object{
		"version":  "0.2",
		"run":      t.run(m),
		"scenario": object{"stack": []any{t.server(m)}, "load": t.load(m)},
		"results":  t.results(m),
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

// run says which trial it is, when it was, and what the user called it.
func (t Trial) run(m *loadgen.Measurement) object {
	o := t.Outcome
	hide := o.Spec.Target.Redact
	run := object{"uid": t.ID, "eid": t.Run, "description": hide(o.Recipe.Name + ": " + o.Recipe.Doc)}
	if !m.Epoch.IsZero() {
		run["time"] = object{"start": m.Epoch.UTC().Format(time.RFC3339Nano), "end": m.Epoch.Add(m.Wall).UTC().Format(time.RFC3339Nano),
			"duration": "PT" + strconv.FormatFloat(m.Wall.Seconds(), 'f', -1, 64) + "S"}
	}
	var words []string
	if o.Spec.Label != "" {
		words = append(words, hide(o.Spec.Label))
	}
	for _, k := range slices.Sorted(maps.Keys(o.Spec.Facts)) {
		words = append(words, hide(k+"="+o.Spec.Facts[k]))
	}
	if len(words) > 0 {
		run["keywords"] = words
	}
	return run
}

// label names the server among the components, of which it is the only one.
const label = "server"

// server is the component that was measured.
func (t Trial) server(m *loadgen.Measurement) object {
	o := t.Outcome
	hide := o.Spec.Target.Redact
	facts := object{}
	for k, v := range o.Spec.Facts {
		facts[k] = hide(v)
	}
	engine := cmp.Or(hide(m.Server.Window.Server), "unknown")
	standard := object{"kind": "generic", "tool": engine, "tool_version": cmp.Or(hide(o.Server.Version), "unknown")}
	if o.Server.Model != "" {
		standard["model"] = object{"name": hide(o.Server.Model)}
	}
	native := object{"config": object{"endpoints": endpoints(o), "facts": facts}}
	return object{
		"metadata":     object{"schema_version": "0.0.1", "label": label, "cfg_id": sum(standard, native)},
		"standardized": standard, "native": native,
	}
}

// endpoints are the base URLs that were loaded, without their secrets.
func endpoints(o *recipes.Outcome) []string {
	out := []string{}
	for _, url := range o.Spec.Target.Endpoints() {
		if url != "" {
			out = append(out, o.Spec.Target.Redact(url))
		}
	}
	return out
}

// load is what was sent. A stage is a point of the run.
func (t Trial) load(m *loadgen.Measurement) object {
	o, l := t.Outcome, m.Load
	w := l.Workload
	standard := object{
		"tool": t.Tool, "tool_version": cmp.Or(t.Version, "unknown"), "stage": t.Probe, "source": "random",
		"input_seq_len": lengths(w.ISL, l.ISL, m, loadgen.TagISL),
	}
	if w.File != "" || o.Spec.Target.Prompts != "" {
		standard["source"] = "sampled"
	}
	if !o.Spec.Tokenless() {
		standard["output_seq_len"] = lengths(w.OSL, l.OSL, m, loadgen.TagOSL)
	}
	if l.Concurrency > 0 {
		standard["concurrency"] = l.Concurrency
	}
	if l.Rate > 0 {
		standard["rate_qps"] = number(l.Rate)
	}
	if len(w.Prefixes) == 1 { // the form knows one kind of groups
		p := w.Prefixes[0]
		standard["prefix"] = object{"prefix_len": object{"distribution": "fixed", "value": p.Tokens}, "num_groups": max(p.Groups, 1),
			"num_users_per_group": 1, "num_prefixes": 1}
	}
	if len(m.Turns) > 0 {
		turns := object{"enabled": true}
		if w.Turns.Count.Law != "" && w.File == "" {
			turns["max_turns"] = lengths(w.Turns.Count, 0, nil, "")
		}
		standard["multi_turn"] = turns
	}
	native := object{"config": object{
		"recipe": o.Recipe.Name, "seed": l.Seed, "requests": l.Requests, "window_s": number(l.Window.Seconds()), "arrival": l.Arrival,
		"limits": limits(o), "workload": w,
	}}
	return object{
		"metadata":     object{"schema_version": "0.0.1", "cfg_id": sum(standard, native)},
		"standardized": standard, "native": native,
	}
}

// limits are the run's limits as text.
func limits(o *recipes.Outcome) []string {
	out := []string{}
	for _, l := range o.Plan.Limits {
		out = append(out, l.String())
	}
	return out
}

// lengths is a law of lengths in the words of the form: fixed, gaussian, uniform or other, with
// its mean. Without a law it is the load's length; where there is none of that, as in a file, it
// is the mean of what was measured.
func lengths(law workload.Lengths, fixed int, m *loadgen.Measurement, tag loadgen.Tag) object {
	kinds := map[workload.Law]string{"": "fixed", workload.LawConstant: "fixed", workload.LawNormal: "gaussian",
		workload.LawUniform: "uniform"}
	out := object{"distribution": cmp.Or(kinds[law.Law], "other"), "value": number(fixed)}
	switch {
	case law.Law != "":
		mean, sd := law.Moments()
		out["value"] = number(mean)
		if law.Law == workload.LawNormal {
			out["std_dev"] = number(sd)
		}
		if law.Min > 0 {
			out["min"] = law.Min
		}
		if law.Max > 0 {
			out["max"] = law.Max
		}
	case fixed == 0 && m != nil:
		if v, ok := m.Stat(tag, "avg"); ok {
			out["distribution"], out["value"] = "other", number(v)
		}
	}
	return out
}

// results are the requests, their latencies and their rates, and what the server said of itself.
func (t Trial) results(m *loadgen.Measurement) object {
	total, _ := m.Stat(loadgen.TagCompleted, "avg")
	failed, _ := m.Stat(loadgen.TagErrors, "avg")
	requests := object{"total": int(total), "failures": int(failed)}
	if n, _ := m.Stat(loadgen.TagCancelled, "avg"); n > 0 { // they are not among the completed
		requests["total"], requests["incomplete"] = int(total+n), int(n)
	}
	latency, throughput, server := object{}, object{}, object{}
	add := func(to object, key, units string, tag loadgen.Tag, scale float64) {
		if s := statistics(m.Metrics[tag], units, scale); s != nil {
			to[key] = s
		}
	}
	const s = 1e-3 // our latencies are in milliseconds
	add(requests, "input_length", "count", loadgen.TagISL, 1)
	add(requests, "output_length", "count", loadgen.TagOSL, 1)
	// Some of the form's names are AIPerf's.
	add(latency, loadgen.TagTTFT, "s", loadgen.TagTTFT, s)
	// AIPerf's inter-token latency is the mean of a request, which others call the time per
	// output token: (latency − TTFT) / (tokens − 1). The form has both, and it is the same number.
	add(latency, loadgen.TagITL, "s/token", loadgen.TagITL, s)
	add(latency, "time_per_output_token", "s/token", loadgen.TagITL, s)
	add(latency, loadgen.TagLatency, "s", loadgen.TagLatency, s)
	add(throughput, "input_token_rate", "tokens/s", loadgen.TagInputRate, 1)
	add(throughput, "output_token_rate", "tokens/s", loadgen.TagTokenRate, 1)
	add(throughput, "total_token_rate", "tokens/s", loadgen.TagTotalRate, 1)
	add(throughput, "request_rate", "queries/s", loadgen.TagReqRate, 1)
	add(server, "kv_cache_usage", "percent", loadgen.TagKVCache, 1)
	add(server, "cache_hit_rate", "fraction", loadgen.TagPrefixHits, 1)
	add(server, "running_requests", "count", loadgen.TagRunning, 1)
	add(server, "waiting_requests", "count", loadgen.TagWaiting, 1)
	if rate, ok := m.Stat(loadgen.TagPreemptions, "avg"); ok {
		server["preemptions"] = object{"units": "count", "mean": number(math.Round(rate * m.Window.Seconds()))}
	}
	out := object{"request_performance": object{"aggregate": object{"requests": requests, "latency": latency, "throughput": throughput}}}
	if len(server) > 0 {
		out["observability"] = object{"components": []any{object{"component_label": label, "aggregate": server}}}
	}
	return out
}

// statistics is a metric in the form's names of statistics; nil without a mean, which it
// requires.
func statistics(m loadgen.Metric, units string, scale float64) object {
	out := object{"units": units}
	for stat, v := range m.Stats {
		key := map[string]string{"avg": "mean", "std": "stddev", "min": "min", "max": "max"}[stat]
		if percentile, ok := strings.CutPrefix(stat, "p"); ok && slices.Contains(percentiles, percentile) {
			key = stat
		}
		if key != "" && !math.IsNaN(v) && !math.IsInf(v, 0) {
			out[key] = number(v * scale)
		}
	}
	if _, ok := out["mean"]; !ok {
		return nil
	}
	return out
}

// percentiles are those that both have.
var percentiles = []string{"1", "5", "10", "25", "50", "75", "90", "95", "99"}

// sum identifies a configuration: two reports that have it in common were of the same one.
func sum(parts ...object) string {
	h := sha256.New()
	for _, p := range parts {
		b, err := json.Marshal(p) // with the keys of each object in order
		if err != nil {
			fmt.Fprint(h, err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
