package aiperftest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/testdata/realservers/columns"
	"github.com/aiperf-go/aiperf/testdata/realservers/relay"
)

// relayed starts a server and a relay to it.
func relayed(t *testing.T, m simserver.Model) (*simserver.Server, *relay.Relay) {
	t.Helper()
	s := simserver.New(m)
	t.Cleanup(s.Close)
	r, err := relay.New(strings.TrimPrefix(s.URL, "http://"), 0)
	require.NoError(t, err)
	return s, r
}

// TestRelayJoins measures a simulated server through the relay that testdata/realservers
// puts before real ones. Every request is in the relay's account with the same tokens,
// and the account has as many tokens in all as the server's own counters.
func TestRelayJoins(t *testing.T) {
	s, r := relayed(t, simserver.Model{Step: time.Millisecond})
	dir := t.TempDir()
	aiperftest.Run(t, recipes.Fixed(2), aiperftest.Endpoint(r.URL), aiperftest.Tokens(16, 8), aiperftest.Requests(60),
		aiperftest.Charts(false), aiperftest.ReportOnly(), aiperftest.Artifacts(filepath.Join(dir, "run")))
	account := r.Close()

	path := filepath.Join(dir, "relay.jsonl")
	require.NoError(t, relay.Write(path, account))
	read, err := relay.Read(path)
	require.NoError(t, err)
	assert.Equal(t, account, read)

	j, err := relay.Join(dir, account)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, j.Requests, 60)
	assert.Zero(t, j.Failed)
	assert.Zero(t, j.Unmatched)
	assert.Zero(t, j.Mismatches)
	require.Len(t, j.TTFT, j.Requests)
	// The client's times enclose the relay's.
	assert.Positive(t, relay.Quantile(j.TTFT, 0))
	assert.Positive(t, relay.Quantile(j.E2E, 0))
	assert.NotEmpty(t, j.ITL)

	total, stats := relay.Total(account), s.Stats()
	assert.Zero(t, total.Unknown)
	assert.EqualValues(t, stats.Started, total.Requests)
	assert.EqualValues(t, stats.PromptTokens, total.ISL)
	assert.EqualValues(t, stats.OutputTokens, total.OSL)
}

// TestColumns: the columns of a server's own metrics are those of its pages, read by hand, and
// its counters have the tokens that the relay saw.
func TestColumns(t *testing.T) {
	s := simserver.New(simserver.Model{Step: 4 * time.Millisecond, MaxBatch: 4, KVTokens: 2000, Paged: true})
	defer s.Close()
	var b strings.Builder
	err := columns.Compare(t.Context(), &b, loadgen.Target{URL: s.URL}, loadgen.Load{Concurrency: 6, ISL: 32, OSL: 16, Requests: 60})
	require.NoError(t, err, b.String())
	assert.Equal(t, 16, strings.Count(b.String(), "equal"), b.String())
}

// TestRelayHearsOut: the account of a request whose client leaves is that of the server,
// which never knows that it left.
func TestRelayHearsOut(t *testing.T) {
	s, r := relayed(t, simserver.Model{Step: time.Millisecond})
	ctx, leave := context.WithCancel(t.Context())
	body := strings.NewReader(`{"model":"simulated","messages":[{"role":"user","content":"a b c"}],"max_tokens":40,` +
		`"stream":true,"stream_options":{"include_usage":true}}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/v1/chat/completions", body)
	require.NoError(t, err)
	req.Header.Set("X-Request-ID", "early")
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	_, err = resp.Body.Read(make([]byte, 1))
	require.NoError(t, err)
	leave()
	resp.Body.Close()

	account := r.Close()
	require.Len(t, account, 1)
	x := account[0]
	assert.Equal(t, "early", x.ID)
	assert.True(t, x.Left)
	assert.True(t, x.Complete)
	assert.Equal(t, []int{3, 40, 40}, []int{x.ISL, x.OSL, len(x.Chunks)})
	assert.Equal(t, relay.Totals{Requests: 1, Left: 1, ISL: 3, OSL: 40}, relay.Total(account))
	assert.EqualValues(t, 1, s.Stats().Completed)
}

// TestRelayReads: the account is the same however an answer is framed.
func TestRelayReads(t *testing.T) {
	const whole = `{"choices":[{"message":{"content":"a b"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}`
	const stream = `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n" +
		`data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n" + `data: {"choices":[{"delta":{"reasoning":"b"}}]}` + "\n\n" +
		`data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}` + "\n\ndata: [DONE]\n\n"
	const head = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name, answer    string
		chunks          int
		usage, complete bool
	}{
		{"a stream in chunks that cut events", head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(stream, 7), 2, true, true},
		{"a stream of known length", fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(stream), stream), 2, true, true},
		{"a stream to the close of the connection", head + "\r\n" + stream, 2, true, true},
		{"a whole answer behind 100 Continue",
			fmt.Sprintf("HTTP/1.1 100 Continue\r\n\r\n%sContent-Length: %d\r\n\r\n%s", head, len(whole), whole), 0, true, true},
		{"a stream that breaks off", head + "Transfer-Encoding: chunked\r\n\r\n" + chunked(stream, 7)[:200], 1, false, false},
		{"nothing", "", 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 1024))
				_, _ = io.WriteString(conn, c.answer)
			}()
			r, err := relay.New(l.Addr().String(), 0)
			require.NoError(t, err)
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
			require.NoError(t, err)
			_, err = io.WriteString(conn, "POST /v1/chat/completions HTTP/1.1\r\nX-Request-ID: one\r\nContent-Length: 2\r\n\r\n{}")
			require.NoError(t, err)
			passed, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.Equal(t, c.answer, string(passed))
			account := r.Close()
			require.Len(t, account, 1)
			x := account[0]
			assert.Equal(t, "one", x.ID)
			assert.Len(t, x.Chunks, c.chunks)
			assert.Equal(t, c.complete, x.Complete)
			assert.Equal(t, c.usage, x.Usage)
			if c.usage {
				assert.Equal(t, []int{5, 2}, []int{x.ISL, x.OSL})
			}
		})
	}
}

// chunked frames a body in chunks of n bytes.
func chunked(body string, n int) string {
	var b strings.Builder
	for part := range slices.Chunk([]byte(body), n) {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	return b.String() + "0\r\n\r\n"
}
