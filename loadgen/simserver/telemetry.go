package simserver

import (
	"bytes"
	"fmt"
	"sort"
	"time"
)

// telemetry is what an engine counts for its page of metrics. The names are vLLM's, and so are
// the bounds of the histograms, so that what reads vLLM's page reads this one.
type telemetry struct {
	preemptions, queries, hits, prompt, generated int

	queue, prefill, decode, ttft, itl, latency distribution
}

// The bounds of vLLM's histograms in seconds: of parts of requests, of first tokens, and of
// the gaps between tokens.
var (
	requestBounds = []float64{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680}
	firstBounds   = []float64{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	gapBounds     = []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80}
)

// distribution is a histogram with the bounds that it is written with.
type distribution struct {
	// counts are those of each bucket alone, the last of which has no bound.
	counts []int
	n      int
	sum    float64
}

// see takes an observation, given the upper bounds.
func (d *distribution) see(v time.Duration, bounds []float64) {
	if d.counts == nil {
		d.counts = make([]int, len(bounds)+1)
	}
	d.counts[sort.SearchFloat64s(bounds, v.Seconds())]++
	d.n++
	d.sum += v.Seconds()
}

// admit counts a sequence that joins the batch. One that was preempted has joined before.
func (t *telemetry) admit(s *sequence, at time.Duration) {
	if s.joined {
		return
	}
	s.joined, s.admitted = true, at
	t.queries, t.hits = t.queries+s.isl, t.hits+s.cached
	t.queue.see(at-s.arrived, requestBounds)
}

// emit counts a token of a sequence, and with its last one the whole of it.
func (t *telemetry) emit(s *sequence, at time.Duration) {
	t.generated++
	if s.emitted == 1 {
		s.first = at
		t.prompt += s.isl
		t.ttft.see(at-s.arrived, firstBounds)
		t.prefill.see(at-s.admitted, requestBounds)
	} else {
		t.itl.see(at-s.last, gapBounds)
	}
	s.last = at
	if s.emitted == s.osl {
		t.decode.see(at-s.first, requestBounds)
		t.latency.see(at-s.arrived, requestBounds)
	}
}

// power is what one GPU of the engine draws: so many watts since a time, and joules before it.
type power struct {
	watts, joules float64
	since         time.Duration
}

// draw changes the power at a time, to that of a step with so many sequences or, if there are
// none, of a sleeping engine.
func (p *power) draw(at time.Duration, m Model, running int) {
	p.joules, p.since = p.energy(at), at
	p.watts = m.Idle + (m.Peak-m.Idle)*float64(running)/float64(m.MaxBatch)
}

// energy is the integral of the power up to a time, in joules.
func (p *power) energy(at time.Duration) float64 { return p.joules + p.watts*(at-p.since).Seconds() }

// gpus writes what NVIDIA's exporter writes of the GPUs at a time. Utilization is 100% in a
// step, and memory is that of the KV cache, of a megabyte a token, behind 10 GiB of weights.
func (e *engine) gpus(b *bytes.Buffer, now time.Duration) {
	if e.model.GPUs <= 0 {
		return
	}
	busy, memory := 0.0, 10240.0
	if e.stepping {
		busy = 100
	}
	memory += float64(e.kv)
	for _, f := range []struct {
		name, kind, help string
		v                float64
	}{
		{"POWER_USAGE", "gauge", "Power draw (in W).", e.gpu.watts},
		{"TOTAL_ENERGY_CONSUMPTION", "counter", "Total energy consumption since boot (in mJ).", 1000 * (bootEnergy + e.gpu.energy(now))},
		{"GPU_UTIL", "gauge", "GPU utilization (in %).", busy},
		{"FB_USED", "gauge", "Framebuffer memory used (in MiB).", memory},
	} {
		fmt.Fprintf(b, "# HELP DCGM_FI_DEV_%[1]s %[2]s\n# TYPE DCGM_FI_DEV_%[1]s %[3]s\n", f.name, f.help, f.kind)
		for i := range e.model.GPUs {
			fmt.Fprintf(b, "DCGM_FI_DEV_%s{gpu=\"%d\",UUID=\"GPU-%08d\",device=\"nvidia%d\",modelName=\"simulated\",Hostname=\"simserver\"} %f\n",
				f.name, i, i, i, f.v)
		}
	}
}

// bootEnergy is what a GPU has taken before the server began, in joules. A counter of 0 would
// be one that the GPU does not have.
const bootEnergy = 1e6

// page is the engine's page in Prometheus' text form, with its GPUs' behind it.
func (e *engine) page(now time.Duration) []byte {
	var b bytes.Buffer
	label := fmt.Sprintf("engine=\"0\",model_name=%q", e.model.Name)
	number := func(name, kind string, v float64) {
		fmt.Fprintf(&b, "# TYPE vllm:%s %s\nvllm:%s{%s} %g\n", name, kind, name, label, v)
	}
	number("num_requests_running", "gauge", float64(len(e.running)))
	number("num_requests_waiting", "gauge", float64(len(e.waiting)))
	if e.model.KVTokens > 0 {
		number("kv_cache_usage_perc", "gauge", min(float64(e.kv)/float64(e.model.KVTokens), 1))
	}
	t := &e.told
	number("num_preemptions_total", "counter", float64(t.preemptions))
	if e.model.PrefixCache > 0 {
		number("prefix_cache_queries_total", "counter", float64(t.queries))
		number("prefix_cache_hits_total", "counter", float64(t.hits))
	}
	number("prompt_tokens_total", "counter", float64(t.prompt))
	number("generation_tokens_total", "counter", float64(t.generated))
	for _, h := range []struct {
		name   string
		d      *distribution
		bounds []float64
	}{
		{"time_to_first_token_seconds", &t.ttft, firstBounds},
		{"inter_token_latency_seconds", &t.itl, gapBounds},
		{"e2e_request_latency_seconds", &t.latency, requestBounds},
		{"request_queue_time_seconds", &t.queue, requestBounds},
		{"request_prefill_time_seconds", &t.prefill, requestBounds},
		{"request_decode_time_seconds", &t.decode, requestBounds},
	} {
		fmt.Fprintf(&b, "# TYPE vllm:%s histogram\n", h.name)
		below := 0
		for i, bound := range h.bounds {
			if h.d.counts != nil {
				below += h.d.counts[i]
			}
			fmt.Fprintf(&b, "vllm:%s_bucket{%s,le=\"%g\"} %d\n", h.name, label, bound, below)
		}
		fmt.Fprintf(&b, "vllm:%s_bucket{%s,le=\"+Inf\"} %d\n", h.name, label, h.d.n)
		fmt.Fprintf(&b, "vllm:%s_count{%s} %d\nvllm:%s_sum{%s} %g\n", h.name, label, h.d.n, h.name, label, h.d.sum)
	}
	e.gpus(&b, now)
	return b.Bytes()
}
