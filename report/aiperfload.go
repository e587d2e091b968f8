package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// aiperfLoad is a load in AIPerf's terms, in both of the ways in which AIPerf is told: the
// parts of its configuration that decide what is sent, and the flags of its command line that
// make the same configuration. They are put together side by side, so that neither says what
// the other does not.
type aiperfLoad struct {
	models                   []object
	endpoint, dataset, phase object
	slos                     map[loadgen.Tag]float64
	flags                    []string
	// lacks says what AIPerf has neither flags nor keys for.
	lacks []string
}

// flag adds a flag with its value, which must be quoted if it needs to be.
func (a *aiperfLoad) flag(name, value string) { a.flags = append(a.flags, name+" "+value) }

// aiperfCommand asks AIPerf for the same load on the same endpoint, so that the two
// tools can be compared. Keys and headers are not in it. What AIPerf cannot be asked for
// stands behind it, as a comment of the shell.
//
//	aiperf profile --model 'm' --url 'http://127.0.0.1:8000' --endpoint-type 'chat'
//	    --isl 550 --osl 128 --request-count 300 --concurrency 16 --streaming
//	    --use-server-token-count --use-legacy-max-tokens --extra-inputs '{"ignore_eos":true}'
//	    --random-seed 7
func (v *view) aiperfCommand(i, trial int) string {
	a := v.aiperfLoad(v.probes[i].Trials[trial], v.probeDir(i, trial))
	text := "aiperf profile " + strings.Join(a.flags, " ")
	if len(a.lacks) > 0 {
		text += " # without " + strings.Join(a.lacks, ", ")
	}
	return text
}

// aiperfLoad says the load of one trial in AIPerf's terms. dir is where its files are, relative
// to the artifact directory, which commands are to be run in.
//
// Note: a command line that is read off a finished configuration was tried. It knows nothing
// of what the configuration could not say, and each flag has a place in it twice.
func (v *view) aiperfLoad(m *loadgen.Measurement, dir string) aiperfLoad {
	a := aiperfLoad{slos: m.Load.SLO}
	kinds := m.Load.Workload.Kinds()
	a.asks(v.Server.Model, kinds)
	for _, u := range v.Spec.Target.Endpoints() {
		a.flag("--url", shell(u))
	}
	a.flag("--endpoint-type", shell(v.protocol()))
	if m.Load.Workload.File != "" || v.Spec.Target.Prompts != "" {
		a.file(cmp.Or(m.Load.Workload.File, v.Spec.Target.Prompts), m.Load)
	} else {
		a.synthetic(m.Load, kinds, !v.Spec.Tokenless())
	}
	a.dataset["random_seed"] = m.Load.Seed
	a.phased(m.Load, filepath.Join(dir, rateSeriesName))
	if l := m.Load.Workload; l.Replay != 0 {
		if speed := v.replaySpeed(m.Load); speed != 1 {
			a.dataset["synthesis"] = object{"speedup_ratio": speed}
			a.flag("--synthesis-speedup-ratio", exact(speed))
		}
	}
	a.bodies(v, m, kinds)
	if len(a.slos) > 0 {
		var slo []string
		for _, tag := range slices.Sorted(maps.Keys(a.slos)) {
			slo = append(slo, tag+":"+exact(a.slos[tag]))
		}
		a.flag("--goodput", shell(strings.Join(slo, " ")))
	}
	pages, others := v.gpuPages(m)
	if len(pages) > 0 {
		a.flag("--gpu-telemetry", shellAll(pages))
	}
	if others {
		a.lacks = append(a.lacks, "the page of AMD's exporter")
	}
	a.flag("--random-seed", fmt.Sprint(m.Load.Seed))
	return a
}

// asks adds the models that requests ask for: the one that is served, unless a kind of
// requests names another, such as an adapter. AIPerf takes several in turn, and knows no
// weights.
func (a *aiperfLoad) asks(served string, kinds []loadgen.Workload) {
	var names []string
	for _, k := range kinds {
		if name := cmp.Or(k.Model, served); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		a.models = append(a.models, object{"name": name})
		a.flag("--model", shell(name))
	}
	if len(names) > 1 {
		a.lacks = append(a.lacks, "the weights of the models")
	}
}

