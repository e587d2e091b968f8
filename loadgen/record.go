package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/lenient"
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
	// to is the number of the endpoint that was asked, and location where a redirect
	// leads.
	to       int
	location string
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
	// late says that the body had not ended yet when the slot went on behind [DONE], and
	// paused how long the slot then waits because of a failure.
	late   bool
	paused time.Duration
	// thought is how long the user thinks before the next turn of the conversation.
	thought time.Duration
	// charged is what the record has of the generator's budget, in bytes.
	charged int64
}

// read is one return of Body.Read: at the time at, the body had end bytes.
type read struct {
	end int
	at  time.Duration
}

// reset empties the record for the next request and keeps its arena, unless that is
// unusually large.
func (r *record) reset() {
	if r.size() > largestKept {
		*r = record{}
		return
	}
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

// parse makes a Request of what was received. streaming says that an event stream was
// asked for; a server may answer with a whole object all the same, or with a stream where
// none was asked for. What the body looks like decides, since some gateways label every
// answer as JSON.
func (r *record) parse(streaming bool) Request {
	inputs, outputs := r.ticket.work.lengths(r.ticket.item)
	q := Request{
		Index:     r.ticket.index,
		at:        r.ticket.at,
		serial:    r.ticket.serial,
		item:      r.ticket.item,
		run:       r.ticket.work.runID(),
		Endpoint:  r.to,
		inputs:    inputs,
		asked:     r.ticket.work.asksFor(outputs),
		tokenless: !r.ticket.work.api().Spec().Tokens,
		outputs:   outputs,
		Scheduled: r.scheduled,
		Start:     r.start,
		EOF:       r.eof,
		Dial:      r.dial,
		Replays:   r.replays,
		Bytes:     len(r.body),
		Streamed:  streaming,
		late:      r.late,
		paused:    r.paused,
		thought:   r.thought,
		said:      r.ticket.said,
		Turn:      r.ticket.turn,
	}
	if r.ticket.talk != nil {
		q.Conversation = r.ticket.talk.number
	}
	var undecoded error
	large := errors.Is(r.err, errLarge) || errors.Is(r.err, errBudget)
	if r.status != 0 && !large {
		undecoded = r.decode()
	}
	switch {
	case large:
		q.Failure = &Failure{Kind: FailedLarge, Message: r.said(reason(r.err))}
	case errors.Is(undecoded, errLarge):
		q.Failure = &Failure{Kind: FailedLarge, Message: "the answer is too large: its compressed body is made to blow up"}
	case r.status == 0:
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: r.said(reason(r.err))}
	case !accepted(r.status):
		q.Failure = &Failure{Kind: FailedStatus, Status: r.status, Message: r.said(errorText(r.body))}
		if r.location != "" {
			q.Failure.Message = r.said("Location: " + redactURL(r.location) + " " + errorText(r.body))
		}
		if r.status == http.StatusTooManyRequests {
			q.Failure.Kind = FailedShed
			if r.retry != "" {
				q.Failure.Message = r.said("Retry-After " + r.retry + ": " + errorText(r.body))
			}
		}
	case undecoded != nil:
		q.Failure = &Failure{Kind: FailedMalformed, Message: r.said(fmt.Sprintf(
			"the answer is compressed (%s) although Accept-Encoding: identity was sent, and cannot be read: %v", r.encoding, undecoded))}
	case looksWhole(r.body), !streaming && !looksStreamed(r.body):
		r.parseWhole(&q)
	default:
		r.parseStream(&q)
	}
	if q.Failure != nil && errors.Is(r.err, errGivenUp) {
		q.Cancelled, q.Failure = true, &Failure{Kind: FailedCancelled, Message: errGivenUp.Error()}
	}
	return q
}

// looksWhole reports whether a body is one JSON value and not a stream of events or of
// JSON objects. A body that cannot be told, such as an empty one, is not.
func looksWhole(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n\ufeff")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[') && !sse.HasEvents(body) &&
		(!bytes.Contains(body, []byte("}\n{")) || json.Valid(body))
}

