package aiperftest

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// RunRecipe runs the recipe of that name, as Run does.
func RunRecipe(t T, name string, opts ...Option) *recipes.Outcome {
	t.Helper()
	r, err := recipes.Lookup(name)
	if err != nil {
		fatal(t, "%v", err)
		return &recipes.Outcome{}
	}
	return Run(t, r, opts...)
}

// Run runs a recipe and asserts its answer: a verdict of met passes, missed and
// inconclusive fail the test (not with ReportOnly), and what could not be
// measured ends it. The outcome is never nil, and complete also after a failed
// assertion.
//
// Without an endpoint (no Endpoint, no AIPERF_URL, not Simulated) the test is
// skipped, or fails when AIPERF_REQUIRE is set. So it is with -short, when the
// recipe measures more than one point.
//
// In a benchmark the run's metrics become those of the benchmark's line, the mean
// over the iterations: latencies as ttft-p95-ns, throughput as out-tok/s and
// req/s, errors-%; of a search max-concurrency alone.
func Run(t T, r *recipes.Recipe, opts ...Option) *recipes.Outcome {
	t.Helper()
	return run(t, r, resolve(opts))
}

// run is Run with its options resolved.
func run(t T, r *recipes.Recipe, c *config) *recipes.Outcome {
	t.Helper()
	if len(c.errs) > 0 {
		var text []string
		for _, err := range c.errs {
			text = append(text, err.Error())
		}
		fatal(t, "%s", strings.Join(text, "\n"))
		return &recipes.Outcome{}
	}
	if c.live() && c.spec.Target.URL == "" {
		leave(t, "no endpoint: set AIPERF_URL, or use aiperftest.Endpoint(…) or aiperftest.Simulated(…)")
		return &recipes.Outcome{}
	}
	if n, skip := short(r, c.spec.Inputs); skip {
		leave(t, fmt.Sprintf("-short: recipe %s measures up to %d points; leave -short out", r.Name, n))
		return &recipes.Outcome{}
	}
	if c.simulated != nil {
		c.simulate(t)
	}
	ctx, cancel := contextOf(t, c.ctx)
	defer cancel()
	if c.spec.Prober == nil { // one that runs in a synctest bubble must not meet signals
		heeding, stop, err := untilSignal(ctx)
		if err != nil {
			fatal(t, "recipe %q: %v", r.Name, err)
			return &recipes.Outcome{}
		}
		defer stop()
		ctx = heeding
	}

	if c.live() {
		uncached(t)
		for _, endpoint := range c.endpoints() {
			release, err := hold(ctx, t, endpoint)
			if err != nil {
				fatal(t, "%v", err)
				return &recipes.Outcome{}
			}
			defer release() // whichever way the test is left
		}
	}

	dir, shown := artifactDir(t, c.artifacts)
	n := &narrator{lines: make(chan string), live: liveOn(t), files: report.Dir{Path: dir, NoCharts: c.noCharts, Again: again(t, c.spec.Workload.Seed)}}
	defer n.live.end()
	c.spec.Observe = n.observe
	c.spec.Target.Waiting = func(err error) { n.lines <- err.Error() }
	measure := func() (*recipes.Outcome, error) { return recipes.Run(ctx, r, c.spec) }
	if c.old != nil {
		measure = c.pair(ctx, r, n)
	}
	engine := start(r, n, measure)
	defer engine.wait(cancel)
	for line := range n.lines {
		if !quiet(t) {
			n.live.pause()
			t.Logf("%s", line)
			n.live.resume()
		}
	}
	n.live.end()
	out, err := engine.result()
	if out == nil {
		fatal(t, "%v", err)
		return &recipes.Outcome{}
	}
	reportMetrics(t, out)
	if err := report.StepSummary(out, again(t, out.Spec.Workload.Seed)); err != nil {
		out.Warnings = append(out.Warnings, err)
	}
	if c.keep != nil {
		c.keep(out, err)
	}
	text := closing(t, out, shown, c.kept)
	if a, ok := t.(interface {
		Attach(o *recipes.Outcome, artifacts string)
	}); ok {
		a.Attach(out, shown) // before the assertion: under Ginkgo Errorf does not return
	}
	switch {
	case err != nil && len(out.Probes) == 0:
		fatal(t, "%s", report.Redact(out, err.Error())) // servers quote keys
	case err != nil:
		fatal(t, "%s\n%s", report.Redact(out, err.Error()), text)
	case out.Verdict == recipes.Met && len(out.Warnings) == 0 && c.kept == "" && quiet(t):
	case out.Verdict == recipes.Met || c.reportOnly:
		t.Logf("%s", text)
	default:
		t.Errorf("%s", text)
	}
	return out
}