// bodies adds where requests go and what their bodies have: the endpoint's part of the
// configuration. The names of headers are there, and none of their values. Fields of the
// target come first, then those of the load and of its workload, which replace them; a field
// that is nil is left out, as it was of the bodies. With ignore_eos answers have the length
// that is asked for, which AIPerf leaves to the model unless it is told.
func (a *aiperfLoad) bodies(v *view, m *loadgen.Measurement, kinds []loadgen.Workload) {
	t := v.Spec.Target
	extra := map[string]any{"ignore_eos": true}
	maps.Copy(extra, t.RedactedBody())
	maps.Copy(extra, m.Load.Body)
	if len(kinds) == 1 {
		maps.Copy(extra, kinds[0].Body)
	} else if slices.ContainsFunc(kinds, func(k loadgen.Workload) bool { return len(k.Body) > 0 }) {
		a.lacks = append(a.lacks, "the body fields of single kinds")
	}
	legacy := true
	if sent := sentFields(m); sent != nil {
		// A server that refuses these is not sent them.
		_, legacy = sent["max_tokens"]
		if _, ok := sent["ignore_eos"]; !ok {
			delete(extra, "ignore_eos")
		}
	}
	maps.DeleteFunc(extra, func(_ string, value any) bool { return value == nil })
	headers := map[string]string{}
	for k := range t.Header {
		headers[k] = "***" // which of them are secret, only their owner knows
	}
	a.endpoint = object{
		"urls": t.Endpoints(), "url_strategy": "round_robin", "type": v.protocol(), "timeout": cmp.Or(t.Timeout, aiperfTimeout).Seconds(),
		"streaming": !t.NoStream, "connection_reuse": "pooled", "headers": headers, "extra": extra,
		"use_legacy_max_tokens": legacy, "use_server_token_count": true, "per_chunk_usage": false,
		"download_video_content": false, "uuid_and_strip": false,
		"wait_for_model_timeout": cmp.Or(t.ReadyTimeout, readyTimeout).Seconds(), "wait_for_model_interval": 1,
		"wait_for_model_mode": "inference",
	}
	if t.Timeout > 0 {
		a.flag("--request-timeout-seconds", exact(t.Timeout.Seconds()))
	}
	if !t.NoStream {
		a.flags = append(a.flags, "--streaming")
	}
	a.flags = append(a.flags, "--use-server-token-count")
	if legacy {
		a.flags = append(a.flags, "--use-legacy-max-tokens")
	}
	if b, err := json.Marshal(extra); err == nil && len(extra) > 0 {
		a.flag("--extra-inputs", shell(string(b)))
	}
}

// aiperfTimeout is how long a request may last if nobody says, there as here, and readyTimeout
// how long a server is waited for here. AIPerf then does not wait for it.
const (
	aiperfTimeout = 6 * time.Hour
	readyTimeout  = 2 * time.Minute
)

// sentFields returns the fields of the body of a request that was sent; nil if none is known,
// for example of a prober of one's own, or once the requests have been released. What was sent
// tells what the server was found to refuse, which neither the target nor the load knows.
func sentFields(m *loadgen.Measurement) (fields map[string]json.RawMessage) {
	if m.Body == nil || len(m.Requests) == 0 || json.Unmarshal(m.Body(&m.Requests[0]), &fields) != nil {
		return nil
	}
	return fields
}