// looksStreamed reports whether a body begins as an event stream does.
func looksStreamed(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n\ufeff")
	for _, field := range []string{"data:", "event:", "id:", "retry:", ":"} {
		if bytes.HasPrefix(body, []byte(field)) {
			return true
		}
	}
	return false
}

// parseStream reads the events of a streamed answer. The first event with content ends
// TTFT. What follows [DONE], or what the codec says is the end, does not count.
func (r *record) parseStream(q *Request) {
	var (
		use    codec.Usage
		done   bool
		like   likeness
		spoken bool // events like it are output, and not thoughts
		seen   content
		end    string // the finish reason, if it is that of a failure
	)
	fail := func(kind FailureKind, text string) {
		if q.Failure == nil {
			q.Failure = &Failure{Kind: kind, Message: r.said(text)}
		}
	}
	// Three things decide what an event is, in this order: its name, for what every API
	// has; its likeness to one that was read, for nearly all events of a long answer; and the
	// codec, for all others.
	api := r.ticket.work.api()
	alike := api.Spec().Alike()
	pos := 0 // behind the last event
	for q.Failure == nil && !done {
		ev, next, ok := sse.Next(r.body, pos)
		if !ok {
			break
		}
		pos = next
		if done = sse.Done(ev.Data); done {
			break
		}
		if ends(ev.Name) { // what stands in it may be a last chunk, and may be anything
			if p, err := api.Read(ev.Data, false); err == nil {
				use.Merge(p.Usage)
			}
			done = true
			break
		}
		if ev.Name == "error" {
			fail(FailedError, errorText(ev.Data))
			break
		}
		// Most events differ from the one before them in their text alone. Those are not
		// decoded: the size of their text is all that is wanted.
		if size := like.fits(ev.Data); size > 0 {
			at := r.timeOf(ev.End)
			q.Chunks = append(q.Chunks, at)
			seen.add(at, size, 0)
			if spoken {
				seen.split(at, true, 0)
			} else {
				seen.split(at, false, size)
			}
			continue
		}
		if isPing(ev) {
			continue
		}
		p, err := api.Read(ev.Data, false)
		if err != nil {
			q.Failure = r.malformed(err, "event", ev.Data)
			break
		}
		if p.Error {
			fail(FailedError, errorText(ev.Data))
			break
		}
		use.Merge(p.Usage)
		q.take(p.Values)
		size := p.Size()
		if size > 0 {
			at := r.timeOf(ev.End)
			q.Chunks = append(q.Chunks, at)
			// If the server reports usage in every chunk, that of this one is the number
			// of tokens so far.
			seen.add(at, size, p.Usage.Completion)
			seen.split(at, p.Output(), p.Reasoning())
		}
		// A stream that is cut off behind its finish reason has said all that it had to say.
		q.finished = q.finished || p.Finish != ""
		if p.Aborted {
			end = p.Finish
		}
		done = p.Done
		// An event with counts or an end is no pattern for others: what it says would be
		// missed in those that follow.
		if alike && size > 0 && p.Usage == (codec.Usage{}) && p.Finish == "" && !p.Done && len(p.Content) == 1 {
			like, _ = likenessOf(ev.Data)
			spoken = p.Output()
		}
	}
	switch {
	case q.Failure != nil:
	case r.err != nil && !done:
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: r.said(reason(r.err))}
	case end != "":
		fail(FailedAborted, fmt.Sprintf("the server ended the answer with finish_reason %q", end))
	case !done && !q.finished && len(q.Chunks) == 0 && r.foreign() != "":
		fail(FailedMalformed, fmt.Sprintf("the answer is %s, not an event stream: %q", r.foreign(), r.said(plain(r.body))))
	case !done && !q.finished:
		text := fmt.Sprintf("the stream ended after %d content events with neither [DONE] nor a finish reason", len(q.Chunks))
		if loose := sse.Loose(r.body, pos); len(loose) > 0 {
			text = fmt.Sprintf("the stream broke off after %d content events with %q", len(q.Chunks), r.said(plain(loose)))
		}
		fail(FailedTruncated, text)
	case len(q.Chunks) == 0 && use.Completion > 0:
		fail(FailedEmpty, fmt.Sprintf(
			"the answer has no content, although usage counts %d tokens: they are hidden; longer answers may show some", use.Completion))
	case len(q.Chunks) == 0:
		fail(FailedEmpty, "the answer has no content")
	}
	if len(q.Chunks) > 0 {
		q.End = q.Chunks[len(q.Chunks)-1]
	}
	r.count(q, use, len(q.Chunks))
	q.FirstTokens = seen.first(q.OSL, q.guessed.osl, use.Reasoning, r.ticket.work.hides)
	q.thoughts(use, seen)
}

