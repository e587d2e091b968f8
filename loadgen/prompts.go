package loadgen

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	"github.com/aiperf-go/aiperf/loadgen/internal/dataset"
)

// prompt is one request of a file of prompts.
type prompt struct {
	// body is the prompt as JSON: a string or, if chat, a list of messages. It is nil if
	// the prompt is made up, with length tokens.
	body   []byte
	chat   bool
	length int
	// raw says that the fields have the prompt, in the words of an API of its own.
	raw bool
	// blocks names the parts of a prompt that is made up. Prompts that begin with the
	// same blocks begin with the same text. It is nil if nothing is shared.
	blocks []uint64
	// said holds the texts whose tokens are counted.
	said []string
	// outputs is the number of output tokens, 0 for that of the load.
	outputs int
	// at is when the request was sent in the recorded traffic, if timed.
	at    time.Duration
	timed bool
	// fields are further fields of the request's body, in the order of their names. One
	// without a value is left out of the body.
	fields []bodyField
	// made says how a prompt is made up that shares parts with others, nil for any other.
	made *madeRequest
	// later holds the turns of the conversation that follow. reply is the recorded answer, and
	// delay the time from the answer before it to the turn; both may be zero.
	later []prompt
	reply string
	delay time.Duration
}

// bodyField is one field of a request's body, with its name and its value as JSON.
type bodyField struct {
	name       string
	key, value []byte
}

// newBodyField returns the field with the name and the value.
func newBodyField(name string, value []byte) bodyField {
	key, _ := json.Marshal(name)
	return bodyField{name: name, key: key, value: value}
}

// promptOf makes a prompt of an entry of a file. The recorded answer's length is counted by
// the tokenizer; without one, it is not known.
func promptOf(e dataset.Entry, t *bpe.Tokenizer) (p prompt, err error) {
	p = prompt{length: e.Length, blocks: e.Blocks, outputs: e.Outputs, at: e.At, timed: e.Timed, reply: e.Reply, delay: e.Delay}
	switch {
	case e.Raw:
		p.raw, p.said = true, e.Said
	case e.Messages != nil:
		p.body, p.chat, p.said = e.Messages, true, e.Said
	case e.Length == 0:
		p.said = []string{e.Text}
		if p.body, err = json.Marshal(e.Text); err != nil {
			return p, err
		}
	}
	// An answer that was recorded says how long answers of this prompt are. Its words would do
	// badly for that, since its language is not known.
	if p.outputs == 0 && t != nil && e.Reply != "" {
		p.outputs = t.Count(e.Reply)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		p.fields = append(p.fields, newBodyField(name, e.Fields[name]))
	}
	for _, turn := range e.Later {
		later, err := promptOf(turn, t)
		if err != nil {
			return p, err
		}
		p.later = append(p.later, later)
	}
	return p, nil
}

// count returns the number of the prompt's tokens, or of its words if t is nil. It is
// at least 1.
func (p prompt) count(t *bpe.Tokenizer) (n int) {
	for _, text := range p.said {
		if t != nil {
			n += t.Count(text)
		} else {
			n += len(strings.Fields(text))
		}
	}
	return max(n, 1)
}

// prompts reads the target's file of prompts. It returns nil if the target has none. note
// says what of the file is not used, and is nil if everything is. Errors are *TargetError.
func (t Target) prompts(tokenizer *bpe.Tokenizer) (prompts []prompt, note error, err error) {
	if t.Prompts == "" {
		return nil, nil, nil
	}
	var options []dataset.Option
	if t.workload.SkipUnread {
		options = append(options, dataset.Lenient)
	}
	f, err := t.readPrompts(options...)
	if form := (*dataset.FormError)(nil); errors.As(err, &form) {
		return nil, nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("of %s cannot be used: %v", t.Prompts, err)}
	}
	if err != nil {
		return nil, nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("cannot be read: %v", err)}
	}
	for i, e := range f.Entries {
		p, err := promptOf(e, tokenizer)
		if err != nil {
			return nil, nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("of %s cannot be used: prompt %d: %v", t.Prompts, i+1, err)}
		}
		for _, turn := range append([]prompt{p}, p.later...) {
			if err := t.accepts(e, turn, i+1); err != nil {
				return nil, nil, err
			}
		}
		prompts = append(prompts, p)
	}
	if t.workload.Replay != 0 {
		if prompts, err = timed(prompts); err != nil {
			return nil, nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("of %s cannot be replayed: %v", t.Prompts, err)}
		}
	}
	return prompts, errors.Join(unreadInput(t.Prompts, f), unusedInput(f, t.workload.Replay != 0)), nil
}

// A file that was written for another API is refused and not turned into one for this: what is
// lost on the way would be told nowhere.