// synthetic adds the lengths of made-up requests, what their prompts share, and pictures.
// AIPerf knows normal laws, several pairs of them with weights, and either one system prompt
// or prefixes of one length, which all requests have one of. Another law is given as the
// normal one of its mean and its deviation, in whole tokens, as 10,000 requests have them.
//
// Without tokens answers have no lengths: AIPerf reports an error for --osl with such an
// endpoint.
func (a *aiperfLoad) synthetic(l loadgen.Load, kinds []loadgen.Workload, tokens bool) {
	// Unique opening words take the place of AIPerf's cache busting.
	prompts := object{"batch_size": 1, "cache_bust": object{"target": "none"}, "random_corpus_style": "vllm"}
	a.dataset = object{"name": "main", "type": "synthetic", "entries": l.Requests, "sampling": "sequential", "turn_delay_ratio": 1,
		"prompts": prompts}
	shared, ok := a.shared(kinds)
	own := l
	if ok { // it comes on top of the lengths, there as here
		own.Workload = own.Workload.Alone()
	}
	for _, k := range kinds {
		if !known(k.ISL) || !known(k.OSL) {
			a.lacks = append(a.lacks, "the form of the laws of lengths")
			break
		}
	}
	in, out := moments(own)
	prompts["isl"] = length(in)
	a.lengths("isl", in)
	if tokens {
		prompts["osl"] = length(out)
		a.lengths("osl", out)
	}
	if len(kinds) > 1 && tokens {
		var parts []object
		var text []string
		for _, k := range own.Workload.Kinds() {
			of := own
			of.Workload, of.Workload.Weight = k, 0
			in, out := moments(of)
			share := math.Round(1e4*k.Weight) / 100
			parts = append(parts, object{"isl": length(in), "osl": length(out), "probability": share})
			text = append(text, fmt.Sprintf("%.0f|%.0f,%.0f|%.0f:%s", in[0], in[1], out[0], out[1], exact(share)))
		}
		prompts["sequence_distribution"] = parts
		a.flag("--seq-dist", shell(strings.Join(text, ";")))
	}
	if shared != nil {
		a.dataset["prefix_prompts"] = shared
	}
	a.pictures(kinds)
	a.turns(l.Workload)
}

// turns adds conversations like those of the load, and requests that are given up. AIPerf knows
// normal laws of the number of turns and of the time between them, in milliseconds, so that of
// any law of ours it gets the mean and the standard deviation. Its cancellation rate is in
// percent, and its delay in seconds.
func (a *aiperfLoad) turns(w laws.Workload) {
	if t := w.Turns; !t.Count.IsZero() {
		mean, square := t.Moments()
		a.flag("--conversation-turn-mean", fmt.Sprintf("%.3g", mean))
		a.flag("--conversation-turn-stddev", fmt.Sprintf("%.3g", math.Sqrt(max(square-mean*mean, 0))))
		if !t.Think.IsZero() {
			mean, stddev := t.Think.Moments()
			a.flag("--conversation-turn-delay-mean", fmt.Sprintf("%.0f", mean))
			a.flag("--conversation-turn-delay-stddev", fmt.Sprintf("%.0f", stddev))
		}
	}
	if c := w.Cancel; c.Share > 0 {
		a.flag("--request-cancellation-rate", exact(100*c.Share))
		a.flag("--request-cancellation-delay", exact(c.After.Seconds()))
	}
}

// known reports whether AIPerf has the law: a normal one without bounds, or one length. What it
// draws below 1 it sets to 1; such a law has the same form all the same.
func known(law laws.Lengths) bool {
	return law.IsZero() || law.Law == laws.LawConstant || law.Law == laws.LawNormal && law.Min == 0 && law.Max == 0
}

// moments are the means and the standard deviations of the lengths of a load, in whole tokens.
func moments(l loadgen.Load) (in, out [2]float64) {
	if l.Workload.IsZero() {
		return [2]float64{float64(l.ISL)}, [2]float64{float64(l.OSL)}
	}
	in, out = l.Moments()
	for _, m := range []*[2]float64{&in, &out} {
		m[0], m[1] = math.Round(m[0]), math.Round(m[1])
	}
	return in, out
}

// length is a law of AIPerf's configuration, of a mean and a standard deviation in tokens.
func length(m [2]float64) object { return object{"mean": whole(m[0]), "stddev": whole(m[1])} }

// lengths adds the flags of a law, whose name is isl or osl. A deviation of 0 is AIPerf's
// default.
func (a *aiperfLoad) lengths(name string, m [2]float64) {
	a.flag("--"+name, exact(m[0]))
	if m[1] > 0 {
		a.flag("--"+name+"-stddev", exact(m[1]))
	}
}