// ends reports whether an event of that name is the last one, as some frameworks send it in
// place of [DONE].
func ends(name string) bool {
	switch strings.ToLower(name) {
	case "done", "end", "close", "complete", "completed", "finish":
		return true
	}
	return false
}

// foreign returns the content type if it cannot be that of an event stream, and ""
// otherwise. Some servers send events as text/plain or without a type.
func (r *record) foreign() string {
	kind, _, _ := mime.ParseMediaType(r.censor().star(r.ctype)) // before a secret with a semicolon is cut
	switch kind {
	case "", "text/event-stream", "text/plain", "application/octet-stream":
		return ""
	}
	return kind
}

// page reports whether the answer calls itself a web page.
func (r *record) page() bool { return r.foreign() == "text/html" }

// parseWhole reads an answer that came in one piece. It has no content events, so its
// only time is the end of the body.
func (r *record) parseWhole(q *Request) {
	q.Streamed = false
	q.End = r.eof
	if r.err != nil {
		q.Failure = &Failure{Kind: failureOf(r.err, FailedBroken), Message: r.said(reason(r.err))}
		return
	}
	api := r.ticket.work.api()
	p, err := api.Read(r.body, true)
	if err != nil {
		q.Failure = r.malformed(err, "answer", r.body)
		return
	}
	nothing := p.Size() == 0
	if !api.Spec().Tokens {
		nothing = p.Items == 0
	}
	switch {
	case p.Error:
		q.Failure = &Failure{Kind: FailedError, Message: r.said(errorText(r.body))}
	case p.Aborted:
		q.Failure = &Failure{Kind: FailedAborted, Message: r.said(fmt.Sprintf("the server ended the answer with finish_reason %q", p.Finish))}
	case nothing && !p.Answer:
		q.Failure = &Failure{Kind: FailedEmpty, Message: r.said("the answer has no content: " + string(r.body[:min(len(r.body), mostRead)]))}
	case nothing:
		q.Failure = &Failure{Kind: FailedEmpty, Message: "the answer has no content"}
	}
	q.finished = p.Finish != ""
	q.take(p.Values)
	words, thought := 0, 0
	for _, c := range p.Content {
		words += len(strings.Fields(c.Text)) + len(strings.Fields(c.Reasoning))
		thought += len(strings.Fields(c.Reasoning))
	}
	r.count(q, p.Usage, words)
	q.thoughts(p.Usage, content{events: words, bytes: p.Size(), thoughtEvents: thought, thoughtBytes: p.Reasoning()})
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
	case errors.Is(err, errGivenUp), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
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
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// errorText returns the message of an error object as OpenAI, vLLM, FastAPI or a gateway
// writes it, or the text itself, without markup, if it is none.
func errorText(body []byte) string {
	var e struct {
		Choices                                     []struct{ Error json.RawMessage }
		Error, Message, Detail, Errors, Msg, Reason json.RawMessage
		ErrorMessage                                json.RawMessage `json:"error_message"`
		ErrorMsg                                    json.RawMessage `json:"error_msg"`
		Base                                        struct {
			Said json.RawMessage `json:"status_msg"`
		} `json:"base_resp"` // MiniMax
		Text     json.RawMessage
		Response struct{ Error json.RawMessage } // that of an answer of OpenAI's later API
	}
	if err := json.Unmarshal(body, &e); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		return plain(body)
	}
	words := []json.RawMessage{e.Error, e.Message, e.Detail, e.Errors, e.Msg, e.ErrorMessage, e.ErrorMsg, e.Reason, e.Base.Said, e.Text,
		e.Response.Error}
	for _, c := range e.Choices {
		words = append(words, c.Error)
	}
	for _, raw := range words {
		if said := said(raw); said != "" {
			return said
		}
	}
	return string(body)
}

