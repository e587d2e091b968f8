package loadgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
)

// words are common English words that every byte-pair vocabulary in use has as
// one token each (with the space before them), so that a count of words is,
// after calibration, a count of tokens. No word needs escaping in JSON.
var words = strings.Fields(`time people way water word work part place year day man thing woman life child world school
state family student group country problem hand case week company system program question government number night point home
room mother area money story fact month lot right study book eye job business issue side kind head house service friend father
power hour game line end member law car city community name president team minute idea body information back parent face others
level office door health person art war history party result change morning reason research girl guy moment air teacher force
education foot boy age policy music market sense nation plan college interest death experience effect use class control field
development role effort rate heart drug show leader light voice wife police mind price report decision son view relationship
town road arm difference value building action season society tax director position player record paper space ground form event
official matter center couple site project activity star table need court oil situation cost industry figure street image
phone data picture practice piece land product doctor wall patient worker news test movie north love support technology`)

// uniqueWords open every prompt, so that no two prompts of a run share a cached
// prefix: 8 of 191 words are 60 bits.
const uniqueWords = 8

// workload makes the request bodies of one Load. Body i is a function of
// (seed, i) alone, so a run can be replayed, and making one is two copies: the
// text behind the unique words is cut from a corpus that exists before the probe
// starts.
type workload struct {
	head, tail []byte // the JSON around the prompt
	room       int    // that nearly every body fits into
	words      int
	unique     int
	seed       uint64
	corpus     []byte         // " word" repeated, longer than one prompt
	offsets    []int          // where each word of the corpus starts
	prompts    []prompt       // of a file; nil: made-up ones
	tokenizer  *bpe.Tokenizer // counts what the server does not; nil: nothing does
}

// calibration maps a wanted ISL to a number of words: tokens = base + slope·words.
type calibration struct{ base, slope float64 }

func (c calibration) words(isl int) int {
	if c.slope <= 0 {
		return max(isl, 1)
	}
	return max(int((float64(isl)-c.base)/c.slope+0.5), 1)
}

func newWorkload(t Target, model string, l Load, cal calibration, extra map[string]any) (*workload, error) {
	w := &workload{words: cal.words(l.ISL), seed: l.Seed}
	if !t.SamePrompts {
		w.unique = min(uniqueWords, w.words)
	}
	const hole = "\u0001prompt\u0001"
	body := map[string]any{"model": model, "max_tokens": l.OSL, "stream": !t.NoStream}
	if t.Protocol == Completions {
		body["prompt"] = hole
	} else {
		body["messages"] = []map[string]string{{"role": "user", "content": hole}}
	}
	if !t.NoStream {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	for k, v := range extra {
		body[k] = v
	}
	for k, v := range t.Body {
		body[k] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the request body (Target.Body): %w", err)
	}
	quoted, _ := json.Marshal(hole)
	head, tail, ok := strings.Cut(string(b), strings.Trim(string(quoted), `"`))
	if !ok {
		return nil, &TargetError{Field: "Target.Body", Problem: "replaces the prompt; leave messages and prompt to the workload"}
	}
	w.head, w.tail = []byte(head), []byte(tail)

	rng := rand.New(rand.NewPCG(l.Seed, 0x636f72707573)) // "corpus"
	n := w.words + 4096                                  // so that prompts start at many different places
	w.offsets = make([]int, 0, n+1)
	for range n {
		w.offsets = append(w.offsets, len(w.corpus))
		w.corpus = append(w.corpus, ' ')
		w.corpus = append(w.corpus, words[rng.IntN(len(words))]...)
	}
	w.offsets = append(w.offsets, len(w.corpus))
	w.room = len(w.head) + len(w.tail) + len(w.corpus)*w.words*11/10/n + 128
	return w, nil
}

// body returns the i-th request body.
func (w *workload) body(i uint64) []byte {
	if w.prompts != nil {
		p := w.prompts[i%uint64(len(w.prompts))]
		head, tail := w.head[:len(w.head)-1], w.tail[1:] // without the quotes
		if p.chat {
			head, tail = bytes.TrimSuffix(w.head, []byte(messageHead)), bytes.TrimPrefix(w.tail, []byte(messageTail))
		}
		return slices.Concat(head, p.body, tail)
	}
	b := make([]byte, 0, w.room)
	b = append(b, w.head...)
	b = w.prompt(b, i) // no word needs escaping
	return append(b, w.tail...)
}

// The JSON around the one message of a made-up prompt.
const (
	messageHead = `[{"content":"`
	messageTail = `","role":"user"}]`
)

// promptTokens counts the tokens of the i-th prompt; without a tokenizer, its
// words.
func (w *workload) promptTokens(i uint64) int {
	switch {
	case w.prompts != nil:
		return w.prompts[i%uint64(len(w.prompts))].count(w.tokenizer)
	case w.tokenizer != nil:
		return w.tokenizer.Count(string(w.prompt(nil, i)))
	}
	return w.words
}

// prompt appends the text of the i-th prompt.
func (w *workload) prompt(b []byte, i uint64) []byte {
	rest := w.words - w.unique
	rng := rand.NewPCG(w.seed, i)
	from := 0
	if w.unique > 0 { // the same prompts each time otherwise
		from = int(rng.Uint64() % uint64(len(w.offsets)-1-rest))
	}
	text := w.corpus[w.offsets[from]:w.offsets[from+rest]]
	if w.unique == 0 && len(text) > 0 {
		text = text[1:]
	}
	for k := range w.unique {
		if k > 0 {
			b = append(b, ' ')
		}
		b = append(b, words[rng.Uint64()%uint64(len(words))]...)
	}
	return append(b, text...)
}
