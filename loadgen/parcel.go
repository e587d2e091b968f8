package loadgen

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// A request travels from the generator that sent it to whoever leads in a form of its own: some
// 50 bytes, and 4 more for each event.
//
// Note: encoding/gob was tried, and is twice as long and takes eight times the time; JSON is
// longer still. What differs between any two requests here is mostly times, which are short as
// distances: a nanosecond count has six bytes, and what passes between two tokens four.
//
// In order, each is a varint unless it says otherwise:
//
//	flags                 which of the parts below there are, and everything that is yes or no
//	index                 its place among the starts of its own generator's window, or −1
//	at                    when it was entered in the books, from the generator's epoch
//	start, scheduled      each from the one before it
//	chunks                their number, and each from the one before it, the first from start
//	end                   from the last chunk, or left out if it is that
//	EOF                   from the last chunk, or from start if there is none
//	counts                ISL, OSL, FirstTokens, Bytes and asked
//	rare                  Cached, Reasoning, Replays, Endpoint, inputs and outputs; FirstOutput from
//	                      the epoch unless it is the first chunk, Dial, paused and thought; all or
//	                      none of them
//	serial, item          unsigned
//	usage                 six counts, if any is not 0
//	failure               kind, status, message; texts have their lengths before them
//	values                their number, and for each its tag and eight bytes of a float64
//	talk                  the conversation's number, the turn, and what was said by then
//
// What a request says of the run, the names of requests, is said once a parcel. Estimated and
// Good are made anew from the rest, and so is the Index within the cohort of all generators.

// The flags of a request in a parcel. They are never given another meaning: the version of the
// protocol changes with them.
const (
	flagOwn = 1 << iota
	flagCancelled
	flagStreamed
	flagGuessedISL
	flagGuessedOSL
	flagCacheKnown
	flagFinished
	flagTokenless
	flagLate
	flagFailed
	flagUsage
	flagUsageCache
	flagValues
	flagTalk
	flagEnd   // End is the time of the last chunk
	flagFirst // FirstOutput is the time of the first chunk
	flagRare  // one of the counts and times that are nearly always 0 is not
)

// flag returns f if it is set, and 0 otherwise.
func flag(f uint64, set bool) uint64 {
	if set {
		return f
	}
	return 0
}

// appendRequest appends a request to a parcel, with times that count from the generator's
// epoch. own says that the request started for the probe of the parcel.
func appendRequest(b []byte, q *Request, own bool) []byte {
	last := q.Start
	if n := len(q.Chunks); n > 0 {
		last = q.Chunks[n-1]
	}
	first := len(q.Chunks) > 0 && q.FirstOutput == q.Chunks[0]
	rare := q.Cached|q.Reasoning|q.Replays|q.Endpoint|q.inputs|q.outputs != 0 || q.Dial|q.paused|q.thought != 0 ||
		!first && q.FirstOutput != 0
	b = binary.AppendUvarint(b, flag(flagOwn, own)|flag(flagCancelled, q.Cancelled)|flag(flagStreamed, q.Streamed)|
		flag(flagGuessedISL, q.guessed.isl)|flag(flagGuessedOSL, q.guessed.osl)|flag(flagCacheKnown, q.cacheKnown)|
		flag(flagFinished, q.finished)|flag(flagTokenless, q.tokenless)|flag(flagLate, q.late)|flag(flagFailed, q.Failure != nil)|
		flag(flagUsage, q.Usage.Prompt|q.Usage.Completion|q.Usage.Total|q.Usage.Reasoning|q.Usage.CacheRead|q.Usage.CacheWrite != 0)|
		flag(flagUsageCache, q.Usage.CacheKnown)|flag(flagValues, len(q.Values) > 0)|flag(flagTalk, q.said != nil)|
		flag(flagEnd, q.End == last)|flag(flagFirst, first)|flag(flagRare, rare))
	num := func(n int64) { b = binary.AppendVarint(b, n) }
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	num(int64(q.Index))
	num(int64(q.at))
	num(int64(q.Start - q.at))
	num(int64(q.Scheduled - q.Start))
	num(int64(len(q.Chunks)))
	before := q.Start
	for _, at := range q.Chunks {
		num(int64(at - before))
		before = at
	}
	if q.End != last {
		num(int64(q.End - last))
	}
	num(int64(q.EOF - last))
	for _, n := range []int{q.ISL, q.OSL, q.FirstTokens, q.Bytes, q.asked} {
		num(int64(n))
	}
	if rare {
		for _, n := range []int{q.Cached, q.Reasoning, q.Replays, q.Endpoint, q.inputs, q.outputs} {
			num(int64(n))
		}
		for _, d := range []time.Duration{q.FirstOutput, q.Dial, q.paused, q.thought} {
			num(int64(d))
		}
	}
	b = binary.AppendUvarint(b, q.serial)
	b = binary.AppendUvarint(b, q.item)
	if u := q.Usage; u.Prompt|u.Completion|u.Total|u.Reasoning|u.CacheRead|u.CacheWrite != 0 {
		for _, n := range []int{u.Prompt, u.Completion, u.Total, u.Reasoning, u.CacheRead, u.CacheWrite} {
			num(int64(n))
		}
	}
	if f := q.Failure; f != nil {
		text(string(f.Kind))
		num(int64(f.Status))
		text(f.Message)
	}
	if len(q.Values) > 0 {
		num(int64(len(q.Values)))
		for _, tag := range slices.Sorted(maps.Keys(q.Values)) {
			text(tag)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(q.Values[tag]))
		}
	}
	if q.said != nil {
		b = binary.AppendUvarint(b, q.Conversation)
		num(int64(q.Turn))
		text(string(q.said))
	}
	return b
}

