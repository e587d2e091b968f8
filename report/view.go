package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report/bench"
	past "github.com/aiperf-go/aiperf/report/history"
)

// view is an outcome as the formats read it: every question that more than one of
// them asks is answered here, and only here. It is built once a message, or once
// for all files of an update, and never changes: files are written side by side.
type view struct {
	*recipes.Outcome

	// probes are the outcome's, each with what its numbers say of the limits.
	probes []probe
	// paths are the parameters that the run varies, in the order of a step's
	// coordinates; nil while there is no plan.
	paths []string
	// comparison is the run held against another one; nil when it was not.
	comparison *bench.Comparison
	// trend is the run among those of a history; nil when it has none.
	trend *past.Trend
}

// viewOf returns the view of an outcome as it is now. The outcome may be that of a
// run which ended before it had a plan.
func viewOf(o *recipes.Outcome) *view {
	// Servers choose their models' names, and one may hold what it was sent.
	if name := o.Spec.Target.Redact(o.Server.Model); name != o.Server.Model {
		hidden := *o
		hidden.Server.Model = name
		o = &hidden
	}
	v := &view{Outcome: o}
	v.comparison, _ = o.Comparison.(*bench.Comparison)
	v.trend, _ = o.Trend.(*past.Trend)
	if o.Plan != nil {
		v.paths = o.Plan.Paths()
	}
	for i := range o.Probes {
		v.probes = append(v.probes, probeOf(&o.Probes[i], i, o.Spec.Confidence))
	}
	return v
}

// The methods below answer for the run as a whole; those of probe answer for one of
// its probes.

// redact stars the secrets of the run's target in a text that others had a hand
// in: a server's message, a user's note.
func (v *view) redact(text string) string { return v.Spec.Target.Redact(text) }

// ended reports whether the run is over.
func (v *view) ended() bool { return v.Reason != "" }

// cause is the error that ended the run, without the recipe's name, which stands
// before it everywhere. The run must have an error.
func (v *view) cause() string {
	text := strings.TrimPrefix(v.Err.Error(), fmt.Sprintf("recipe %q", v.Recipe.Name))
	return v.redact(strings.TrimLeft(text, ": "))
}

// shown is the probe whose readings stand beside the limits: the answer's, or the
// one that came nearest to passing; nil when there was no probe.
func (v *view) shown() *probe {
	switch {
	case len(v.probes) == 0:
		return nil
	case v.Best.Found:
		return &v.probes[v.Best.Probe]
	}
	best, least := 0, math.Inf(1)
	for i := range v.probes {
		// A margin is positive when its limit is missed: the probe is as good as its
		// worst one.
		worst := math.Inf(-1)
		for _, l := range v.probes[i].Observed.Margins {
			if !math.IsNaN(l.Value) {
				worst = max(worst, l.Value)
			}
		}
		if worst < least {
			best, least = i, worst
		}
	}
	return &v.probes[best]
}

// Shown returns the probe whose readings stand beside the limits in a finding:
// the answer's, or the one that came nearest to passing. It is nil when there was
// no probe.
func Shown(o *recipes.Outcome) *recipes.Probe {
	if p := viewOf(o).shown(); p != nil {
		return p.Probe
	}
	return nil
}

// pooled are the readings of a probe's point by all of its visits.
func (v *view) pooled(p probe) []sla.Reading { return v.Pooled(p.index) }

// visits is how many probes of the shown one's point say something.
func (v *view) visits(p *probe) int {
	n := 0
	for _, q := range v.probes {
		if slices.Equal(q.Step.At, p.Step.At) && !q.silent() {
			n++
		}
	}
	return n
}

// shownAt says where the readings beside the limits were taken, and in how many visits when
// there are several.
func (v *view) shownAt(p *probe) string {
	at := "at " + v.loadOf(*p)
	if n := v.visits(p); n > 1 {
		at += fmt.Sprintf(", %d visits", n)
	}
	return at
}

// passing is how many points meet all limits by all of their visits, likely ones included,
// and points how many were measured.
func (v *view) passing() (met, points int) {
	for _, visits := range v.Visits() {
		points++
		if p := v.probes[visits[len(visits)-1]]; !p.silent() && missedOf(v.pooled(p), false) == "" {
			met++
		}
	}
	return met, points
}

// untrusted reports whether the numbers of some probe are not the server's.
func (v *view) untrusted() bool {
	return slices.ContainsFunc(v.probes, func(p probe) bool { return p.standing == untrusted })
}

// requests is how many requests the run measured, failed ones included.
func (v *view) requests() int {
	n := 0
	for _, p := range v.probes {
		n += p.Requests()
	}
	return n
}

