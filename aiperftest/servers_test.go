package aiperftest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// oddCase is an entry of testdata/servers/servers.yaml.
type oddCase struct {
	Name   string
	Server oddServer
	Run    struct {
		C, ISL, OSL, Requests, Lo, Hi, Steps int
		Recipe, Style, SLA, Model, URL       string
		TTFT, ITL, Ready, Deadline, Takes    wait
		Stream                               *bool
		Seed                                 uint64
		Twice, Strict, Insecure              bool
		Body                                 map[string]any
	}
	Want struct {
		Quiet             bool     // there is no warning
		Warns, Log, Never []string // parts of the warnings, and of everything said
		Causes            []string // parts of what failed
		Fatal             []string // parts of the error that ends the run
		Errors            string   // none, all, half or quarter of the requests
		ISL, OSL          float64  // 0 for what was asked for
		AtFirst           int      `yaml:"at_first"` // tokens that come with the first read
		Times             *string  // which times are held against the server's; "first" for that to the first token
		NoITL             bool     `yaml:"no_itl"`
		Cached            bool
		LeastTTFT         float64 `yaml:"least_ttft"` // ms
		MostTTFT          float64 `yaml:"most_ttft"`
		Verdict           string
		Answer            int
		LeastRate         float64 `yaml:"least_rate"` // requests a second
		MostRate          float64 `yaml:"most_rate"`
	}
	Open string
}

// TestServers runs the entries of testdata/servers/servers.yaml, each a server or gateway
// as they are met, through the front door, side by side.
func TestServers(t *testing.T) {
	slow.Test(t, slow.RealTime)
	t.Parallel()
	// Goroutines that wake wait for those that compute, up to 10 ms for each, as long as there are no
	// more threads than cores; with more the system takes turns, and it prefers what has waited.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(16))
	b, err := os.ReadFile("../testdata/servers/servers.yaml")
	require.NoError(t, err)
	var cases []*oddCase
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&cases))
	assert.GreaterOrEqual(t, len(cases), 54)
	var entries []yaml.Node
	require.NoError(t, yaml.Unmarshal(b, &entries))
	gate := make(chan struct{}, 32) // they measure each other by then, and many twice; fewer at once take longer
	var all sync.WaitGroup
	start := func(i int, c *oddCase) {
		gate <- struct{}{}
		all.Go(func() { // t.Parallel would run as many as there are cores
			defer func() { <-gate }()
			t.Run(c.Name, func(t *testing.T) {
				if c.Open != "" {
					t.Skipf("open: %s", c.Open)
				}
				// What a client that was late has measured is no verdict on anything: once more.
				for last := range 4 {
					var again oddCase
					require.NoError(t, entries[i].Decode(&again))
					var found findings
					late := again.check(t, &found)
					if len(found) == 0 {
						return
					}
					if late && last < 3 {
						t.Logf("the client was late; once more after\n%s", strings.Join(found, "\n"))
						continue
					}
					t.Error(strings.Join(found, "\n"))
					return
				}
			})
		})
	}
	for _, long := range []bool{true, false} { // those that take long come first, so that none is waited for in the end
		for i, c := range cases {
			if long == (c.Run.Takes > 0) {
				start(i, c)
			}
		}
	}
	all.Wait()
}

// findings are what an attempt at a case failed for. It stands in for the test, so that
// an attempt that says nothing can be made again.
type findings []string

