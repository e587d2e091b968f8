package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestURLs checks where requests go for every way of writing an endpoint.
func TestURLs(t *testing.T) {
	for _, tt := range []struct{ url, post, models string }{
		{"http://h:8000", "http://h:8000/v1/chat/completions", "http://h:8000/v1/models"},
		{"http://h:8000/", "http://h:8000/v1/chat/completions", ""},
		{" http://h:8000/v1\n", "http://h:8000/v1/chat/completions", ""},
		{"http://h/v1/", "http://h/v1/chat/completions", ""},
		{"http://h/prefix", "http://h/prefix/v1/chat/completions", ""},
		{"http://h/api/v1/namespaces/x/services/llm:8000/proxy", "http://h/api/v1/namespaces/x/services/llm:8000/proxy/v1/chat/completions", ""},
		{"http://h/api/v3", "http://h/api/v3/chat/completions", "http://h/api/v3/models"},
		{"http://h/api/paas/v4/", "http://h/api/paas/v4/chat/completions", ""},
		{"https://h/v1beta/openai/", "https://h/v1beta/openai/chat/completions", ""},
		{"https://h/openai/v1", "https://h/openai/v1/chat/completions", ""},
		{"https://h/v1/account/gateway/openai", "https://h/v1/account/gateway/openai/chat/completions", ""},
		{"https://h/v1/chat/completions", "https://h/v1/chat/completions", "https://h/v1/models"},
		{"https://h/serving-endpoints/chat/completions", "https://h/serving-endpoints/chat/completions", ""},
		{"https://h/v1/models", "https://h/v1/chat/completions", ""},
		{"https://h/v1/completions", "https://h/v1/completions", "https://h/v1/models"},
		{"https://h/openai/deployments/gpt?api-version=2024-06-01", "https://h/openai/deployments/gpt/chat/completions?api-version=2024-06-01",
			"https://h/openai/deployments/gpt/models?api-version=2024-06-01"},
		{"https://h/v1/chat/completions?key=a%20b", "https://h/v1/chat/completions?key=a%20b", ""},
		{"unix:///run/x.sock", "http://localhost/v1/chat/completions", ""},
		{"unix:///run/x.sock:/api/v3?a=b", "http://localhost/api/v3/chat/completions?a=b", ""},
		{"http+unix://%2Frun%2Fx.sock/v1", "http://localhost/v1/chat/completions", ""},
		{"HTTP://h", "http://h/v1/chat/completions", ""},
	} {
		g, err := New(Target{URL: tt.url})
		require.NoError(t, err, tt.url)
		assert.Equal(t, tt.post, g.route(g.target.path()).String(), tt.url)
		if tt.models != "" {
			assert.Equal(t, tt.models, g.route("models").String(), tt.url)
			assert.Equal(t, redactURL(tt.models), Target{URL: tt.url}.Route("models"))
		}
		assert.Equal(t, g.target.Protocol, Target{URL: tt.url}.API(), tt.url)
		g.Close()
	}
	for raw, socket := range map[string]string{"unix://out/52.sock": "out/52.sock", "unix:/run/y.sock": "/run/y.sock",
		"http+unix://%2Frun%2Fx.sock/v1": "/run/x.sock"} {
		e, _, err := newEndpoint(Target{}, raw)
		require.NoError(t, err)
		assert.Equal(t, socket, e.socket, raw)
	}
	for raw, says := range map[string]string{
		"":                 "URL is empty",
		"localhost:8000":   `"localhost:8000" is not an http or https base URL`,
		"ftp://h":          "is not an http or https base URL",
		"http://":          "is not an http or https base URL",
		"unix://":          "names no socket",
		"http://h/\x00?k=": "is not an http or https base URL",
	} {
		_, err := New(Target{URL: raw})
		assert.ErrorAs(t, err, new(*TargetError), raw)
		assert.ErrorContains(t, err, says, raw)
	}
	_, err := New(Target{URL: "http://h/v1/completions", Protocol: Chat})
	assert.ErrorContains(t, err, "is that of the completions API, and Protocol is \"chat\"")
	_, err = New(Target{URL: "http://h/v1/completions", Others: []string{"http://h2/v1/chat/completions"}})
	assert.ErrorContains(t, err, "is that of the chat API, and Protocol is \"completions\"")
	_, err = New(Target{URL: "http://h", APIKey: "two\nlines"})
	assert.ErrorContains(t, err, "APIKey has a line break")
	_, err = New(Target{URL: "http://h", Header: http.Header{"X-A": {"two\nlines"}}})
	assert.ErrorContains(t, err, "Header X-A has a line break")
}

