package aiperftest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// oddServer is a server of testdata/servers/servers.yaml, which says what its fields mean.
// The zero value is the usual server. Fields that are times are text, for example 5ms.
type oddServer struct {
	Path        string // of the API; /v1 if empty
	Post        string // where inferences are posted; chat/completions if empty
	Models      string // the answer to GET /v1/models
	ModelsType  string `yaml:"models_type"`
	ModelsState int    `yaml:"models_status"`
	Models429   int    `yaml:"models_429"` // how often the list is a 429 first
	Hangs       []string
	TLS         bool
	HTTP2       bool
	Socket      bool // it listens on a Unix socket
	Basic       string
	Redirect    bool

	Late  wait // how long it is not itself, but Early
	Early struct {
		Status       int
		Body, Models string
	}
	Refuses []string // fields of the body
	Least   int      // tokens of an answer; fewer are refused with Status and Words
	Status  int      // of the refusal, and its Words
	Words   string
	Body    string // in place of an object with Words

	Needs map[string]string // fields of the body, as JSON

	OK      int    // the status of an answer
	Type    string // its content type
	Role    string
	First   wait // to the first content, and from each to the next
	Each    wait
	Event   string
	Per     int // tokens an event
	Think   string
	Thinks  int // how many of the first events are Think; all but one if Think is set and it is 0
	Hidden  int // tokens of which there is no event
	Lengths []int
	Frame   string
	Between string // frames between events
	Finish  string
	Usage   string // none: there is none; unasked: it comes without stream_options
	Last    string // in place of [DONE]
	Tail    wait   // before usage
	Linger  wait   // behind [DONE]
	Hold    bool
	Clump   int
	Gzip    string
	Whole   bool `yaml:"whole_answer"`
	Closes  bool

	Fails struct {
		Every, After, Status int
		Type, Frame          string
		Events               []string
	}
	Limit       int // requests at a time; beyond it there is 429
	Connections int // the most that are open
	Context     int // the most tokens of a prompt and its answer
	Cache       wait
	Compiles    wait
	Workers     int  // requests that are answered at a time, for the time of Whole
	Ready       wait `yaml:"whole"`
	Restart     wait
	Away        wait // for how long it answers 503 in mid-run
	Dense       int  // the words of a prompt beyond which each has one and a half tokens
	Idle        wait

	t     *testing.T
	began time.Time
	mu    sync.Mutex
	posts int
	lists int
	most  int
	live  int
	seen  map[string]bool
	slots chan struct{}
	away  time.Time // until then it answers 503
	// ttft and itl are what the server's own clock says of its answers.
	ttft, itl []time.Duration
	http      *httptest.Server
}

// wait is a duration in text.
type wait time.Duration

// UnmarshalText reads a duration.
func (w *wait) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*w = wait(d)
	return err
}

// or returns w, or the default if w is 0.
func (w wait) or(d time.Duration) time.Duration {
	if w == 0 {
		return d
	}
	return time.Duration(w)
}

func first(s ...string) string {
	for _, s := range s {
		if s != "" {
			return s
		}
	}
	return ""
}

// start starts the server and returns its base URL.
func (s *oddServer) start(t *testing.T) (base string) {
	s.t, s.began, s.seen = t, time.Now(), map[string]bool{}
	s.slots = make(chan struct{}, max(s.Workers, 1))
	h := http.HandlerFunc(s.handle)
	s.http = httptest.NewUnstartedServer(h)
	s.http.Config.SetKeepAlivesEnabled(!s.Closes)
	s.http.Config.IdleTimeout = time.Duration(s.Idle)
	if s.Connections > 0 {
		s.http.Listener = &crowded{Listener: s.http.Listener, most: s.Connections}
	}
	if s.Socket {
		path := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		s.http.Listener = l
		defer func() { base = "unix://" + path }()
	}
	if s.TLS {
		s.http.Config.ErrorLog = nil
		s.http.EnableHTTP2 = s.HTTP2
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	t.Cleanup(func() { s.http.CloseClientConnections(); s.http.Close() })
	return s.http.URL
}

// crowded closes connections beyond the most that may be open.
type crowded struct {
	net.Listener
	most int
	mu   sync.Mutex
	open int
}

func (l *crowded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		if l.open < l.most {
			l.open++
			l.mu.Unlock()
			return &counted{Conn: c, l: l}, nil
		}
		l.mu.Unlock()
		c.Close()
	}
}

type counted struct {
	net.Conn
	l    *crowded
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.l.mu.Lock(); c.l.open--; c.l.mu.Unlock() })
	return c.Conn.Close()
}