func (f *findings) Errorf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// options are those of the case's run against the server at base.
func (c *oddCase) options(t *testing.T, base string) aiperftest.Options {
	r := &c.Run
	if r.C == 0 {
		r.C = 4
	}
	if r.ISL == 0 {
		r.ISL = 64
	}
	if r.OSL == 0 {
		r.OSL = 16
	}
	if r.Requests == 0 {
		r.Requests = 24
	}
	url := base
	if r.URL != "" {
		url = strings.NewReplacer("$base", base, "$host", strings.TrimPrefix(base, "http://")).Replace(r.URL)
	}
	opts := aiperftest.Options{aiperftest.Endpoint(url), aiperftest.Tokens(r.ISL, r.OSL), aiperftest.Requests(r.Requests),
		aiperftest.Ready(r.Ready.or(10 * time.Second)), aiperftest.ProbeTime(20 * time.Second), aiperftest.Charts(false),
		aiperftest.Artifacts(t.TempDir())}
	add := func(given bool, o aiperftest.Option) {
		if given {
			opts = append(opts, o)
		}
	}
	add(!r.Strict, aiperftest.ReportOnly())
	add(r.Insecure, aiperftest.Insecure())
	add(r.Model != "", aiperftest.Model(r.Model))
	add(r.Body != nil, aiperftest.Body(r.Body))
	add(r.TTFT > 0, aiperftest.TTFT(time.Duration(r.TTFT)))
	add(r.ITL > 0, aiperftest.ITL(time.Duration(r.ITL)))
	add(r.SLA != "", aiperftest.SLA(r.SLA))
	add(r.Style != "", aiperftest.Style(recipes.Style(r.Style)))
	add(r.Hi > 0, aiperftest.Concurrency(max(r.Lo, 1), r.Hi))
	add(r.Steps > 0, aiperftest.Steps(r.Steps))
	add(r.Stream != nil, aiperftest.Streaming(r.Stream == nil || *r.Stream))
	add(r.Seed != 0, aiperftest.Seed(r.Seed))
	if r.Deadline > 0 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.Deadline))
		t.Cleanup(cancel)
		opts = append(opts, aiperftest.Context(ctx))
	}
	return opts
}

// measure runs the case once.
func (c *oddCase) measure(t *testing.T, opts aiperftest.Options) (out *recipes.Outcome, f *fakeT) {
	f = run(t, t.Name(), func(ft aiperftest.T) {
		if c.Run.Recipe != "" {
			out = aiperftest.RunRecipe(ft, c.Run.Recipe, opts)
		} else {
			out = aiperftest.Run(ft, recipes.Fixed(c.Run.C), opts)
		}
	})
	return cmp.Or(out, f.out), f
}

// check runs the case and holds what came of it against what is wanted. It reports whether
// the client was late, or the server was, both of which are this process.
func (c *oddCase) check(t *testing.T, found *findings) (late bool) {
	opts := c.options(t, c.Server.start(t))
	out, f := c.measure(t, opts)
	if c.Run.Twice {
		c.Server.mu.Lock()
		c.Server.ttft, c.Server.itl = nil, nil
		c.Server.mu.Unlock()
		out, f = c.measure(t, opts)
	}
	said := unfolded(f.transcript())
	for _, part := range c.Want.Log {
		assert.Contains(found, said, part)
	}
	for _, part := range append(c.Want.Never, "json: ", "Go value") {
		assert.NotContains(found, said, part)
	}
	assert.NotRegexp(found, `recipe "[^"]*":? recipe "`, said, "the recipe is named once")
	if c.Want.Fatal != nil {
		assert.True(found, f.failed, "the run ends: %s", said)
		for _, part := range c.Want.Fatal {
			assert.Contains(found, unfolded(strings.Join(f.errs, "\n")), part)
		}
		return false
	}
	if !assert.NotNil(found, out, said) || !assert.NotEmpty(found, out.Probes, said) {
		return false
	}
	c.warnings(found, out)
	busy := slices.ContainsFunc(out.Warnings, func(w error) bool { return errors.As(w, new(*recipes.ClientBoundError)) })
	same := c.numbers(found, &out.Probes[len(out.Probes)-1], !busy)
	if !busy {
		c.verdict(found, out)
	}
	if len(*found) > 0 {
		found.Errorf("%s", said)
	}
	return busy || !same
}

// warnings checks the warnings, beside those that a busy machine makes.
func (c *oddCase) warnings(t assert.TestingT, out *recipes.Outcome) {
	var texts []string
	for _, w := range out.Warnings {
		if !errors.As(w, new(*recipes.ClientBoundError)) && !errors.Is(w, loadgen.ErrUnsaturated) {
			texts = append(texts, w.Error())
		}
	}
	all := strings.Join(texts, "\n")
	for _, part := range c.Want.Warns {
		assert.Contains(t, all, part)
	}
	if c.Want.Quiet {
		assert.Empty(t, texts)
	}
}

