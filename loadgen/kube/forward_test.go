package kube

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	core "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
)

// forwarder is what an API server and a kubelet do of a port-forward: it connects each data stream
// with addr, or says on the error stream why that is not possible.
type forwarder struct {
	addr string
	// sockets says that WebSockets are understood.
	sockets bool

	mu   sync.Mutex
	seen []string // methods and paths
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" "+r.URL.Path)
	f.mu.Unlock()
	streams := make(chan httpstream.Stream, 2)
	take := func(s httpstream.Stream, _ <-chan struct{}) error { streams <- s; return nil }
	var session httpstream.Connection
	if websocket.IsWebSocketUpgrade(r) {
		if !f.sockets {
			http.Error(w, "no such protocol", http.StatusBadRequest)
			return
		}
		up := websocket.Upgrader{Subprotocols: []string{"SPDY/3.1+" + portforward.PortForwardProtocolV1Name}}
		c, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if session, err = spdy.NewServerConnection(portforward.NewTunnelingConnection("server", c), take); err != nil {
			return
		}
	} else {
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return
		}
		if session = spdy.NewResponseUpgrader().UpgradeResponse(w, r, take); session == nil {
			return
		}
	}
	defer session.Close()
	failures, data := <-streams, <-streams
	if failures.Headers().Get(corev1.StreamType) != corev1.StreamTypeError || data.Headers().Get(corev1.PortHeader) != "7070" {
		return
	}
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		_, _ = io.WriteString(failures, "error forwarding port 7070: connection refused")
		_ = failures.Close()
		_ = data.Reset()
		<-session.CloseChan()
		return
	}
	defer c.Close()
	_ = failures.Close()
	go func() {
		_, _ = io.Copy(c, data)
		c.Close()
	}()
	_, _ = io.Copy(data, c)
	_ = data.Close()
}

// TestForward opens connections by WebSocket, by SPDY where that is asked for or all that there is,
// and to a port that nobody listens on.
func TestForward(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	const path = " /api/v1/namespaces/bench/pods/p/portforward"
	for _, c := range []struct {
		name    string
		sockets bool
		spdy    bool
		want    []string
	}{
		{"WebSocket", true, false, []string{"GET" + path}},
		{"SPDY", true, true, []string{"POST" + path}},
		{"an API server without WebSocket", false, false, []string{"GET" + path, "POST" + path}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &forwarder{addr: l.Addr().String(), sockets: c.sockets}
			api := httptest.NewServer(server)
			defer api.Close()
			config := &rest.Config{Host: api.URL}
			pods, err := core.NewForConfig(config)
			require.NoError(t, err)
			f := newFleet(&client{core: pods, config: config, namespace: "bench"}, Options{SPDY: c.spdy}, 1, who)
			p := &corev1.Pod{ObjectMeta: meta.ObjectMeta{Name: "p", Namespace: "bench"}}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			conn, err := f.connect(ctx, p)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
			for _, text := range []string{"hello", strings.Repeat("x", 100_000)} {
				go func() { _, _ = io.WriteString(conn, text) }()
				got := make([]byte, len(text))
				_, err = io.ReadFull(conn, got)
				require.NoError(t, err)
				assert.Equal(t, text, string(got))
			}
			assert.Equal(t, c.want, server.seen)

			require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
			_, err = conn.Read(make([]byte, 1))
			var late net.Error
			require.ErrorAs(t, err, &late)
			assert.True(t, late.Timeout(), "a deadline that is over is one")
			_, err = conn.Read(make([]byte, 1))
			assert.Error(t, err, "and the connection is closed")
			conn.Close()

			server.addr = "127.0.0.1:1"
			conn, err = f.connect(ctx, p)
			if err == nil { // the way there may be open, and only the port is not
				_, err = conn.Read(make([]byte, 1))
				conn.Close()
			}
			var op *net.OpError
			require.True(t, errors.As(err, &op), "%v", err)
			assert.EqualError(t, op, "dial portforward: error forwarding port 7070: connection refused")

			over, end := context.WithCancel(ctx)
			end()
			_, err = f.connect(over, p)
			assert.ErrorIs(t, err, context.Canceled)
		})
	}
	f := newFleet(&client{within: true}, Options{}, 1, who)
	_, err = f.connect(t.Context(), &corev1.Pod{})
	assert.ErrorIs(t, err, errNoPod)
}