func (s *oddServer) handle(w http.ResponseWriter, r *http.Request) {
	if slices.Contains(s.Hangs, r.URL.Path) {
		<-r.Context().Done()
		return
	}
	if s.HTTP2 && r.ProtoMajor != 2 {
		w.WriteHeader(http.StatusHTTPVersionNotSupported)
		return
	}
	if user, pass, _ := r.BasicAuth(); s.Basic != "" && user+":"+pass != s.Basic {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.Redirect && !strings.HasPrefix(r.URL.Path, "/api") {
		http.Redirect(w, r, "/api"+r.URL.Path, http.StatusPermanentRedirect)
		return
	}
	early := time.Since(s.began) < time.Duration(s.Late)
	switch path := strings.TrimPrefix(r.URL.Path, "/api"); strings.TrimPrefix(path, strings.TrimPrefix(first(s.Path, "/v1"), "/api")) {
	case "/models":
		s.list(w, early)
	case "/" + first(s.Post, "chat/completions"):
		if early {
			w.WriteHeader(s.Early.Status)
			io.WriteString(w, s.Early.Body)
			return
		}
		s.chat(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *oddServer) list(w http.ResponseWriter, early bool) {
	s.mu.Lock()
	s.lists++
	n := s.lists
	s.mu.Unlock()
	body := first(s.Models, `{"data":[{"id":"m"}]}`)
	if early && s.Early.Models == "" {
		w.WriteHeader(s.Early.Status)
		body = s.Early.Body
	} else if early {
		body = s.Early.Models
	}
	w.Header().Set("Content-Type", first(s.ModelsType, "application/json"))
	if n <= s.Models429 {
		w.WriteHeader(http.StatusTooManyRequests)
	} else if s.ModelsState != 0 {
		w.WriteHeader(s.ModelsState)
	}
	if s.Gzip == "always" {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		io.WriteString(z, body)
		return
	}
	io.WriteString(w, body)
}

// enter counts a request, and returns its number and that of requests in flight.
func (s *oddServer) enter() (n, live int, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	s.live++
	if fresh = s.live > s.most; fresh {
		s.most = s.live
	}
	return s.posts, s.live, fresh
}

// gone reports whether the server is away, as it is for a time from its 30th request on.
func (s *oddServer) gone(number int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number == 30 {
		s.away = time.Now().Add(time.Duration(s.Away))
	}
	return time.Now().Before(s.away)
}

// restart closes the port for a time.
func (s *oddServer) restart() {
	addr := s.http.Listener.Addr().String()
	s.http.Listener.Close()
	s.http.CloseClientConnections()
	time.Sleep(time.Duration(s.Restart))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Errorf("listen again: %v", err)
		return
	}
	again := &http.Server{Handler: http.HandlerFunc(s.handle)}
	s.t.Cleanup(func() { again.Close() })
	again.Serve(l)
}

func (s *oddServer) chat(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	var q struct {
		MaxTokens     int `json:"max_tokens"`
		MaxCompletion int `json:"max_completion_tokens"`
		Stream        bool
		Prompt        string
		Options       *struct{} `json:"stream_options"`
		Messages      []struct{ Content string }
	}
	raw, _ := io.ReadAll(r.Body)
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &q) != nil || json.Unmarshal(raw, &fields) != nil || s.Post == "" && len(q.Messages) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var bad []string
	for _, f := range s.Refuses {
		if fields[f] != nil {
			bad = append(bad, f)
		}
	}
	if bad != nil || max(q.MaxTokens, q.MaxCompletion) < s.Least {
		w.WriteHeader(s.Status)
		var details []string
		for _, f := range bad {
			details = append(details, fmt.Sprintf(`{"loc":["body",%q],"msg":"not permitted"}`, f))
		}
		io.WriteString(w, first(strings.ReplaceAll(s.Body, "$details", strings.Join(details, ",")),
			fmt.Sprintf(`{"error":{"message":%q}}`, s.Words)))
		return
	}
	for f, v := range s.Needs {
		if string(fields[f]) != v {
			w.WriteHeader(http.StatusTeapot)
			return
		}
	}
	if s.Post != "" {
		q.Messages = append(q.Messages, struct{ Content string }{q.Prompt})
	}
	n, isl := max(q.MaxTokens, q.MaxCompletion), 10+len(strings.Fields(q.Messages[0].Content))
	if s.Dense > 0 {
		isl += max(isl-10-s.Dense, 0) / 2
	}
	number, live, fresh := s.enter()
	defer func() { s.mu.Lock(); s.live--; s.mu.Unlock() }()
	if s.Restart > 0 && number == 30 {
		go s.restart()
	}
	if s.Away > 0 && s.gone(number) {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, `{"error":{"message":"no worker is there"}}`)
		return
	}
	if s.Limit > 0 && live > s.Limit {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if s.Context > 0 && isl+n > s.Context {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"message":"the maximum context length is %d tokens, and %d were asked for"}}`, s.Context, isl+n)
		return
	}
	o := &odd{s: s, w: w, r: r, n: n, isl: isl}
	if s.Compiles > 0 && fresh {
		o.sleep(time.Duration(s.Compiles))
	}
	if s.Workers > 0 && time.Since(s.began) < time.Duration(s.Ready) {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	start := s.First.or(20 * time.Millisecond)
	s.mu.Lock()
	if s.Cache > 0 && !s.seen[q.Messages[0].Content] {
		start = time.Duration(s.Cache)
	}
	s.seen[q.Messages[0].Content] = true
	s.mu.Unlock()
	if len(s.Lengths) > 0 && number > 2 {
		n = min(n, s.Lengths[number%len(s.Lengths)])
		o.n = n
	}
	fails := s.Fails.Every > 0 && number > 2 && number%s.Fails.Every == 0

	if s.Whole {
		for range 4 {
			o.sleep(start / 4)
			io.WriteString(w, "\n")
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"length"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`,
			strings.Repeat("w ", n), isl, n)
		return
	}
	o.open(r, fails)
	if fails && s.Fails.Status != 0 {
		w.WriteHeader(s.Fails.Status)
	}
	if !fails || s.Fails.After > 0 {
		o.frame(first(s.Role, `{"choices":[{"delta":{"role":"assistant","content":""}}]}`))
		o.flush()
	}
	events := (n - s.Hidden) / max(s.Per, 1)
	if s.Hidden > 0 {
		events = max(events, 0)
		o.sleep(time.Duration(min(s.Hidden, n)) * 2 * time.Millisecond)
	}
	each := s.Each.or(5 * time.Millisecond)
	var opened, last time.Time
	for i := range events {
		if fails && i == s.Fails.After {
			break
		}
		if i == 0 {
			o.sleep(start)
		} else {
			o.sleep(each)
		}
		event := first(s.Event, `{"choices":[{"delta":{"content":" w"}}]}`)
		if s.Think != "" && (i < s.Thinks || s.Thinks == 0 && i < 4) {
			event = s.Think
		}
		o.text(s.Between)
		o.frame(event)
		if !s.Hold && (s.Clump == 0 || (i+1)%s.Clump == 0 || i == events-1) {
			o.flush()
			if last = time.Now(); opened.IsZero() {
				opened = last
			}
		}
	}
	if fails {
		for _, e := range s.Fails.Events {
			if frame := s.Fails.Frame; frame != "" && !strings.HasPrefix(e, "data:") {
				e = strings.ReplaceAll(frame, "$x", e)
			} else if frame == "" {
				e = "data: " + e + "\n\n"
			}
			o.text(e)
		}
		o.close()
		return
	}
	o.frame(first(s.Finish, `{"choices":[{"delta":{},"finish_reason":"length"}]}`))
	if s.Tail > 0 {
		o.flush()
		o.sleep(time.Duration(s.Tail))
	}
	usage := first(s.Usage, `{"choices":[],"usage":{"prompt_tokens":$isl,"completion_tokens":$n}}`)
	if s.Usage == "unasked" {
		usage = `{"choices":[],"usage":{"prompt_tokens":$isl,"completion_tokens":$n}}`
	}
	if usage != "none" && (q.Options != nil || s.Usage == "unasked") {
		o.frame(usage)
	}
	if s.Last != "" {
		o.text(s.Last)
	} else {
		o.frame("[DONE]")
	}
	o.flush()
	if opened.IsZero() {
		opened, last = time.Now(), time.Now()
	}
	o.close()
	s.mu.Lock()
	if number > 2 {
		s.ttft = append(s.ttft, opened.Sub(arrived))
		s.itl = append(s.itl, last.Sub(opened))
	}
	s.mu.Unlock()
	o.sleep(time.Duration(s.Linger))
}

