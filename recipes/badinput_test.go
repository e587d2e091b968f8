package recipes_test

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestBadInput: what cannot work ends before the search's load, with an error
// that names the input and the way out.
func TestBadInput(t *testing.T) {
	t.Parallel()
	srv := simserver.New(simserver.Model{Name: "good", APIKey: "secret", Step: time.Millisecond})
	defer srv.Close()
	notOpenAI := httptest.NewServer(http.FileServer(http.Dir(t.TempDir())))
	defer notOpenAI.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	good := loadgen.Target{URL: srv.URL, APIKey: "secret", ReadyTimeout: time.Second}
	ttft := recipes.Inputs{TTFT: new(200.0)}
	with := func(change func(*recipes.Spec)) recipes.Spec {
		s := recipes.Spec{Target: good, Inputs: ttft, Workload: loadgen.Load{ISL: 8, OSL: 4}}
		change(&s)
		return s
	}
	for _, tt := range []struct {
		why  string
		spec recipes.Spec
		as   any
		says []string
	}{
		{"no endpoint", with(func(s *recipes.Spec) { s.Target.URL = "" }), new(*recipes.InputError), []string{"endpoint", "give Endpoint"}},
		{"a URL that is none", with(func(s *recipes.Spec) { s.Target.URL = "localhost:8000" }), new(*recipes.InputError),
			[]string{"localhost:8000", "http://127.0.0.1:8000"}},
		{"nobody listens", with(func(s *recipes.Spec) { s.Target.URL = gone.URL }), new(*loadgen.UnreachableError),
			[]string{gone.URL, "connection refused", "not ready after 1s", "check the URL"}},
		{"no such host", with(func(s *recipes.Spec) { s.Target.URL = "http://no-such-host.invalid" }), new(*loadgen.UnreachableError),
			[]string{"no-such-host.invalid", "check the URL"}},
		{"no key where one is wanted", with(func(s *recipes.Spec) { s.Target.APIKey = "" }), new(*loadgen.UnauthorizedError),
			[]string{"401", "none is set"}},
		{"a wrong key", with(func(s *recipes.Spec) { s.Target.APIKey = "wrong" }), new(*loadgen.UnauthorizedError),
			[]string{"401", "refuses the API key"}},
		{"a model that is not served", with(func(s *recipes.Spec) { s.Target.Model = "better" }), new(*loadgen.UnknownModelError),
			[]string{`"better"`, "it serves good"}},
		{"a server of something else", with(func(s *recipes.Spec) { s.Target.URL = notOpenAI.URL }), new(*loadgen.UnknownModelError),
			[]string{notOpenAI.URL, "/v1/models", "404", "name the model", "base URL"}},
		{"a server of something else, and a model", with(func(s *recipes.Spec) { s.Target.URL, s.Target.Model = notOpenAI.URL, "m" }),
			new(*loadgen.ProtocolError), []string{"POST " + notOpenAI.URL + "/v1/chat/completions answered 40", "base URL"}},
		{"a file of prompts that is not there", with(func(s *recipes.Spec) { s.Target.Prompts = "none.jsonl" }),
			new(*recipes.InputError), []string{"none.jsonl"}},
		{"a law of lengths that is none", with(func(s *recipes.Spec) { s.Workload.Workload.ISL = workload.Normal(550, -1) }),
			new(*recipes.InputError), []string{"cannot use Workload", "ISL has a standard deviation of -1 tokens"}},
		{"a key in a workload", with(func(s *recipes.Spec) { s.Workload.Workload.Body = map[string]any{"api_key": "x"} }),
			new(*recipes.InputError), []string{"cannot use Workload", `a field "api_key"`, "set it with Target.Body"}},
		{"no SLA", with(func(s *recipes.Spec) { s.Inputs.TTFT = nil }), new(*recipes.InputError), []string{"requires", "TTFT"}},
		{"an SLA of 0", with(func(s *recipes.Spec) { s.Inputs.TTFT = new(0.0) }), new(*recipes.InputError),
			[]string{"TTFT", "0 ms", "positive"}},
		{"an SLA of NaN", with(func(s *recipes.Spec) { s.Inputs.TTFT = new(math.NaN()) }), new(*recipes.InputError),
			[]string{"TTFT", "NaN", "finite"}},
		{"a negative SLA", with(func(s *recipes.Spec) { s.Inputs.TTFT = new(-1.0) }), new(*recipes.InputError), []string{"TTFT", "-1 ms"}},
		{"bounds the wrong way round", with(func(s *recipes.Spec) { s.Inputs.Concurrency = recipes.Bounds{Min: new(10), Max: new(10)} }),
			new(*recipes.InputError), []string{"Concurrency", "10 is not below 10"}},
		{"a concurrency of 0", with(func(s *recipes.Spec) { s.Inputs.Concurrency = recipes.Bounds{Min: new(0), Max: new(10)} }),
			new(*recipes.InputError), []string{"Concurrency", "at least 1"}},
		{"a style that does not exist", with(func(s *recipes.Spec) { s.Inputs.Style = "monotonous" }), new(*recipes.InputError),
			[]string{`"monotonous"`, `did you mean "monotonic"?`}},
		{"streaming off with a streamed metric", with(func(s *recipes.Spec) { s.Inputs.Streaming = new(false) }),
			new(*recipes.InputError), []string{"requires streaming", "ttft p95", "Streaming"}},
		{"aliases at odds", with(func(s *recipes.Spec) { s.Inputs.ITL, s.Inputs.TPOT = new(15.0), new(16.0) }),
			new(*recipes.InputError), []string{"15 ms", "16 ms", "alias"}},
		{"trials below 0", with(func(s *recipes.Spec) { s.Trials = -1 }), new(*recipes.InputError), []string{"Trials", "-1"}},
		{"a confidence beyond 1", with(func(s *recipes.Spec) { s.Confidence = 2 }), new(*recipes.InputError), []string{"Confidence: 2"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			r, err := recipes.Lookup("max-throughput-ttft-sla")
			require.NoError(t, err)
			before := srv.Stats()
			began := time.Now()
			_, err = recipes.Run(t.Context(), r, tt.spec)
			require.Error(t, err)
			assert.ErrorAs(t, err, tt.as)
			for _, s := range tt.says {
				assert.ErrorContains(t, err, s)
			}
			assert.NotContains(t, err.Error(), "secret", "keys are not shown")
			assert.LessOrEqual(t, int(srv.Stats().Started-before.Started), 1, "at most the readiness inference")
			assert.Less(t, time.Since(began), 30*time.Second)
		})
	}
	t.Run("prompts of a file where lengths are swept", func(t *testing.T) {
		r, err := recipes.Lookup("prefill-ttft-curve")
		require.NoError(t, err)
		_, err = recipes.Run(t.Context(), r, recipes.Spec{Target: loadgen.Target{URL: srv.URL, Prompts: "prompts.jsonl"}})
		assert.ErrorAs(t, err, new(*recipes.InputError))
		assert.ErrorContains(t, err, "leave out Prompts")
	})
	t.Run("unknown recipe", func(t *testing.T) {
		_, err := recipes.Lookup("max-throughput-tft-sla")
		assert.ErrorAs(t, err, new(*recipes.UnknownRecipeError))
		assert.ErrorContains(t, err, `did you mean "max-throughput-ttft-sla"?`)
	})
}