// ascending are the probes by concurrency, the last visit of each: what a ramp is
// shown in, whatever order it was measured in.
func (v *view) ascending() []probe {
	last := map[int]probe{}
	for _, p := range v.probes {
		last[p.Load.Concurrency] = p
	}
	var out []probe
	for _, p := range last {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b probe) int { return cmp.Compare(a.Load.Concurrency, b.Load.Concurrency) })
	return out
}

// trialsAt returns the trials of the i-th probe's point, over all its visits, and how
// many of them came before that probe: a point that is visited again continues the
// numbers of its first visit.
func (v *view) trialsAt(i int) (before int, all []*loadgen.Measurement) {
	for k, p := range v.probes {
		if !slices.Equal(p.Step.At, v.probes[i].Step.At) {
			continue
		}
		if k < i {
			before += len(p.Trials)
		}
		all = append(all, p.Trials...)
	}
	return before, all
}

// visitedBefore reports whether an earlier run that was resumed has visited the i-th
// probe's point. Its aggregate there has all statistics, and ours would have a few.
func (v *view) visitedBefore(i int) bool {
	return slices.ContainsFunc(v.probes[:min(v.Resumed, len(v.probes))], func(p probe) bool {
		return slices.Equal(p.Step.At, v.probes[i].Step.At)
	})
}

// telling are the probes whose distributions say most: the answer and what lies
// just beyond it; of a sweep its ends and its middle.
func (v *view) telling() []probe {
	n := len(v.probes)
	if n == 0 {
		return nil
	}
	if !v.Best.Found {
		var out []probe
		// A point that was visited twice is shown once: two curves of one name say nothing.
		for _, k := range []int{0, n / 2, n - 1} {
			if !slices.ContainsFunc(out, func(p probe) bool { return slices.Equal(p.Step.At, v.probes[k].Step.At) }) {
				out = append(out, v.probes[k])
			}
		}
		return out
	}
	answer := v.probes[v.Best.Probe]
	out := []probe{answer}
	if len(v.paths) != 1 {
		return out
	}
	beyond := -1
	for i, p := range v.probes {
		at := p.Step.At[0]
		if at > answer.Step.At[0] && p.standing == missed && (beyond < 0 || at < v.probes[beyond].Step.At[0]) {
			beyond = i
		}
	}
	if beyond >= 0 {
		out = append(out, v.probes[beyond])
	}
	return out
}

// along is the one coordinate that has several values, which a chart can have on
// its x axis; ok is false when there is none, or more than one.
func (v *view) along() (k int, ok bool) {
	k = -1
	for i := range v.paths {
		for _, p := range v.probes {
			if p.Step.At[i] != v.probes[0].Step.At[i] {
				if k >= 0 && k != i {
					return 0, false
				}
				k = i
			}
		}
	}
	return k, k >= 0
}

// contradicts is AIPerf's warning that a server is not monotone. It reports whether a
// probe passes above an earlier failure, or fails at or below an earlier pass.
func (v *view) contradicts(p probe) bool {
	if len(p.Step.At) != 1 || len(v.Plan.Limits) == 0 {
		return false
	}
	at := p.Step.At[0]
	for _, before := range v.probes[:p.index] {
		x := before.Step.At[0]
		if p.pass && !before.pass && at >= x || !p.pass && before.pass && at <= x {
			return true
		}
	}
	return false
}

// Both ends of a range are values of the planner's space, which is the range of the input after
// defaults; the input's name is the one that errors use, too.

// ranged is the range of a search that varies the load alone, with the input that sets it.
func (v *view) ranged() (in recipes.Input, d plan.Dim, ok bool) {
	if v.Plan.Search == nil || len(v.Plan.Search.Space) != 1 {
		return "", d, false
	}
	d = v.Plan.Search.Space[0]
	switch d.Path {
	case recipes.PathConcurrency:
		return "Concurrency", d, true
	case recipes.PathRate:
		return "Rate", d, true
	}
	return "", d, false
}

// dimension names what a search varies; concurrency if that is several things.
func (v *view) dimension() string {
	switch paths := v.Plan.Paths(); {
	case len(paths) != 1:
		return sweep.Leaf(recipes.PathConcurrency)
	case paths[0] == recipes.PathRate:
		return "request rate"
	default:
		return sweep.Leaf(paths[0])
	}
}

// at names a value of the searched dimension: "concurrency 64", "52.8 requests/s", "share 0.4".
func (v *view) at(x float64) string {
	if slices.Equal(v.Plan.Paths(), []recipes.Path{recipes.PathRate}) {
		return loadgen.Load{Rate: x}.String()
	}
	return v.dimension() + " " + value(x, "")
}