// numbers checks what a probe measured. Lengths and counts are exact; times are held
// against those of the server's own clock, since a busy machine makes both longer; they are
// left out if times is false. It reports whether the two clocks say the same.
func (c *oddCase) numbers(t assert.TestingT, p *recipes.Probe, times bool) (same bool) {
	stat := func(metric, stat string) float64 { v, _ := p.Stat(metric, stat); return v }
	failed, n := stat(loadgen.TagErrors, "avg"), float64(p.Requests())
	switch c.Want.Errors {
	case "", "none":
		if c.Want.Verdict == "" && c.Want.Answer == 0 {
			assert.Zero(t, failed, "errors")
		}
	case "all":
		assert.Equal(t, n, failed, "errors")
	case "half":
		assert.InDelta(t, n/2, failed, 2, "errors")
	case "quarter":
		assert.InDelta(t, n/4, failed, 2, "errors")
	}
	var causes []string
	for _, m := range p.Trials {
		for _, x := range m.Failures {
			causes = append(causes, x.Error())
		}
	}
	for _, part := range c.Want.Causes {
		assert.Contains(t, strings.Join(causes, "\n"), part)
	}
	if failed == n {
		return true
	}
	assert.Equal(t, cmp.Or(c.Want.ISL, float64(c.Run.ISL)), stat("isl", "avg"), "ISL")
	switch osl := c.Want.OSL; {
	case len(c.Server.Lengths) > 0:
		assert.InDelta(t, osl, stat("osl", "avg"), 1, "OSL")
	default:
		assert.EqualValues(t, c.Run.OSL, stat("osl", "avg"), "OSL")
	}
	_, has := p.Stat("itl", "avg")
	assert.Equal(t, !c.Want.NoITL, has, "ITL has a value")
	if _, has := p.Stat(loadgen.TagCached, "avg"); c.Want.Cached {
		assert.True(t, has)
	}
	if w := c.Want.LeastTTFT; w > 0 {
		assert.GreaterOrEqual(t, stat("ttft", "min"), w)
	}
	if !times {
		return true
	}
	if w := c.Want.MostTTFT; w > 0 {
		assert.LessOrEqual(t, stat("ttft", "p95"), w)
	}
	if w := c.Want.LeastRate; w > 0 {
		assert.GreaterOrEqual(t, stat("req-rate", "avg"), w)
	}
	if w := c.Want.MostRate; w > 0 {
		assert.LessOrEqual(t, stat("req-rate", "avg"), w)
	}
	if c.Want.Times != nil && *c.Want.Times == "" {
		return true
	}
	c.Server.mu.Lock()
	defer c.Server.mu.Unlock()
	// The medians are not over quite the same requests: the server's are also those of the
	// ramps. They may differ by what the server's own times scatter, which is about nothing
	// unless the machine is busy.
	slack := func(ds []time.Duration) float64 { return 8 + quantile(ds, 0.75) - quantile(ds, 0.25) } // ms
	same = assert.InDelta(t, quantile(c.Server.ttft, 0.5), stat("ttft", "p50"), slack(c.Server.ttft), "TTFT, against the server's own")
	if has && c.Want.Times == nil && len(c.Server.Lengths) == 0 {
		between := float64(c.Run.OSL - max(c.Want.AtFirst, 1))
		same = assert.InDelta(t, quantile(c.Server.itl, 0.5), stat("itl", "p50")*between, slack(c.Server.itl),
			"from the first token to the last, against the server's own") && same
	}
	return same
}

// verdict checks the verdict and the answer.
func (c *oddCase) verdict(t assert.TestingT, out *recipes.Outcome) {
	switch v := c.Want.Verdict; v {
	case "":
	case "not met":
		assert.NotEqual(t, recipes.Met, out.Verdict)
	default:
		assert.Equal(t, v, fmt.Sprint(out.Verdict))
	}
	if c.Want.Answer > 0 && out.Best.Found {
		assert.Equal(t, c.Want.Answer, out.Best.Concurrency())
	}
}

// quantile returns the q-quantile in milliseconds.
func quantile(ds []time.Duration, q float64) float64 {
	ds = slices.Sorted(slices.Values(ds))
	if len(ds) == 0 {
		return 0
	}
	return float64(ds[int(q*float64(len(ds)))]) / float64(time.Millisecond)
}