// TestTimeLimits checks the limits of a request that nobody has set: AIPerf's six hours, and
// a silence that depends on the load's window.
func TestTimeLimits(t *testing.T) {
	n, _, err := Target{URL: "http://h"}.normalize()
	require.NoError(t, err)
	assert.Equal(t, 6*time.Hour, n.Timeout)
	assert.Equal(t, 5*time.Minute, n.idle(Load{}))
	assert.Equal(t, 5*time.Minute, n.idle(Load{Window: time.Minute}))
	assert.Equal(t, 20*time.Minute, n.idle(Load{Window: 10 * time.Minute}))
	n.IdleTimeout = time.Second
	assert.Equal(t, time.Second, n.idle(Load{Window: time.Hour}))
	assert.Equal(t, 10*time.Minute, transitionLimit(Load{Window: time.Minute}, Target{Timeout: 6 * time.Hour}))
}

// seenRequest is what a server saw of one inference.
type seenRequest struct {
	host, uri string
	header    http.Header
}

// watching is a sound server that keeps what it sees.
type watching struct {
	mu   sync.Mutex
	seen []seenRequest
}

func (s *watching) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		fmt.Fprint(w, `{"data":[{"id":"m"}]}`)
		return
	}
	s.mu.Lock()
	s.seen = append(s.seen, seenRequest{r.Host, r.RequestURI, r.Header})
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	for range 2 {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\" w\"}}]}\n\n")
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n")
}

// requests are those that were seen.
func (s *watching) requests() []seenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// measured gets a target ready and measures a few requests.
func measured(t *testing.T, target Target) (*Measurement, Server) {
	t.Helper()
	g, err := New(target)
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), Load{Concurrency: 2, ISL: 8, OSL: 2, Requests: 8}, nil)
	require.NoError(t, err)
	for _, q := range m.Requests {
		require.Nil(t, q.Failure)
	}
	return m, g.Server()
}

// TestRequestHeaders checks what is sent beside the body: credentials of the URL, a Host,
// the query, a trimmed key, and the name under which the request is recorded.
func TestRequestHeaders(t *testing.T) {
	s := &watching{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	m, server := measured(t, Target{URL: strings.Replace(srv.URL, "://", "://user:p%40ss@", 1) + "?api-version=1",
		Header: http.Header{"Host": {"models.internal"}, "X-A": {"b"}}})
	assert.Empty(t, server.Notes)
	ids := map[string]bool{}
	for _, r := range s.requests() {
		assert.Equal(t, "models.internal", r.host)
		assert.Equal(t, "/v1/chat/completions?api-version=1", r.uri)
		assert.Equal(t, "Basic dXNlcjpwQHNz", r.header.Get("Authorization"))
		assert.Equal(t, "b", r.header.Get("X-A"))
		ids[r.header.Get("X-Request-ID")] = true
	}
	for i := range m.Requests {
		assert.True(t, ids[m.Requests[i].ID()], "%s was sent", m.Requests[i].ID())
	}
	assert.Empty(t, (&Request{}).ID(), "a request that no generator sent has no name")

	s = &watching{} // late requests of the run before are not among those of this one
	other := httptest.NewServer(s)
	defer other.Close()
	_, server = measured(t, Target{URL: strings.Replace(other.URL, "://", "://user:pass@", 1), APIKey: "key \r\n",
		Header: http.Header{"X-Request-Id": {"mine"}}})
	for _, r := range s.requests() {
		assert.Equal(t, "Bearer key", r.header.Get("Authorization"))
		assert.Equal(t, "mine", r.header.Get("X-Request-ID"))
	}
	assert.ErrorContains(t, errors.Join(server.Notes...), "without the white space around it")
	assert.ErrorContains(t, errors.Join(server.Notes...), "the user and the password in the URL are not sent, since there is an API key")
}

// TestEndpointsInTurn checks that requests go to several endpoints in turn.
func TestEndpointsInTurn(t *testing.T) {
	a, b := &watching{}, &watching{}
	one, two := httptest.NewServer(a), httptest.NewServer(b)
	defer one.Close()
	defer two.Close()
	m, _ := measured(t, Target{URL: one.URL, Others: []string{two.URL}})
	counts := map[int]int{}
	for _, q := range m.Requests {
		counts[q.Endpoint]++
	}
	assert.Equal(t, map[int]int{0: 4, 1: 4}, counts)
	require.Len(t, m.Endpoints, 2)
	for _, metrics := range m.Endpoints {
		assert.EqualValues(t, 4, metrics[TagCount].Stats["avg"])
		assert.Contains(t, metrics, TagTTFT)
		assert.NotContains(t, metrics, TagTokenRate, "rates are the load's")
	}
	assert.InDelta(t, len(a.requests()), len(b.requests()), 2)

	two.Close()
	g, err := New(Target{URL: one.URL, Others: []string{two.URL}, ReadyTimeout: 100 * time.Millisecond})
	require.NoError(t, err)
	defer g.Close()
	assert.ErrorContains(t, g.Ready(t.Context()), two.URL, "the one that does not answer is named")
}

// TestUnixSocket checks that a server on a socket is measured.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := &watching{}
	srv := &http.Server{Handler: s}
	go srv.Serve(l)
	defer srv.Close()
	measured(t, Target{URL: "unix://" + path})
	assert.Equal(t, "localhost", s.requests()[0].host)
}

