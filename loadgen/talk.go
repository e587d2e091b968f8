package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// A conversation goes through four steps for each of its turns:
//
//  1. The books give a slot its ticket, with the conversation that goes on or another one.
//  2. ticket.body finds out which turn is next, and puts what was said before into the body.
//  3. slot.heard takes the answer into the conversation, on the slot's own goroutine, since
//     the next turn needs it. An answer of 128 tokens takes it a quarter of a millisecond, which
//     is over before most users have thought.
//  4. In a closed loop the slot waits until its user has thought. In an open loop the
//     conversation waits in the books.

// talk is a conversation under way. In a closed loop it belongs to a slot, which is its user.
// In an open loop it waits in the books until its user has thought and a request is due.
type talk struct {
	number uint64
	// of says which requests it is made of; see talking.key. At another level of the same
	// requests it goes on.
	of string
	// turn is the next one, from 0, and said what was said before it; see workload.say.
	turn int
	said []byte
	// begun is when the first turn was due, and ready when the next one may be sent.
	begun, ready time.Duration
}

// talking is what a workload knows of its conversations.
type talking struct {
	key string
	// length is the mean number of turns of the conversation that a user is found in, and
	// think the mean time between an answer and the user's next request.
	length float64
	think  time.Duration
	// replay is how many seconds a recorded second takes, 0 if the times of a file are not
	// kept.
	replay float64
}

// errGivenUp is the cause with which a slot cancels a request as Workload.Cancel asks.
var errGivenUp = errors.New("the request was given up, as the workload says")

// converse sets what the workload knows of its conversations. Those of a file have the turns
// and the delays that it has.
func (w *workload) converse(l Load) error {
	m := w.mixed
	if !m.source.Talks() {
		return nil
	}
	if api := w.codec.Spec(); !api.Messages && w.codec != codec.Completions {
		return &TargetError{Field: "Load.Workload",
			Problem: fmt.Sprintf("cannot be used: it has Turns, which the %s API does not accept; use the chat protocol", api.Name)}
	}
	w.talking = &talking{length: l.Workload.Length(), think: l.Workload.ThinkMean(), key: l.Workload.Sum()}
	for _, n := range []int{l.ISL, l.OSL, int(l.Seed)} {
		w.talking.key += " " + strconv.Itoa(n)
	}
	// The conversations of a file are as long as they are, whatever the laws say. A user is
	// found in a long one more often than in a short one, hence the squares.
	if w.prompts == nil {
		return nil
	}
	var turns, squares float64
	var think time.Duration
	for k := range uint64(len(w.prompts)) {
		n := m.source.Turns(k)
		turns, squares = turns+float64(n), squares+float64(n*n)
		for turn := 1; turn < n; turn++ {
			think += w.thinks(m.source.Number(k, turn))
		}
	}
	w.talking.length, w.talking.think = squares/turns, think/time.Duration(turns)
	return nil
}

// talks reports whether requests are turns of conversations.
func (w *workload) talks() bool { return w.talking != nil }

// cycle returns the mean number of turns of the conversation that a user is found in, at least
// 1, and the mean time that a user thinks before a request.
func (w *workload) cycle() (length float64, think time.Duration) {
	if !w.talks() {
		return 1, 0
	}
	return w.talking.length, w.talking.think
}

// place returns which turn of which conversation request i is.
func (w *workload) place(i uint64) (conversation uint64, turn int) {
	if !w.talks() {
		return i, 0
	}
	return w.mixed.source.Place(i)
}

// thinks returns how long the user thinks before request i.
func (w *workload) thinks(i uint64) time.Duration {
	if w.prompts != nil {
		if d := w.at(i).delay; d > 0 && w.talking.replay > 0 {
			return time.Duration(float64(d) * w.talking.replay)
		} else if d > 0 {
			return d
		}
	}
	return w.mixed.source.Request(i).Think
}

// follows returns when request i may be sent, a turn of a conversation whose last answer ended
// at eof: when its user has thought or, in a replay, at its own time, but not before.
func (w *workload) follows(i uint64, k *talk, eof time.Duration) time.Duration {
	if w.talking.replay > 0 {
		first, turn := w.at(w.mixed.source.Number(k.number, 0)), w.at(i)
		if turn.timed && turn.delay == 0 {
			return max(eof, k.begun+time.Duration(float64(turn.at-first.at)*w.talking.replay))
		}
	}
	return eof + w.thinks(i)
}

// gives reports whether request i is given up, and how long after its sending.
func (w *workload) gives(i uint64) (after time.Duration, up bool) {
	if w.mixed == nil || !w.mixed.cancels {
		return 0, false
	}
	r := w.mixed.source.Request(i)
	return r.After, r.Cancelled
}