// errParcel reports bytes that are no parcel.
var errParcel = errors.New("what a worker sent is no list of requests")

// parcel reads what appendRequest wrote.
type parcel struct{ share.Reader }

// slab makes requests, and the times of their events, in lots: a probe keeps them all, and has
// several thousand.
type slab struct {
	requests []Request
	times    []time.Duration
}

// The sizes of lots: some ten kilobytes each.
const (
	lotRequests = 32
	lotTimes    = 2048
)

// request returns one that is zero.
func (s *slab) request() *Request {
	if len(s.requests) == 0 {
		s.requests = make([]Request, lotRequests)
	}
	q := &s.requests[0]
	s.requests = s.requests[1:]
	return q
}

// chunks returns n times.
func (s *slab) chunks(n int) []time.Duration {
	if n > len(s.times) {
		s.times = make([]time.Duration, max(n, lotTimes))
	}
	t := s.times[:n:n]
	s.times = s.times[n:]
	return t
}

// request reads the next request into q, which is zero. Its times are later by offset on the
// reader's clock. own says that it started for the probe of the parcel.
func (p *parcel) request(q *Request, s *slab, run uint64, offset time.Duration) (own bool) {
	flags := p.Uint()
	is := func(f uint64) bool { return flags&f != 0 }
	q.run, q.Index = run, int(p.Num())
	q.at = p.Time() + offset
	q.Start = q.at + p.Time()
	q.Scheduled = q.Start + p.Time()
	last := q.Start
	if n := p.Count(uint64(p.Num()), 1); n > 0 {
		q.Chunks = s.chunks(n)
		last = p.Times(q.Chunks, last)
	}
	q.End = last
	if !is(flagEnd) {
		q.End += p.Time()
	}
	q.EOF = last + p.Time()
	for _, n := range []*int{&q.ISL, &q.OSL, &q.FirstTokens, &q.Bytes, &q.asked} {
		*n = int(p.Num())
	}
	if is(flagRare) {
		for _, n := range []*int{&q.Cached, &q.Reasoning, &q.Replays, &q.Endpoint, &q.inputs, &q.outputs} {
			*n = int(p.Num())
		}
		if q.FirstOutput = p.Time(); q.FirstOutput != 0 {
			q.FirstOutput += offset
		}
		q.Dial, q.paused, q.thought = p.Time(), p.Time(), p.Time()
	}
	if is(flagFirst) && len(q.Chunks) > 0 {
		q.FirstOutput = q.Chunks[0]
	}
	q.serial, q.item = p.Uint(), p.Uint()
	if is(flagUsage) {
		u := &q.Usage
		for _, n := range []*int{&u.Prompt, &u.Completion, &u.Total, &u.Reasoning, &u.CacheRead, &u.CacheWrite} {
			*n = int(p.Num())
		}
	}
	if is(flagFailed) {
		q.Failure = &Failure{Kind: FailureKind(p.Text()), Status: int(p.Num()), Message: p.Text()}
	}
	if is(flagValues) {
		q.Values = map[Tag]float64{}
		for range p.Count(uint64(p.Num()), 9) {
			tag := p.Text()
			if b := p.Bytes(8); b != nil {
				q.Values[tag] = math.Float64frombits(binary.LittleEndian.Uint64(b))
			}
		}
	}
	if is(flagTalk) {
		q.Conversation, q.Turn = p.Uint(), int(p.Num())
		q.said = slices.Clone(p.Bytes(p.Uint()))
		if q.said == nil {
			q.said = []byte{}
		}
	}
	q.Usage.CacheKnown = is(flagUsageCache)
	q.Cancelled, q.Streamed, q.late = is(flagCancelled), is(flagStreamed), is(flagLate)
	q.guessed.isl, q.guessed.osl = is(flagGuessedISL), is(flagGuessedOSL)
	q.Estimated = q.guessed.isl || q.guessed.osl
	q.cacheKnown, q.finished, q.tokenless = is(flagCacheKnown), is(flagFinished), is(flagTokenless)
	return is(flagOwn)
}

// read reads a parcel, and gives each request of it to take. run is part of their names.
func (s *slab) read(b []byte, run uint64, offset time.Duration, take func(q *Request, own bool) error) error {
	p := parcel{share.Reader{Rest: b}}
	for len(p.Rest) > 0 {
		q := s.request()
		own := p.request(q, s, run, offset)
		if p.Bad {
			return errParcel
		}
		if err := take(q, own); err != nil {
			return err
		}
	}
	return nil
}
