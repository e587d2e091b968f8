package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// records writes profile_export.jsonl of one trial of the i-th probe: a line a
// request, in order of start, those that were given up among them. It writes nothing once the
// requests have been released.
func (v *view) records(w io.Writer, i, trial int) error {
	m := v.probes[i].Trials[trial]
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	id, metrics := v.benchmarkID(i, trial), loadgen.Metrics() // a copy, made once for all requests
	for _, q := range sent(m) {
		if err := e.Encode(v.record(m, id, metrics, q)); err != nil {
			return err
		}
	}
	return b.Flush()
}

// sent returns all requests of a measurement in order of start, those that were given up
// among them. AIPerf has both in one file, and numbers them together, so that the records of
// both tools are read alike. It is empty once the requests have been released.
func sent(m *loadgen.Measurement) (all []*loadgen.Request) {
	for _, list := range [][]loadgen.Request{m.Requests, m.Cancelled} {
		for k := range list {
			all = append(all, &list[k])
		}
	}
	slices.SortStableFunc(all, func(a, b *loadgen.Request) int { return cmp.Compare(a.Index, b.Index) })
	return all
}

// record is a line: what was when, what was measured, and what went wrong. Metrics
// are by tag, in the unit of AIPerf's file; those of a failed request are what it has.
type record struct {
	Metadata recordMetadata         `json:"metadata"`
	Metrics  map[string]recordValue `json:"metrics"`
	Error    *recordError           `json:"error"`
}

// recordMetadata is AIPerf's block, with replays and dial_ns as additions of ours.
// What this library does not have is zero: requests are of one phase.
type recordMetadata struct {
	// Session is the request's index in its measurement, and Conversation its name in
	// inputs.json. Request is what was sent as X-Request-ID. Correlation and Root are what was
	// sent as X-Correlation-ID in conversations, and otherwise the same as Request. Turn is
	// the request's place in its conversation, from 0.
	Session      int    `json:"session_num"`
	Request      string `json:"x_request_id"`
	Correlation  string `json:"x_correlation_id"`
	Conversation string `json:"conversation_id"`
	Turn         int    `json:"turn_index"`
	// Issued is when the request was due, and Start when it was sent; the
	// difference is the client's own delay. All times are nanoseconds since 1970.
	Issued int64 `json:"credit_issued_ns"`
	Start  int64 `json:"request_start_ns"`
	// Ack is when the first content came; the end of an answer that was not streamed.
	Ack int64 `json:"request_ack_ns"`
	End int64 `json:"request_end_ns"`

	Worker     string `json:"worker_id"`
	Processor  string `json:"record_processor_id"`
	Phase      string `json:"benchmark_phase"`
	PhaseIndex int    `json:"phase_index"`
	Profiling  int    `json:"profiling_index"`
	PhaseName  string `json:"phase_name"`
	PhaseKind  string `json:"phase_kind"`
	Cancelled  bool   `json:"was_cancelled"`
	Overflow   bool   `json:"context_overflow_skip"`
	Depth      int    `json:"agent_depth"`
	Root       string `json:"root_correlation_id"`

	// Replays is how often net/http sent the request again on another connection, and
	// DialNS how long a connection of its own took before Start; 0 for one that was kept.
	Replays int   `json:"replays"`
	DialNS  int64 `json:"dial_ns"`
	// Endpoint is where the request went, if there are several.
	Endpoint string `json:"endpoint,omitempty"`
}

// recordValue is one number, or of chunk gaps a list of them, with its unit.
type recordValue struct {
	Value any    `json:"value"`
	Unit  string `json:"unit"`
}

// record describes one request of a benchmark. Times are nanoseconds since 1970.
func (v *view) record(m *loadgen.Measurement, benchmark string, metrics []loadgen.MetricInfo, q *loadgen.Request) record {
	at := func(d time.Duration) int64 { return m.Epoch.Add(d).UnixNano() }
	id := q.ID()
	if id == "" { // nothing was sent by a generator
		id = fmt.Sprintf("%s-%06d", benchmark, q.Index)
	}
	endpoint := ""
	if all := v.Spec.Target.Endpoints(); len(all) > 1 && q.Endpoint < len(all) {
		endpoint = all[q.Endpoint]
	}
	r := record{
		Metadata: recordMetadata{
			Session: q.Index, Request: id, Correlation: id, Conversation: session(m, q), Turn: q.Turn, Cancelled: q.Cancelled,
			Issued: at(q.Scheduled), Start: at(q.Start), Ack: at(q.EOF), End: at(q.EOF), Root: id,
			Worker: "generator", Processor: "generator", Phase: "profiling", PhaseName: "profiling", PhaseKind: "profiling",
			Replays: q.Replays, DialNS: int64(q.Dial), Endpoint: endpoint,
		},
		Metrics: map[string]recordValue{},
	}
	if name := q.Session(); name != "" {
		r.Metadata.Correlation, r.Metadata.Root = name, name
	}
	if len(q.Chunks) > 0 {
		r.Metadata.Ack = at(q.Chunks[0])
	}
	for k := range metrics {
		t := &metrics[k]
		if x, ok := q.Value(t.Tag); ok {
			r.Metrics[t.Tag] = recordValue{number(x), t.FileUnit}
		}
	}
	if q.Failure != nil {
		r.Error = &recordError{Type: string(q.Failure.Kind), Message: v.redact(q.Failure.Message)}
		if q.Failure.Status != 0 {
			r.Error.Code = &q.Failure.Status
		}
		return r
	}
	// The gaps between chunks are the one metric that is a list. An answer that came in one
	// piece has none.
	var gaps []float64
	for k := 1; k < len(q.Chunks) && !q.OneRead(); k++ {
		gaps = append(gaps, ms(q.Chunks[k]-q.Chunks[k-1]))
	}
	if len(gaps) > 0 {
		r.Metrics[loadgen.TagICL] = recordValue{gaps, "ms"}
	}
	return r
}
