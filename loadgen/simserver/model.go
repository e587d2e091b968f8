package simserver

import "time"

// A Model is a simulated inference server: the times and capacities of its
// engine, what its HTTP front does, and the faults it is to show. It is plain
// data. The zero Model is valid; each field says what its zero means, and a
// negative number means the same as zero.
type Model struct {
	Name string // served model id; empty: "simulated"

	// The time of one engine step is
	//
	//	(Step + PerSeq·decoding + PerPromptToken·prefilled) · exp(Jitter·z)
	//
	// where decoding counts the sequences that decode a token in the step,
	// prefilled the prompt tokens it works off, and z is standard normal.
	// With all three times zero they are 5 ms, 50 µs and 10 µs; otherwise a
	// zero is a zero. A step lasts at least a microsecond.
	Step           time.Duration
	PerSeq         time.Duration
	PerPromptToken time.Duration
	Jitter         float64       // standard deviation of ln(step time); 0: none
	Seed           uint64        // of the jitter and of the choice of faulty requests
	ColdStart      time.Duration // added to the engine's very first step (graph capture, loading); 0: a warm server

	Chunk    int // most prompt tokens prefilled in a step (chunked prefill); 0: 512
	MaxBatch int // most sequences running at once; 0: 256

	// KVTokens is the capacity of the KV cache in tokens; 0: unlimited. A
	// request reserves its prompt and its max_tokens on arrival and keeps them
	// to its end; one that does not fit beside those is refused with 503.
	KVTokens int

	// MaxQueue is the largest number of requests that wait for a step to take
	// them up; 0: unlimited. One more is refused with 429 and Retry-After.
	MaxQueue int

	Template int    // tokens that the chat template adds to a chat prompt; 0: none
	APIKey   string // when set, /v1 answers 401 without "Authorization: Bearer <APIKey>"

	Faults Faults
}

// What the zero fields of a Model stand for.
const (
	defaultName           = "simulated"
	defaultStep           = 5 * time.Millisecond
	defaultPerSeq         = 50 * time.Microsecond
	defaultPerPromptToken = 10 * time.Microsecond
	defaultChunk          = 512
	defaultMaxBatch       = 256
	minStep               = time.Microsecond
)

// withDefaults returns m with its zero fields filled in.
func (m Model) withDefaults() Model {
	m.Step, m.PerSeq, m.PerPromptToken = max(m.Step, 0), max(m.PerSeq, 0), max(m.PerPromptToken, 0)
	m.ColdStart, m.Jitter, m.Template = max(m.ColdStart, 0), max(m.Jitter, 0), max(m.Template, 0)
	if m.Name == "" {
		m.Name = defaultName
	}
	if m.Step == 0 && m.PerSeq == 0 && m.PerPromptToken == 0 {
		m.Step, m.PerSeq, m.PerPromptToken = defaultStep, defaultPerSeq, defaultPerPromptToken
	}
	if m.Chunk <= 0 {
		m.Chunk = defaultChunk
	}
	if m.MaxBatch <= 0 {
		m.MaxBatch = defaultMaxBatch
	}
	return m
}
