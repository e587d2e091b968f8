package loadgen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/aiperf-go/aiperf/loadgen/codec"
)

// Protocol is the name of an API that a target may speak: that of a codec. Package codec has
// the built-in ones and takes further ones.
type Protocol = string

// The most frequent protocols.
const (
	Chat        Protocol = "chat"        // POST /v1/chat/completions
	Completions Protocol = "completions" // POST /v1/completions
)

// Target is an endpoint and how to talk to it. Only URL is required.
type Target struct {
	// URL is the base URL, with or without /v1 or another version (/api/v3), or that of
	// the whole route. Its query is sent with every request, and its user and password
	// as basic auth. A server on a Unix socket is unix:///run/server.sock.
	URL string
	// Others are further endpoints that serve the same model. Requests go to all of them
	// in turn, and all turns of a conversation to one.
	Others []string
	// Model is the served model to ask for. If it is empty, the only entry of
	// /v1/models is used.
	Model string
	// APIKey is sent as "Authorization: Bearer". If it is empty, there is no such
	// header.
	APIKey string

	// Header holds further request headers.
	Header http.Header
	// Body holds further fields of the request body. They replace the generator's
	// own fields of the same name, except for the prompt.
	Body map[string]any
	// Protocol names the API, for example Chat or "embeddings". If it is empty, it is that
	// of the route that URL names, and Chat for a base URL.
	Protocol Protocol

	// NoStream asks for whole answers instead of event streams. TTFT and ITL then
	// have no values.
	NoStream bool
	// SamePrompts leaves out the unique words that open each prompt, so that a
	// server's prompt cache takes effect.
	SamePrompts bool

	// Prompts is the path of a file of prompts. They are sent as they are, in the
	// order of the file, over and over; the ISL of a load is then not used, and no
	// unique words open a prompt. What the file says of the answer's length and of
	// other fields of the body replaces what the load and Body say. docs/inputs.md
	// lists the forms. If Prompts is empty, prompts are made up from common words. What a
	// Workload says of its file is set by For.
	Prompts string
	// Tokenizer is the path of the model's tokenizer.json (byte-level BPE: GPT-2,
	// Llama 3, Qwen 2 and their kin). It counts the tokens of prompts and answers
	// for which the server reports no usage; those that a chat template adds are
	// not among them. If Tokenizer is empty, such tokens are estimated from words
	// and events.
	Tokenizer string

	// ReadyTimeout is how long Ready waits for a server that is not ready yet. 0 means
	// 2 minutes.
	ReadyTimeout time.Duration
	// Waiting, if not nil, is called once when Ready begins to wait, with the
	// reason.
	Waiting func(error)
	// Timeout is how long a request may last before it has failed. 0 means 6 hours, as
	// in AIPerf.
	Timeout time.Duration
	// IdleTimeout is how long a request may go without receiving anything before
	// it has failed. 0 means 5 minutes, or twice the load's Window if that is longer.
	IdleTimeout time.Duration

	// Metrics are the URLs of the pages of metrics, in Prometheus' text form, of the servers
	// behind the endpoint; those without a path are at /metrics. If it is nil, each endpoint is
	// asked for its own, once; if it is empty, none is read.
	Metrics []string

	// GPUs is how many GPUs serve the endpoint, or all of several together. If it is 0, they are those that a page of their
	// exporter among Metrics shows; see servermetrics.Mine. Price is what one of them costs an
	// hour, in any currency. If it is 0, no costs are reported.
	GPUs  int
	Price float64

	// CAFile is the path of a PEM file of authorities that are trusted beside the
	// system's. Insecure trusts every certificate.
	CAFile   string
	Insecure bool
	// CertFile and KeyFile are the paths of the client's certificate and its key, in PEM.
	// KeyFile may be empty if CertFile holds both.
	CertFile, KeyFile string
	// TLS configures https further. If it is nil, the system's roots are trusted.
	TLS *tls.Config
	// workload says how Prompts is read; see For. files are those that came with the target from
	// another process, by their paths.
	workload Workload
	files    map[string][]byte
	// Dial opens connections. If it is nil, a net.Dialer does; tests set it to
	// reach in-memory servers.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// For returns t as it must be to send the requests of a workload: with the workload's File
// for Prompts, read as the workload says.
func (t Target) For(w Workload) Target {
	t.workload = w
	if w.File != "" {
		t.Prompts = w.File
	}
	return t
}

// normalize returns t with its files read and its defaults filled in, except for
// IdleTimeout, whose default depends on the load. note says what was changed. Errors are
// *TargetError.
func (t Target) normalize() (n Target, note error, err error) {
	if t.Protocol != "" {
		c, ok := codec.Lookup(t.Protocol)
		if !ok {
			return t, nil, &TargetError{Field: "Protocol",
				Problem: fmt.Sprintf("%q is unknown; use one of %s, or register a codec of that name", t.Protocol, strings.Join(codec.Names(), ", "))}
		}
		t.Protocol = c.Spec().Name // and not an alias of it
	}
	t.NoStream = t.NoStream || !t.speaks().Spec().Streams
	if key := strings.TrimSpace(t.APIKey); key != t.APIKey {
		t.APIKey = key
		note = errors.New("the API key was sent without the white space around it; secrets of CI systems often end in a line break")
	}
	if strings.ContainsFunc(t.APIKey, unicode.IsControl) {
		return t, nil, &TargetError{Field: "APIKey", Problem: "has a line break or another control character in it; give the key alone"}
	}
	for k, values := range t.Header {
		for _, v := range values {
			if strings.ContainsFunc(strings.TrimSpace(v), unicode.IsControl) {
				return t, nil, &TargetError{Field: "Header", Problem: fmt.Sprintf("%s has a line break or another control character in it", k)}
			}
		}
	}
	if err := t.checkCost(); err != nil {
		return t, nil, err
	}
	t.ReadyTimeout = t.Patience()
	if t.Timeout == 0 {
		t.Timeout = 6 * time.Hour
	}
	t.TLS, err = t.tlsConfig()
	return t, note, err
}

// idle is how long a request of a load may go without receiving anything.
func (t Target) idle(l Load) time.Duration {
	if t.IdleTimeout != 0 {
		return t.IdleTimeout
	}
	return max(5*time.Minute, 2*l.Window)
}

// API returns Protocol or, if it is empty, that of the first route that URL and Others name.
func (t Target) API() Protocol {
	if c, ok := codec.Lookup(t.Protocol); ok {
		return c.Spec().Name
	}
	for _, raw := range append([]string{t.URL}, t.Others...) {
		if u, err := new(endpoint).parse(raw); err == nil && t.Protocol == "" {
			if p, _ := strip(u, ""); p != "" {
				return p
			}
		}
	}
	return cmp.Or(t.Protocol, Chat)
}

// speaks returns the codec of API, that of chat for one that is unknown. Nothing is sent by a
// codec that is unknown: New refuses such a target, and until then any codec will do.
func (t Target) speaks() codec.Codec {
	if c, ok := codec.Lookup(t.API()); ok {
		return c
	}
	return codec.Chat
}

// The codec is looked up by each call and is not kept in the target, which stays plain data
// that can be compared and copied.

// Speaks returns what the API of the target is. That of an unknown one is the zero Spec.
func (t Target) Speaks() codec.Spec {
	if c, ok := codec.Lookup(t.API()); ok {
		return c.Spec()
	}
	return codec.Spec{}
}

// Patience returns ReadyTimeout, or its default if that is 0.
func (t Target) Patience() time.Duration { return cmp.Or(t.ReadyTimeout, 2*time.Minute) }

// Endpoints returns URL and Others without their credentials and queries, for people and
// files.
func (t Target) Endpoints() []string {
	out := []string{redactURL(t.URL)}
	for _, u := range t.Others {
		out = append(out, redactURL(u))
	}
	return out
}

// Redacted returns the base URL without its credentials and its query, for people
// and files.
func (t Target) Redacted() string { return redactURL(t.URL) }

// headers returns the headers of every inference request.
func (t Target) headers() http.Header {
	h := make(http.Header, len(t.Header)+4)
	for k, v := range t.Header {
		h[http.CanonicalHeaderKey(k)] = v
	}
	h.Set("Content-Type", "application/json")
	if h["Accept-Encoding"] == nil {
		// Without the header any encoding may come (RFC 9110, 12.5.3), and a compressor
		// holds events back.
		h.Set("Accept-Encoding", "identity")
	}
	if t.NoStream {
		h.Set("Accept", "application/json")
	} else {
		h.Set("Accept", "text/event-stream")
	}
	api := t.speaks().Spec()
	if t.APIKey != "" {
		h.Set("Authorization", "Bearer "+t.APIKey)
		if api.KeyHeader != "" && h.Get(api.KeyHeader) == "" {
			h.Set(api.KeyHeader, t.APIKey)
		}
	}
	for k, v := range api.Header {
		if h.Get(k) == "" {
			h.Set(k, v)
		}
	}
	// If the header is present but empty, net/http sends no such header and may
	// replay a POST whose pooled connection the server had closed. Without it, a
	// fifth of the requests are lost on servers that advertise keep-alive and close
	// the connection all the same.
	h["Idempotency-Key"] = []string{}
	return h
}

// path is where inferences are posted: below the base URL or, if it begins with a slash, below
// what is before the version of the API.
func (t Target) path() string { return t.speaks().Spec().Path }
