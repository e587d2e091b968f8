package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// inputConfig describes one trial in AIPerf's terms, with all keys that AIPerf's
// own tools read. What AIPerf can do and this library does not is off. Secrets are
// left out or starred.
func (v *view) inputConfig(i, trial int) object {
	m := v.probes[i].Trials[trial]
	return object{
		"models":        object{"strategy": "round_robin", "items": []object{{"name": v.Server.Model}}},
		"endpoint":      v.endpointConfig(m.Load),
		"datasets":      []object{v.datasetConfig(m)},
		"phases":        []object{phaseConfig(m)},
		"artifacts":     artifactsConfig(v.probeDir(i, trial)),
		"tokenizer":     object{"name": v.tokenizerName(), "revision": "", "trust_remote_code": false, "apply_chat_template": false},
		"gpu_telemetry": object{"enabled": false, "urls": []string{}, "collector": "", "mode": ""},
		"server_metrics": object{"enabled": false, "urls": []string{}, "formats": []string{"json", "csv"},
			"discovery": object{"mode": "off", "timeout_seconds": 0}},
		"network_latency": object{"enabled": false, "ping_interval": 0},
		"otel":            object{"stream_metrics_enabled": false, "stream_timing_enabled": false, "custom_resource_attributes": object{}},
		"mlflow":          object{"experiment": ""},
		"wandb":           object{},
		"runtime":         object{"ui": "none", "service_run_type": "goroutines"},
		"logging":         object{"level": "INFO"},
		"metrics":         object{},
		"unsafe_override": false,
	}
}

// tokenizerName is what counts tokens: the server's usage, or where it has none a
// file.
func (v *view) tokenizerName() string { return cmp.Or(v.Spec.Target.Tokenizer, "server-usage") }

// endpointConfig is where requests go and what they look like. The names of headers
// are there, and none of their values.
func (v *view) endpointConfig(l loadgen.Load) object {
	t := v.Spec.Target
	extra := object{}
	maps.Copy(extra, t.RedactedBody())
	maps.Copy(extra, l.Body)
	headers := map[string]string{}
	for k := range t.Header {
		headers[k] = "***" // which of them are secret, only their owner knows
	}
	return object{
		"urls": t.Endpoints(), "url_strategy": "round_robin", "type": v.protocol(), "timeout": t.Timeout.Seconds(),
		"streaming": !t.NoStream, "connection_reuse": "pooled", "headers": headers, "extra": extra,
		"use_legacy_max_tokens": true, "use_server_token_count": true, "per_chunk_usage": false,
		"download_video_content": false, "uuid_and_strip": false,
		"wait_for_model_timeout": t.ReadyTimeout.Seconds(), "wait_for_model_interval": 1, "wait_for_model_mode": "inference",
	}
}

// protocol is the endpoint's by AIPerf's name, chat unless the target names another.
func (v *view) protocol() string { return cmp.Or(v.Spec.Target.Speaks().Alias, v.Spec.Target.API()) }

// datasetConfig is where prompts come from: a file, or made up with fixed lengths.
func (v *view) datasetConfig(m *loadgen.Measurement) object {
	if path := v.Spec.Target.Prompts; path != "" {
		format := "single_turn"
		if talks(m) {
			format = "multi_turn"
		}
		return object{"name": "main", "type": "file", "path": path, "format": format, "entries": m.Load.Requests,
			"sampling": sampling(m.Load.Workload.Order), "turn_delay_ratio": 1}
	}
	isl, osl := lengthConfigs(m.Load)
	prompts := object{
		"isl": isl, "osl": osl, "batch_size": 1,
		// Unique opening words take the place of AIPerf's cache busting.
		"cache_bust": object{"target": "none"}, "random_corpus_style": "words",
	}
	if v.tokenless() {
		delete(prompts, "osl")
	}
	return object{
		"name": "main", "type": "synthetic", "entries": m.Load.Requests, "sampling": "sequential", "turn_delay_ratio": 1,
		"prompts": prompts,
	}
}

// sampling is AIPerf's name of an order. Its random sampling draws with replacement, as ours
// does, and its shuffle draws each request once.
func sampling(o laws.Order) string {
	switch o {
	case laws.Shuffled:
		return "shuffle"
	case laws.Sampled:
		return "random"
	}
	return "sequential"
}

