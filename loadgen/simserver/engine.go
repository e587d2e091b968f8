package simserver

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// An engine is the continuous-batching scheduler. It is a pure state machine without
// goroutines or a clock; times count from an origin of the caller's choice. The same
// code runs behind HTTP in real time (see driver) and in virtual time for the truth (see
// Model.Simulate).
//
// The caller presents events in the order of time: before offer or drop at time t it
// calls advance(t), which carries out every step that ends at or before t. What arrives
// at the very instant a step starts is therefore not in that step, and nothing depends
// on which of two simultaneous callers comes first.
type engine struct {
	model Model // with defaults filled in
	rng   *rand.Rand
	// token is called for each token, in the order of the batch.
	token func(s *sequence, at time.Duration)

	// waiting holds the sequences that are in no step yet, in the order of arrival,
	// and running the others, in the order of admission.
	waiting, running []*sequence
	// prefixes are the beginnings of prompts that need no prefill, nil for none.
	prefixes *prefixCache
	// kv is the number of tokens that both have reserved.
	kv int
	// told is what the engine counts for its page of metrics, and gpu what one GPU draws.
	told telemetry
	gpu  power
	// gone says that some of both were dropped.
	gone bool
	// warm says that the first step is over.
	warm bool

	// stepping says that a step is under way, which ends at end.
	stepping bool
	end      time.Duration
}

// A sequence is one request inside the engine.
type sequence struct {
	isl, osl int
	// prefilled and emitted count the prompt tokens prefilled and the tokens decoded.
	prefilled, emitted int
	// blocks are those of the prompt, and of the answer behind it, that a prefix cache can
	// hold. cached is the number of prompt tokens that it held, and kept the number of blocks
	// that it was given.
	blocks       []uint64
	cached, kept int
	// item is what the client sends, −1 for the first turn of another conversation.
	item int64
	// held is how much of the KV cache the sequence has, and again how many tokens that were
	// decoded before a preemption must be prefilled again.
	held, again int
	// arrived, admitted, first and last are when it was offered, when it first joined the batch,
	// and when its first and its latest token were decoded. joined says that it has joined.
	arrived, admitted, first, last time.Duration
	joined                         bool
	// share is the number of prompt tokens in the step under way, and decodes says
	// that the step decodes a token.
	share   int
	decodes bool
	// gone says that the client has left.
	gone bool

	// tokens gets one element a token that is due behind HTTP, and is never full.
	tokens chan struct{}
	due    func(emitted int) bool
	// trace is what the client sees in Simulate, and measured says that the sequence
	// belongs to the cohort there.
	trace    Trace
	measured bool
}

// The reasons for which a request is refused.
var (
	errQueueFull = errors.New("the waiting queue is full")
	errKVFull    = errors.New("the KV cache has no room for the request beside those admitted")
)

// newEngine returns an engine that sleeps.
func newEngine(m Model, token func(*sequence, time.Duration)) *engine {
	m = m.withDefaults()
	return &engine{
		model: m, gpu: power{watts: m.Idle}, rng: rand.New(rand.NewPCG(m.Seed, 0)), token: token, prefixes: newPrefixCache(m.PrefixCache),
	}
}

// newSequence returns a sequence of isl prompt and osl output tokens, each at least 1,
// since an engine that has nothing to prefill has nothing to decode from.
func newSequence(isl, osl int) *sequence {
	return &sequence{isl: max(isl, 1), osl: max(osl, 1)}
}

// offer presents s, which arrives now. If there is no room, it is refused with errKVFull
// or errQueueFull. If the engine sleeps, a step with s alone starts at once.
func (e *engine) offer(now time.Duration, s *sequence) error {
	need, limit := s.isl+s.osl, e.model.KVTokens
	if limit > 0 && (need > limit || !e.model.Paged && e.kv+need > limit) {
		return errKVFull
	}
	if limit := e.model.MaxQueue; limit > 0 && len(e.waiting) >= limit {
		return errQueueFull
	}
	if !e.model.Paged {
		e.hold(s, need)
	}
	s.arrived = now
	e.waiting = append(e.waiting, s)
	if !e.stepping {
		e.begin(now)
	}
	return nil
}