// level is at without the name of the dimension, for a text that has it already: "64",
// "52.8 requests/s".
func (v *view) level(x float64) string { return strings.TrimPrefix(v.at(x), v.dimension()+" ") }

// loadOf names where a probe was: its load or, of a search over something else, the value of
// that.
func (v *view) loadOf(p probe) string {
	if paths := v.Plan.Paths(); len(paths) == 1 && paths[0] != recipes.PathConcurrency && paths[0] != recipes.PathRate {
		return v.at(p.Step.At[0])
	}
	return p.Load.String()
}

// bestAt is the value of the searched dimension at the answer, and the level of its load if
// there are several dimensions.
func (v *view) bestAt() float64 {
	if len(v.paths) == 1 {
		return v.probes[v.Best.Probe].Step.At[0]
	}
	return v.Best.Load.Level()
}

// inWords is a swept path in words.
func inWords(path recipes.Path) string {
	if path == recipes.PathRate {
		return "request rate (requests/s)"
	}
	return sweep.Leaf(path)
}

// place names where a probe was, in words: "concurrency 64", "isl 512, osl 128".
func (v *view) place(p probe) string {
	var at []string
	for k, path := range v.paths {
		if path == recipes.PathRate {
			at = append(at, loadgen.Load{Rate: p.Step.At[k]}.String())
			continue
		}
		at = append(at, sweep.Leaf(path)+" "+digits(p.Step.At[k]))
	}
	return strings.Join(at, ", ")
}

// values maps the varied paths to the probe's point, as AIPerf's files have it.
func (v *view) values(p probe) map[string]whole {
	at := map[string]whole{}
	for i, path := range v.paths {
		at[path] = whole(p.Step.At[i])
	}
	return at
}

// failures says what the requests of a probe failed of, each kind with how often,
// trial by trial. Servers put into such messages what they like: they are redacted.
func (v *view) failures(p *probe) []string {
	var out []string
	for _, m := range p.Trials {
		for _, c := range m.Failures {
			out = append(out, fmt.Sprintf("%s × %s", count(c.Count), v.redact(c.Error())))
		}
	}
	return out
}

// warnings are the run's, each once and without secrets, with how often it came.
func (v *view) warnings() []string {
	times := map[string]int{}
	var out []string
	for _, warning := range v.Warnings {
		text := v.redact(warning.Error())
		if times[text]++; times[text] == 1 {
			out = append(out, text)
		}
	}
	for i, text := range out {
		if n := times[text]; n > 1 {
			out[i] += fmt.Sprintf(" (%d times)", n)
		}
	}
	return out
}

// clientHealth is how the client fared: latencies in ms, CPU as a share of all
// cores.
type clientHealth struct {
	SendLag num `json:"send_lag_p99_ms"`
	BeatLag num `json:"heartbeat_lag_p99_ms"`
	CPU     num `json:"cpu"`
	GC      num `json:"gc_pause_ms"`
	// Bound says that the client was the bottleneck: the verdict is not the server's.
	Bound bool `json:"client_bound"`
	// Worker is the one of several workers that was the latest.
	Worker string `json:"worker,omitempty"`
}

// trialHealth is how the client fared in one trial.
func (v *view) trialHealth(m *loadgen.Measurement) clientHealth {
	h := m.Health
	return clientHealth{num(ms(h.SendLagP99)), num(ms(h.BeatLagP99)), num(h.CPU), num(ms(h.GCPause)),
		v.Plan.ClientBound(m), h.Worker}
}

// health is the worst of a probe's trials, and the sum of their GC pauses. Its zero
// value is that of a probe that was not measured.
func (v *view) health(p probe) clientHealth {
	var worst clientHealth
	for _, m := range p.Trials {
		h := v.trialHealth(m)
		if h.Worker != "" && (worst.Worker == "" || max(h.SendLag, h.BeatLag) >= max(worst.SendLag, worst.BeatLag)) {
			worst.Worker = h.Worker
		}
		worst.SendLag = max(worst.SendLag, h.SendLag)
		worst.BeatLag = max(worst.BeatLag, h.BeatLag)
		worst.CPU = max(worst.CPU, h.CPU)
		worst.GC += h.GC
		worst.Bound = worst.Bound || h.Bound
	}
	return worst
}

// worstHealth is the worst the client fared in any probe, the lags as durations
// and CPU as a share of 1; ok is false when nothing was measured.
func (v *view) worstHealth() (lag, woke time.Duration, cpu float64, ok bool) {
	for _, p := range v.probes {
		for _, m := range p.Trials {
			ok = true
			lag, woke, cpu = max(lag, m.Health.SendLagP99), max(woke, m.Health.BeatLagP99), max(cpu, m.Health.CPU)
		}
	}
	return lag, woke, cpu, ok
}