// leave ends a test that measures nothing.
func leave(t T, why string) {
	t.Helper()
	if required() {
		fatal(t, "%s (AIPERF_REQUIRE is set: a skipped gate would be a green gate)", why)
		return
	}
	t.Skipf("%s", why)
}

// simulate starts the embedded server for the test.
func (c *config) simulate(t T) {
	srv := simserver.New(*c.simulated)
	t.Cleanup(srv.Close)
	c.spec.Target.URL = srv.URL
	c.spec.Target.APIKey = or(c.spec.Target.APIKey, c.simulated.APIKey)
	c.spec.Note = "the server is simulated (loadgen/simserver): the numbers are a model's, not a machine's"
}

// engine is a run on a goroutine of its own. The test's goroutine logs what the
// run has to say: only there may a test be failed, under Ginkgo only there may it
// be logged to, and only there do log lines carry the caller's line.
type engine struct {
	lines chan string
	done  chan struct{}
	out   *recipes.Outcome
	err   error
}

func start(r *recipes.Recipe, n *narrator, measure func() (*recipes.Outcome, error)) *engine {
	e := &engine{lines: n.lines, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		defer close(n.lines)
		defer func() {
			if p := recover(); p != nil {
				e.err = fmt.Errorf("recipe %q panicked: %v\n%s", r.Name, p, debug.Stack())
			}
		}()
		e.out, e.err = measure()
	}()
	return e
}

func (e *engine) result() (*recipes.Outcome, error) {
	<-e.done
	return e.out, e.err
}

// wait ends a run that the test has left, and leaves nothing of it behind.
func (e *engine) wait(cancel context.CancelFunc) {
	cancel()
	for range e.lines { // whoever wants to log is not to wait for a test that is gone
	}
	<-e.done
}

// narrator tells a run as it goes: its expansion, a line a probe, its files.
type narrator struct {
	lines  chan string
	arm    string // of an A/B run; empty: the only one
	live   *live  // nil: there is no terminal to draw on
	files  report.Dir
	begun  bool
	probes int
}

func (n *narrator) observe(o *recipes.Outcome) error {
	if !n.begun && o.Reason == "" {
		n.begun = true
		n.say(func(b *strings.Builder) { _ = report.Expansion(b, o) })
	}
	for ; n.probes < len(o.Probes); n.probes++ {
		n.say(func(b *strings.Builder) { _ = report.ProbeLine(b, o, n.probes) })
	}
	if n.live.now(report.Progress(o), len(o.Probes)+1); o.Reason != "" {
		n.live.now("", 0)
	}
	return n.files.Update(o)
}

// say sends one message to the test's log; writing to a strings.Builder cannot
// fail.
func (n *narrator) say(write func(*strings.Builder)) {
	var b strings.Builder
	write(&b)
	text := strings.TrimRight(b.String(), "\n")
	if n.arm != "" {
		text = n.arm + ": " + text
	}
	n.lines <- text
}

// closing is the finding with where to look and how to do it again.
func closing(t T, o *recipes.Outcome, dir, kept string) string {
	var b strings.Builder
	_ = report.Finding(&b, o)
	if kept != "" {
		b.WriteString("    baseline:  " + kept + "\n")
	}
	if dir != "" {
		b.WriteString("    artifacts: " + dir + "\n")
	}
	if o.Verdict != recipes.Met {
		b.WriteString("    again:     " + again(t, o.Spec.Workload.Seed) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
