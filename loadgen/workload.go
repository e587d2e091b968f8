package loadgen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
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
// They also differ from those of any other run with the same seed, see Generator.salt.
const uniqueWords = 8

// workload makes the request bodies of one Load. Body i is a function of (seed, salt, i)
// alone, so that a body can be made again. Making one is two copies: the text behind the
// unique words is cut from a corpus that exists before the probe starts.
type workload struct {
	// head and tail are the JSON around the prompt, and room is a size into which
	// nearly every body fits.
	head, tail []byte
	room       int
	// words is the length of a prompt, and unique how many of its words are unique.
	words, unique int
	seed, salt    uint64
	run           uint64 // part of the names of requests
	// fields are those of a body.
	fields map[string]any
	// corpus is " word" repeated, longer than one prompt; offsets holds the start of
	// each of its words, and its end.
	corpus  []byte
	offsets []int
	longest int // the number of words of the longest prompt that the corpus is for
	// prompts are those of a file, nil if prompts are made up. parts are the fields of a
	// body, in the order of their names, promptField is the one that holds the prompt, and cal
	// says how many words make up a prompt that the file only has the length of.
	prompts     []prompt
	order       laws.Order // in which they are sent
	parts       []bodyField
	without     []string // fields that the server refuses
	promptField string
	cal         calibration
	// codec is the API that the bodies are for. spells says that it
	// makes the body of each request itself; those of chat and completions are put together
	// here, in a fraction of the time.
	codec  codec.Codec
	spells bool
	// model and stream are part of what a codec makes a body of, set has the fields that the
	// target and the load set, and asks those that depend on the prompt.
	model  string
	stream bool
	set    map[string]any
	asks   []string
	// limit is the name of the field that bounds an answer's length, empty if there is none,
	// and osl the load's length. sized says that answers are asked for with that length.
	limit string
	osl   int
	sized bool
	// mixed makes requests that differ in more than their text, nil if there are none, and
	// talking is what is known of their conversations, nil if there are none.
	mixed   *mixed
	talking *talking
	// idle is how long a request may go without receiving anything.
	idle time.Duration
	// censor stars the secrets of the target in what a server says.
	censor censor
	// hides says that answers begin with tokens that are not shown.
	hides bool
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

// newWorkload returns the workload of l. The target's own fields of the body replace the
// generator's, and what the server is known to refuse is left out. The error is a
// *TargetError if Target.Body replaces the prompt.
func newWorkload(t Target, model string, l Load, cal calibration, f fields) (*workload, error) {
	w := &workload{words: cal.words(l.ISL), seed: l.Seed, cal: cal, without: f.without, censor: newCensor(t), idle: t.idle(l)}
	if !t.SamePrompts {
		w.unique = min(uniqueWords, w.words)
	}
	const hole = "\u0001prompt\u0001"
	w.codec, w.model, w.stream, w.set = t.speaks(), model, !t.NoStream, t.Body
	w.osl, w.sized = l.OSL, true
	w.spells = w.codec != codec.Chat && w.codec != codec.Completions
	body, err := w.codec.Body(codec.Request{Model: model, Text: hole, Outputs: l.OSL, Stream: w.stream})
	if err != nil {
		return nil, fmt.Errorf("make the body of a request (codec %s): %w", w.codec.Spec().Name, err)
	}
	if limits := w.codec.Spec().Limits; len(limits) > 0 {
		w.limit = limits[0]
		if f.completion && len(limits) > 1 {
			w.limit = limits[1]
			body[w.limit] = body[limits[0]]
			delete(body, limits[0])
		}
		for _, other := range limits {
			if t.Body[other] != nil {
				w.sized = false
				delete(body, w.limit)
			}
		}
	}
	if w.asks, err = asked(w.codec, hole); err != nil {
		return nil, fmt.Errorf("make the body of a request (codec %s): %w", w.codec.Spec().Name, err)
	}
	w.promptField = w.asks[0]
	for k, v := range t.Body {
		if body[k] = v; v == nil {
			delete(body, k)
		}
	}
	for _, k := range f.without {
		delete(body, k)
	}
	w.fields = body
	for _, name := range w.asks {
		if _, has := t.Body[name]; has {
			return nil, &TargetError{Field: "Target.Body",
				Problem: fmt.Sprintf("replaces the prompt; remove the fields %s from it", strings.Join(w.asks, " and "))}
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the request body (Target.Body): %w", err)
	}
	quoted, _ := json.Marshal(hole)
	head, tail, _ := strings.Cut(string(b), strings.Trim(string(quoted), `"`))
	w.head, w.tail = []byte(head), []byte(tail)
	for _, name := range slices.Sorted(maps.Keys(body)) {
		value, err := json.Marshal(body[name])
		if err != nil {
			return nil, fmt.Errorf("encode the request body (Target.Body): %w", err)
		}
		w.parts = append(w.parts, newBodyField(name, value))
	}
	w.fill(w.words)
	return w, nil
}

// The fields of a prompt are found out and not declared: whoever writes a codec would otherwise
// have to say the same thing twice, and a field that was forgotten could be overridden.

// asked returns the names of the fields of a body that depend on the prompt: those that differ
// from one prompt to another. There is at least one.
func asked(c codec.Codec, text string) (names []string, err error) {
	fields := map[string][]byte{}
	for _, r := range []codec.Request{{Text: text}, {Text: strings.Repeat("word ", 64)}, {Text: text, System: text}} {
		body, err := c.Body(r)
		if err != nil {
			return nil, err
		}
		for name, value := range body {
			b, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			if before, seen := fields[name]; (seen && !bytes.Equal(before, b) || !seen && r.System != "") && !slices.Contains(names, name) {
				names = append(names, name)
			}
			fields[name] = b
		}
	}
	if names == nil {
		return nil, errors.New("no field of it depends on the prompt")
	}
	slices.Sort(names)
	return names, nil
}

// A length that the target's own Body sets is not known here: what is in it may be anything.

// asksFor returns the length that is asked for of an answer that has so many tokens of its
// own, 0 if that is not known.
func (w *workload) asksFor(own int) int {
	if w == nil || own == 0 && !w.sized {
		return own
	}
	return cmp.Or(own, w.osl)
}

// api returns the codec of the workload, chat if it has none.
func (w *workload) api() codec.Codec {
	if w == nil || w.codec == nil {
		return codec.Chat
	}
	return w.codec
}

// fill makes a corpus for prompts of at most the given number of words.
func (w *workload) fill(most int) {
	rng := rand.New(rand.NewPCG(w.seed, 0x636f72707573)) // "corpus"
	n := most + 4096                                     // prompts start at 4,096 different places
	w.corpus, w.offsets = nil, make([]int, 0, n+1)
	for range n {
		w.offsets = append(w.offsets, len(w.corpus))
		w.corpus = append(w.corpus, ' ')
		w.corpus = append(w.corpus, words[rng.IntN(len(words))]...)
	}
	w.offsets = append(w.offsets, len(w.corpus))
	w.longest = most
	w.room = len(w.head) + len(w.tail) + len(w.corpus)*most*11/10/n + 128
}

// send lets the workload send the prompts of a file in place of made-up ones. With none,
// it changes nothing.
func (w *workload) send(prompts []prompt) {
	w.prompts = prompts
	most := w.words
	for _, p := range prompts {
		most = max(most, w.wordsOf(p))
		for _, turn := range p.later {
			most = max(most, w.wordsOf(turn))
		}
	}
	if most > w.words {
		w.fill(most)
	}
}

// has reports whether bodies have a field.
func (w *workload) has(field string) bool { _, ok := w.fields[field]; return ok }

// shortening says why answers may be shorter than asked for.
func (w *workload) shortening() string {
	if w != nil && w.fields != nil && !w.has("ignore_eos") {
		return "requests are sent without ignore_eos"
	}
	return "the server may not support ignore_eos"
}

// body returns the i-th request body. It is called on the hot path.
func (w *workload) body(i uint64) []byte {
	if w.spells || w.varied() {
		return w.spoke(i, nil)
	}
	b := make([]byte, 0, w.room)
	b = append(b, w.head...)
	b = w.prompt(b, i, w.words)
	return append(b, w.tail...)
}

// spoke returns the i-th request body with what was said in its conversation so far, itself
// included. said is nil if the request stands alone.
func (w *workload) spoke(i uint64, said []byte) []byte {
	if w.spells {
		return w.spelled(i, said)
	}
	return w.assembled(i, said)
}

// varied reports whether requests differ in more than their text.
func (w *workload) varied() bool { return w.prompts != nil || w.mixed != nil }

// at returns what the i-th request has of its own. The workload must be varied.
func (w *workload) at(i uint64) prompt {
	if w.prompts == nil {
		return w.mixed.prompt(i)
	}
	conversation, turn := w.place(i)
	p := w.prompts[w.order.At(w.seed, conversation, uint64(len(w.prompts)))]
	if turn > 0 {
		p = p.later[turn-1]
	}
	if w.mixed != nil {
		p = w.mixed.extend(p, i)
	}
	return p
}

// assembled returns the i-th request body with the prompt and the fields that it has of its
// own. What a file or a workload says of a field replaces what the load and the target say
// of it. said is what is said in a conversation by then; it is nil if the request stands
// alone.
//
// Note: bodies that are made before the probe were tried. A file of 100,000 conversations
// would then be in memory once a probe, and putting ten fields together takes a
// microsecond.
func (w *workload) assembled(i uint64, said []byte) []byte {
	p := w.at(i)
	b := make([]byte, 0, w.roomOf(p)+len(said))
	b = append(b, '{')
	add := func(f bodyField, value []byte) {
		if value == nil { // a workload leaves the field out
			return
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, f.key...), ':'), value...)
	}
	own := p.fields
	if len(w.without) > 0 { // the server refuses them
		own = slices.DeleteFunc(slices.Clone(own), func(f bodyField) bool { return slices.Contains(w.without, f.name) })
	}
	for _, f := range w.parts {
		for len(own) > 0 && own[0].name < f.name {
			add(own[0], own[0].value)
			own = own[1:]
		}
		switch {
		case len(own) > 0 && own[0].name == f.name:
			add(own[0], own[0].value)
			own = own[1:]
		case f.name == w.promptField && said != nil && f.name == "messages":
			add(f, slices.Concat([]byte{'['}, said, []byte{']'}))
		case f.name == w.promptField && said != nil:
			add(f, slices.Concat([]byte{'"'}, said, []byte{'"'}))
		case f.name == w.promptField && p.made != nil:
			add(f, w.madePrompt(*p.made, i, f.name == "messages"))
		case f.name == w.promptField:
			add(f, w.promptJSON(p, i, f.name == "messages"))
		case p.outputs > 0 && (f.name == maxTokens || f.name == maxCompletion):
			add(f, strconv.AppendInt(nil, int64(p.outputs), 10))
		default:
			add(f, f.value)
		}
	}
	for _, f := range own {
		add(f, f.value)
	}
	return append(b, '}')
}

