package workload

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

// Turns says how requests make up conversations. The prompt of each turn behind the first
// begins with all that was said before it. The zero Turns is one turn each or, with a File,
// those that the file has.
//
// A system prompt and the text of a group stand at the beginning of a conversation, and the
// weights of a Mix and the shares of Prefixes are those of conversations.
type Turns struct {
	// Count is the law of the number of turns of a conversation. With a File, it is the
	// most turns of one that are sent, all if zero.
	Count Lengths `json:"count,omitzero"`
	// Share is the share of the conversations that have several turns, namely Count of
	// them; the others have one. 0 stands for 1.
	Share float64 `json:"share,omitempty"`
	// Think is the law of the time from the end of an answer to the user's next turn, in
	// milliseconds. If it is zero, the next turn follows at once. A delay that a file has
	// takes its place.
	Think Lengths `json:"think_ms,omitzero"`
	// Scripted puts recorded answers into the history in place of the model's own. An
	// answer that the file does not have is made up, as long as it was asked for.
	Scripted bool `json:"scripted,omitempty"`
}

// IsZero reports whether t says nothing.
func (t Turns) IsZero() bool {
	return t.Count.IsZero() && t.Share == 0 && t.Think.IsZero() && !t.Scripted
}

// Cancel gives up a share of the requests, as users do that do not wait for the end of an
// answer. Such a request is counted apart: it is neither valid nor failed.
type Cancel struct {
	// Share is the share of the requests, in [0, 1].
	Share float64 `json:"share,omitempty"`
	// After is the time from the sending of a request to its end. A request that is
	// complete by then is not cancelled.
	After time.Duration `json:"after_ns,omitempty"`
}

// MostTurns is the largest number of turns of a conversation.
const MostTurns = 1000

// several reports whether a conversation can have several turns without a file that says so.
func (t Turns) several() bool { return !t.Count.IsZero() && t.Count.Most() > 1 }

// validate is Workload.Validate of its Turns.
func (t Turns) validate() error {
	if err := t.Count.validate("turns", MostTurns); err != nil {
		return fmt.Errorf("Turns.Count %w", err)
	}
	if err := t.Think.validate("ms", MostTokens); err != nil {
		return fmt.Errorf("Turns.Think %w", err)
	}
	switch {
	case t.Count.Weight != 0 || t.Think.Weight != 0:
		return invalid("Turns", "has a law with a weight, which only the parts of a mixture have")
	case !(t.Share >= 0 && t.Share <= 1):
		return invalid("Turns.Share", "is %v; give a fraction from 0 to 1", t.Share)
	case t.Share != 0 && t.Count.IsZero():
		return invalid("Turns.Share", "is %v, and there is no Count of turns; give it, for example Uniform(2, 6)", t.Share)
	}
	return nil
}

// validate is Workload.Validate of its Cancel.
func (c Cancel) validate() error {
	switch {
	case !(c.Share >= 0 && c.Share <= 1):
		return invalid("Cancel.Share", "is %v; give a fraction from 0 to 1", c.Share)
	case c.After < 0:
		return invalid("Cancel.After", "is %v; give a time that is not negative", c.After)
	case c.Share == 0 && c.After != 0:
		return invalid("Cancel.After", "is %v, and Share is 0; give the share of the requests to cancel", c.After)
	}
	return nil
}

// Moments returns the mean of the number of turns of a conversation and of its square, without
// those of a file.
func (t Turns) Moments() (mean, square float64) {
	if t.Count.IsZero() {
		return 1, 1
	}
	m, s := t.Count.Moments()
	share := t.Share
	if share == 0 {
		share = 1
	}
	return share*m + 1 - share, share*(s*s+m*m) + 1 - share
}

// ThinkMean returns the mean time between an answer and the next request of a user, over all
// requests: behind the last turn of a conversation another begins at once.
func (w Workload) ThinkMean() time.Duration {
	var think, turns float64
	for _, k := range w.Kinds() {
		mean, _ := k.Turns.Moments()
		turns += k.Weight * mean
		if !k.Turns.Think.IsZero() {
			ms, _ := k.Turns.Think.Moments()
			think += k.Weight * (mean - 1) * ms
		}
	}
	return time.Duration(think / turns * float64(time.Millisecond))
}

// Length returns the mean number of turns of the conversation that a user is found in at a
// random time, each turn taking as long. It is 1 if there are no conversations, and more
// than the mean of all conversations otherwise, since one is longer in those that are long.
func (w Workload) Length() float64 {
	var turns, squares float64
	for _, k := range w.Kinds() {
		mean, square := k.Turns.Moments()
		turns, squares = turns+k.Weight*mean, squares+k.Weight*square
	}
	return squares / turns
}

// numbering gives each request of conversations a number of its own. 100 conversations have a
// stretch of numbers, which begins with their first turns. Behind them stand their later
// turns, conversation by conversation, without gaps. Each hundred of a stretch is a deck, so
// that shares are exact for first turns and for later ones.
//
// Note: a number made of those of the conversation and the turn would be simpler. Of the
// later turns, some conversations have none, and a deck would have holes.
type numbering struct {
	turns func(conversation uint64) int // from 1 to MostTurns

	mu    sync.Mutex
	known map[uint64]*[deckSize + 1]uint32 // by stretch: the later turns of the conversations before each
}

const (
	stretch   = deckSize * MostTurns // the numbers of 100 conversations
	mostKnown = 1024                 // stretches that are kept
)

// later returns how many later turns the conversations of a stretch have that stand before
// each one and, behind the last, all of them.
func (n *numbering) later(s uint64) *[deckSize + 1]uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.known[s]; l != nil {
		return l
	}
	if n.known == nil || len(n.known) >= mostKnown {
		n.known = map[uint64]*[deckSize + 1]uint32{}
	}
	l := new([deckSize + 1]uint32)
	for k := range uint64(deckSize) {
		l[k+1] = l[k] + uint32(n.turns(s*deckSize+k)-1)
	}
	n.known[s] = l
	return l
}

// number returns the number of a turn, which counts from 0.
func (n *numbering) number(conversation uint64, turn int) uint64 {
	s, k := conversation/deckSize, conversation%deckSize
	if turn == 0 {
		return s*stretch + k
	}
	return s*stretch + deckSize + uint64(n.later(s)[k]) + uint64(turn) - 1
}

// place is the inverse of number. Numbers between two stretches stand for first turns.
func (n *numbering) place(i uint64) (conversation uint64, turn int) {
	s, rank := i/stretch, i%stretch
	if rank < deckSize {
		return s*deckSize + rank, 0
	}
	rank -= deckSize
	l := n.later(s)
	if rank >= uint64(l[deckSize]) {
		return s*deckSize + rank%deckSize, 0
	}
	k := sort.Search(deckSize, func(k int) bool { return uint64(l[k+1]) > rank })
	return s*deckSize + uint64(k), int(rank-uint64(l[k])) + 1
}