// TestProxy checks that the environment's proxy is used and said, and its exceptions.
func TestProxy(t *testing.T) {
	s := &watching{}
	proxy := httptest.NewServer(s)
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", strings.Replace(proxy.URL, "://", "://me:planted@", 1))
	t.Setenv("NO_PROXY", "direct.test")
	_, server := measured(t, Target{URL: "http://llm.test"})
	assert.Equal(t, "http://llm.test/v1/chat/completions", s.requests()[0].uri)
	assert.ErrorContains(t, errors.Join(server.Notes...), "requests to http://llm.test go through the proxy http://***@127.0.0.1")
	e, notes, err := newEndpoint(Target{}, "http://direct.test")
	require.NoError(t, err)
	assert.Empty(t, notes)
	assert.Nil(t, e.proxy)

	// A server of https is reached through a tunnel.
	secure := httptest.NewTLSServer(s)
	defer secure.Close()
	tunnel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodConnect, r.Method)
		far, err := net.Dial("tcp", secure.Listener.Addr().String())
		require.NoError(t, err)
		near, _, err := w.(http.Hijacker).Hijack()
		require.NoError(t, err)
		io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(far, near); far.Close() }()
		go func() { io.Copy(near, far); near.Close() }()
	}))
	defer tunnel.Close()
	t.Setenv("HTTPS_PROXY", tunnel.URL)
	measured(t, Target{URL: "https://llm.test", Insecure: true})
}

// TestRedirects checks that a redirect of the base URL is followed within the host, and
// that all others are named.
func TestRedirects(t *testing.T) {
	for _, tt := range []struct{ to, posts, says string }{
		{to: "/real{path}", posts: "/real/v1/chat/completions"},
		{to: "http://{host}/real{path}?tenant=1", posts: "/real/v1/chat/completions?tenant=1"},
		{to: "{path}/", posts: "/v1/chat/completions/"},
		{to: "https://user:planted@other.test{path}?key=planted", says: "Location: https://***@other.test/v1/chat/completions; " +
			"redirects are followed within the host alone, since requests carry keys; use the URL https://other.test/v1"},
		{to: "/login", says: "answered 308: Location: /login; use the URL of the API itself: it redirects to something else"},
		{to: "{path}", says: "its redirects do not end"},
	} {
		s := &watching{}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/real/") && !strings.HasSuffix(r.URL.Path, "/completions/") {
				http.Redirect(w, r, strings.NewReplacer("{path}", r.URL.Path, "{host}", r.Host).Replace(tt.to), http.StatusPermanentRedirect)
				return
			}
			s.ServeHTTP(w, r)
		}))
		defer srv.Close()
		if tt.says != "" {
			g, err := New(Target{URL: srv.URL, Model: "m", APIKey: "planted"})
			require.NoError(t, err)
			began := time.Now()
			err = g.Ready(t.Context())
			assert.ErrorContains(t, err, tt.says, tt.to)
			assert.NotContains(t, err.Error(), "planted")
			assert.Less(t, time.Since(began), 2*time.Second)
			g.Close()
			continue
		}
		for _, model := range []string{"m", ""} {
			if model == "" && strings.HasSuffix(tt.to, "/") {
				continue
			}
			_, server := measured(t, Target{URL: srv.URL, Model: model})
			assert.Equal(t, tt.posts, s.requests()[0].uri)
			require.Len(t, server.Notes, 1)
			assert.ErrorContains(t, server.Notes[0], "is redirected (308) to ")
		}
	}
}