// shared adds what prompts share: the system prompt, or prefixes that all requests have one of,
// in whole tokens. It must be the same in all kinds. It returns it as the configuration has it. ok is false if
// prompts share what AIPerf cannot say, so that it is part of their lengths.
func (a *aiperfLoad) shared(kinds []loadgen.Workload) (shared object, ok bool) {
	first := kinds[0]
	for _, k := range kinds {
		if k.System != first.System || !slices.Equal(k.Prefixes, first.Prefixes) {
			a.lacks = append(a.lacks, "what prompts share")
			return nil, false
		}
	}
	p := first.Prefixes
	switch {
	case first.System == 0 && len(p) == 0:
		return nil, true
	case len(p) == 0:
		a.flag("--shared-system-prompt-length", fmt.Sprint(first.System))
		return object{"shared_system_length": first.System}, true
	case len(p) == 1 && p[0].Share == 1:
		// AIPerf refuses both together. With the system prompt inside of each prefix, prompts are
		// as long, and as much of them is cached once each prefix was seen.
		groups, tokens := max(p[0].Groups, 1), p[0].Tokens+first.System
		if first.System > 0 {
			a.lacks = append(a.lacks, "the system prompt that the prefixes share")
		}
		a.flag("--num-prefix-prompts", fmt.Sprint(groups))
		a.flag("--prefix-prompt-length", fmt.Sprint(tokens))
		return object{"pool_size": groups, "length": tokens}, true
	}
	a.lacks = append(a.lacks, "what prompts share")
	return nil, false
}

// pictures adds those of the requests: how many, and how large in pixels. They must be the
// same in all kinds.
func (a *aiperfLoad) pictures(kinds []loadgen.Workload) {
	im := kinds[0].Images
	if slices.ContainsFunc(kinds, func(k loadgen.Workload) bool { return k.Images != im }) {
		a.lacks = append(a.lacks, "the pictures of single kinds")
		return
	}
	if im.Count == 0 {
		return
	}
	width, height := im.Size()
	a.dataset["images"] = object{"batch_size": im.Count, "width": object{"mean": width}, "height": object{"mean": height}}
	a.flag("--image-batch-size", fmt.Sprint(im.Count))
	a.flag("--image-width-mean", fmt.Sprint(width))
	a.flag("--image-height-mean", fmt.Sprint(height))
}

// file adds a file of requests, with the law of the answers that it says no length of. Of a
// replay AIPerf counts the requests itself.
func (a *aiperfLoad) file(path string, l loadgen.Load) {
	form := fileForm(path)
	out := [2]float64{float64(l.OSL)}
	if !l.Workload.OSL.IsZero() {
		out[0], out[1] = l.Workload.OSL.Moments()
		out[0], out[1] = math.Round(out[0]), math.Round(out[1])
	}
	a.dataset = object{"name": "main", "type": "file", "path": path, "format": form, "sampling": sampling(l.Workload.Order),
		"osl": length(out)}
	a.flag("--input-file", shell(path))
	a.flag("--custom-dataset-type", form)
	a.lengths("osl", out)
	if l.Workload.Replay == 0 {
		a.dataset["entries"] = l.Requests
	}
	if l.Workload.Order != "" {
		a.flag("--dataset-sampling-strategy", sampling(l.Workload.Order))
	}
}

// fileForm is AIPerf's name of the form of a file of requests, as its first line tells. A file
// that cannot be read any more, or has no JSON in its first line, counts as one of single
// turns, which is AIPerf's default.
func fileForm(path string) string {
	const single = "single_turn"
	f, err := os.Open(path)
	if err != nil {
		return single
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 1<<20)).ReadBytes('\n')
	if err != nil && err != io.EOF {
		return single
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return single
	}
	for _, form := range []struct{ field, name string }{
		{"timestamp", "mooncake_trace"}, {"input_length", "mooncake_trace"}, {"turns", "multi_turn"},
	} {
		if _, ok := fields[form.field]; ok {
			return form.name
		}
	}
	return single
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

// replaySpeed is how many times as fast as recorded a file is replayed: as the workload says
// or, if the load's rate is another, as that asks for. It is rounded to six decimals, since
// rates are quotients of times in nanoseconds.
func (v *view) replaySpeed(l loadgen.Load) float64 {
	speed := l.Workload.Replay
	n, took, err := v.Spec.Target.Recorded()
	if err == nil && took > 0 && l.Rate > 0 {
		speed *= l.Rate / (float64(n) / took.Seconds())
	}
	return math.Round(speed*1e6) / 1e6
}

// rateSeriesName is the file of a schedule of rates, beside the profile.
const rateSeriesName = "rate_series.json"

