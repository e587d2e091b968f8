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

// ProbeLine writes one line on the i-th probe (from 0), wrapped for the log. It
// panics if there is no such probe; the error is the writer's.
func (l Log) ProbeLine(w io.Writer, o *recipes.Outcome, i int) error {
	v := viewOf(o)
	t := l.text()
	t.open(v.probeLine(v.probes[i]))
	return t.writeTo(w)
}

// ProbeLine writes one line on the i-th probe (from 0), for a log of the usual width. See
// Log.ProbeLine.
func ProbeLine(w io.Writer, o *recipes.Outcome, i int) error { return Log{}.ProbeLine(w, o, i) }

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

// Progress says in one line how far a run has come, for a terminal: how long it will
// take from here, what is known of the answer, how much was measured, and whence the load comes
// if not from this process. It is empty before the run has a plan:
//
//	about 2 minutes left; SLA met at 32, missed at 64; max-concurrency-under-sla (7 of at most 20 points)
func Progress(o *recipes.Outcome) string {
	if o.Recipe == nil || o.Plan == nil {
		return ""
	}
	v := viewOf(o)
	var text []string
	if d, ok := v.left(); ok {
		text = append(text, "about "+roughly(d)+" left")
	} else if w := v.Spec.Workload.Window; w > 0 {
		text = append(text, fmt.Sprintf("up to %v a probe", w))
	}
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
	switch met, missed := !math.IsInf(passed, 0), !math.IsInf(failed, 0); {
	case met && missed:
		text = append(text, "SLA met at "+v.level(passed)+", missed at "+v.level(failed))
	case met:
		text = append(text, "SLA met at "+v.level(passed))
	case missed:
		text = append(text, "SLA missed at "+v.level(failed))
	}
	text = append(text, v.Recipe.Name)
	line := fmt.Sprintf("%s (%d of at most %s)", strings.Join(text, "; "), len(v.Visits()), plural(v.Plan.Size(), "point"))
	if v.Where != "" {
		line += " from " + v.Where
	}
	return line
}

// left is how long the run will take from here, by the probes so far; ok is false before
// the first has ended. A sweep has the points that it has not visited. A search ends once its
// bracket is closed: as many halvings as that takes, and settling visits of the answer.
func (v *view) left() (d time.Duration, ok bool) {
	n := len(v.probes)
	if n == 0 {
		return 0, false
	}
	// The latest probes count: a search spends the more time on a point, the nearer that is to
	// the boundary, and the first ones say little of the last. The estimate is for somebody who
	// decides whether to wait, so that a factor of two does not matter.
	const latest, settling = 4, 3
	var each time.Duration
	recent := v.probes[max(n-latest, 0):]
	for _, p := range recent {
		each += p.Wall / time.Duration(len(recent))
	}
	points := max(v.Plan.Size()-len(v.Visits()), 1)
	if _, dim, ranged := v.ranged(); ranged {
		lo, hi := dim.Lo, dim.Hi
		for _, p := range v.probes {
			switch at := p.Step.At[0]; {
			case p.silent() || len(p.Readings) == 0:
			case p.pass:
				lo = max(lo, at)
			default:
				hi = min(hi, at)
			}
		}
		// A bracket of n values is halved log2(n) times. Planners that fit a curve need fewer
		// steps, and those that confirm open verdicts need more.
		halvings := math.Log2(max(hi-lo, 1))
		if hi == dim.Hi || lo == dim.Lo { // one end is not known, and found by doubling
			halvings = math.Log2(max(hi/max(lo, 1), 2)) + settling
		}
		points = min(points, int(math.Ceil(halvings))+settling)
	}
	return each * time.Duration(points), true
}

// roughly writes the estimate of a time in the unit that somebody would say it in, since more digits
// would claim more than is known: "20 seconds", "3 minutes", "2 hours".
func roughly(d time.Duration) string {
	switch {
	case d < 55*time.Second:
		return plural(max(int(math.Ceil(d.Seconds()/10)), 1)*10, "second")
	case d < 100*time.Minute:
		return plural(max(int(math.Round(d.Minutes())), 1), "minute")
	}
	return plural(int(math.Round(d.Hours())), "hour")
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
