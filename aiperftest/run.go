package aiperftest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
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

// Run runs a recipe and asserts its answer: a verdict of met passes, and missed and
// inconclusive fail the test unless ReportOnly is given. A run that could not be
// measured ends the test. The outcome is never nil, and it is complete even after a
// failed assertion.
//
// Without an endpoint (no Endpoint, no AIPERF_URL, not Simulated) the test is
// skipped, or fails if AIPERF_REQUIRE is set. The same holds with -short if the
// recipe measures more than one point.
//
// In a benchmark the run's metrics become those of the benchmark's line, the mean
// over the iterations: latencies as ttft-p95-ns, throughput as out-tok/s and
// req/s, errors-%; of a search max-concurrency alone.
func Run(t T, r *recipes.Recipe, opts ...Option) *recipes.Outcome {
	t.Helper()
	return run(t, r, resolve(opts))
}

// run is Run with its options resolved, in five verbs: check what was asked, hold
// the endpoint, measure, write what was found, assert it.
func run(t T, r *recipes.Recipe, c *config) *recipes.Outcome {
	t.Helper()
	c.talk = talkTo(t)
	smoke := ""
	if !c.check(t) {
		return &recipes.Outcome{}
	}
	c.overlook(r)
	if n, skip := short(r, c.spec); skip {
		smoke = fmt.Sprintf("recipe %s measures up to %d points: run it without -short", r.Name, n)
		if n == 1 {
			smoke = fmt.Sprintf("recipe %s sends a whole schedule: run it without -short", r.Name)
		}
		if required() || c.spec.Setup != nil {
			leave(t, "-short: "+smoke)
			return &recipes.Outcome{}
		}
		r = c.smoke()
	}
	var held holdings
	defer held.release()
	ctx, err := c.hold(t, r, &held)
	if err != nil {
		fatal(t, "%s", c.hide(err.Error()))
		return &recipes.Outcome{}
	}
	m, err := c.measure(ctx, t, r)
	if m.out == nil {
		fatal(t, "%s", c.hide(spoken(err).Error()))
		return &recipes.Outcome{}
	}
	if smoke != "" && err == nil {
		t.Skipf("%s", c.hide(smoked(m.out, smoke)))
		return m.out
	}
	c.write(t, m, err)
	c.assert(t, m, err)
	return m.out
}

// check ends a test that cannot or must not measure; ok is false for one that has
// been failed or skipped.
func (c *config) check(t T) (ok bool) {
	t.Helper()
	if len(c.errs) > 0 {
		var text []string
		for _, err := range c.errs {
			text = append(text, err.Error())
		}
		fatal(t, "%s", strings.Join(text, "\n"))
		return false
	}
	if c.live() && c.spec.Target.URL == "" {
		leave(t, "no endpoint: set AIPERF_URL, or use aiperftest.Endpoint(…) or aiperftest.Simulated(…)")
		return false
	}
	return true
}

// leave ends a test that measures nothing.
func leave(t T, why string) {
	t.Helper()
	if required() {
		fatal(t, "%s (AIPERF_REQUIRE is set, so the test fails instead of being skipped)", why)
		return
	}
	t.Skipf("%s", why)
}

// holdings gives back what a run holds, the last thing first. Release is deferred before
// anything is taken, so that nothing stays held when t panics or leaves by
// runtime.Goexit while more is being taken.
type holdings []func()

func (h *holdings) release() {
	for _, giveBack := range slices.Backward(*h) {
		giveBack()
	}
}

// hold takes what a run needs for itself, into held: a context that ends in time and on
// signals, and the endpoints, in turn with other tests.
func (c *config) hold(t T, r *recipes.Recipe, held *holdings) (context.Context, error) {
	t.Helper()
	if c.simulated != nil {
		c.simulate(t)
	}
	ctx, cancel := contextOf(t, c.ctx)
	*held = append(*held, cancel)
	if c.spec.Prober == nil { // one that runs in a synctest bubble must not meet signals
		heeding, stop, err := untilSignal(ctx)
		if err != nil {
			return nil, fmt.Errorf("recipe %q: %w", r.Name, err)
		}
		*held = append(*held, stop)
		ctx = heeding
	}
	if c.live() {
		uncached(c.talk)
		for _, endpoint := range c.endpoints() {
			free, err := hold(ctx, c.talk, endpoint)
			if err != nil {
				return nil, err
			}
			*held = append(*held, free)
		}
	}
	return ctx, nil
}

// simulate starts the embedded server for the test.
func (c *config) simulate(t T) {
	srv := simserver.New(*c.simulated)
	t.Cleanup(srv.Close)
	c.spec.Target.URL, c.spec.Target.Others = srv.URL, nil
	if c.spec.Resume != nil {
		c.spec.Resume.Spec.Target.URL = srv.URL // another port of the same model
	}
	c.spec.Target.APIKey = or(c.spec.Target.APIKey, c.simulated.APIKey)
	c.spec.Note = "the server is simulated (loadgen/simserver): the numbers are a model's, not a machine's"
}

// measured is what came of measuring: one outcome or, of an A/B run, two.
type measured struct {
	out, old *recipes.Outcome
	tellers  []*narrator // of out and, of an A/B run, of old
	shown    string      // the folder of the files; empty when it does not outlive the test
}

