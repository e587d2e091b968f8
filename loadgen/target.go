package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Protocol is an OpenAI API that a target may speak.
type Protocol = string

// The protocols.
const (
	Chat        Protocol = "chat"        // POST /v1/chat/completions
	Completions Protocol = "completions" // POST /v1/completions
)

// Target is an endpoint and how to talk to it. Only URL is required.
type Target struct {
	// URL is the base URL, with or without /v1.
	URL string
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
	// Protocol is Chat or Completions, Chat if empty.
	Protocol Protocol

	// NoStream asks for whole answers instead of event streams. TTFT and ITL then
	// have no values.
	NoStream bool
	// SamePrompts leaves out the unique words that open each prompt, so that a
	// server's prompt cache takes effect.
	SamePrompts bool

	// Prompts is the path of a JSONL file of prompts. They are sent as they are, in
	// the order of the file, over and over; the ISL of a load is then not used, and
	// no unique words open a prompt. A line is a JSON string, {"text": "…"},
	// {"prompt": "…"} or {"messages": […]} in OpenAI's form. If Prompts is empty,
	// prompts are made up from common words.
	Prompts string
	// Tokenizer is the path of the model's tokenizer.json (byte-level BPE: GPT-2,
	// Llama 3, Qwen 2 and their kin). It counts the tokens of prompts and answers
	// for which the server reports no usage; those that a chat template adds are
	// not among them. If Tokenizer is empty, such tokens are estimated from words
	// and events.
	Tokenizer string

	// ReadyTimeout is how long Ready waits for a server that refuses connections
	// or answers 503. 0 means 2 minutes.
	ReadyTimeout time.Duration
	// Waiting, if not nil, is called once when Ready begins to wait, with the
	// reason.
	Waiting func(error)
	// Timeout is how long a request may last before it has failed. 0 means
	// 10 minutes.
	Timeout time.Duration
	// IdleTimeout is how long a request may go without receiving anything before
	// it has failed. 0 means 2 minutes.
	IdleTimeout time.Duration

	// TLS configures https. If it is nil, the system's roots are trusted.
	TLS *tls.Config
	// Dial opens connections. If it is nil, a net.Dialer does; tests set it to
	// reach in-memory servers.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// normalize returns t with defaults filled in and its base URL in the form
// scheme://host[/prefix]/v1. Errors are *TargetError.
func (t Target) normalize() (Target, *url.URL, error) {
	if t.URL == "" {
		return t, nil, &TargetError{Field: "URL", Problem: "is empty; set it to the endpoint's base URL, for example http://127.0.0.1:8000"}
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return t, nil, &TargetError{Field: "URL",
			Problem: fmt.Sprintf("%q is not an http or https base URL, for example http://127.0.0.1:8000", redactURL(t.URL))}
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, "/v1") {
		path += "/v1"
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = path, "", "", ""
	switch t.Protocol {
	case "":
		t.Protocol = Chat
	case Chat, Completions:
	default:
		return t, nil, &TargetError{Field: "Protocol", Problem: fmt.Sprintf("%q is unknown; use %q or %q", t.Protocol, Chat, Completions)}
	}
	if t.ReadyTimeout == 0 {
		t.ReadyTimeout = 2 * time.Minute
	}
	if t.Timeout == 0 {
		t.Timeout = 10 * time.Minute
	}
	if t.IdleTimeout == 0 {
		t.IdleTimeout = 2 * time.Minute
	}
	return t, u, nil
}

// Redacted returns the base URL without its credentials and its query, for people
// and files.
func (t Target) Redacted() string { return redactURL(t.URL) }

// redactURL stars the credentials of a URL and cuts off its query.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		// The parts of what cannot be parsed are not known, so everything up to
		// an @ might be a credential.
		if i := strings.LastIndexByte(s, '@'); i >= 0 {
			return "***" + s[i:]
		}
		return s
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	u.RawQuery = ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A", "***")
}

// headers returns the headers of every inference request.
func (t Target) headers() http.Header {
	h := make(http.Header, len(t.Header)+4)
	for k, v := range t.Header {
		h[http.CanonicalHeaderKey(k)] = v
	}
	h.Set("Content-Type", "application/json")
	if t.NoStream {
		h.Set("Accept", "application/json")
	} else {
		h.Set("Accept", "text/event-stream")
	}
	if t.APIKey != "" {
		h.Set("Authorization", "Bearer "+t.APIKey)
	}
	// If the header is present but empty, net/http sends no such header and may
	// replay a POST whose pooled connection the server had closed. Without it, a
	// fifth of the requests are lost on servers that advertise keep-alive and close
	// the connection all the same.
	h["Idempotency-Key"] = []string{}
	return h
}

// path is where inferences are posted, below the base URL.
func (t Target) path() string {
	if t.Protocol == Completions {
		return "/completions"
	}
	return "/chat/completions"
}
