package workload

import "cmp"

// Source makes the requests of a workload.
type Source struct {
	seed    uint64
	kinds   []Workload
	weights []float64
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
}

// Prompt returns the tokens of the whole prompt without pictures.
func (r Request) Prompt() int { return r.System + r.Shared + r.ISL }

// Source returns what makes the requests of w with a seed. Lengths that w does not have are
// those given. w must be valid.
func (w Workload) Source(isl, osl int, seed uint64) *Source {
	w.number(0, 0)
	s := &Source{seed: seed, kinds: w.Lengths(isl, osl).Kinds()}
	for _, k := range s.kinds {
		s.weights = append(s.weights, k.Weight)
	}
	return s
}

// Kinds returns the kinds of requests, as Workload.Kinds.
func (s *Source) Kinds() []Workload { return s.kinds }

// Request returns the i-th request. It depends on the workload, the seed and i alone, and
// may be called from several goroutines.
func (s *Source) Request(i uint64) Request {
	r := Request{Group: -1}
	if len(s.kinds) > 1 {
		r.Kind, _ = pick(draw(s.seed, deckMix, i), s.weights)
	}
	k := &s.kinds[r.Kind]
	r.System, r.Text = k.System, k.system
	r.ISL = s.length(k.ISL, deckISL, i)
	r.OSL = s.length(k.OSL, deckOSL, i)
	if len(k.Prefixes) > 0 {
		shares := make([]float64, 0, len(k.Prefixes)+1)
		rest := 1.0
		for _, p := range k.Prefixes {
			shares, rest = append(shares, p.Share), rest-p.Share
		}
		which, within := pick(draw(s.seed, deckPrefix, i), append(shares, max(rest, 0)))
		if which < len(k.Prefixes) {
			p := k.Prefixes[which]
			r.Shared, r.Group = p.Tokens, p.first+int(within*float64(cmp.Or(p.Groups, 1)))
		}
	}
	if k.Images.Count > 0 {
		r.Picture = int(draw(s.seed, deckPicture, i) * pictures)
	}
	return r
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
	for i := range uint64(10_000) {
		if r := s.Request(i); r.Prompt()+r.OSL > prompt+answer {
			prompt, answer = r.Prompt(), r.OSL
		}
	}
	return prompt, answer
}

// Most returns the most tokens that a prompt and an answer of this source have, but for
// about one in a million.
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
