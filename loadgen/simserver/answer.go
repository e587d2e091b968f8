package simserver

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An answer is one inference on its way to the client.
type answer struct {
	server *Server
	w      http.ResponseWriter
	// ctx ends when the client leaves.
	ctx context.Context
	// number is the inference's number of arrival, from 1.
	number  int64
	request *request
	seq     *sequence
	fault   fault

	// end is how the inference would be counted if it ended now.
	end outcome
	// sent counts the content events, or the tokens of a whole answer.
	sent int
}

// vocabulary is what the simulated model says, over and over. No word needs escaping
// in JSON.
var vocabulary = strings.Fields("the quick brown fox jumps over one lazy dog while many small birds sing at dawn")

// errorObject is what an engine that fails in mid-stream sends.
const errorObject = `{"error":{"message":"injected fault","type":"server_error","param":null,"code":500}}`

// stream answers with server-sent events, one a token or so many tokens as the model's StreamInterval
// says. What is known at once goes out in one write: the headers with the opening, and the last
// token with what closes the stream.
func (a *answer) stream() {
	h := a.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	flush := http.NewResponseController(a.w).Flush
	var buf []byte // reused from event to event
	add := func(event ...string) {
		for _, part := range event {
			buf = append(buf, part...)
		}
		buf = append(buf, '\n', '\n')
	}
	write := func(events ...string) bool {
		for _, e := range events {
			add(e)
		}
		_, err := a.w.Write(buf)
		buf = buf[:0]
		return err == nil
	}
	send := func(events ...string) bool { return write(events...) && flush() == nil }

	// Real servers send the headers and the role when they take up a request, long
	// before its first token. A client that takes either for the first token is wrong.
	// The first event of the messages API counts the prompt, and what of it was in the cache:
	// it comes once the prompt was prefilled.
	late := a.request.api == apiMessages
	var opening []string
	if !late {
		opening = a.opening()
	}
	if !send(opening...) {
		return
	}
	const mark = "\x00"
	var head, rest [2]string // of a word, and of a thought
	for k := range head {
		head[k], rest[k], _ = strings.Cut(a.event(mark, k == 1), mark)
	}
	at, thoughts := a.faultAt(), a.thoughts()
	var words []string // of the event that is being gathered
	for i := 0; ; i++ {
		if i == at {
			switch a.fault {
			case stall:
				a.wait(nil)
				return
			case cut:
				_, _ = a.w.Write([]byte(`data: {"id":"` + a.id() + `","obj`))
				_ = flush()
				panic(http.ErrAbortHandler)
			case errorEvent:
				_ = send(a.failing()...)
				return
			}
		}
		if i == a.seq.osl {
			break
		}
		words = append(words, vocabulary[i%len(vocabulary)])
		if !a.due(i + 1) {
			continue
		}
		if !a.wait(a.seq.tokens) || late && i == 0 && !send(a.opening()...) {
			return
		}
		k := 0
		if i < thoughts {
			k = 1
		}
		tail := rest[k]
		if i == at && a.fault == malformed {
			tail = "" // neither string nor object is closed
		}
		add(head[k], strings.Join(words, " "), tail)
		if closes := i+1 == a.seq.osl && (at < a.seq.osl || a.fault == none); !closes && !send() {
			return
		}
		a.sent, words = a.sent+len(words), words[:0]
	}
	if !write(a.closing()...) { // net/http sends it, with the end of the body
		return
	}
	if a.end == cancelled {
		a.end = completed
	}
}

// faultAt is how many tokens come before a fault in the middle of an answer.
func (a *answer) faultAt() int { return min(max(a.server.model.Faults.After, 0), a.request.osl) }

// due reports that something is sent once there are so many tokens, so that no handler is woken
// for one that it only gathers.
func (a *answer) due(tokens int) bool {
	at := a.faultAt()
	switch {
	case tokens == a.request.osl, a.request.Stream && a.fault == malformed && tokens == at+1:
		return true
	case !a.request.Stream:
		return false
	}
	return (tokens-1)%max(a.server.model.StreamInterval, 1) == 0 || tokens == a.thoughts() || tokens == at
}

