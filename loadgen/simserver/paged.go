package simserver

import "slices"

// The KV cache. A request reserves its room on arrival or, with Paged, takes it as it goes.

// hold gives a sequence room for n more tokens.
func (e *engine) hold(s *sequence, n int) { s.held, e.kv = s.held+n, e.kv+n }

// free takes the room of a sequence back.
func (e *engine) free(s *sequence) { s.held, e.kv = 0, e.kv-s.held }

// goal is how many tokens a sequence must have prefilled before it decodes: its prompt's, and
// those that it had decoded before it was preempted.
func (s *sequence) goal() int { return s.isl + s.again }

// fits reports whether a sequence that waits can join the batch, and gives it the room for
// its prompt and for its first token.
func (e *engine) fits(s *sequence) bool {
	if !e.model.Paged || e.model.KVTokens <= 0 {
		return true
	}
	if e.kv+s.goal()+1 > e.model.KVTokens {
		return false
	}
	e.hold(s, s.goal()+1)
	return true
}

// makeRoom gives each running sequence that decodes room for its next token. If there is
// none, the one that joined last gives its room up and waits again, before all others.
func (e *engine) makeRoom() {
	if !e.model.Paged || e.model.KVTokens <= 0 {
		return
	}
	for i := 0; i < len(e.running); i++ {
		s := e.running[i]
		if s.prefilled < s.goal() {
			continue
		}
		for e.kv+1 > e.model.KVTokens {
			last := e.running[len(e.running)-1]
			e.running = e.running[:len(e.running)-1]
			e.preempt(last)
			if last == s {
				return
			}
		}
		e.hold(s, 1)
	}
}

// preempt sends a sequence back to the front of the queue, with what it has decoded to be
// computed again.
func (e *engine) preempt(s *sequence) {
	e.free(s)
	s.again, s.prefilled = s.emitted, 0
	e.told.preemptions++
	e.waiting = slices.Insert(e.waiting, 0, s)
}
