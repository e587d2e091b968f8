package loadgen

import (
	"encoding/json"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
)

// count fills in ISL and OSL, each from the best source there is: the server's usage,
// otherwise the tokenizer, otherwise the words sent and the outputs received. The last
// are estimates. use is zero if the server reported none, and outputs is the number of
// content events, or of words if the answer was not streamed.
//
// Note: AIPerf tokenizes answers again by default. That can differ from the server by a
// factor of two, since a server streams tokens that the text does not show.
func (r *record) count(q *Request, use usage, outputs int) {
	q.ISL, q.OSL = use.prompt(), use.completion(outputs)
	if n, known := use.cached(); known {
		q.Cached, q.cacheKnown = min(n, q.ISL), true
	}
	tokenizer := r.ticket.work.tokenizer
	if q.ISL == 0 {
		q.ISL, q.guessed.isl = r.ticket.work.promptTokens(r.ticket.item), tokenizer == nil
		if n := r.ticket.before; n > 0 {
			q.ISL += r.ticket.work.spoken(r.ticket.said[:n])
		}
	}
	if q.OSL == 0 {
		exact := false
		if tokenizer != nil && q.Failure == nil { // nobody reads a failure's tokens
			q.OSL, exact = r.answerTokens(tokenizer, q.Streamed)
		}
		if !exact {
			q.OSL, q.guessed.osl = max(q.OSL, outputs), true
		}
	}
	q.Estimated = q.guessed.isl || q.guessed.osl
}

// answerTokens counts the tokens of the answer's text and reasoning, for each choice by
// itself. exact is false if there is more to the answer: the tokens of a tool call
// depend on the model's own format.
//
// It reads the body a second time. The first reading does not collect texts, since
// nearly all servers report usage.
func (r *record) answerTokens(t *bpe.Tokenizer, streamed bool) (n int, exact bool) {
	type voice struct {
		choice    string
		reasoning bool
	}
	texts := map[voice]*strings.Builder{}
	exact = true
	add := func(v voice, s text) {
		if s == "" {
			return
		}
		if texts[v] == nil {
			texts[v] = &strings.Builder{}
		}
		texts[v].WriteString(string(s))
	}
	read := func(data []byte) {
		var c struct {
			Choices []struct {
				Index   json.RawMessage `json:"index"`
				Delta   message         `json:"delta"`
				Message message         `json:"message"`
				Text    text            `json:"text"`
			} `json:"choices"`
		}
		if json.Unmarshal(data, &c) != nil {
			return
		}
		for _, ch := range c.Choices {
			id := string(ch.Index)
			add(voice{id, false}, ch.Text)
			for _, m := range []message{ch.Delta, ch.Message} {
				add(voice{id, false}, m.Content+m.Refusal)
				add(voice{id, true}, m.reasoning())
				exact = exact && len(m.ToolCalls) == 0 && empty(m.FunctionCall)
			}
		}
	}
	if !streamed {
		read(r.body)
	}
	for pos := 0; streamed; {
		ev, next, ok := sse.Next(r.body, pos)
		if !ok || sse.Done(ev.Data) {
			break
		}
		read(ev.Data)
		pos = next
	}
	for _, text := range texts {
		n += t.Count(text.String())
	}
	return n, exact
}