// TestCertificates checks authorities, clients' certificates, and what is said without them.
func TestCertificates(t *testing.T) {
	srv := httptest.NewUnstartedServer(&watching{})
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))

	measured(t, Target{URL: srv.URL, CAFile: ca})
	measured(t, Target{URL: srv.URL, Insecure: true})
	g, err := New(Target{URL: srv.URL})
	require.NoError(t, err)
	defer g.Close()
	err = g.Ready(t.Context())
	assert.ErrorAs(t, err, new(*UnreachableError))
	assert.ErrorContains(t, err, "give the file of its authority in Target.CAFile (or in SSL_CERT_FILE)")
	for _, tt := range []struct {
		target Target
		says   string
	}{
		{Target{CAFile: filepath.Join(dir, "none")}, "CAFile cannot be read"},
		{Target{CAFile: empty}, "has no certificate in PEM form"},
		{Target{CertFile: ca}, "CertFile cannot be used with its key"},
	} {
		tt.target.URL = srv.URL
		_, err := New(tt.target)
		assert.ErrorAs(t, err, new(*TargetError))
		assert.ErrorContains(t, err, tt.says)
	}
}

// TestMixedSchemes checks that http for https and https for http are named within a second,
// whatever the server does with what it does not understand.
func TestMixedSchemes(t *testing.T) {
	plain := httptest.NewServer(&watching{})
	defer plain.Close()
	secure := httptest.NewTLSServer(&watching{})
	defer secure.Close()
	// Some servers of TLS break a plain connection without a word.
	mute := relay(t, secure.Listener.Addr().String(), func(first byte) bool { return first == 0x16 })
	// Some servers of plain HTTP wait for ever for the end of what is no request.
	silent := relay(t, plain.Listener.Addr().String(), func(first byte) bool { return first != 0x16 })
	for why, tt := range map[string]struct{ url, says string }{
		"https to a server that answers":    {"https://" + plain.Listener.Addr().String(), "speaks http and not https"},
		"https to a server that is silent":  {"https://" + silent.held, "speaks http and not https"},
		"https to a server that hangs up":   {"https://" + silent.cut, "speaks http and not https"},
		"http to a server that explains":    {"http://" + secure.Listener.Addr().String(), "speaks https and not http"},
		"http to a server that breaks off":  {"http://" + mute.cut, "speaks https and not http"},
		"http, without a model to look for": {"http://" + secure.Listener.Addr().String() + "/v1", "write the URL with https://"},
	} {
		t.Run(why, func(t *testing.T) {
			g, err := New(Target{URL: tt.url, Model: "m", ReadyTimeout: 3 * time.Second})
			require.NoError(t, err)
			defer g.Close()
			began := time.Now()
			err = g.Ready(t.Context())
			assert.ErrorAs(t, err, new(*UnreachableError))
			assert.ErrorContains(t, err, tt.says)
			assert.Less(t, time.Since(began), 2*time.Second, "the bound is one second, on a machine that is not busy")
		})
	}
}

// relayed are two addresses of a server: what does not begin as wanted is held at one, and
// cut off at the other.
type relayed struct{ held, cut string }

// relay stands before the server at addr and hands on connections that begin as wanted.
func relay(t *testing.T, addr string, wanted func(first byte) bool) (r relayed) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for _, where := range []*string{&r.held, &r.cut} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		*where = l.Addr().String()
		hold := where == &r.held
		go func() {
			for {
				near, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer near.Close()
					b := bufio.NewReader(near)
					first, err := b.Peek(1)
					if err != nil {
						return
					}
					if !wanted(first[0]) {
						if hold {
							<-ctx.Done()
						}
						return
					}
					far, err := net.Dial("tcp", addr)
					if err != nil {
						return
					}
					defer far.Close()
					go io.Copy(far, b)
					io.Copy(near, far)
				}()
			}
		}()
	}
	return r
}

// TestClientCertificate checks that a server which requires a certificate gets it.
func TestClientCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(&watching{})
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	cert := srv.TLS.Certificates[0]
	file := filepath.Join(t.TempDir(), "client.pem")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), keyPEM(t, cert)...)
	require.NoError(t, os.WriteFile(file, both, 0o600))
	measured(t, Target{URL: srv.URL, Insecure: true, CertFile: file})
	g, err := New(Target{URL: srv.URL, Insecure: true, ReadyTimeout: time.Second})
	require.NoError(t, err)
	defer g.Close()
	assert.ErrorContains(t, g.Ready(t.Context()), "give one in Target.CertFile")
}

// keyPEM is the private key of a certificate.
func keyPEM(t *testing.T, cert tls.Certificate) []byte {
	b, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}
