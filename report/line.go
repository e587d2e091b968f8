package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/recipes"
)

// Point names where the i-th probe (from 0) was: "concurrency 64", or of several
// parameters "isl 512, osl 128". It panics if there is no such probe.
func Point(o *recipes.Outcome, i int) string {
	v := viewOf(o)
	return v.place(v.probes[i])
}

// ProbeLine writes one line on the i-th probe (from 0), wrapped for a test's log. It
// panics if there is no such probe; the error is the writer's.
func ProbeLine(w io.Writer, o *recipes.Outcome, i int) error {
	v := viewOf(o)
	t := &text{lines: wrap(v.probeLine(v.probes[i]), "", indent)}
	return t.writeTo(w)
}

// probeLine says where a probe was, how it stands, what it saw, why it was made
// and how long it took. That tells at a glance why a long run is not done:
//
//	probe 4, concurrency 62: open (likely met); ttft p95 199ms, 5516 tok/s (the floor of
//	    the gate, 7s)
//
// Of what its requests failed of it says the most frequent cause, since a sweep shows no
// failures at its end but those of one point.
func (v *view) probeLine(p probe) string {
	var got []string
	// Without limits the line has a latency, and always a throughput, once.
	throughput := true
	for _, r := range p.Readings {
		got = append(got, r.Limit.Name()+" "+observed(r))
		throughput = throughput && r.Limit.Name() != "throughput"
	}
	if x, ok := p.Stat("ttft", "p95"); ok && len(p.Readings) == 0 {
		got = append(got, "ttft p95 "+duration(x))
	}
	if x, ok := p.Stat("throughput", "avg"); ok && throughput {
		got = append(got, value(x, "tok/s"))
	}
	if why := v.failures(&p); len(why) > 0 {
		got = append(got, "failed: "+why[0])
	}
	return fmt.Sprintf("probe %d, %s: %s; %s (%s, %s)",
		p.index+1, v.place(p), p.word(), strings.Join(got, ", "), p.Step.Reason, elapsed(p.Wall))
}

// Progress says in one line how far a run has come, for a terminal: what is known
// of the answer, and what it took. It is empty before the run has a plan:
//
//	recipe max-concurrency-under-sla, SLA met at 32, missed at 64 (7 of at most 20 points, 2m4s)
func Progress(o *recipes.Outcome) string {
	if o.Recipe == nil || o.Plan == nil {
		return ""
	}
	v := viewOf(o)
	text := "recipe " + v.Recipe.Name
	// What was probed, not what is estimated between: the answer is the finding's.
	passed, failed := math.Inf(-1), math.Inf(1)
	for _, p := range v.probes {
		switch {
		case len(p.Readings) == 0 || len(p.Step.At) != 1 || !p.certain:
		case p.pass:
			passed = max(passed, p.Step.At[0])
		default:
			failed = min(failed, p.Step.At[0])
		}
	}
	if !math.IsInf(passed, 0) {
		text += ", SLA met at " + v.level(passed)
	}
	if !math.IsInf(failed, 0) {
		text += ", missed at " + v.level(failed)
	}
	return fmt.Sprintf("%s (%d of at most %s, %s)", text, len(v.probes), plural(v.Plan.Size(), "point"), elapsed(v.Wall))
}

// runLine says how much was measured, how long it took, and why it ended.
func (v *view) runLine() string {
	return fmt.Sprintf("%s, %s, %s", plural(len(v.probes), "probe"), plural(v.requests(), "request"), v.spent())
}

// spent is how long the run took, with what, and why it stopped. What is left of
// 100% is dead time: waiting for the server, planning, writing files.
func (v *view) spent() string {
	var with []string
	if measuring, ramps := v.Spent(); measuring > 0 && v.Wall > 0 {
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / v.Wall.Seconds() }
		with = append(with, fmt.Sprintf("measuring %.0f%%, ramps %.0f%%", share(measuring), share(ramps)))
	}
	if v.ended() {
		with = append(with, "stopped: "+v.Reason)
	}
	text := elapsed(v.Wall)
	if len(with) > 0 {
		text += " (" + strings.Join(with, "; ") + ")"
	}
	return text
}

// healthLine tells whether the numbers can be the server's. It is the worst the client fared in any probe; empty when nothing was
// measured. Of a client that was the bottleneck it names the longer of its lags.
func (v *view) healthLine() string {
	lag, woke, cpu, ok := v.worstHealth()
	if !ok {
		return ""
	}
	word, of := "client healthy", "send lag"
	if v.untrusted() {
		word = "client not healthy"
		if woke > lag {
			of, lag = "wake-up lag", woke
		}
	}
	return fmt.Sprintf("%s (p99 %s %s, CPU %.0f%%)", word, of, duration(float64(lag)/1e6), 100*cpu)
}
