package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// What the server says of itself is shown in three places: in some columns of the
// table of probes, in a paragraph of the finding about the probe that is shown, and in a file
// of AIPerf's form for each trial.

// serverColumn is a column of the table of probes: a statistic of a metric, and what stands
// above it. The unit is left out of the cells, or is one that is clear without a word.
type serverColumn struct {
	metric     loadgen.Tag
	stat, head string
}

// serverColumns are those of which some probe has a value, and preemptions only where there
// were any: most servers never have one. What a limit is on has a column already.
func (v *view) serverColumns() (out []serverColumn) {
	for _, c := range slices.Concat([]serverColumn{
		{loadgen.TagWaiting, "avg", "waiting"},
		{loadgen.TagKVCache, "max", "kv max"},
		{loadgen.TagPreemptions, "avg", "preempt/s"},
	}, gpuColumns) {
		limited := slices.ContainsFunc(v.Plan.Limits, func(l sla.Limit) bool { return l.Metric == c.metric })
		if !limited && slices.ContainsFunc(v.probes, func(p probe) bool {
			x, ok := p.Stat(c.metric, c.stat)
			return ok && (x > 0 || c.metric != loadgen.TagPreemptions)
		}) {
			out = append(out, c)
		}
	}
	return out
}

// gpuColumns are what a probe takes: throughput of a GPU, energy of an output token, and the cost
// of a million of them. Each is there only if it is known, and the first two give way in a narrow
// log: a cost has both in it.
var gpuColumns = []serverColumn{
	{loadgen.TagPerGPU, "avg", "tok/s/GPU"},
	{loadgen.TagJoules, "avg", "J/tok"},
	{loadgen.TagCost, "avg", "cost/1M"},
}

// server says what the server said of itself at the probe that is shown, and what part of
// the TTFT is its own:
//
//	server (vLLM) at concurrency 62: waiting 0.4 (max 3), running 61.2, KV cache at most 87%;
//	    TTFT 35.1ms of the 41.2ms here (avg)
func (v *view) server(t *text) {
	p := v.shown()
	if p == nil || len(p.Trials) == 0 || !p.Trials[0].Server.Window.Has() {
		return
	}
	var parts []string
	// A server that does not have a metric has no word here either.
	add := func(tag loadgen.Tag, stat, format string) {
		if x, ok := p.Stat(tag, stat); ok {
			parts = append(parts, fmt.Sprintf(format, value(x, metricUnit(tag, stat))))
		}
	}
	add(loadgen.TagWaiting, "avg", "waiting %s")
	if most, ok := p.Stat(loadgen.TagWaiting, "max"); ok && most > 0 {
		parts[len(parts)-1] += fmt.Sprintf(" (max %s)", digits(most))
	}
	add(loadgen.TagRunning, "avg", "running %s")
	add(loadgen.TagKVCache, "max", "KV cache at most %s")
	if x, ok := p.Stat(loadgen.TagPreemptions, "avg"); ok && x > 0 {
		add(loadgen.TagPreemptions, "avg", "preemptions %s")
	}
	if x, ok := p.Stat(loadgen.TagPrefixHits, "avg"); ok && x > 0 {
		parts = append(parts, fmt.Sprintf("prefix hits %s", value(100*x, "%")))
	}
	line := strings.Join(parts, ", ")
	theirs, ok := p.Stat(loadgen.TagServerTTFT, "avg")
	if ours, here := p.Stat(loadgen.TagTTFT, "avg"); ok && here {
		line += fmt.Sprintf("; TTFT %s of the %s here (avg)", value(theirs, "ms"), value(ours, "ms"))
	}
	if line != "" {
		t.paragraph("server (%s) at %v: %s", v.redact(p.Trials[0].Server.Window.Server), p.Load, strings.TrimPrefix(line, "; "))
	}
}
