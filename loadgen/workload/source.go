package workload

import (
	"cmp"
	"iter"
	"time"
)

// Source makes the requests of a workload.
type Source struct {
	seed    uint64
	kinds   []Workload
	weights []float64
	turns   *numbering // nil if each conversation has one turn
}

// Request says what one request is like.
type Request struct {
	// Kind is the request's place in the Kinds of the workload.
	Kind int
	// ISL and OSL are the tokens of the request's own part of the prompt, and of the answer.
	ISL, OSL int
	// System is the length of the system prompt in tokens, and Shared that of what the
	// request shares with its group. 0 means none.
	System, Shared int
	// Text is the number of the system prompt, and Group that of the group, −1 if the
	// request is in none. What a kind of a mix says itself has numbers of its own.
	Text, Group int
	// Picture is the number of the first picture, if there are any.
	Picture int

	// Conversation is the number of the conversation, Turn the request's place in it, from
	// 0, and Turns the number of its turns. A request that stands alone is a conversation of
	// one turn.
	Conversation uint64
	Turn, Turns  int
	// Said is the tokens of the turns before this one: what the user said, and the answers
	// if they are as long as they were asked for.
	Said int
	// Think is the time from the end of the answer before this turn to its start.
	Think time.Duration
	// Cancelled says that the request is given up After its sending.
	Cancelled bool
	After     time.Duration
}

// Prompt returns the tokens of the whole prompt without pictures.
func (r Request) Prompt() int { return r.System + r.Shared + r.Said + r.ISL }

// Known returns the tokens of the prompt that other requests have sent before, or were
// answered: what a server that keeps everything need not compute.
func (r Request) Known() int { return r.System + r.Shared + r.Said }

// Source returns what makes the requests of w with a seed. Lengths that w does not have are
// those given. w must be valid.
func (w Workload) Source(isl, osl int, seed uint64) *Source {
	w.number(0, 0)
	s := &Source{seed: seed, kinds: w.Lengths(isl, osl).Kinds()}
	for _, k := range s.kinds {
		s.weights = append(s.weights, k.Weight)
		if k.Turns.several() && w.File == "" {
			s.turns = &numbering{turns: s.count}
		}
	}
	return s
}

// Filed lets the conversations have the turns of a file, or as many of them as Turns allows.
// recorded returns how many turns the file has for a conversation.
func (s *Source) Filed(recorded func(conversation uint64) int) *Source {
	s.turns = &numbering{turns: func(conversation uint64) int {
		n := min(max(recorded(conversation), 1), MostTurns)
		if k := s.kinds[s.kind(conversation)]; !k.Turns.Count.IsZero() {
			n = min(n, s.count(conversation))
		}
		return n
	}}
	return s
}

// Talks reports whether conversations have several turns. The requests are then numbered with
// gaps; see Number.
func (s *Source) Talks() bool { return s.turns != nil }

// Number returns the number of a request, for Request: the given turn, from 0, of a
// conversation.
func (s *Source) Number(conversation uint64, turn int) uint64 {
	if s.turns == nil {
		return conversation
	}
	return s.turns.number(conversation, turn)
}

// Place returns which turn of which conversation request i is.
func (s *Source) Place(i uint64) (conversation uint64, turn int) {
	if s.turns == nil {
		return i, 0
	}
	return s.turns.place(i)
}

// Turns returns the number of turns of a conversation.
func (s *Source) Turns(conversation uint64) int {
	if s.turns == nil {
		return 1
	}
	later := s.turns.later(conversation / deckSize)
	k := conversation % deckSize
	return int(later[k+1]-later[k]) + 1
}

// All yields requests without end, conversation by conversation.
func (s *Source) All() iter.Seq[Request] {
	return func(yield func(Request) bool) {
		for k := uint64(0); ; k++ {
			said := 0 // which Request would add up anew for each turn
			for turn := range s.Turns(k) {
				r := s.request(s.Number(k, turn))
				r.Said = said
				if !yield(r) {
					return
				}
				said += r.ISL + r.OSL
			}
		}
	}
}

