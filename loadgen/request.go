package loadgen

import (
	"fmt"
	"maps"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
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
	// FirstTokens is the number of tokens that had come with the first read that
	// brought content: those of the first event, and of the events that came in one
	// piece with it. 0 stands for 1.
	FirstTokens int
	// Cached is the number of prompt tokens that came from the server's prefix cache,
	// as far as the server reports it.
	Cached int
	// Reasoning is the part of OSL that were thoughts, as the server, a tokenizer, or the
	// events tell. It is 0 if there were none.
	Reasoning int
	// FirstOutput is the arrival of the first content that is not reasoning. It is 0 if
	// there is none, and if the answer was not streamed.
	FirstOutput time.Duration
	// Usage is what the server counted. Its counts are 0 if the server does not report
	// them.
	Usage codec.Usage
	// Values are metrics of a codec's or a Prober's own, by tag. See MetricInfo.Register.
	Values map[Tag]float64

	// Dial is the time before Start that was spent on a connection of the
	// request's own. It is never part of TTFT, and 0 on a pooled connection.
	Dial time.Duration
	// Replays is how often net/http sent the request again on another connection.
	Replays int
	// Endpoint says which endpoint was asked: 0 is Target.URL, and from 1 on they are
	// those of Target.Others.
	Endpoint int
	// Bytes is the size of the answer's body.
	Bytes int

	// Conversation is the number of the conversation that the request is a turn of, and Turn
	// its place in it, from 0. Both are 0 unless there are conversations of several turns.
	Conversation uint64
	Turn         int
	// Cancelled says that the client gave the request up, as Workload.Cancel asks. Its Failure
	// then says so, and it is neither valid nor failed: it is in Measurement.Cancelled and
	// not among the Requests.
	Cancelled bool

	// Failure says why the request failed. It is nil for a valid request.
	Failure *Failure
	// Good says that the request is valid and within every limit of Load.SLO. It
	// is false if there are none.
	Good bool
	// Streamed says that the answer came as events. Without them, TTFT and ITL
	// have no values.
	Streamed bool

	at     time.Duration // when it was entered in the books, just before Start
	run    uint64        // part of ID, 0 if there is none
	serial uint64        // the number of the request among those of the generator
	item   uint64        // the number of the request's body in the workload
	// inputs and outputs are the tokens that the request's prompt was made with and that
	// its answer was asked for, each 0 if it is the load's. A file's prompts have 0 inputs.
	inputs, outputs int
	// guessed says which of the counts behind Estimated are estimates, cacheKnown that
	// the server reports cached tokens, and finished that there was a finish reason.
	guessed    struct{ isl, osl bool }
	cacheKnown bool
	finished   bool
	// tokenless says that answers of the API have no tokens, so that OSL says nothing.
	tokenless bool
	// asked is the number of tokens that the answer was to have, 0 if it is not known.
	asked int
	// late, paused and thought are as in record.
	late            bool
	paused, thought time.Duration
	// said is what was said in the conversation by then, nil if the request stands alone.
	said []byte
}

// take takes over metrics of the codec's own.
func (q *Request) take(values map[string]float64) {
	if len(values) == 0 {
		return
	}
	if q.Values == nil {
		q.Values = map[Tag]float64{}
	}
	maps.Copy(q.Values, values)
}

// Servers that hide their thoughts still count them, and those that show them often do not. What
// is seen is the last resort, since a text says little of the number of its tokens.

// thoughts fills in Reasoning and FirstOutput. The best source of the first is the server,
// then a tokenizer, which has been asked already, and then what was seen.
func (q *Request) thoughts(use codec.Usage, seen content) {
	switch {
	case use.Reasoning > 0:
		q.Reasoning = min(use.Reasoning, q.OSL)
	case q.Reasoning == 0:
		q.Reasoning = seen.thoughts(q.OSL)
	}
	if seen.spoken {
		q.FirstOutput = seen.outputAt
	}
}

// ID is the request's name, which was sent as X-Request-ID unless the target has a header
// of that name. It is empty if the request did not come from a Generator.
func (r *Request) ID() string {
	if r.run == 0 {
		return ""
	}
	return requestID(r.run, r.serial)
}

// Session is the name of the request's conversation, which was sent as X-Correlation-ID unless
// the target has a header of that name. It is empty if the request stands alone.
func (r *Request) Session() string {
	if r.run == 0 || r.said == nil {
		return ""
	}
	return sessionID(r.run, r.Conversation)
}

// sessionID is the name of a run's conversation.
func sessionID(run, conversation uint64) string {
	return fmt.Sprintf("aiperf-%016x-c%06d", run, conversation)
}

// requestID is the name of a run's request.
func requestID(run, serial uint64) string { return fmt.Sprintf("aiperf-%016x-%06d", run, serial) }

