package loadgen

import (
	"fmt"
	"time"
)

// Request is one measured request. Times are on the monotonic clock, counted
// from the generator's making.
type Request struct {
	Block int // the part of the window that it started in, from 0; the slots' phases are drawn anew between two parts
	Index int // start order within the window, from 0; −1: started outside of it

	Scheduled time.Duration   // when it was due: the end of the slot's last request
	Start     time.Duration   // just before its first byte was written, on an open connection
	Chunks    []time.Duration // arrival of each content event: text, reasoning text or a tool call's fragment
	End       time.Duration   // last content event; the body's end when not streaming
	EOF       time.Duration   // end of the body: the slot is free again

	ISL, OSL    int  // prompt and output tokens
	Estimated   bool // ISL or OSL is an estimate from words or events: neither the server's usage nor a tokenizer had it
	FirstTokens int  // tokens of the first content event; 0 means 1

	Dial    time.Duration // time spent on a connection of its own before Start; never part of TTFT
	Replays int           // how often net/http sent it again on another connection
	Bytes   int           // of the answer's body

	Failure  *Failure // nil: valid
	Good     bool     // valid and within every SLO of its Load
	Streamed bool     // the answer came as events; without, TTFT and ITL have no values

	serial uint64 // of its body in the workload
}

// Failure says how a request failed.
type Failure struct {
	Kind    FailureKind
	Status  int    // HTTP status; 0: none was received
	Message string // what the server or the network said, shortened
}

func (f *Failure) Error() string {
	if f.Status != 0 {
		return fmt.Sprintf("%s %d: %s", f.Kind, f.Status, f.Message)
	}
	return fmt.Sprintf("%s: %s", f.Kind, f.Message)
}

// FailureKind classifies failures.
type FailureKind string

const (
	FailedStatus    FailureKind = "status"    // an HTTP status other than 200
	FailedShed      FailureKind = "shed"      // 429: the server sheds load, and says so
	FailedDial      FailureKind = "dial"      // no connection was had
	FailedBroken    FailureKind = "broken"    // the connection broke before the answer's end
	FailedTruncated FailureKind = "truncated" // the stream ended without [DONE] and without a finish reason
	FailedMalformed FailureKind = "malformed" // an event or a body that is not the protocol's JSON
	FailedError     FailureKind = "error"     // an error object inside the answer
	FailedEmpty     FailureKind = "empty"     // an answer without any content
	FailedIdle      FailureKind = "idle"      // nothing arrived for the idle timeout
	FailedTimeout   FailureKind = "timeout"   // not over within the request timeout
	FailedCancelled FailureKind = "cancelled" // ended by the caller; never counted
)

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Value returns the request's own value of a metric in the metric's display
// unit; ok is false when it has none: a failed request has no latency, a
// request of fewer than two tokens no ITL, an answer that was not streamed
// neither TTFT nor ITL. Run-level metrics have no value for a request.
func (r *Request) Value(tag string) (v float64, ok bool) {
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

// meets reports whether the request meets every SLO; a missing value does not.
func (r *Request) meets(slo map[string]float64) bool {
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