// say returns what was said in a conversation, and behind it what the user says in request i:
// messages as JSON with commas between them or, for the completions API, the inside of a JSON
// string. It may use the room behind before.
func (w *workload) say(i uint64, before []byte) []byte {
	chat := w.codec.Spec().Messages
	p := w.at(i)
	own := w.promptJSON(p, i, chat)
	if p.made != nil {
		own = w.madePrompt(*p.made, i, chat)
	}
	if len(before) > 0 && chat {
		before = append(before, ',')
	} else if len(before) > 0 {
		before = append(before, `\n`...)
	}
	return append(before, bytes.TrimSpace(own[1:len(own)-1])...)
}

// answered appends an answer to what was said.
func (w *workload) answered(said []byte, answer string) []byte {
	text, _ := json.Marshal(answer) // a string
	if !w.codec.Spec().Messages {
		return append(said, text[1:len(text)-1]...)
	}
	return append(append(append(said, `,{"content":`...), text...), `,"role":"assistant"}`...)
}

// spoken counts the tokens, or the words if there is no tokenizer, of what was said.
func (w *workload) spoken(said []byte) (n int) {
	var texts []string
	if w.codec.Spec().Messages {
		var messages []struct{ Content text }
		_ = json.Unmarshal(slices.Concat([]byte("["), said, []byte("]")), &messages)
		for _, m := range messages {
			texts = append(texts, string(m.Content))
		}
	} else {
		var whole string
		_ = json.Unmarshal(slices.Concat([]byte(`"`), said, []byte(`"`)), &whole)
		texts = []string{whole}
	}
	for _, s := range texts {
		if w.tokenizer != nil {
			n += w.tokenizer.Count(s)
		} else {
			n += len(strings.Fields(s))
		}
	}
	return n
}

// script returns the answer to request i that stands in the history in place of the model's
// own. ok is false if there the model's own belongs.
func (w *workload) script(i uint64) (answer string, ok bool) {
	r := w.mixed.source.Request(i)
	if !w.mixed.kinds[r.Kind].scripted {
		return "", false
	}
	words := w.sharedWords(cmp.Or(w.outputs(i), r.OSL))
	if n := uint64(len(w.prompts)); n > 0 {
		if p := w.at(i); p.reply != "" {
			return p.reply, true
		}
		i = w.order.At(w.seed, r.Conversation, n)*laws.MostTurns + uint64(r.Turn) // the same each time
	}
	return string(w.shared(nil, answerText, i, words)), true
}

// body returns the body of the ticket's request. For a turn of a conversation it also notes
// which one it is, and what is said by then.
func (tk *ticket) body() []byte {
	w := tk.work
	if tk.talk != nil {
		tk.turn, tk.item = tk.talk.turn, w.mixed.source.Number(tk.talk.number, tk.talk.turn)
		tk.before = len(tk.talk.said)
		tk.said = w.say(tk.item, tk.talk.said)
	}
	tk.after, tk.givenUp = w.gives(tk.item)
	if tk.talk != nil {
		return w.spoke(tk.item, tk.said)
	}
	return w.body(tk.item)
}

// heard takes the answer into the slot's conversation, and notes how long its user then
// thinks. The conversation is over behind its last turn, and behind a turn without an answer:
// a history with a hole in it is none that a user has.
//
// Note: a turn that failed could be sent again. The server that failed would then be sent
// the same turns more often than others, and the mix would no longer be that of the workload.
func (s *slot) heard(rec *record) {
	tk := &rec.ticket
	k := tk.talk
	if k == nil {
		return
	}
	s.talk = nil
	if k.turn == 0 {
		k.begun = rec.scheduled
	}
	k.turn++
	if k.turn >= tk.work.mixed.source.Turns(k.number) {
		return
	}
	answer, ok := tk.work.script(tk.item)
	if !ok {
		answer, ok = rec.reply()
	}
	if !ok {
		return
	}
	k.said = tk.work.answered(tk.said, answer)
	k.ready = tk.work.follows(tk.work.mixed.source.Number(k.number, k.turn), k, rec.eof)
	rec.thought = k.ready - rec.eof
	s.talk = k
}

