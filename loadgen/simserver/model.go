package simserver

import "time"

// A Model is a simulated inference server: the times and capacities of its engine, what
// its HTTP front does, and the faults that it shows. It is plain data. The zero Model is
// valid; each field says what its zero means, and a negative number means the same.
type Model struct {
	// Name is the id of the served model, "simulated" if empty.
	Name string
	// Adapters are further names under which the model is asked for, as those of LoRA
	// adapters. They cost nothing.
	Adapters []string

	// The time of one engine step is
	//
	//	(Step + PerSeq·decoding + PerPromptToken·prefilled) · exp(Jitter·z)
	//
	// where decoding counts the sequences that decode a token in the step,
	// prefilled counts the prompt tokens that it prefills, and z is standard normal.
	// If all three times are zero, they are 5 ms, 50 µs and 10 µs; otherwise a zero is
	// a zero. A step lasts at least a microsecond.
	Step           time.Duration
	PerSeq         time.Duration
	PerPromptToken time.Duration
	// Jitter is the standard deviation of ln(step time). 0 means none.
	Jitter float64
	// Seed determines the jitter and which requests are hit by faults.
	Seed uint64
	// ColdStart is added to the engine's very first step, as capturing graphs or
	// loading does. 0 means a warm server.
	ColdStart time.Duration

	// Chunk is the largest number of prompt tokens that a step prefills (chunked
	// prefill), 512 if 0.
	Chunk int
	// MaxBatch is the largest number of sequences that run at once, 256 if 0.
	MaxBatch int

	// KVTokens is the capacity of the KV cache in tokens. 0 means unlimited. A request
	// reserves its prompt and its max_tokens on arrival and keeps them to its end. One
	// that does not fit beside the others is refused with 503.
	KVTokens int

	// Paged says that a request takes room in the KV cache as its tokens are computed, as paged
	// attention has it: its prompt's when it joins the batch, and a token's at each step. One
	// that does not fit yet waits. When the running ones have no room for their next tokens,
	// the one that joined last is preempted: it gives its room up, goes to the front of the
	// queue, and is prefilled again with what it had decoded. Only a request that would not fit
	// alone is refused then.
	Paged bool

	// PrefixCache is the number of tokens of prompts and answers that are kept for prompts
	// that begin alike, in blocks of 16 tokens, the least recently used of which are given up
	// first. What a prompt has in the cache needs no prefill, except for its last token. The
	// next turn of a conversation has all that was said before there. 0 means none.
	PrefixCache int

	// MaxQueue is the largest number of requests that wait for a step to take them up.
	// 0 means unlimited. One more is refused with 429 and Retry-After.
	MaxQueue int

	// Thoughts is the number of tokens at the beginning of each answer that are reasoning,
	// which chat, responses and messages send apart from the text. 0 means none.
	Thoughts int

	// StreamInterval is how many tokens an event of a stream carries, as vLLM's option of that
	// name has it: the first comes by itself, and those behind it so many at a time. 0 means one.
	StreamInterval int

	// GPUs is the number of GPUs that the page of metrics has, under the names of NVIDIA's
	// exporter. Each draws Idle watts while the engine sleeps, and during a step
	//
	//	Idle + (Peak-Idle)·running/MaxBatch
	//
	// where running counts the sequences of the step. 0 means none. If both powers are zero,
	// they are 100 W and 700 W; otherwise a zero is a zero.
	GPUs       int
	Idle, Peak float64

	// Template is the number of tokens that the chat template adds to a chat prompt.
	Template int
	// APIKey, if not empty, is required: without "Authorization: Bearer <APIKey>", /v1
	// answers 401.
	APIKey string

	// Faults are the ways in which the server misbehaves.
	Faults Faults
}

// The defaults of a Model, and the shortest step. A step of no time at all would let a
// model without any times run forever at one instant.
const (
	defaultName           = "simulated"
	defaultStep           = 5 * time.Millisecond
	defaultPerSeq         = 50 * time.Microsecond
	defaultPerPromptToken = 10 * time.Microsecond
	defaultChunk          = 512
	defaultMaxBatch       = 256
	defaultIdle           = 100.0
	defaultPeak           = 700.0
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
	if m.Idle, m.Peak = max(m.Idle, 0), max(m.Peak, 0); m.Idle == 0 && m.Peak == 0 {
		m.Idle, m.Peak = defaultIdle, defaultPeak
	}
	if m.Chunk <= 0 {
		m.Chunk = defaultChunk
	}
	if m.MaxBatch <= 0 {
		m.MaxBatch = defaultMaxBatch
	}
	return m
}
