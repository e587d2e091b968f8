package loadgen_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/workload"
)

// TestReady checks that Ready waits for what waiting may mend, and that anything else
// ends it at once with an error of its own type.
func TestReady(t *testing.T) {
	const patience = 30 * time.Second
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unreachable, unauthorized := new(*loadgen.UnreachableError), new(*loadgen.UnauthorizedError)
	model, protocol := new(*loadgen.UnknownModelError), new(*loadgen.ProtocolError)
	for _, tt := range []struct {
		why    string
		dial   error  // of every dial
		answer answer // to every POST; a sound one if nil
		tls    *tls.Config
		target loadgen.Target
		err    any // nil if it becomes ready
		says   string
		waits  bool // it is tried until the time is up
	}{
		{why: "a sound server"},
		{why: "refused", dial: refused, err: unreachable, says: "not ready after 30s", waits: true},
		{why: "a dial that gets no answer", dial: errStalls, err: unreachable, says: "not ready after 30s", waits: true},
		{why: "a name that cannot be resolved for now", dial: &net.DNSError{Err: "try again", Name: "x", IsTemporary: true},
			err: unreachable, waits: true},
		{why: "no such host", dial: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, err: unreachable,
			says: "no such host"},
		{why: "a certificate nobody knows", tls: &tls.Config{}, err: unreachable, says: "certificate"},
		{why: "503", answer: status(503, "", "loading"), err: unreachable, says: "loading", waits: true},
		{why: "429", answer: status(429, "", ""), err: unreachable, waits: true},
		{why: "401 without a key", answer: status(401, "", ""), err: unauthorized, says: "none is set"},
		{why: "403 with a key", answer: status(403, "", ""), target: loadgen.Target{APIKey: "k"}, err: unauthorized,
			says: "refuses the API key"},
		{why: "404", answer: status(404, "", "404 page not found"), err: protocol, waits: true,
			says: "POST http://raw.test/v1/chat/completions answered 404: 404 page not found"},
		{why: "500", answer: status(500, "", "<html><title>Oh</title><body>no</body></html>"), err: unreachable,
			says: "answered 500: Oh no", waits: true},
		{why: "502", answer: status(502, "", ""), err: unreachable, waits: true},
		{why: "504", answer: status(504, "", ""), err: unreachable, waits: true},
		{why: "501", answer: status(501, "", ""), err: protocol, says: "answered 501"},
		{why: "400", answer: status(400, "", `{"error":{"message":"bad prompt"}}`), err: protocol, says: "bad prompt; change the request"},
		{why: "an error inside the answer", answer: status(200, "", `{"object":"error","message":"loading"}`), err: unreachable,
			says: "loading", waits: true},
		{why: "a model that is not listed and is served", target: loadgen.Target{Model: "other"}},
		{why: "a model that is neither listed nor served", target: loadgen.Target{Model: "other"}, answer: status(404, "", "no such model"),
			err: model, says: "it serves m (POST http://raw.test/v1/chat/completions answered 404: no such model)"},
		{why: "a model that is listed and not there", answer: status(404, "", `{"error":{"message":"no such model"}}`), err: model,
			says: "no such model", waits: true},
		{why: "usage and no text", answer: events(`{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":8}}`, "[DONE]")},
		{why: "an early end", answer: events(`{"choices":[{"delta":{},"finish_reason":"stop"}]}`, "[DONE]")},
		{why: "a stream that is cut", answer: events(word), err: protocol, says: "truncated"},
		{why: "silence", answer: silent, target: loadgen.Target{IdleTimeout: time.Second}, err: unreachable, waits: true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				s := &rawServer{always: tt.answer}
				target := tt.target
				target.URL, target.Dial, target.ReadyTimeout = "http://raw.test", l.Dial, patience
				switch {
				case tt.dial == errStalls:
					target.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
				case tt.dial != nil:
					target.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, tt.dial }
				case tt.tls != nil:
					cert, _ := selfSigned(t, "raw.test")
					target.URL, target.TLS, s.tls = "https://raw.test", tt.tls, &tls.Config{Certificates: []tls.Certificate{cert}}
				}
				served := make(chan struct{})
				go func() { defer close(served); s.serve(l) }()
				waited := 0
				target.Waiting = func(error) { waited++ }
				g, err := loadgen.New(target)
				require.NoError(t, err)
				begun := time.Now()
				err = g.Ready(t.Context())
				took := time.Since(begun)
				if tt.err == nil {
					assert.NoError(t, err)
				} else if assert.ErrorAs(t, err, tt.err) {
					assert.ErrorContains(t, err, tt.says)
				}
				if tt.waits {
					assert.Equal(t, patience, took.Truncate(time.Second))
					assert.Equal(t, 1, waited, "told once")
				} else {
					assert.Less(t, took, 2*time.Second)
					assert.Zero(t, waited)
				}
				require.NoError(t, g.Close())
				l.Close()
				<-served
				s.wait()
			})
		})
	}
}