// lengthConfigs are the lengths of prompts and answers as AIPerf knows them: a mean and a
// standard deviation. Of a mix they are those of all its requests together, and what prompts
// share is part of them.
func lengthConfigs(l loadgen.Load) (isl, osl object) {
	if l.Workload.IsZero() {
		return object{"mean": l.ISL, "stddev": 0}, object{"mean": l.OSL, "stddev": 0}
	}
	in, out := l.Moments()
	length := func(m [2]float64) object { return object{"mean": whole(tenth(m[0])), "stddev": whole(tenth(m[1]))} }
	return length(in), length(out)
}

// tenth rounds to one decimal.
func tenth(v float64) float64 { return math.Round(10*v) / 10 }

// phaseConfig is the load: closed with so many requests in flight, or open with a
// rate. There is one phase; ramps are no part of the results.
func phaseConfig(m *loadgen.Measurement) object {
	p := object{
		"name": "profiling", "kind": "profiling", "type": "concurrency", "requests": m.Load.Requests, "concurrency": m.Load.Concurrency,
		"window_seconds": m.Load.Window.Seconds(), "exclude_from_results": false, "sla": []object{}, "seamless": false,
		"burst_phase_starts": false,
		// AIPerf's adaptive phases are another way to search; a trajectory is one
		// of its data sets.
		"adaptive_scale": false, "adaptive_min_completed_requests": 0, "adaptive_control_variable": "", "adaptive_control_min": 0,
		"adaptive_scale_strategy_type": "", "adaptive_scale_step_policy": "", "adaptive_scale_base_step": 0,
		"adaptive_scale_max_step_multiplier": 0, "adaptive_scale_step_percent": 0,
		"trajectory_start_min_ratio": 0, "trajectory_start_max_ratio": 0,
	}
	// An open load is of its arrival process; constant is the one without a name. AIPerf has
	// no concurrency of 0, and calls the shape of gamma arrivals their smoothness.
	if m.Load.Rate > 0 {
		process, shape := arrival(m.Load)
		p["type"], p["rate"] = process, m.Load.Rate
		if process == "gamma" {
			p["smoothness"] = shape
		}
		if p["concurrency"] = m.Load.MostInFlight; m.Load.MostInFlight == 0 {
			delete(p, "concurrency")
		}
		if m.Load.Workload.Replay != 0 {
			p["type"] = "fixed_schedule"
		}
	}
	return p
}

// arrival returns how the requests of an open loop arrive, by AIPerf's name, and the shape
// of gamma arrivals, which is 0.5 unless the load says another, and means nothing of other
// processes.
func arrival(l loadgen.Load) (process string, shape float64) {
	process, text, shaped := strings.Cut(cmp.Or(l.Arrival, "constant"), ":")
	shape = 0.5
	if shaped {
		// The load was sent, so that its shape is a number.
		shape, _ = strconv.ParseFloat(text, 64)
	}
	return process, shape
}

// artifactsConfig is which files there are, and where, relative to the artifact
// directory.
func artifactsConfig(dir string) object {
	return object{
		"dir": dir, "summary": []string{"json", "csv"}, "records": []string{"jsonl"}, "raw": false, "trace": false,
		"show_trace_timing": false, "user_files": []string{}, "auto_plot": true, "plot_required": false, "export_outputs_json": false,
	}
}

// runConfig writes run_config.json of one trial (from 0) of the i-th probe: what
// was asked for, as AIPerf's files say it.
func (v *view) runConfig(w io.Writer, i, trial int) error {
	p := v.probes[i]
	return writeJSON(w, object{
		"benchmark_id": v.benchmarkID(i, trial), "sweep_id": v.sweepID(),
		"cfg":       v.inputConfig(i, trial),
		"variation": object{"index": i, "label": v.variationLabel(i), "values": v.values(p)},
		"trial":     trial, "artifact_dir": v.probeDir(i, trial), "label": runLabel(trial), "cli_command": v.aiperfCommand(p.Trials[trial]),
		"random_seed": v.Spec.Workload.Seed, "variables": object{},
		"resolved": object{"gpu_telemetry_mode": "", "artifact_dir_created": true},
	})
}