// drop gives s up, because its client has left. It leaves, and frees its room, when the
// next step starts.
func (e *engine) drop(s *sequence) {
	if !s.gone && s.emitted < s.osl {
		s.gone, e.gone = true, true
	}
}

// advance carries out the steps that end at or before now. A late call changes
// nothing about their times: each starts at the scheduled end of the last.
func (e *engine) advance(now time.Duration) {
	for e.stepping && e.end <= now {
		e.finish()
		e.begin(e.end)
	}
}

// begin starts a step, or lets the engine sleep when there is nothing to do.
func (e *engine) begin(at time.Duration) {
	if e.gone {
		e.running = e.keep(e.running)
		e.waiting = e.keep(e.waiting)
		e.gone = false
	}
	e.makeRoom()
	admit := 0
	for admit < len(e.waiting) && len(e.running)+admit < e.model.MaxBatch && e.fits(e.waiting[admit]) {
		s := e.waiting[admit]
		admit++
		// The last token is computed in any case, since the first of the answer comes from it.
		s.cached = min(e.prefixes.held(s.blocks[:min(len(s.blocks), s.isl/prefixBlock)])*prefixBlock, s.isl-1)
		s.prefilled = s.cached
		e.told.admit(s, at)
	}
	e.running = append(e.running, e.waiting[:admit]...)
	clear(e.waiting[:admit])
	e.waiting = e.waiting[admit:] // moving those that wait to the front cost an overload most of its time

	budget, decoding := e.model.Chunk, 0
	for _, s := range e.running {
		s.decodes = s.prefilled == s.goal()
		s.share = 0
		if s.decodes {
			decoding++
		} else {
			s.share = min(budget, s.goal()-s.prefilled)
			budget -= s.share
		}
	}
	e.stepping = len(e.running) > 0
	e.gpu.draw(at, e.model, len(e.running))
	if e.stepping {
		e.end = at + e.duration(decoding, e.model.Chunk-budget)
	}
}

// finish ends the step under way: its sequences get their tokens, and those
// that are complete leave.
func (e *engine) finish() {
	e.warm = true
	left := e.running[:0]
	for _, s := range e.running {
		s.prefilled += s.share
		if s.decodes || (s.share > 0 && s.prefilled == s.goal()) {
			s.emitted++
			e.told.emit(s, e.end)
			e.token(s, e.end)
		}
		// The last token of an answer is computed with the next one only.
		if n := min((s.prefilled+max(s.emitted-s.again-1, 0))/prefixBlock, len(s.blocks)); s.share > 0 || n > s.kept {
			e.prefixes.add(s.blocks[:n])
			s.kept = n
		}
		if s.emitted < s.osl {
			left = append(left, s)
			continue
		}
		e.free(s)
	}
	clear(e.running[len(left):])
	e.running = left
}

// duration reports how long a step lasts.
func (e *engine) duration(decoding, prefilled int) time.Duration {
	d := e.model.Step + time.Duration(decoding)*e.model.PerSeq + time.Duration(prefilled)*e.model.PerPromptToken
	if !e.warm {
		d += e.model.ColdStart
	}
	if e.model.Jitter > 0 {
		d = time.Duration(float64(d) * math.Exp(e.model.Jitter*e.rng.NormFloat64()))
	}
	return max(d, minStep)
}

// keep returns the sequences of list that were not dropped and frees the room
// of the others.
func (e *engine) keep(list []*sequence) []*sequence {
	left := list[:0]
	for _, s := range list {
		if s.gone {
			e.free(s)
		} else {
			left = append(left, s)
		}
	}
	clear(list[len(left):])
	return left
}