// phased adds the load itself: closed with so many requests in flight, or open with a
// rate, the times of a file, or a schedule of rates. There is one phase; ramps are no part of
// the results. AIPerf has no concurrency of 0, and calls the shape of gamma arrivals their
// smoothness.
//
// The length of the window is not said: a probe ends with its last request, and AIPerf would
// send as many as it can in that time. series is the file of a schedule, which a command line
// names, because AIPerf has no other flag for one.
func (a *aiperfLoad) phased(l loadgen.Load, series string) {
	p := object{
		"name": "profiling", "kind": "profiling", "type": "concurrency", "exclude_from_results": false, "sla": []object{}, "seamless": false,
		"burst_phase_starts": false,
		// AIPerf's adaptive phases are another way to search, and are off; a trajectory is one of
		// its data sets.
		"adaptive_scale": false, "adaptive_min_completed_requests": 1, "adaptive_control_variable": "concurrency", "adaptive_control_min": 1,
		"adaptive_scale_strategy_type": "ramp_until_fail", "adaptive_scale_step_policy": "sla_margin", "adaptive_scale_base_step": 10,
		"adaptive_scale_max_step_multiplier": 4, "adaptive_scale_step_percent": 25,
		"trajectory_start_min_ratio": 0.25, "trajectory_start_max_ratio": 0.75,
	}
	a.phase = p
	if len(l.Workload.Stages) == 0 {
		p["requests"] = l.Requests
		if l.Workload.Replay == 0 { // the file says how many
			a.flag("--request-count", fmt.Sprint(l.Requests))
		}
	}
	process, shape := arrival(l)
	switch {
	case l.Workload.Replay != 0:
		p["type"] = "fixed_schedule"
		a.flags = append(a.flags, "--fixed-schedule")
	case len(l.Workload.Stages) > 0:
		took := l.Workload.Stages.Length().Seconds()
		p["type"], p["rate_series"], p["duration"], p["grace_period"] = process, rateSeries(l), took, graceSeconds
		a.flag("--request-rate-series", shell(filepath.ToSlash(series)))
		a.flag("--benchmark-duration", exact(took))
		a.flag("--benchmark-grace-period", exact(graceSeconds))
	case l.Rate > 0:
		p["type"], p["rate"] = process, l.Rate
		a.flag("--request-rate", exact(l.Rate))
	default:
		p["concurrency"] = l.Concurrency
		a.flag("--concurrency", fmt.Sprint(l.Concurrency))
		return
	}
	if l.MostInFlight > 0 {
		p["concurrency"] = l.MostInFlight
		a.flag("--concurrency", fmt.Sprint(l.MostInFlight))
	}
	if l.Workload.Replay != 0 {
		return
	}
	a.flag("--arrival-pattern", process)
	if process == "gamma" {
		p["smoothness"] = shape
		a.flag("--arrival-smoothness", exact(shape))
	}
}

// protocol is the endpoint's by AIPerf's name, chat unless the target names another.
func (v *view) protocol() string { return cmp.Or(v.Spec.Target.Speaks().Alias, v.Spec.Target.API()) }

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

// graceSeconds is how long AIPerf is to wait for what is in flight at the end of a schedule.
// Here every request is followed to its end.
const graceSeconds = 600.0

// rateSeries is a schedule of rates as AIPerf has it: points that are joined by lines, in
// seconds and requests a second. A step is a steep line, since its points must ascend.
func rateSeries(l loadgen.Load) object {
	const step = 0.001 // seconds
	var points []object
	add := func(at, rate float64) { points = append(points, object{"time_s": at, "qps": rate}) }
	at, last := 0.0, math.NaN()
	for _, s := range l.Schedule() {
		switch {
		case len(points) == 0:
			add(0, s.From)
		case s.From != last:
			add(at+step, s.From)
		}
		at += s.Over.Seconds()
		add(at, s.To)
		last = s.To
	}
	return object{"points": points}
}

// rateSeriesFile writes the schedule of rates of one trial of the i-th probe, which
// aiperfCommand names.
func (v *view) rateSeriesFile(w io.Writer, i, trial int) error {
	return writeJSON(w, rateSeries(v.probes[i].Trials[trial].Load))
}

// shellAll quotes words.
func shellAll(words []string) string {
	var out []string
	for _, s := range words {
		out = append(out, shell(s))
	}
	return strings.Join(out, " ")
}

// shell quotes a word for a POSIX shell.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