// TestServerDies: a server that dies in mid-search ends the run with the reason,
// and what was learnt is kept and was shown.
func TestServerDies(t *testing.T) {
	t.Parallel()
	srv := simserver.New(simserver.Model{Step: time.Millisecond, Faults: simserver.Faults{DieAfter: 900}})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var shown atomic.Int32
	out, err := recipes.Run(ctx, maxConcurrency(t), recipes.Spec{
		Target:   loadgen.Target{URL: srv.URL, ReadyTimeout: time.Second},
		Workload: loadgen.Load{ISL: 8, OSL: 4, Requests: 100},
		Inputs:   recipes.Inputs{TTFT: new(10_000.0)}, // so loose that a late client is not at stake
		Observe:  func(o *recipes.Outcome) error { shown.Store(int32(len(o.Probes))); return nil },
	})
	assert.ErrorAs(t, err, new(*loadgen.UnreachableError))
	assert.ErrorContains(t, err, "connection refused")
	require.NotNil(t, out)
	assert.Equal(t, recipes.ReasonAborted, out.Reason)
	assert.Equal(t, recipes.Inconclusive, out.Verdict)
	assert.NotEmpty(t, out.Probes, "what was learnt is kept")
	assert.EqualValues(t, len(out.Probes), shown.Load(), "and was shown")
	assert.True(t, out.Best.Found)
	require.NoError(t, ctx.Err(), "nothing hangs")
}

// TestServerDiesBehindForwarder: a forwarder that goes on to accept connections for a dead
// server does not make a verdict of its closed ones. The server dies in one of the first
// probes: a machine on which two of them cannot be trusted would end the search before.
func TestServerDiesBehindForwarder(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := forwarded(t, ctx)
	for range 2 {
		if err != nil || out == nil || out.Reason != "untrusted" {
			break
		}
		t.Log("the machine was too busy for two probes to be trusted, which ended the search before the server died")
		out, err = forwarded(t, ctx)
	}
	assert.ErrorAs(t, err, new(*loadgen.UnreachableError))
	require.NotNil(t, out)
	assert.Equal(t, recipes.Inconclusive, out.Verdict)
	assert.NotEmpty(t, out.Probes, "what was learnt is kept")
	require.NoError(t, ctx.Err(), "nothing hangs")
}

// forwarded searches a server that dies behind a forwarder.
func forwarded(t *testing.T, ctx context.Context) (*recipes.Outcome, error) {
	t.Helper()
	srv := simserver.New(simserver.Model{Step: time.Millisecond, Faults: simserver.Faults{DieAfter: 300}})
	t.Cleanup(srv.Close)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { front.Close() })
	go func() {
		for {
			in, err := front.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", strings.TrimPrefix(srv.URL, "http://"))
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return recipes.Run(ctx, maxConcurrency(t), recipes.Spec{
		Target:   loadgen.Target{URL: "http://" + front.Addr().String()},
		Workload: loadgen.Load{ISL: 8, OSL: 4, Requests: 100},
		Inputs:   recipes.Inputs{TTFT: new(10_000.0)}, // so loose that a late client is not at stake
	})
}