// Note: one way for all APIs was tried. Making a body of 550 tokens by a codec and
// encoding/json takes 20 µs, where putting together what was encoded before takes 2; at a
// thousand requests a second that is a fiftieth of a core. Chat and completions, which nearly
// all loads are sent by, keep the fast way, and a test holds both ways together.

// spelled returns the i-th request body as the codec makes it, with the fields that the
// target, the load and the request have of their own.
//
// A codec that does not like a prompt has said so before anything was sent, see
// Target.prompts.
func (w *workload) spelled(i uint64, said []byte) []byte {
	var p prompt
	if w.varied() {
		p = w.at(i)
	}
	r := codec.Request{Model: w.model, Stream: w.stream, Outputs: cmp.Or(p.outputs, w.osl)}
	switch {
	case said != nil:
		r.Messages = slices.Concat([]byte("["), said, []byte("]"))
	case p.made != nil:
		if p.made.System > 0 {
			r.System = string(w.system(nil, *p.made))
		}
		r.Text = string(w.user(nil, *p.made, i))
		for _, part := range p.made.images {
			r.Images = append(r.Images, pictureURL(part))
		}
	case p.chat:
		r.Messages = p.body
	case p.body != nil:
		_ = json.Unmarshal(p.body, &r.Text) // it is a string
	case w.prompts != nil && !p.raw:
		r.Text = string(w.madeUp(nil, p, i))
	default:
		r.Text = string(w.prompt(nil, i, w.words))
	}
	body, err := w.codec.Body(r)
	if err != nil {
		body = map[string]any{}
	}
	if first := w.codec.Spec().Limits; w.limit != "" && w.limit != first[0] {
		body[w.limit] = body[first[0]]
		delete(body, first[0])
	}
	if p.raw {
		for _, name := range w.asks {
			delete(body, name)
		}
	}
	for k, v := range w.set {
		if slices.Contains(w.codec.Spec().Limits, k) {
			delete(body, w.limit)
			if p.outputs > 0 && v != nil {
				v = p.outputs
			}
		}
		if body[k] = v; v == nil {
			delete(body, k)
		}
	}
	for _, f := range p.fields {
		if body[f.name] = json.RawMessage(f.value); f.value == nil {
			delete(body, f.name)
		}
	}
	for _, k := range w.without {
		delete(body, k)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// promptJSON returns the i-th prompt, which is p, as JSON: a list of messages if chat, and
// a string otherwise.
func (w *workload) promptJSON(p prompt, i uint64, chat bool) []byte {
	text := p.body
	switch {
	case p.chat:
		return p.body
	case text == nil: // no word needs escaping
		text = append(w.madeUp([]byte{'"'}, p, i), '"')
	}
	if !chat {
		return text
	}
	return slices.Concat([]byte(`[{"content":`), text, []byte(`,"role":"user"}]`))
}

// wordsOf returns the number of words of a prompt that is made up, 0 for all others.
func (w *workload) wordsOf(p prompt) int {
	if p.length == 0 {
		return 0
	}
	return w.cal.words(p.length)
}

// madeUp appends the text of the i-th prompt, of which the file has only the length. With
// blocks, each block is the same text in every prompt, so that a server caches prefixes as
// it did when the trace was recorded.
func (w *workload) madeUp(b []byte, p prompt, i uint64) []byte {
	n := w.wordsOf(p)
	if len(p.blocks) == 0 {
		return w.prompt(b, i, n)
	}
	size := (n + len(p.blocks) - 1) / len(p.blocks) // words a block
	if full := w.cal.words(blockTokens); p.length > (len(p.blocks)-1)*blockTokens && p.length <= len(p.blocks)*blockTokens {
		size = full // the last block is shorter
	}
	first := len(b)
	for _, id := range p.blocks {
		k := min(size, n)
		n -= k
		rng := rand.NewPCG(w.seed^w.salt, id)
		from := int(rng.Uint64() % uint64(len(w.offsets)-k))
		b = append(b, w.corpus[w.offsets[from]:w.offsets[from+k]]...)
	}
	if len(b) > first { // the first word has a space before it
		b = slices.Delete(b, first, first+1)
	}
	return b
}

// blockTokens is the size of the blocks of Mooncake's traces.
const blockTokens = 512

// promptTokens counts the tokens of the i-th prompt, or its words if there is no
// tokenizer, without what was said in earlier turns.
func (w *workload) promptTokens(i uint64) int {
	p := prompt{}
	if w.varied() {
		p = w.at(i)
	}
	switch {
	case p.made != nil:
		return w.madeTokens(*p.made, i)
	case p.body != nil || p.raw:
		return p.count(w.tokenizer)
	case w.prompts != nil && w.tokenizer != nil:
		return w.tokenizer.Count(string(w.madeUp(nil, p, i)))
	case w.prompts != nil:
		return w.wordsOf(p)
	case w.tokenizer != nil:
		return w.tokenizer.Count(string(w.prompt(nil, i, w.words)))
	}
	return w.words
}

// runID is part of the names of requests, 0 if they have none.
func (w *workload) runID() uint64 {
	if w == nil {
		return 0
	}
	return w.run
}

// lengths returns the tokens that the i-th request has of its own: those of its prompt, 0 if
// they are the load's or not known, and those of its answer, 0 if they are the load's.
func (w *workload) lengths(i uint64) (isl, osl int) {
	if w == nil || !w.varied() {
		return 0, 0
	}
	p := w.at(i)
	if p.made != nil && p.made.images == nil {
		isl = p.made.Prompt()
	}
	return isl, p.outputs
}

// outputs is the number of output tokens that the i-th request has of its own, 0 if it is
// the load's.
func (w *workload) outputs(i uint64) int {
	_, osl := w.lengths(i)
	return osl
}

// prompt appends the text of the i-th prompt, of n words, to b. The generator of random
// numbers is made anew, since a shared one would need a lock and make body i depend on
// the order of calls.
func (w *workload) prompt(b []byte, i uint64, n int) []byte {
	unique := min(w.unique, n)
	rest := n - unique
	rng := rand.NewPCG(w.seed, i)
	from := 0
	if unique > 0 { // without unique words, all prompts are the same
		from = int(rng.Uint64() % uint64(len(w.offsets)-1-rest))
	}
	text := w.corpus[w.offsets[from]:w.offsets[from+rest]]
	if unique == 0 && len(text) > 0 {
		text = text[1:]
	}
	if w.salt != 0 {
		rng = rand.NewPCG(w.seed^w.salt, i)
	}
	for k := range unique {
		if k > 0 {
			b = append(b, ' ')
		}
		b = append(b, words[rng.Uint64()%uint64(len(words))]...)
	}
	return append(b, text...)
}