// aiperfCommand asks AIPerf for the same load on the same endpoint, so that the two
// tools can be compared. Keys and headers are not in it.
//
//	aiperf profile --model 'm' --url 'http://127.0.0.1:8000' --endpoint-type 'chat'
//	    --isl 550 --osl 128 --request-count 300 --concurrency 16 --streaming --random-seed 7
func (v *view) aiperfCommand(m *loadgen.Measurement) string {
	l := m.Load
	var urls []string
	for _, u := range v.Spec.Target.Endpoints() {
		urls = append(urls, "--url "+shell(u))
	}
	args := []string{"aiperf profile", "--model " + shell(v.Server.Model), strings.Join(urls, " "),
		"--endpoint-type " + shell(v.protocol()), v.lengthFlags(l) + fmt.Sprintf(" --request-count %d", l.Requests)}
	if l.Workload.Replay != 0 {
		args = append(args, "--fixed-schedule")
	} else if l.Rate > 0 {
		process, shape := arrival(l)
		args = append(args, "--request-rate "+exact(l.Rate), "--arrival-pattern "+process)
		if l.MostInFlight > 0 {
			args = append(args, fmt.Sprintf("--concurrency %d", l.MostInFlight))
		}
		if process == "gamma" {
			args = append(args, "--arrival-smoothness "+exact(shape))
		}
	} else {
		args = append(args, fmt.Sprintf("--concurrency %d", l.Concurrency))
	}
	if !v.Spec.Target.NoStream {
		args = append(args, "--streaming")
	}
	for _, name := range slices.Sorted(maps.Keys(l.Body)) {
		args = append(args, "--extra-inputs "+shell(fmt.Sprintf("%s:%v", name, l.Body[name])))
	}
	if len(l.SLO) > 0 {
		var slo []string
		for _, tag := range slices.Sorted(maps.Keys(l.SLO)) {
			slo = append(slo, tag+":"+exact(l.SLO[tag]))
		}
		args = append(args, "--goodput "+shell(strings.Join(slo, " ")))
	}
	return strings.Join(append(args, fmt.Sprintf("--random-seed %d", l.Seed)), " ")
}

// lengthFlags asks AIPerf for lengths like those of the load. Answers without tokens have none:
// AIPerf reports an error for --osl with such an endpoint.
//
// What is asked for is the nearest that there is. AIPerf knows normal laws, one number of
// prefixes of one length, which all requests have one of, a system prompt, and
// conversations. What else a workload says is left out.
func (v *view) lengthFlags(l loadgen.Load) string {
	if l.Workload.IsZero() && v.tokenless() {
		return fmt.Sprintf("--isl %d", l.ISL)
	}
	if l.Workload.IsZero() {
		return fmt.Sprintf("--isl %d --osl %d", l.ISL, l.OSL)
	}
	w := l.Workload
	if w.File != "" {
		text := fmt.Sprintf("--input-file %s --osl %d", shell(w.File), l.OSL)
		if w.Order != "" {
			text += " --dataset-sampling-strategy " + sampling(w.Order)
		}
		return text
	}
	own := l
	own.Workload = w.Alone()
	talk := turnFlags(w)
	in, out := own.Moments()
	text := fmt.Sprintf("--isl %.0f --isl-stddev %.0f --osl %.0f --osl-stddev %.0f", in[0], in[1], out[0], out[1])
	if w.System > 0 {
		text += fmt.Sprintf(" --shared-system-prompt-length %d", w.System)
	}
	if p := w.Prefixes; len(p) == 1 && p[0].Share == 1 {
		text += fmt.Sprintf(" --num-prefix-prompts %d --prefix-prompt-length %d", max(p[0].Groups, 1), p[0].Tokens)
	}
	return text + talk
}

// turnFlags asks AIPerf for conversations like those of the load, and for requests that are
// given up. AIPerf knows normal laws of the turns and of the time between them, in
// milliseconds, so that of any law of ours it gets the mean and the standard deviation. Its
// cancellation rate is in percent, and its delay in seconds. It is empty for requests that
// stand alone and are all followed to their end.
func turnFlags(w laws.Workload) (text string) {
	if t := w.Turns; !t.Count.IsZero() {
		mean, square := t.Moments()
		text = fmt.Sprintf(" --conversation-turn-mean %.3g --conversation-turn-stddev %.3g", mean, math.Sqrt(max(square-mean*mean, 0)))
		if !t.Think.IsZero() {
			mean, stddev := t.Think.Moments()
			text += fmt.Sprintf(" --conversation-turn-delay-mean %.0f --conversation-turn-delay-stddev %.0f", mean, stddev)
		}
	}
	if c := w.Cancel; c.Share > 0 {
		text += fmt.Sprintf(" --request-cancellation-rate %s --request-cancellation-delay %s", exact(100*c.Share), exact(c.After.Seconds()))
	}
	return text
}

// shell quotes a word for a POSIX shell.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