// whole answers with one JSON object, once the last token is there.
//
// It sets no Content-Length. Beyond a few kilobytes, the body then ends with a chunk
// that net/http writes after the handler has returned, see Stats.InFlight.
func (a *answer) whole() {
	if !a.wait(a.seq.tokens) {
		return
	}
	body := a.object()
	switch a.fault {
	case stall:
		a.wait(nil)
		return
	case cut:
		a.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = a.w.Write([]byte(body[:len(body)/2]))
		_ = http.NewResponseController(a.w).Flush()
		panic(http.ErrAbortHandler)
	case malformed:
		body = body[:len(body)/2]
	case errorEvent:
		body = errorObject
	}
	a.w.Header().Set("Content-Type", "application/json")
	if _, err := a.w.Write([]byte(body)); err != nil {
		return
	}
	a.sent = a.seq.osl
	if a.end == cancelled {
		a.end = completed
	}
}

// wait waits for tokens and reports whether something came before the client left. If
// the server closes, it aborts the handler by a panic, as net/http expects. A nil
// channel makes it wait for the client alone.
func (a *answer) wait(tokens <-chan struct{}) bool {
	select {
	case <-tokens:
		return true
	case <-a.ctx.Done():
		return false
	case <-a.server.stop:
		panic(http.ErrAbortHandler)
	}
}

// id returns the completion's id, with the prefix that OpenAI gives it.
func (a *answer) id() string {
	kind := map[string]string{apiChat: "chatcmpl", apiCompletions: "cmpl", apiResponses: "resp_", apiMessages: "msg_"}[a.request.api]
	return fmt.Sprintf("%s-%d", cmp.Or(kind, a.request.api), a.number)
}

// word returns the event of one token.
func (a *answer) word(w string) string {
	if a.request.chat {
		return a.chunk(`{"content":" `+w+`"}`, "null")
	}
	return a.chunk(" "+w, "null")
}

// finish returns the event that ends the choice.
func (a *answer) finish() string {
	if a.request.chat {
		return a.chunk("{}", `"length"`)
	}
	return a.chunk("", `"length"`)
}

// chunk returns a streamed object with one choice: a delta for chat, a text for
// completions. content and reason are JSON, content of completions the inside of a
// string.
func (a *answer) chunk(content, reason string) string {
	if a.request.chat {
		return a.envelope(`[{"index":0,"delta":`+content+`,"logprobs":null,"finish_reason":`+reason+`}]`, "")
	}
	return a.envelope(`[{"index":0,"text":"`+content+`","logprobs":null,"finish_reason":`+reason+`}]`, "")
}

// envelope returns the object around choices, with usage unless it is empty.
func (a *answer) envelope(choices, usage string) string {
	object := "text_completion"
	if a.request.chat {
		object = "chat.completion"
		if a.request.Stream {
			object = "chat.completion.chunk"
		}
	}
	name, _ := json.Marshal(a.server.model.Name)
	if usage != "" {
		usage = `,"usage":` + usage
	}
	return fmt.Sprintf(`{"id":"%s","object":"%s","created":%d,"model":%s,"choices":%s%s}`,
		a.id(), object, time.Now().Unix(), name, choices, usage)
}

// usage returns the usage object.
func (a *answer) usage() string {
	cached, thought := "", ""
	prompt, answer := "prompt", "completion"
	if a.request.api == apiResponses {
		prompt, answer = "input", "output"
	}
	if a.server.model.PrefixCache > 0 {
		cached = fmt.Sprintf(`,"%s_tokens_details":{"cached_tokens":%d}`, prompt, a.seq.cached)
	}
	if n := a.thoughts(); n > 0 {
		thought = fmt.Sprintf(`,"%s_tokens_details":{"reasoning_tokens":%d}`, answer, n)
	}
	return fmt.Sprintf(`{"%s_tokens":%d,"%s_tokens":%d,"total_tokens":%d%s%s}`,
		prompt, a.request.isl, answer, a.seq.osl, a.request.isl+a.seq.osl, cached, thought)
}
