package loadgen_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
)

// answer writes one answer on the bare connection and reports whether the
// connection is kept.
type answer func(c net.Conn) (keep bool)

const (
	word   = `{"choices":[{"delta":{"content":" word"}}]}`
	finish = `{"choices":[{"delta":{},"finish_reason":"length"}]}`
	used   = `{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2}}`
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// chunked is text as one chunk of a chunked body.
func chunked(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// event is one event as a chunk of its own.
func event(data string) string { return chunked("data: " + data + "\n\n") }

// text writes whatever it is given.
func text(parts ...string) answer {
	return func(c net.Conn) bool {
		_, err := io.WriteString(c, strings.Join(parts, ""))
		return err == nil
	}
}

// closing is an answer behind which the connection is closed.
func closing(a answer) answer { return func(c net.Conn) bool { a(c); return false } }

// body is a streamed answer with the given body in one chunk.
func body(b string) answer { return text(streamHead, chunked(b), "0\r\n\r\n") }

// events is a streamed answer of the given events, each in a chunk of its own.
func events(data ...string) answer {
	parts := []string{streamHead}
	for _, d := range data {
		parts = append(parts, event(d))
	}
	return text(append(parts, "0\r\n\r\n")...)
}

// status is an answer in one piece.
func status(code int, header, b string) answer {
	length := fmt.Sprintf("Content-Length: %d\r\n", len(b))
	if code == http.StatusNoContent {
		length = ""
	}
	return text(fmt.Sprintf("HTTP/1.1 %d %s\r\n%s%s\r\n%s", code, http.StatusText(code), header, length, b))
}

// sound answers as a sound server does: two tokens, the first 50 ms after the
// request, the second 10 ms after the first.
func sound(c net.Conn) bool {
	io.WriteString(c, streamHead+event(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`))
	time.Sleep(50 * time.Millisecond)
	io.WriteString(c, event(word))
	time.Sleep(10 * time.Millisecond)
	_, err := io.WriteString(c, event(word)+event(finish)+event(used)+event("[DONE]")+"0\r\n\r\n")
	return err == nil
}

// rawServer serves on bare connections. It answers the readiness inferences and
// every other one after them soundly, and those between with strange.
type rawServer struct {
	// strange is nil if every answer is sound. always, if not nil, replaces the sound
	// answer.
	strange, always answer
	// tls is nil for plain HTTP. spoil answers every second handshake behind the first
	// four in clear text.
	tls   *tls.Config
	spoil bool

	mu     sync.Mutex
	conns  int
	posts  int
	prompt string // the last one
	wg     sync.WaitGroup
}

func (s *rawServer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.connection(c) })
	}
}

func (s *rawServer) connection(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.conns++
	spoil := s.spoil && s.conns > 4 && s.conns%2 == 0
	s.mu.Unlock()
	if spoil {
		c.Read(make([]byte, 64<<10))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		return
	}
	if s.tls != nil {
		c = tls.Server(c, s.tls)
		defer c.Close()
	}
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		var got struct {
			Messages []struct{ Content string }
		}
		json.NewDecoder(req.Body).Decode(&got)
		io.Copy(io.Discard, req.Body)
		a := answer(sound)
		if s.always != nil {
			a = s.always
		}
		switch {
		case req.URL.Path == "/v1/models":
			a = status(200, "Content-Type: application/json\r\n", `{"data":[{"id":"m"}]}`)
		case req.Method != http.MethodPost:
			a = status(404, "", "")
		default:
			s.mu.Lock()
			s.posts++
			s.prompt = got.Messages[0].Content
			if s.strange != nil && s.posts > 2 && s.posts%2 == 0 {
				a = s.strange
			}
			s.mu.Unlock()
		}
		if !a(c) {
			return
		}
	}
}

// wait waits for the server's connections to be gone.
func (s *rawServer) wait() { s.wg.Wait() }

// inBubble serves s over pipes in virtual time and hands a ready generator to f.
func inBubble(t *testing.T, s *rawServer, target loadgen.Target, f func(t *testing.T, g *loadgen.Generator)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		served := make(chan struct{})
		go func() { defer close(served); s.serve(l) }()
		target.URL, target.Dial = "http://raw.test", l.Dial
		g, err := loadgen.New(target)
		require.NoError(t, err)
		require.NoError(t, g.Ready(t.Context()))
		f(t, g)
		require.NoError(t, g.Close())
		l.Close()
		<-served
		s.wait()
	})
}

// selfSigned is a certificate for host that only the returned pool trusts.
func selfSigned(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// dialFunc is what a Target dials with.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// errStalls makes everyOther's dials wait until they are given up.
var errStalls = errors.New("stalls")

// everyOther fails every second dial behind the first four with err.
func everyOther(dial dialFunc, err error) dialFunc {
	var mu sync.Mutex
	n := 0
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		n++
		fails := n > 4 && n%2 == 0
		mu.Unlock()
		if fails && err == errStalls {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if fails {
			return nil, err
		}
		return dial(ctx, network, addr)
	}
}
