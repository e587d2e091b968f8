package remote

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// protocol is the version of what follows. It is raised whenever a message changes.
const protocol = 2

// The connection carries values of encoding/gob: down from the pool, up from the worker. In
// each, one field is set. Reports have a form of their own (report.go), which the first two
// messages have not, so that other versions can say that they are.
//
//	hello     →  ← welcome, or a fault    the lease; other versions and other runs are refused
//	setup     →  ← done                   the target, its files, and what is known of it
//	ready     →  ← waiting …, facts       a real inference
//	adopt     →  ← done                   what another worker has learnt
//	raise     →  ← reports                a part of a probe; see package share
//	order     →
//	rest      →  ← done                   the load ends, and none of it is in flight
//	alive     →  ← done
//	stop      →                           the load ends
//	ping      →  ← pong                   every beat, whatever else goes on
type down struct {
	Hello *hello
	Setup *setup
	Ready bool
	Adopt *share.Facts
	Raise *raise
	Order *order
	Rest  bool
	Alive bool
	Stop  bool
	Ping  *ping
}

// up is what a worker says.
type up struct {
	Welcome *welcome
	Waiting string
	Facts   *share.Facts
	Done    bool
	Report  *report
	Fault   *fault
	Pong    *pong
}

// of returns the number of the probe that is spoken of, 0 if it is none.
func (u *up) of() uint64 {
	switch {
	case u.Report != nil:
		return u.Report.Probe
	case u.Fault != nil:
		return u.Fault.Probe
	}
	return 0
}

// hello is the first message. Run names the run that holds the worker from then on, and Who
// holds it, for whoever comes meanwhile.
type hello struct {
	Protocol     int
	Version      string
	Run, Who     string
	Index, Total int
}

// welcome is the answer to hello.
type welcome struct {
	Name, Node string
	Codecs     []string
}

// setup is the target.
type setup struct {
	Target share.Target
}

// raise is a part of a probe. Reports and faults of it have its number.
type raise struct {
	Probe uint64
	Load  []byte
	Part  share.Part
}

type order struct {
	Probe uint64
	share.Order
}

type report struct {
	Probe uint64
	share.Report
}

// ping has the time on the pool's clock, and pong that of the ping and the time on the clock of
// the worker's generator.
type (
	ping struct{ At time.Duration }
	pong struct{ Sent, At time.Duration }
)

// fault is an error on its way. Kind names its type if that is one of loadgen's, and Fields
// holds it as JSON; Text is the whole text.
type fault struct {
	Probe        uint64
	Kind, Text   string
	Fields, Err  string
	Own, Version string // of a worker of another version
	Protocol     int
}

// link is one connection.
type link struct {
	net.Conn
	in   *bufio.Reader
	dec  *gob.Decoder
	body bytes.Buffer // of the report that was read

	// turn is full while a message is written. A mutex would do, but for tests in virtual time,
	// which stands still while one is waited for.
	turn chan struct{}
	buf  *bufio.Writer
	enc  *gob.Encoder
	out  []byte // the report that is written
}

// writePatience is how long the other side may take to read a message.
const writePatience = 10 * time.Second

func newLink(c net.Conn) *link {
	buf, in := bufio.NewWriterSize(c, 32<<10), bufio.NewReaderSize(c, 32<<10)
	// The decoder takes no more bytes from a bufio.Reader than its messages have.
	return &link{Conn: c, turn: make(chan struct{}, 1), buf: buf, enc: gob.NewEncoder(buf), in: in, dec: gob.NewDecoder(in)}
}

// send writes a message.
func (l *link) send(message any) error { return l.write(func() error { return l.enc.Encode(message) }) }

// write writes what do writes to buf.
func (l *link) write(do func() error) error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	_ = l.SetWriteDeadline(time.Now().Add(writePatience)) // a connection that has none is local
	if err := do(); err != nil {
		return err
	}
	return l.buf.Flush()
}

// faultOf packs an error.
func faultOf(err error, probe uint64) *fault {
	f := &fault{Probe: probe, Text: err.Error()}
	pack := func(kind string, inner error, fields any) {
		b, _ := json.Marshal(fields)
		f.Kind, f.Fields = kind, string(b)
		if inner != nil {
			f.Err = inner.Error()
		}
	}
	var (
		target       *loadgen.TargetError
		unreachable  *loadgen.UnreachableError
		unauthorized *loadgen.UnauthorizedError
		model        *loadgen.UnknownModelError
		proto        *loadgen.ProtocolError
	)
	switch {
	case errors.As(err, &target):
		pack("target", nil, target)
	case errors.As(err, &unreachable):
		pack("unreachable", unreachable.Err, struct{ URL, Remedy string }{unreachable.URL, unreachable.Remedy})
	case errors.As(err, &unauthorized):
		pack("unauthorized", nil, unauthorized)
	case errors.As(err, &model):
		pack("model", nil, model)
	case errors.As(err, &proto):
		pack("protocol", nil, proto)
	}
	return f
}

// errorOf unpacks an error: it has the text that it had, and wraps the type that it had.
func (f *fault) errorOf() error {
	var typed error
	read := func(to error) error {
		if json.Unmarshal([]byte(f.Fields), to) != nil {
			return nil
		}
		return to
	}
	switch f.Kind {
	case "target":
		typed = read(&loadgen.TargetError{})
	case "unreachable":
		var u struct{ URL, Remedy string }
		if json.Unmarshal([]byte(f.Fields), &u) == nil {
			typed = &loadgen.UnreachableError{URL: u.URL, Err: errors.New(f.Err), Remedy: u.Remedy}
		}
	case "unauthorized":
		typed = read(&loadgen.UnauthorizedError{})
	case "model":
		typed = read(&loadgen.UnknownModelError{})
	case "protocol":
		typed = read(&loadgen.ProtocolError{})
	}
	switch {
	case typed == nil:
		return errors.New(f.Text)
	case typed.Error() == f.Text:
		return typed
	}
	return &saidError{f.Text, typed}
}

// saidError is an error with the text that it had in another process.
type saidError struct {
	text string
	err  error
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.err }

// version is the version of this module in the running program, empty if that is not known.
var version = sync.OnceValue(func() string {
	const path = "github.com/aiperf-go/aiperf"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path && m.Replace == nil {
			return m.Version
		}
	}
	return ""
})

// differ reports whether two versions are known to be different ones. A build from a working
// tree has a version that says nothing.
func differ(a, b string) bool {
	released := func(v string) bool { return strings.HasPrefix(v, "v") && !strings.Contains(v, "+dirty") }
	return a != b && released(a) && released(b)
}

// greeted checks a hello against this worker.
func (h *hello) greeted(own string) *fault {
	if h.Protocol == protocol && !differ(h.Version, own) {
		return nil
	}
	return &fault{Kind: "version", Text: fmt.Sprintf("a pool of version %s (protocol %d) was refused", h.Version, h.Protocol),
		Version: own, Protocol: protocol}
}