// OneRead reports whether a streamed answer of several tokens came all at once. Something
// between server and client then holds the stream back: the answer has no ITL, and its
// TTFT is its latency.
func (r *Request) OneRead() bool {
	return r.Streamed && r.Failure == nil && r.OSL > 1 && len(r.Chunks) > 0 && r.Chunks[0] == r.End
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
	FailedStatus    FailureKind = "status"    // an HTTP status other than 2xx and 429
	FailedShed      FailureKind = "shed"      // 429: the server sheds load, and says so
	FailedDial      FailureKind = "dial"      // no connection could be made
	FailedBroken    FailureKind = "broken"    // the connection broke before the end of the answer
	FailedTruncated FailureKind = "truncated" // the stream ended without [DONE] and without a finish reason
	FailedMalformed FailureKind = "malformed" // an event or a body is not the protocol's JSON
	FailedError     FailureKind = "error"     // there is an error object inside the answer
	FailedAborted   FailureKind = "aborted"   // the server gave the answer up, and says so in its finish reason
	FailedEmpty     FailureKind = "empty"     // the answer has no content
	FailedIdle      FailureKind = "idle"      // nothing was received for Target.IdleTimeout
	FailedLarge     FailureKind = "large"     // the answer is larger than the client keeps, alone or with the others in flight
	FailedTimeout   FailureKind = "timeout"   // the answer was not complete within Target.Timeout
	FailedCancelled FailureKind = "cancelled" // the client ended the request; such a request is never counted as failed
)

// millis returns d in milliseconds, the display unit of latencies.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Value returns the request's own value of a metric in the metric's display unit.
// ok is false when there is none: a failed request has no latency, a request of
// fewer than two tokens no ITL, an answer that was not streamed neither TTFT nor
// ITL, and no request has a value of a metric that is one number a run.
//
// The formulas are AIPerf's: ITL is (latency − TTFT) / (OSL − 1), the throughput per user is
// 1/ITL, that of the prefill ISL/TTFT, that from end to end OSL/latency, and the mismatch
// 100·(OSL − asked)/asked. In place of 1 stands FirstTokens, so that events of several tokens, and
// events that came in one piece, do not make ITL shorter than it is.
func (r *Request) Value(tag Tag) (v float64, ok bool) {
	if tag == TagLag {
		return millis(r.Start - r.Scheduled), true
	}
	if r.Failure != nil {
		return 0, false
	}
	counted := func(n int) (float64, bool) { return float64(n), n > 0 }
	switch tag {
	case TagLatency:
		return millis(r.End - r.Start), true
	case TagISL:
		return float64(r.ISL), true
	case TagUsagePrompt:
		return counted(r.Usage.Prompt)
	case TagUsageCompletion:
		return counted(r.Usage.Completion)
	case TagUsageTotal:
		return counted(r.Usage.Total)
	case TagUsageReasoning:
		return counted(r.Usage.Reasoning)
	case TagUsageCacheRead:
		return float64(r.Usage.CacheRead), r.Usage.CacheKnown
	case TagUsageCacheWrite:
		return counted(r.Usage.CacheWrite)
	}
	if v, ok := r.Values[tag]; ok {
		return v, true
	}
	if r.tokenless {
		return 0, false
	}
	switch tag {
	case TagOSL:
		return float64(r.OSL), true
	case TagReasoning:
		return counted(r.Reasoning)
	case TagOutput:
		return counted(r.OSL - r.Reasoning)
	case TagE2ERate:
		took := (r.End - r.Start).Seconds()
		return float64(r.OSL) / took, r.OSL > 0 && took > 0
	case TagOSLDiff:
		return 100 * float64(r.OSL-r.asked) / float64(r.asked), r.asked > 0 && !r.guessed.osl
	}
	if !r.Streamed || len(r.Chunks) == 0 {
		return 0, false
	}
	ttft := r.Chunks[0] - r.Start
	switch tag {
	case TagTTFT:
		return millis(ttft), true
	case TagTTFO:
		if r.FirstOutput == 0 {
			return millis(ttft), r.Reasoning == 0
		}
		return millis(r.FirstOutput - r.Start), true
	case TagPrefill:
		return float64(r.ISL) / ttft.Seconds(), r.ISL > 0 && ttft > 0
	case TagDecode:
		return millis(r.End - r.Start - ttft), true
	case TagTTST:
		if len(r.Chunks) < 2 || r.OneRead() {
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

// mismatched reports whether the answer's length is not what was asked for, by AIPerf's rule:
// by more than 5%, or by more than 50 tokens. known is false if there is nothing to compare.
func (r *Request) mismatched() (off, known bool) {
	if _, ok := r.Value(TagOSLDiff); !ok {
		return false, false
	}
	diff := float64(max(r.OSL-r.asked, r.asked-r.OSL))
	return diff > min(0.05*float64(r.asked), 50), true
}

// meets reports whether the request is within every limit of slo. A request without
// a value of a metric is not within its limit, except for what is between tokens: an answer
// of one token has nothing there that could be slow, and one that came in one read, because
// something kept it back or the client itself was late, has it within its latency.
func (r *Request) meets(slo map[Tag]float64) bool {
	if r.Failure != nil {
		return false
	}
	for tag, limit := range slo {
		v, ok := r.Value(tag)
		if !ok {
			v, ok = r.atMost(tag)
		}
		if !ok || v > limit {
			return false
		}
	}
	return true
}

// atMost returns what the time between the tokens of a streamed answer is at most, where
// nobody saw it.
func (r *Request) atMost(tag Tag) (float64, bool) {
	between := tag == TagITL || tag == TagTTST || tag == TagICL
	switch latency := millis(r.End - r.Start); {
	case r.OSL == 1:
		return 0, between || tag == TagPerUser
	case !between || !r.Streamed || len(r.Chunks) == 0 || r.OSL < 1:
		return 0, false
	case tag == TagITL:
		return latency / float64(r.OSL-1), true
	default:
		return latency, true
	}
}