// TestAlive checks that a target which was ready is found to be gone, or to fail
// everything, with the errors of Ready, and that one which answers is found alive.
func TestAlive(t *testing.T) {
	for _, tt := range []struct {
		why  string
		then answer // to every POST after readiness; a sound one if nil
		err  any
		took time.Duration
	}{
		{why: "it answers"},
		{why: "it fails everything", then: status(500, "", "boom"), err: new(*loadgen.UnreachableError), took: 1500 * time.Millisecond},
		{why: "it refuses everything", then: status(400, "", "boom"), err: new(*loadgen.ProtocolError)},
		{why: "it is not there for now", then: status(502, "", "bad gateway"), err: new(*loadgen.UnreachableError),
			took: 1500 * time.Millisecond},
		{why: "it is silent", then: silent, err: new(*loadgen.UnreachableError), took: 30 * time.Second},
	} {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				s := &rawServer{}
				served := make(chan struct{})
				go func() { defer close(served); s.serve(l) }()
				g, err := loadgen.New(loadgen.Target{URL: "http://raw.test", Dial: l.Dial, ReadyTimeout: 30 * time.Second})
				require.NoError(t, err)
				require.NoError(t, g.Ready(t.Context()))
				s.always = tt.then
				began := time.Now()
				err = g.Alive(t.Context())
				assert.InDelta(t, tt.took.Seconds(), time.Since(began).Seconds(), 0.2)
				if tt.err == nil {
					assert.NoError(t, err)
				} else {
					assert.ErrorAs(t, err, tt.err)
				}
				require.NoError(t, g.Close())
				l.Close()
				<-served
				s.wait()
			})
		})
	}
}

// TestLongAnswer: a server that refuses short answers refuses one, and is asked for longer ones
// from then on.
func TestLongAnswer(t *testing.T) {
	refusals := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			MaxTokens int `json:"max_tokens"`
		}
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&q) != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if q.MaxTokens < 16 {
			refusals++
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":{"message":"max_tokens must be at least 16"}}`)
			return
		}
		io.WriteString(w, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":16}}`)
	}))
	defer srv.Close()
	g, err := loadgen.New(loadgen.Target{URL: srv.URL, Model: "m", NoStream: true, Metrics: []string{}})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	require.NoError(t, g.Alive(t.Context()))
	assert.Equal(t, 1, refusals)
}

// TestServerRequest: a request lasts as long as its answer is on average, whether the length is
// one number, left to the default or drawn from a law.
func TestServerRequest(t *testing.T) {
	s := loadgen.Server{First: 100 * time.Millisecond, Token: 10 * time.Millisecond}
	for _, tt := range []struct {
		load loadgen.Load
		want time.Duration
	}{
		{loadgen.Load{OSL: 11}, 200 * time.Millisecond},
		{loadgen.Load{OSL: 1}, 100 * time.Millisecond},
		{loadgen.Load{}, 100*time.Millisecond + (loadgen.DefaultOSL-1)*10*time.Millisecond},
		{loadgen.Load{OSL: 11, Workload: loadgen.Workload{OSL: workload.Constant(101)}}, 1100 * time.Millisecond},
	} {
		assert.Equal(t, tt.want, s.Request(tt.load))
	}
	assert.Zero(t, loadgen.Server{}.Request(loadgen.Load{OSL: 100}))
}