// odd is one streamed answer.
type odd struct {
	s      *oddServer
	w      http.ResponseWriter
	r      *http.Request
	out    bytes.Buffer
	zip    *gzip.Writer // nil if the answer is not compressed
	n, isl int
}

// sleep waits for d, or until the client has left.
func (o *odd) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-o.r.Context().Done():
	}
}

func (o *odd) open(r *http.Request, fails bool) {
	s := o.s
	kind := first(s.Type, "text/event-stream")
	if fails {
		kind = first(s.Fails.Type, kind)
	}
	o.w.Header().Set("Content-Type", kind)
	if s.Gzip == "always" || s.Gzip != "" && r.Header.Get("Accept-Encoding") != "identity" {
		o.w.Header().Set("Content-Encoding", "gzip")
		o.zip = gzip.NewWriter(&o.out)
	}
	if s.OK != 0 {
		o.w.WriteHeader(s.OK)
	}
}

func (o *odd) text(t string) {
	var to io.Writer = &o.out
	if o.zip != nil {
		to = o.zip
	}
	said := max(o.n-12, 1)
	io.WriteString(to, strings.NewReplacer("$n", strconv.Itoa(o.n), "$isl", strconv.Itoa(o.isl), "$all", strconv.Itoa(o.n+o.isl),
		"$said", strconv.Itoa(said), "$cached", strconv.Itoa(o.isl*9/10)).Replace(t))
}

func (o *odd) frame(data string) {
	o.text(strings.ReplaceAll(first(o.s.Frame, "data: $x\n\n"), "$x", data))
}

func (o *odd) flush() {
	if o.s.Hold {
		return
	}
	o.send()
}

func (o *odd) send() {
	if o.zip != nil {
		o.zip.Flush()
	}
	_, _ = o.out.WriteTo(o.w)
	o.w.(http.Flusher).Flush()
}

func (o *odd) close() {
	if o.zip != nil {
		o.zip.Close()
	}
	o.send()
}