// reply returns the text of the first choice of an answer, without reasoning, which is not
// sent back. ok is false if there is none.
func (r *record) reply() (said string, ok bool) {
	if !accepted(r.status) || r.err != nil || r.decode() != nil {
		return "", false
	}
	var b strings.Builder
	api := r.ticket.work.codec
	choice := -1 // the one that said something first; those before it may be thoughts
	read := func(data []byte, whole bool) {
		part, _ := api.Read(data, whole) // what cannot be read has failed already
		for _, c := range part.Content {
			if choice < 0 && c.Text != "" {
				choice = c.Choice
			}
			if c.Choice == choice {
				b.WriteString(c.Text)
			}
		}
	}
	if api == codec.Chat || api == codec.Completions {
		// The next turn waits for this. The codec takes four times as long, for all the
		// dialects in which servers count and think.
		read = func(data []byte, _ bool) {
			var c struct {
				Choices []struct {
					Index   int
					Text    text
					Delta   struct{ Content text }
					Message struct{ Content text }
				}
			}
			_ = json.Unmarshal(data, &c) // what is no chunk has no text
			for _, ch := range c.Choices {
				if ch.Index == 0 {
					b.WriteString(string(ch.Text + ch.Delta.Content + ch.Message.Content))
				}
			}
		}
	}
	// A server may answer in one piece although a stream was asked for.
	if looksWhole(r.body) {
		read(r.body, true)
	} else {
		for pos := 0; ; {
			ev, next, found := sse.Next(r.body, pos)
			if !found || sse.Done(ev.Data) {
				break
			}
			read(ev.Data, false)
			pos = next
		}
	}
	return b.String(), strings.TrimSpace(b.String()) != ""
}

// roomPause is how often a later turn of a replay looks for room under MostInFlight.
const roomPause = 5 * time.Millisecond

// follow lets a conversation of a replay go on when its next turn may be sent. Until then it
// has no slot, so that a limit on what is in flight is not about users that think.
func (g *Generator) follow(ctx context.Context, k *talk, turn turn) {
	turn.talk, turn.opens = k, false // at another level it does not open the window
	g.books.running.Go(func() {
		if !sleep(ctx, k.ready-g.now()) {
			return
		}
		due := k.ready
		for g.books.full() { // a turn that waits for room is due only then, as a first turn is
			if !sleep(ctx, roomPause) {
				return
			}
			due = g.now()
		}
		if s := g.books.vacant(mostInFlight); s != nil {
			s.once(due, turn)
		}
	})
}

// replayed returns the conversation of an item of a replay, which goes on if it has begun.
func (l *level) replayed(turn turn) *talk {
	if turn.talk != nil {
		return turn.talk
	}
	return &talk{number: turn.item, of: l.work.talking.key}
}

// next takes the conversation whose user has waited longest for a next turn, of the requests
// that are sent now. It is nil if no user is ready.
func (l *level) next(now time.Duration) *talk {
	for len(l.waiting) > 0 && l.waiting[0].ready <= now {
		k := l.waiting[0]
		l.waiting = l.waiting[1:]
		if k.of == l.work.talking.key {
			return k
		}
	}
	return nil
}

// wait lets a conversation of an open loop wait for its next turn.
func (b *books) wait(k *talk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopLoad == nil || !b.work.talks() || k.of != b.work.talking.key {
		return
	}
	// The list is in the order in which users will be ready; of equal ones the first that came.
	i, _ := slices.BinarySearchFunc(b.waiting, k.ready, func(other *talk, ready time.Duration) int {
		if other.ready <= ready { // behind those that are equal
			return -1
		}
		return 1
	})
	b.waiting = slices.Insert(b.waiting, i, k)
}

// turnover returns how many requests must end at the level of p before its window opens,
// where so many slots of it are new, or its requests are others. Users that have just begun
// are all at the beginning of a conversation. By the time that each of them has sent as many
// requests as its conversation has turns, they are anywhere in one. That takes at most the
// length of a window.
func (l *level) turnover(p *probe, request time.Duration) int {
	length, think := p.work.cycle()
	cycle, window := (request + think).Seconds(), p.load.Window.Seconds()
	same := l.work == nil && !p.work.talks() || l.work != nil && l.work.sameTalk(p.work)
	if p.pacer != nil {
		// An open loop has no slots that could turn over. Instead, the requests that arrive
		// within one request's time are discarded or, if users begin, within a conversation.
		took := request.Seconds()
		if !same {
			took = max(took, min(length*cycle, window))
		}
		return max(1, int(math.Ceil(p.pacer.first()*took)))
	}
	turns := p.load.Concurrency
	fresh := turns
	for id := range l.alive {
		if same && id < turns {
			fresh--
		}
	}
	if l.probes == 0 {
		turns *= 2 // the first turnover warms the server up
	}
	more := (length - 1) * float64(fresh)
	if cycle > 0 { // users who think long would otherwise hold the probe up
		more = min(more, float64(p.load.Concurrency)/cycle*window)
	}
	return turns + int(math.Ceil(more))
}

// sameTalk reports whether conversations go on from one workload to another.
func (w *workload) sameTalk(other *workload) bool {
	if !w.talks() || !other.talks() {
		return w.talks() == other.talks()
	}
	return w.talking.key == other.talking.key
}