// kind returns which kind a conversation is.
func (s *Source) kind(conversation uint64) (k int) {
	if len(s.kinds) > 1 {
		k, _ = pick(draw(s.seed, deckMix, conversation), s.weights)
	}
	return k
}

// count draws the number of turns of a conversation.
func (s *Source) count(conversation uint64) int {
	t := &s.kinds[s.kind(conversation)].Turns
	if t.Count.IsZero() {
		return 1
	}
	u := draw(s.seed, deckTurns, conversation)
	if share := t.Share; share > 0 && share < 1 {
		which, within := pick(u, []float64{share, 1 - share})
		if which == 1 {
			return 1
		}
		u = within
	}
	return min(t.Count.At(u), MostTurns)
}

// Kinds returns the kinds of requests, as Workload.Kinds.
func (s *Source) Kinds() []Workload { return s.kinds }

// Request returns the i-th request. It depends on the workload, the seed and i alone, and
// may be called from several goroutines.
func (s *Source) Request(i uint64) Request {
	r := s.request(i)
	for turn := range r.Turn {
		in, out := s.lengths(&s.kinds[r.Kind], s.turns.number(r.Conversation, turn))
		r.Said += in + out
	}
	return r
}

// request is Request without Said.
func (s *Source) request(i uint64) Request {
	r := Request{Group: -1, Turns: 1}
	r.Conversation, r.Turn = s.Place(i)
	r.Kind = s.kind(r.Conversation)
	k := &s.kinds[r.Kind]
	r.System, r.Text = k.System, k.system
	r.ISL, r.OSL = s.lengths(k, i)
	if s.turns != nil {
		r.Turns = s.Turns(r.Conversation)
		if r.Turn > 0 && !k.Turns.Think.IsZero() {
			r.Think = time.Duration(s.length(k.Turns.Think, deckThink, i)) * time.Millisecond
		}
	}
	if len(k.Prefixes) > 0 {
		shares := make([]float64, 0, len(k.Prefixes)+1)
		rest := 1.0
		for _, p := range k.Prefixes {
			shares, rest = append(shares, p.Share), rest-p.Share
		}
		which, within := pick(draw(s.seed, deckPrefix, r.Conversation), append(shares, max(rest, 0)))
		if which < len(k.Prefixes) {
			p := k.Prefixes[which]
			r.Shared, r.Group = p.Tokens, p.first+int(within*float64(cmp.Or(p.Groups, 1)))
		}
	}
	if k.Images.Count > 0 {
		r.Picture = int(draw(s.seed, deckPicture, i) * pictures)
	}
	if c := k.Cancel; c.Share > 0 {
		which, _ := pick(draw(s.seed, deckCancel, i), []float64{c.Share, 1 - c.Share})
		if which == 0 {
			r.Cancelled, r.After = true, c.After
		}
	}
	return r
}

// lengths draws those of request i, which is of the kind k.
func (s *Source) lengths(k *Workload, i uint64) (isl, osl int) {
	return s.length(k.ISL, deckISL, i), s.length(k.OSL, deckOSL, i)
}

// pictures is the number of different pictures of a size.
const pictures = 16

// length draws one length. A constant needs no card.
func (s *Source) length(l Lengths, deck, i uint64) int {
	if l.Law == LawConstant {
		return l.At(0)
	}
	return l.At(draw(s.seed, deck, i))
}

// Largest returns the tokens of the prompt and of the answer of the largest of the first
// 10,000 requests, prompt and answer together.
func (s *Source) Largest() (prompt, answer int) {
	n := 0
	for r := range s.All() {
		if r.Prompt()+r.OSL > prompt+answer {
			prompt, answer = r.Prompt(), r.OSL
		}
		if n++; n == 10_000 {
			break
		}
	}
	return prompt, answer
}

// Most returns the most tokens that a prompt and an answer of this source have, but for
// about one in a million, without what was said in earlier turns.
func (s *Source) Most() (prompt, answer int) {
	for _, k := range s.kinds {
		shared := 0
		for _, p := range k.Prefixes {
			shared = max(shared, p.Tokens)
		}
		prompt = max(prompt, k.System+shared+k.ISL.Most())
		answer = max(answer, k.OSL.Most())
	}
	return prompt, answer
}
