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

// words are common English words. Every byte-pair vocabulary in use has each of them as
// one token, with the space before it, so that a count of words is a count of tokens
// after calibration. No word needs escaping in JSON.
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

// uniqueWords is the number of random words that open every prompt, so that no two
// prompts of a run share a prefix that a server has cached: 8 of 191 words are 60 bits.
const uniqueWords = 8

// workload makes the request bodies of one Load. Body i is a function of (seed, i)
// alone, so that a run can be replayed. Making one is two copies: the text behind the
// unique words is cut from a corpus that exists before the probe starts.
type workload struct {
	// head and tail are the JSON around the prompt, and room is a size into which
	// nearly every body fits.
	head, tail []byte
	room       int
	// words is the length of a prompt, and unique how many of its words are unique.
	words, unique int
	seed          uint64
	// corpus is " word" repeated, longer than one prompt; offsets holds the start of
	// each of its words, and its end.
	corpus  []byte
	offsets []int
	// prompts are those of a file, nil if prompts are made up.
	prompts []prompt
	// tokenizer counts what the server does not. It is nil if there is none.
	tokenizer *bpe.Tokenizer
}

// calibration maps words to tokens: tokens = base + slope·words.
type calibration struct{ base, slope float64 }

// words returns the number of words, at least 1, that make a prompt of about isl tokens.
func (c calibration) words(isl int) int {
	if c.slope <= 0 {
		return max(isl, 1)
	}
	return max(int((float64(isl)-c.base)/c.slope+0.5), 1)
}

// newWorkload returns the workload of l. extra holds body fields that the server is
// known to accept; the target's own fields replace them. The error is a *TargetError if
// Target.Body replaces the prompt.
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
		return nil, &TargetError{Field: "Target.Body",
			Problem: "replaces the prompt; remove the fields messages and prompt from it"}
	}
	w.head, w.tail = []byte(head), []byte(tail)

	rng := rand.New(rand.NewPCG(l.Seed, 0x636f72707573)) // "corpus"
	n := w.words + 4096                                  // prompts start at 4,096 different places
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

// body returns the i-th request body. It is called on the hot path.
func (w *workload) body(i uint64) []byte {
	if w.prompts != nil {
		p := w.prompts[i%uint64(len(w.prompts))]
		head, tail := w.head[:len(w.head)-1], w.tail[1:] // leaves out the quotes
		if p.chat {
			head, tail = bytes.TrimSuffix(w.head, []byte(messageHead)), bytes.TrimPrefix(w.tail, []byte(messageTail))
		}
		return slices.Concat(head, p.body, tail)
	}
	b := make([]byte, 0, w.room)
	b = append(b, w.head...)
	b = w.prompt(b, i)
	return append(b, w.tail...)
}

// messageHead and messageTail are the JSON around the one message of a made-up prompt,
// in whose place a conversation from a file is put.
const (
	messageHead = `[{"content":"`
	messageTail = `","role":"user"}]`
)

// promptTokens counts the tokens of the i-th prompt, or its words if there is no
// tokenizer.
func (w *workload) promptTokens(i uint64) int {
	switch {
	case w.prompts != nil:
		return w.prompts[i%uint64(len(w.prompts))].count(w.tokenizer)
	case w.tokenizer != nil:
		return w.tokenizer.Count(string(w.prompt(nil, i)))
	}
	return w.words
}

// prompt appends the text of the i-th prompt to b. The generator of random numbers is
// made anew, since a shared one would need a lock and make body i depend on the order
// of calls.
func (w *workload) prompt(b []byte, i uint64) []byte {
	rest := w.words - w.unique
	rng := rand.NewPCG(w.seed, i)
	from := 0
	if w.unique > 0 { // without unique words, all prompts are the same
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
