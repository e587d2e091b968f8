package report

import (
	"cmp"
	"io"
)

// inputConfig describes one trial in AIPerf's terms, with all keys that AIPerf's own tools
// read, so that AIPerf's own model of a configuration takes it. What AIPerf can do and this
// library does not is off, and has the values that AIPerf has for it: that model takes no
// empty ones. Secrets are left out or starred.
func (v *view) inputConfig(i, trial int) object {
	dir := v.probeDir(i, trial)
	l := v.aiperfLoad(v.probes[i].Trials[trial], dir)
	gpuPages, _ := v.gpuPages(v.probes[i].Trials[trial])
	c := object{
		"models":        object{"strategy": "round_robin", "items": l.models},
		"endpoint":      l.endpoint,
		"datasets":      []object{l.dataset},
		"phases":        []object{l.phase},
		"artifacts":     artifactsConfig(dir),
		"tokenizer":     object{"name": v.tokenizerName(), "revision": "main", "trust_remote_code": false, "apply_chat_template": false},
		"gpu_telemetry": object{"enabled": len(gpuPages) > 0, "urls": append([]string{}, gpuPages...), "collector": "dcgm", "mode": gpuMode},
		"server_metrics": object{"enabled": false, "urls": []string{}, "formats": []string{"json", "csv"},
			"discovery": object{"mode": "disabled", "timeout_seconds": 30}},
		"network_latency": object{"enabled": false, "ping_interval": 1},
		"otel":            object{"stream_metrics_enabled": false, "stream_timing_enabled": false, "custom_resource_attributes": object{}},
		"mlflow":          object{"experiment": "aiperf"},
		"wandb":           object{},
		"runtime":         object{"ui": "none", "service_run_type": "multiprocessing"},
		"logging":         object{"level": "INFO"},
		"metrics":         object{},
		"unsafe_override": false,
	}
	if len(l.slos) > 0 {
		c["slos"] = l.slos
	}
	return c
}

// gpuMode is AIPerf's mode of a GPU telemetry that is off, or that nobody looks at.
const gpuMode = "summary"

// tokenizerName is what counts tokens: the server's usage, or where it has none a
// file.
func (v *view) tokenizerName() string { return cmp.Or(v.Spec.Target.Tokenizer, "server-usage") }

// artifactsConfig is which files there are, and where, relative to the artifact
// directory. AIPerf's model does not know the CSV beside the JSON.
func artifactsConfig(dir string) object {
	return object{
		"dir": dir, "summary": []string{"json"}, "records": []string{"jsonl"}, "raw": false, "trace": false,
		"show_trace_timing": false, "user_files": []string{}, "auto_plot": true, "plot_required": false, "export_outputs_json": false,
	}
}

// runConfig writes run_config.json, AIPerf's record of one run: its configuration, which point
// of which sweep it is, and the command line that asks AIPerf for it. AIPerf itself can run
// such a file again. It is that of one trial (from 0) of the i-th probe.
func (v *view) runConfig(w io.Writer, i, trial int) error {
	p := v.probes[i]
	return writeJSON(w, object{
		"benchmark_id": v.benchmarkID(i, trial), "sweep_id": v.sweepID(),
		"cfg":       v.inputConfig(i, trial),
		"variation": object{"index": i, "label": v.variationLabel(i), "values": v.values(p)},
		"trial":     trial, "artifact_dir": v.probeDir(i, trial), "label": runLabel(trial), "cli_command": v.aiperfCommand(i, trial),
		"random_seed": v.Spec.Workload.Seed, "variables": object{},
		"resolved": object{"gpu_telemetry_mode": gpuMode, "artifact_dir_created": true},
	})
}
