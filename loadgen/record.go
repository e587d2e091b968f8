package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
)

// record is what the hot path keeps of one request: bytes and clock readings. parse
// makes everything else of them after the request has ended, on another goroutine.
type record struct {
	ticket ticket
	// scheduled, start, dial and replays are as in Request.
	scheduled time.Duration
	start     time.Duration
	dial      time.Duration
	replays   int
	// status is the HTTP status, 0 if there was no answer.
	status int
	// retry, ctype and encoding are the headers Retry-After, Content-Type and
	// Content-Encoding.
	retry, ctype, encoding string
	// body is an arena that the next request uses again. reads says when each part
	// of it came.
	body  []byte
	reads []read
	// err is what ended the request early. It is nil at a clean end of the body.
	err error
	eof time.Duration
}

// read is one return of Body.Read: at the time at, the body had end bytes.
type read struct {
	end int
	at  time.Duration
}

// reset empties the record for the next request and keeps its arena.
func (r *record) reset() {
	*r = record{body: r.body[:0], reads: r.reads[:0]}
}

// timeOf returns when the byte at offset end−1 arrived: the return of the read that
// brought it. Events that came in one read have the same time, since the client cannot
// know more.
func (r *record) timeOf(end int) time.Duration {
	i := sort.Search(len(r.reads), func(i int) bool { return r.reads[i].end >= end })
	if i == len(r.reads) {
		return r.eof
	}
	return r.reads[i].at
}