// measure runs the engine, tells what it does, and holds the result against what
// it is to be compared with.
func (c *config) measure(ctx context.Context, t T, r *recipes.Recipe) (measured, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var dir, shown string
	if c.smoking {
		dir = t.TempDir()
	} else {
		dir, shown = artifactDir(t, c.artifacts)
	}
	n := &narrator{
		lines: make(chan string), live: liveOn(t), log: c.talk.log(),
		files: report.Dir{Path: dir, NoCharts: c.noCharts, Slice: c.slice, LLMD: c.llmd, Again: c.again(t)},
	}
	defer n.live.end()
	if c.talk.ginkgo != nil {
		defer c.talk.ginkgo.AttachProgressReporter(n.soFar)()
	}
	m := measured{tellers: []*narrator{n}, shown: shown}
	c.spec.Observe, c.spec.Who = n.observe, c.holder()
	c.spec.Target.Waiting = func(err error) { n.lines <- spoken(err).Error() }
	work := func() (err error) { m.out, err = recipes.Run(ctx, r, c.spec); return err }
	if c.old != nil {
		old := n.split()
		m.tellers = append(m.tellers, old)
		c.old.Observe, c.old.Target.Waiting, c.old.Who = old.observe, c.spec.Target.Waiting, c.spec.Who
		work = func() (err error) { m.old, m.out, err = recipes.RunPair(ctx, r, *c.old, c.spec); return err }
	}
	engine := start(r, n.lines, work)
	defer engine.wait(cancel)
	for line := range n.lines {
		if c.talk.told {
			n.live.pause()
			c.talk.progress(c.hide(line))
			n.live.resume()
		}
	}
	err := engine.result()
	if m.out != nil && errors.As(err, new(*signalError)) && !c.talk.told {
		n.live.leave(c.hide("recipe " + m.out.Recipe.Name + ": " + report.Headline(m.out)))
	}
	if m.out != nil && c.judge != nil && len(m.out.Probes) > 0 {
		c.judge(m.old, m.out)
		if err != nil {
			m.out.Verdict = recipes.Inconclusive // what was learnt stays, but it is no verdict
		}
	}
	if m.out != nil && err == nil && !c.smoking {
		c.remember(m.out)
	}
	return m, err
}

// write finishes a run's files, the benchmark's line and the job's page.
func (c *config) write(t T, m measured, err error) {
	o := m.out
	for i, finished := range []*recipes.Outcome{m.out, m.old} {
		if finished == nil {
			continue
		}
		speak(finished)
		if err := m.tellers[i].finish(finished); err != nil {
			finished.Warnings = append(finished.Warnings, err)
		}
	}
	reportMetrics(t, o)
	if err := report.StepSummary(o, c.again(t)); err != nil {
		o.Warnings = append(o.Warnings, err)
	}
	if c.keep != nil {
		c.keep(o, err)
	}
	if a, ok := t.(interface {
		Attach(o *recipes.Outcome, artifacts string)
	}); ok {
		a.Attach(o, m.shown) // before the assertion: under Ginkgo Errorf does not return
	}
}

// assert reports the finding and fails the test that it does not satisfy.
func (c *config) assert(t T, m measured, err error) {
	t.Helper()
	o := m.out
	defer c.talk.attributes([2]string{"recipe", o.Recipe.Name}, [2]string{"label", o.Spec.Label}, [2]string{"verdict", o.Verdict.String()},
		[2]string{"finding", c.hide(report.Headline(o))}, [2]string{"artifacts", m.shown})
	text := c.hide(c.closing(t, o, m.shown))
	switch {
	case err != nil && len(o.Probes) == 0 && (o.Plan == nil || o.Reason != recipes.ReasonCancelled):
		fatal(t, "%s", c.hide(spoken(err).Error()))
	case err != nil:
		c.talk.fails(text)
		t.FailNow()
	case o.Verdict == recipes.Met && len(o.Warnings) == 0 && c.kept == "" && quiet(t):
	case o.Verdict == recipes.Met || c.reportOnly:
		t.Logf("%s", text)
	default:
		c.talk.fails(text)
	}
}

// hide returns a text as it may be printed. Servers quote keys, and everything that a run
// prints passes here, whatever has been hidden in it before.
func (c *config) hide(text string) string {
	text = c.spec.Target.Redact(text)
	if c.old != nil {
		text = c.old.Target.Redact(text)
	}
	return text
}

// engine is a run on a goroutine of its own. The test's goroutine logs what the
// run has to say: only there may a test be failed, under Ginkgo only there may it
// be logged to, and only there do log lines carry the caller's line.
type engine struct {
	lines chan string
	done  chan struct{}
	err   error
}

// start runs work on its own goroutine. It closes lines when the work is done, and
// turns a panic into an error.
func start(r *recipes.Recipe, lines chan string, work func() error) *engine {
	e := &engine{lines: lines, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		defer close(lines)
		defer func() {
			if p := recover(); p != nil {
				e.err = fmt.Errorf("recipe %q panicked: %v\n%s", r.Name, p, debug.Stack())
			}
		}()
		e.err = work()
	}()
	return e
}

// result waits for the run and returns its error.
func (e *engine) result() error {
	<-e.done
	return e.err
}

// wait cancels a run that the test has left, and waits for its goroutines.
func (e *engine) wait(cancel context.CancelFunc) {
	cancel()
	for range e.lines { // whoever wants to log is not to wait for a test that is gone
	}
	<-e.done
}
