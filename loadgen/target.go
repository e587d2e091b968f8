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

// Protocols, the OpenAI APIs that a target may speak.
const (
	Chat        = "chat"        // POST /v1/chat/completions
	Completions = "completions" // POST /v1/completions
)

// Target is an endpoint and how to talk to it. Only URL is required.
type Target struct {
	URL    string // base URL, with or without /v1
	Model  string // served model; empty: the only entry of /v1/models
	APIKey string // sent as Authorization: Bearer; empty: no such header

	Header   http.Header    // further request headers
	Body     map[string]any // further fields of the request body; they win over the engine's own
	Protocol string         // Chat or Completions; empty: Chat

	// NoStream asks for whole answers instead of event streams: TTFT and ITL
	// then have no values.
	NoStream bool
	// SamePrompts leaves out the unique words that open each prompt, so that a
	// server's prompt cache takes effect.
	SamePrompts bool

	// Prompts is the path of a JSONL file of prompts, which are sent in its order,
	// over and over, as they are: a load's ISL is then not used, and no unique
	// words open them. A line is a JSON string, {"text": "…"}, {"prompt": "…"} or
	// {"messages": […]} in OpenAI's form. Empty: made-up prompts.
	Prompts string
	// Tokenizer is the path of the model's tokenizer.json (byte-level BPE: GPT-2,
	// Llama 3, Qwen 2 and their kin). It counts the tokens of prompts and answers
	// for which the server reports no usage; those that a chat template adds are
	// not among them. Empty: such tokens are estimated from words and events.
	Tokenizer string

	ReadyTimeout time.Duration // how long Ready waits for a server that refuses connections or answers 503; 0: 2 minutes
	Waiting      func(error)   // told once, when Ready begins to wait, what for; nil: nobody is
	Timeout      time.Duration // a request that lasts longer has failed; 0: 10 minutes
	IdleTimeout  time.Duration // a request that receives nothing for so long has failed; 0: 2 minutes

	TLS  *tls.Config                                                       // nil: the system's roots
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: net.Dialer; tests plug in-memory servers in here
}

// normalize returns t with defaults filled in and its base URL in the form
// scheme://host[/prefix]/v1.
func (t Target) normalize() (Target, *url.URL, error) {
	if t.URL == "" {
		return t, nil, &TargetError{Field: "URL", Problem: "is empty; give the endpoint's base URL, as http://127.0.0.1:8000"}
	}
	u, err := url.Parse(t.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return t, nil, &TargetError{Field: "URL", Problem: fmt.Sprintf("%q is not an http(s) base URL; write it as http://127.0.0.1:8000", redactURL(t.URL))}
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

// Redacted returns the base URL without its credentials, for people and files.
func (t Target) Redacted() string { return redactURL(t.URL) }

func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		// What cannot be parsed cannot be cleaned: everything up to an @ might
		// be a credential.
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
	// Present but empty: net/http may then replay a POST whose pooled
	// connection the server had closed, and sends no such header. Without it a
	// plain client loses a fifth of its requests on servers that advertise
	// keep-alive and close all the same.
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
