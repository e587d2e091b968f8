package loadgen

import (
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/codec"
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
func (r *record) count(q *Request, use codec.Usage, outputs int) {
	q.Usage = use
	q.ISL, q.OSL = use.Input(), use.Output(outputs)
	if use.CacheKnown {
		q.Cached, q.cacheKnown = min(use.CacheRead, q.ISL), true
	}
	tokenizer := r.ticket.work.tokenizer
	if q.ISL == 0 {
		q.ISL, q.guessed.isl = r.ticket.work.promptTokens(r.ticket.item), tokenizer == nil
		if n := r.ticket.before; n > 0 {
			q.ISL += r.ticket.work.spoken(r.ticket.said[:n])
		}
	}
	if q.tokenless {
		q.OSL = 0
	} else if q.OSL == 0 {
		exact := false
		if tokenizer != nil && q.Failure == nil { // nobody reads a failure's tokens
			q.OSL, q.Reasoning, exact = r.answerTokens(tokenizer, q.Streamed)
		}
		if !exact {
			q.OSL, q.guessed.osl = max(q.OSL, outputs), true
		}
	}
	q.Estimated = q.guessed.isl || q.guessed.osl
}

// answerTokens counts the tokens of the answer's text and reasoning, for each choice by
// itself. exact is false if there is more to the answer: the tokens of a tool call
// depend on the model's own format. thought is the part of them that is reasoning.
//
// It reads the body a second time. The first reading does not collect texts, since
// nearly all servers report usage.
func (r *record) answerTokens(t *bpe.Tokenizer, streamed bool) (n, thought int, exact bool) {
	type voice struct {
		choice    int
		reasoning bool
	}
	texts := map[voice]*strings.Builder{}
	exact = true
	add := func(v voice, s string) {
		if s == "" {
			return
		}
		if texts[v] == nil {
			texts[v] = &strings.Builder{}
		}
		texts[v].WriteString(s)
	}
	read := func(data []byte, whole bool) {
		p, err := r.ticket.work.api().Read(data, whole)
		if err != nil {
			return
		}
		for _, c := range p.Content {
			add(voice{c.Choice, false}, c.Text)
			add(voice{c.Choice, true}, c.Reasoning)
			exact = exact && c.Call == ""
		}
	}
	// A call of a tool has tokens around it that the model's template adds, and no count of
	// what is seen is exact.
	if !streamed {
		read(r.body, true)
	}
	for pos := 0; streamed; {
		ev, next, ok := sse.Next(r.body, pos)
		if !ok || sse.Done(ev.Data) {
			break
		}
		read(ev.Data, false)
		pos = next
	}
	// A text is counted as a whole: the tokens of its parts, one by one, would be more.
	for v, text := range texts {
		k := t.Count(text.String())
		n += k
		if v.reasoning {
			thought += k
		}
	}
	return n, thought, exact
}