// chunk is the part of a completion chunk, or of a whole completion, that matters to a
// measurement.
type chunk struct {
	Choices []struct {
		Delta        message `json:"delta"`
		Message      message `json:"message"`
		Text         string  `json:"text"`
		FinishReason string  `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// message is a delta of a stream or the message of a whole answer. Servers send
// reasoning under two names.
type message struct {
	Content          string            `json:"content"`
	ReasoningContent string            `json:"reasoning_content"`
	Reasoning        string            `json:"reasoning"`
	ToolCalls        []json.RawMessage `json:"tool_calls"`
}

// usage is the server's own count of tokens.
type usage struct {
	PromptTokens     tokens `json:"prompt_tokens"`
	CompletionTokens tokens `json:"completion_tokens"`
}

// UnmarshalJSON never fails. Usage that cannot be read does not spoil an answer; its
// tokens are then counted in another way.
func (u *usage) UnmarshalJSON(b []byte) error {
	type plain usage
	var p plain
	if json.Unmarshal(b, &p) != nil {
		p = plain{}
	}
	*u = usage(p)
	return nil
}

// tokens is a count in usage, 0 if it is not known. Integers in any notation are read,
// for example 7.0 and 2e1. A count that is negative, fractional, larger than mostTokens
// or not a number is not known.
type tokens int

// mostTokens is more than any answer has, and exact in a float64.
const mostTokens = 1 << 40

// UnmarshalJSON never fails.
func (n *tokens) UnmarshalJSON(b []byte) error {
	*n = 0
	if v, err := strconv.ParseFloat(string(b), 64); err == nil && v > 0 && v <= mostTokens && v == math.Trunc(v) {
		*n = tokens(v)
	}
	return nil
}

// hasContent reports whether the message has text, reasoning or a tool call. A role
// alone is no content: servers send it before the first token is there.
func (m message) hasContent() bool {
	return m.Content != "" || m.ReasoningContent != "" || m.Reasoning != "" || len(m.ToolCalls) > 0
}

// hasContent reports whether any choice has content.
func (c *chunk) hasContent() bool {
	for _, ch := range c.Choices {
		if ch.Text != "" || ch.Delta.hasContent() || ch.Message.hasContent() {
			return true
		}
	}
	return false
}

// finished reports whether any choice has a finish reason.
func (c *chunk) finished() bool {
	for _, ch := range c.Choices {
		if ch.FinishReason != "" {
			return true
		}
	}
	return false
}

// failed reports whether the chunk carries an error object. null is not one.
func (c *chunk) failed() bool { return len(c.Error) > 0 && !bytes.Equal(c.Error, []byte("null")) }

// parse makes a Request of what was received. streaming says that an event stream was
// asked for; a server may answer with a whole object all the same.
func (r *record) parse(streaming bool) Request {
	q := Request{
		Index:     r.ticket.index,
		serial:    r.ticket.serial,
		Scheduled: r.scheduled,
		Start:     r.start,
		EOF:       r.eof,
		Dial:      r.dial,
		Replays:   r.replays,
		Bytes:     len(r.body),
		Streamed:  streaming,
	}
	switch {
	case r.status == 0:
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: reason(r.err)}
	case r.status != http.StatusOK:
		q.Failure = &Failure{Kind: FailedStatus, Status: r.status, Message: shorten(errorText(r.body))}
		if r.status == http.StatusTooManyRequests {
			q.Failure.Kind = FailedShed
			if r.retry != "" {
				q.Failure.Message = shorten("Retry-After " + r.retry + ": " + errorText(r.body))
			}
		}
	case r.encoding != "" && r.encoding != "identity":
		q.Failure = &Failure{Kind: FailedMalformed, Message: shorten(fmt.Sprintf(
			"the answer is compressed (%s) although no compression was requested; compression delays events", r.encoding))}
	case streaming && !strings.HasPrefix(r.ctype, "application/json"):
		r.parseStream(&q)
	default:
		r.parseWhole(&q)
	}
	return q
}

// parseStream reads the events of a streamed answer. The first event with content ends
// TTFT. What follows [DONE] does not count.
func (r *record) parseStream(q *Request) {
	var (
		use        *usage
		done       bool
		finished   bool
		like       likeness
		firstUsage int
	)
	pos := 0
	for {
		ev, next, ok := sse.Next(r.body, pos)
		if !ok {
			break
		}
		pos = next
		if isDone(ev.Data) {
			done = true
			break
		}
		if ev.Name == "error" {
			q.Failure = &Failure{Kind: FailedError, Message: shorten(errorText(ev.Data))}
			return
		}
		if like.fits(ev.Data) {
			q.Chunks = append(q.Chunks, r.timeOf(ev.End))
			continue
		}
		var c chunk
		if err := json.Unmarshal(ev.Data, &c); err != nil {
			q.Failure = malformed(err, "event", ev.Data)
			return
		}
		if c.failed() {
			q.Failure = &Failure{Kind: FailedError, Message: shorten(errorText(ev.Data))}
			return
		}
		if c.Usage != nil {
			use = c.Usage
		}
		if c.hasContent() {
			q.Chunks = append(q.Chunks, r.timeOf(ev.End))
			if len(q.Chunks) == 1 && c.Usage != nil {
				// The server reports usage in every chunk, and this one is the
				// number of tokens in the first event.
				firstUsage = int(c.Usage.CompletionTokens)
			}
		}
		finished = finished || c.finished()
		if c.hasContent() && c.Usage == nil && !c.finished() {
			like, _ = likenessOf(ev.Data)
		}
	}
	switch {
	case r.err != nil:
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: reason(r.err)}
	case !done && !finished && len(q.Chunks) == 0 && r.foreign() != "":
		q.Failure = &Failure{Kind: FailedMalformed, Message: shorten(fmt.Sprintf(
			"the answer is %s, not an event stream: %q", r.foreign(), r.body[:min(len(r.body), 100)]))}
	case !done && !finished:
		q.Failure = &Failure{Kind: FailedTruncated, Message: fmt.Sprintf(
			"the stream ended after %d content events with neither [DONE] nor a finish reason", len(q.Chunks))}
	case len(q.Chunks) == 0:
		q.Failure = &Failure{Kind: FailedEmpty, Message: "the answer has no content"}
	}
	if len(q.Chunks) > 0 {
		q.End = q.Chunks[len(q.Chunks)-1]
	}
	q.FirstTokens = firstUsage
	r.count(q, use, len(q.Chunks))
}

// isDone reports whether data is that of the event behind which nothing counts.
func isDone(data []byte) bool { return bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")) }

// foreign returns the content type if it cannot be that of an event stream, and ""
// otherwise. Some servers send events as text/plain or without a type.
func (r *record) foreign() string {
	kind, _, _ := mime.ParseMediaType(r.ctype)
	switch kind {
	case "", "text/event-stream", "text/plain", "application/octet-stream":
		return ""
	}
	return kind
}

// parseWhole reads an answer that came in one piece. It has no content events, so its
// only time is the end of the body.
func (r *record) parseWhole(q *Request) {
	q.Streamed = false
	q.End = r.eof
	if r.err != nil {
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: reason(r.err)}
		return
	}
	var c chunk
	if err := json.Unmarshal(r.body, &c); err != nil {
		q.Failure = malformed(err, "answer", r.body)
		return
	}
	switch {
	case c.failed():
		q.Failure = &Failure{Kind: FailedError, Message: shorten(errorText(r.body))}
	case !c.hasContent():
		q.Failure = &Failure{Kind: FailedEmpty, Message: "the answer has no content"}
	}
	text := ""
	for _, ch := range c.Choices {
		text += ch.Text + ch.Message.Content + ch.Message.ReasoningContent + ch.Message.Reasoning
	}
	r.count(q, c.Usage, len(strings.Fields(text)))
}

// Causes with which a slot cancels its own request.
var (
	errIdle    = errors.New("nothing was received within the idle timeout")
	errTimeout = errors.New("the answer was not complete within the request timeout")
)

// failureOf classifies the error that ended a request. An error that it does not know
// is of the kind other.
func failureOf(err error, other FailureKind) FailureKind {
	var dial *dialError
	switch {
	case errors.As(err, &dial):
		return FailedDial
	case errors.Is(err, errIdle):
		return FailedIdle
	case errors.Is(err, errTimeout):
		return FailedTimeout
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return FailedCancelled
	}
	return other
}

// reason returns what is reported of an error, without anything that differs from one
// failure of its kind to the next.
func reason(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed in the middle of the answer"
	}
	if err == nil {
		return "no answer"
	}
	// The addresses are left out. With the client's port in it, each failure would
	// be counted as one of its own.
	var op *net.OpError
	var dial *dialError
	if errors.As(err, &op) && !errors.As(err, &dial) {
		return shorten(op.Op + ": " + op.Err.Error())
	}
	return shorten(err.Error())
}

// errorText returns the message of an error object as OpenAI, vLLM or FastAPI writes it,
// or the text itself if it is none.
func errorText(body []byte) string {
	var e struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &e) != nil {
		return string(body)
	}
	var inner struct {
		Message string `json:"message"`
	}
	var text string
	switch {
	case json.Unmarshal(e.Error, &inner) == nil && inner.Message != "":
		return inner.Message
	case json.Unmarshal(e.Error, &text) == nil && text != "":
		return text
	case e.Message != "":
		return e.Message
	case len(e.Detail) > 0:
		return string(e.Detail)
	}
	return string(body)
}

// malformed describes data that is not a chunk. what is "event" or "answer". The words
// of encoding/json would name the types of this package, which nobody knows.
func malformed(err error, what string, data []byte) *Failure {
	text := err.Error()
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		text = fmt.Sprintf("%s must not be a %s", kind.Field, kind.Value)
	}
	text = fmt.Sprintf("%s in %s %s", text, what, data[:min(len(data), 200)])
	return &Failure{Kind: FailedMalformed, Message: shorten(text)}
}

// shorten cuts a server's text to the 200 bytes that fit a report, puts it on one line,
// and replaces what is not UTF-8.
func shorten(s string) string {
	const most = 200
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