// errorStatus returns the HTTP status that an error inside of an answer names, 0 if it names
// none: gateways that answer 200 before they know put the status there.
func (r *record) errorStatus() int {
	for pos := 0; ; {
		ev, next, ok := sse.Next(r.body, pos)
		data := ev.Data
		if !ok && pos > 0 {
			return 0
		}
		if !ok { // one JSON value
			data, next = r.body, len(r.body)+1
		}
		if s := statusIn(data); s != 0 || next > len(r.body) {
			return s
		}
		pos = next
	}
}

// statusIn returns the HTTP status of an error object, by its code or by its type.
func statusIn(data []byte) int {
	type object struct {
		Code, Status tokens
		Type         text
		Error        json.RawMessage
	}
	var outer, inner object
	_ = json.Unmarshal(data, &outer)
	_ = json.Unmarshal(outer.Error, &inner)
	for _, o := range []object{inner, outer} {
		for _, n := range []tokens{o.Code, o.Status} {
			if n >= 400 && n < 600 {
				return int(n)
			}
		}
		switch kind := strings.ToLower(string(o.Type)); {
		case strings.Contains(kind, "badrequest"), strings.Contains(kind, "invalid_request"):
			return http.StatusBadRequest
		case strings.Contains(kind, "authentication"):
			return http.StatusUnauthorized
		case strings.Contains(kind, "permission"):
			return http.StatusForbidden
		}
	}
	return 0
}

// said returns what a part of an error object says: a string, the message inside of an
// object, what the entries of a list say, or the JSON itself. It is empty for a value that
// says nothing.
func said(raw json.RawMessage) string {
	var text string
	var list []json.RawMessage
	var inner struct {
		Message, Msg, Detail, Error json.RawMessage
		Loc                         []any
	}
	switch {
	case lenient.Empty(raw):
		return ""
	case json.Unmarshal(raw, &text) == nil:
		return text
	case json.Unmarshal(raw, &list) == nil:
		var texts []string
		for _, entry := range list {
			texts = append(texts, said(entry))
		}
		return strings.Join(texts, ", ")
	case json.Unmarshal(raw, &inner) == nil:
		for _, part := range []json.RawMessage{inner.Message, inner.Msg, inner.Detail, inner.Error} {
			if text = said(part); text != "" {
				if n := len(inner.Loc); n > 0 { // FastAPI's place of what it speaks of
					text = fmt.Sprint(inner.Loc[n-1], ": ", text)
				}
				return text
			}
		}
	}
	return string(raw)
}

// malformed describes data that is not a chunk. what is "event" or "answer". The words
// of encoding/json would name the types of this package, which nobody knows.
func (r *record) malformed(err error, what string, data []byte) *Failure {
	text := err.Error()
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		text = fmt.Sprintf("%s must not be a %s", kind.Field, kind.Value)
	}
	text = fmt.Sprintf("%s in %s %s", text, what, data[:min(len(data), mostRead)])
	return &Failure{Kind: FailedMalformed, Message: r.said(text)}
}

// said returns what a server or a network said as it may be reported: without the target's
// secrets, on one line, and short.
func (r *record) said(text string) string { return r.censor().said(text) }

// censor returns that of the target.
func (r *record) censor() censor {
	if r.ticket.work == nil {
		return censor{}
	}
	return r.ticket.work.censor
}
