package loadgen

import (
	"fmt"
	"time"
)

// Request is one request as it was measured. Times are on the monotonic clock and
// count from the making of the generator, so a step of the system's clock changes
// none of them.
type Request struct {
	// Index is the request's place in the order of starts within the window,
	// counted from 0. It is −1 for a request that started outside of the window.
	Index int
	// Block is the part of the window in which the request started, counted from 0.
	// Between two parts the phases of the slots are drawn anew.
	Block int

	// Scheduled is when the request was due: when the slot's last request ended,
	// or when an open loop's schedule says.
	Scheduled time.Duration
	// Start is just before the request's first byte was written on an open
	// connection.
	Start time.Duration
	// Chunks holds the arrival of each event with content: text, reasoning text or
	// a fragment of a tool call. It is empty if the answer was not streamed.
	Chunks []time.Duration
	// End is the arrival of the last content, and of the end of the body if the
	// answer was not streamed.
	End time.Duration
	// EOF is the end of the body, at which the slot is free again.
	EOF time.Duration

	// ISL and OSL are the prompt and output tokens.
	ISL, OSL int
	// Estimated says that ISL or OSL was estimated from words or events, since
	// neither the server's usage nor a tokenizer gave it.
	Estimated bool
	// FirstTokens is the number of tokens in the first content event, as far as
	// the server reports it. 0 stands for 1.
	FirstTokens int

	// Dial is the time before Start that was spent on a connection of the
	// request's own. It is never part of TTFT, and 0 on a pooled connection.
	Dial time.Duration
	// Replays is how often net/http sent the request again on another connection.
	Replays int
	// Bytes is the size of the answer's body.
	Bytes int

	// Failure says why the request failed. It is nil for a valid request.
	Failure *Failure
	// Good says that the request is valid and within every limit of Load.SLO. It
	// is false if there are none.
	Good bool
	// Streamed says that the answer came as events. Without them, TTFT and ITL
	// have no values.
	Streamed bool

	serial uint64 // the number of the request's body in the workload
}

// Failure says how a request failed. It is comparable, so that equal failures can
// be counted together.
type Failure struct {
	// Kind is the class of the failure.
	Kind FailureKind
	// Status is the HTTP status, or 0 if the failure is not about the status.
	Status int
	// Message is what the server or the network said, cut to 200 bytes.
	Message string
}

// Error returns the kind, the status if there is one, and the message.
func (f *Failure) Error() string {
	if f.Status != 0 {
		return fmt.Sprintf("%s %d: %s", f.Kind, f.Status, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Message)
}

// FailureKind classifies failures.
type FailureKind string

// The kinds of failure.
const (
	FailedStatus    FailureKind = "status"    // an HTTP status other than 200 and 429
	FailedShed      FailureKind = "shed"      // 429: the server sheds load, and says so
	FailedDial      FailureKind = "dial"      // no connection could be made
	FailedBroken    FailureKind = "broken"    // the connection broke before the end of the answer
	FailedTruncated FailureKind = "truncated" // the stream ended without [DONE] and without a finish reason
	FailedMalformed FailureKind = "malformed" // an event or a body is not the protocol's JSON
	FailedError     FailureKind = "error"     // there is an error object inside the answer
	FailedEmpty     FailureKind = "empty"     // the answer has no content
	FailedIdle      FailureKind = "idle"      // nothing was received for Target.IdleTimeout
	FailedTimeout   FailureKind = "timeout"   // the answer was not complete within Target.Timeout
	FailedCancelled FailureKind = "cancelled" // the caller ended the request; such a request is never counted
)

// millis returns d in milliseconds, the display unit of latencies.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Value returns the request's own value of a metric in the metric's display unit.
// ok is false when there is none: a failed request has no latency, a request of
// fewer than two tokens no ITL, an answer that was not streamed neither TTFT nor
// ITL, and no request has a value of a metric that is one number a run.
//
// The formulas are AIPerf's: ITL is (latency − TTFT) / (OSL − 1), where the 1 is the
// first event's tokens if the server reports more of them, and the throughput per
// user is 1/ITL.
func (r *Request) Value(tag Tag) (v float64, ok bool) {
	if tag == TagLag {
		return millis(r.Start - r.Scheduled), true
	}
	if r.Failure != nil {
		return 0, false
	}
	switch tag {
	case TagLatency:
		return millis(r.End - r.Start), true
	case TagISL:
		return float64(r.ISL), true
	case TagOSL:
		return float64(r.OSL), true
	}
	if !r.Streamed || len(r.Chunks) == 0 {
		return 0, false
	}
	ttft := r.Chunks[0] - r.Start
	switch tag {
	case TagTTFT:
		return millis(ttft), true
	case TagTTST:
		if len(r.Chunks) < 2 {
			return 0, false
		}
		return millis(r.Chunks[1] - r.Chunks[0]), true
	case TagITL, TagPerUser:
		rest := r.OSL - max(r.FirstTokens, 1)
		if r.OSL < 2 || rest < 1 {
			return 0, false
		}
		itl := millis(r.End-r.Start-ttft) / float64(rest)
		if tag == TagITL {
			return itl, true
		}
		if itl <= 0 {
			return 0, false
		}
		return 1000 / itl, true
	}
	return 0, false
}

// meets reports whether the request is within every limit of slo. A request without
// a value of a metric is not within its limit.
func (r *Request) meets(slo map[Tag]float64) bool {
	if r.Failure != nil {
		return false
	}
	for tag, limit := range slo {
		if v, ok := r.Value(tag); !ok || v > limit {
			return false
		}
	}
	return true
}