// accepts reports that the target's API does not take the n-th prompt of its file, as a
// *TargetError.
func (t Target) accepts(e dataset.Entry, p prompt, n int) error {
	c := t.speaks()
	api := c.Spec()
	bad := func(format string, args ...any) error {
		return &TargetError{Field: "Prompts", Problem: "of " + t.Prompts + " " + fmt.Sprintf(format, args...)}
	}
	named, _, ok := codec.ByPath(strings.TrimRight(e.Route, "/"))
	// A request of chat is one of completions if it has a text, and the other way round.
	written := func(c codec.Codec) bool { return c == codec.Chat || c == codec.Completions }
	switch {
	case e.Route != "" && !ok:
		return bad("are for %s (prompt %d), which is the route of no API that is known; known are %s",
			e.Route, n, strings.Join(codec.Names(), ", "))
	case ok && named.Spec().Name != api.Name && !(written(named) && written(c)):
		return bad("are for %s (prompt %d), which is not the %s API; use the %s protocol", e.Route, n, api.Name, named.Spec().Name)
	case p.raw && written(c):
		return bad("have bodies that the %s API does not accept (prompt %d): a list of inputs, or a query with documents; "+
			"use the embeddings, the responses or the rerank protocol", api.Name, n)
	case p.chat && !api.Messages:
		return bad("have messages (prompt %d), which the %s API does not accept; use the chat protocol", n, api.Name)
	case p.chat:
		if _, err := c.Body(codec.Request{Messages: p.body}); err != nil {
			return bad("cannot be used: prompt %d: %v", n, err)
		}
	}
	return nil
}

// timed returns the prompts in the order of their times, which count from the first.
func timed(prompts []prompt) ([]prompt, error) {
	for i, p := range prompts {
		if !p.timed {
			return nil, fmt.Errorf("prompt %d has no timestamp; give each one, or send the file at a rate", i+1)
		}
	}
	slices.SortStableFunc(prompts, func(a, b prompt) int { return cmp.Compare(a.at, b.at) })
	first := prompts[0].at
	for i := range prompts {
		prompts[i].at -= first
		for k := range prompts[i].later {
			prompts[i].later[k].at -= first
		}
	}
	if last := prompts[len(prompts)-1].at; last == 0 && len(prompts) > 1 {
		return nil, errors.New("all of its timestamps are the same")
	}
	return prompts, nil
}

// period is how long a replay of prompts takes until it begins anew: from the first to the
// last, and the mean gap between two of them once more.
func period(prompts []prompt) time.Duration {
	n := len(prompts)
	if n < 2 {
		return time.Second
	}
	return time.Duration(float64(prompts[n-1].at) * float64(n) / float64(n-1)) // n times the time may be too much for one
}

// Recorded returns how many requests the target's file has, all turns of conversations
// included, and how long it takes to replay
// them as the workload says that the target is for; see For. Errors are *TargetError.
func (t Target) Recorded() (requests int, took time.Duration, err error) {
	prompts, _, err := t.prompts(nil)
	if err != nil || len(prompts) == 0 {
		return 0, 0, err
	}
	return turnsIn(prompts, t.workload), time.Duration(float64(period(prompts)) / cmp.Or(t.workload.Replay, 1)), nil
}

// mostNamed is the number of lines that cannot be read of which the reason is told; of
// further ones there is the number alone.
const mostNamed = 10

// unreadInput names the lines of a file that could not be read, and returns nil if there are
// none.
func unreadInput(path string, f *dataset.File) error {
	if len(f.Unread) == 0 {
		return nil
	}
	var named, numbers []string
	for i, bad := range f.Unread {
		if i < mostNamed {
			named = append(named, bad.At(path))
		} else {
			numbers = append(numbers, strconv.Itoa(bad.Line))
		}
	}
	text := strings.Join(named, "; ")
	if numbers != nil {
		text += "; and lines " + strings.Join(numbers, ", ")
	}
	return fmt.Errorf("%d of the lines of the file of prompts cannot be read, and the rest is sent: %s", len(f.Unread), text)
}

// unusedInput says what of a file the load does not use, and returns nil if there is
// nothing. Timestamps are used by a replay alone, and delays by later turns alone.
func unusedInput(f *dataset.File, replay bool) error {
	var timed, delayed int
	for _, e := range f.Entries {
		for i, turn := range append([]dataset.Entry{e}, e.Later...) {
			if turn.Timed && !replay {
				timed++
			}
			if turn.Delay != 0 && i == 0 {
				delayed++
			}
		}
	}
	var parts []string
	for _, part := range []struct {
		n         int
		one, many string
	}{
		{timed, "timestamp", "timestamps"},
		{delayed, "delay", "delays"}, {f.Skipped, "conversation without a question", "conversations without a question"},
	} {
		switch {
		case part.n == 1:
			parts = append(parts, "1 "+part.one)
		case part.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.many))
		}
	}
	if parts == nil {
		return nil
	}
	sent := "each request is sent as soon as the load has room for it"
	if replay {
		sent = "each conversation begins at its time"
	}
	return fmt.Errorf("parts of the file of prompts are not used: %s; %s", strings.Join(parts, ", "), sent)
}
