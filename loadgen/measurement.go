package loadgen

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// Measurement is the result of one probe. Percentiles and shares are over the
// cohort, the requests that started while the window was open; rates count what
// arrived inside the window, whenever its request started.
type Measurement struct {
	// Load is the load as it was run, with defaults filled in.
	Load Load
	// Ended says why the probe ended.
	Ended Ended
	// Metrics holds AIPerf's metrics by tag. A metric that no request had a value
	// of is absent.
	Metrics map[Tag]Metric
	// Requests is the cohort in the order of starts. It is nil in a measurement
	// that was read from a file, and a search sets it to nil once it has read it.
	Requests []Request
	// Cancelled holds the requests of the window that the client gave up, as Workload.Cancel
	// asks, in the order of starts. They are not among Requests, and their places in the
	// window are left out there. It is nil where Requests is.
	Cancelled []Request
	// Turns holds the metrics by the turns of conversations, as Endpoints by endpoint: those
	// of all first turns, of all second ones, and so on. It is nil if no request is a later
	// turn.
	Turns []map[Tag]Metric
	// Others are the requests that ended during the probe and started before its window or
	// behind it. Rates count what of them arrived inside. It is nil where Requests is.
	Others []Request
	// Body returns the JSON body that was sent for one of Requests. The body is
	// made again, since prompts are a function of the seed and are not kept. Body
	// is nil whenever Requests was never filled in.
	Body func(*Request) []byte
	// Endpoints holds the metrics of which each request has a value, and the counts and
	// shares, by endpoint, in the order of Target.URL and Target.Others. It is nil if
	// there is only one.
	Endpoints []map[Tag]Metric
	// Stages holds the metrics of the requests that were due in each stage of the load's
	// schedule of rates, in its order; the rates, and what was in flight, are those of its
	// time. It is nil for other loads.
	Stages []map[Tag]Metric
	// Server is what the server said of itself meanwhile, zero if it says nothing. Metrics has
	// it, too, under the tags that begin with server.
	Server servermetrics.Record
	// Failures counts the failures of the cohort, the most frequent first.
	Failures []FailureCount
	// Health is how the client itself fared.
	Health Health
	// Warnings are what a reader of the numbers should know. Each wraps a Warning.
	Warnings []error

	// Window is the length of the measured window. Ramp is the time before it,
	// until the level was reached and had settled, and Wall the time of the whole
	// probe: ramp, window, and following the cohort to its end.
	Window, Ramp, Wall time.Duration
	// Epoch is the time that the times of Requests count from.
	Epoch time.Time

	// streamed says that event streams were asked for.
	streamed bool
	// pausing is the mean number of slots that paused because the server had refused them.
	pausing float64
	// thinking is the mean number of users that thought.
	thinking float64
}

// FailureCount is how often requests failed in one way.
type FailureCount struct {
	Failure
	Count int // at least 1
}

// Warning is a kind of what a reader of a measurement should know. The warnings of a
// Measurement wrap one each, so ask for them with errors.Is.
type Warning string

// Error is the kind in a few words.
func (w Warning) Error() string { return string(w) }

// The warnings that a Measurement can carry.
const (
	// ErrUnsaturated reports that clearly fewer requests were in flight than the
	// load asks for, or that an open loop could not send all that were due.
	ErrUnsaturated Warning = "the load was not reached"
	// ErrShed reports that clearly fewer requests were in flight than the load asks for,
	// because the server refuses more: slots pause behind a 429, a 503, or a connection
	// that is closed or refused. The server does not take the load.
	ErrShed Warning = "the server sheds load"
	// ErrEstimated reports answers whose tokens neither the server nor a tokenizer
	// counted.
	ErrEstimated Warning = "token counts are estimates"
	// ErrLengths reports answers that are longer or shorter than Load.OSL, and prompts
	// that are longer or shorter than Load.ISL by more than 2%.
	ErrLengths Warning = "answers do not have the requested length"
	ErrPrompts Warning = "prompts do not have the requested length"
	// ErrShort reports a window that time closed before two turnovers of the slots.
	ErrShort Warning = "the window held fewer requests than asked for"
	// ErrUnstable reports an open loop that the server does not keep up with: requests pile
	// up, and each takes longer than the one before it.
	ErrUnstable Warning = "the server does not keep up"
	// ErrBehind reports a stage of a schedule of rates in which requests piled up, as those
	// of ErrUnstable do, and were served later.
	ErrBehind Warning = "the server fell behind for a time"
	// ErrRaised reports that Load.Requests was less than two turnovers of the slots
	// and was raised to that.
	ErrRaised Warning = "more requests were measured than asked for"
	// ErrBuffered reports answers of several tokens that came all at once.
	ErrBuffered Warning = "something buffers the stream"
	// ErrUnsteady reports that one half of the window was much slower than the other.
	ErrUnsteady Warning = "the probe was not steady"
	// ErrLate reports answers whose body ended long after their last content.
	ErrLate Warning = "answers end late"
	// ErrForeign reports that the server generated clearly more tokens than this run received,
	// or clearly fewer.
	ErrForeign Warning = "the server's tokens are not those of this run"
	// ErrScrape reports that the server's metrics could not be read at times.
	ErrScrape Warning = "the server's metrics are incomplete"
	// ErrGPUs reports that the GPUs that the pages of metrics show may be others than the
	// server's, or are fewer.
	ErrGPUs Warning = "the GPUs are not all known"
	// ErrCached reports that more than 5% of the prompts' tokens came from the server's
	// prefix cache.
	ErrCached Warning = "prompts came from the server's cache"
)

// saturated is the share of the requested concurrency below which a probe is
// flagged as unsaturated.
const saturated = 0.95

// measure turns what was collected into metrics. begun and over are the times at
// which the probe began and ended.
func (p *probe) measure(ended Ended, epoch time.Time, begun, over time.Duration, health Health) *Measurement {
	m := &Measurement{
		Load: p.load, Ended: ended, Metrics: map[Tag]Metric{}, Health: health, Wall: over - begun, Epoch: epoch,
		streamed: p.stream,
	}
	if w := p.work; w != nil {
		m.Body = func(q *Request) []byte {
			if q.said != nil {
				return w.spoke(q.item, q.said)
			}
			return w.body(q.item)
		}
	}
	for _, q := range p.others {
		m.Others = appendOf(m.Others, q, len(p.others))
	}
	for _, q := range p.cohort.places {
		switch {
		case q == nil: // it was cut, and has not ended
		case q.Cancelled:
			m.Cancelled = append(m.Cancelled, *q)
		default:
			m.Requests = appendOf(m.Requests, q, p.cohort.ended)
		}
	}
	open := spans(p.window.spans)
	m.Window = open.length()
	if len(open) > 0 {
		// The times between parts of the window are ramps, too.
		m.Ramp = open[len(open)-1].close - begun - m.Window
	}
	for i := range m.Requests {
		m.Requests[i].Block = open.part(m.Requests[i].Start)
	}
	m.Failures = countFailures(m.Requests)
	m.perRequest(p.stream)
	if len(m.Cancelled) > 0 {
		m.set(TagCancelled, float64(len(m.Cancelled)), 0)
	}
	if p.ends > 1 {
		m.Endpoints = m.by(p.ends, p.stream, func(q *Request) int { return q.Endpoint })
	}
	turns := 0
	for i := range m.Requests {
		turns = max(turns, m.Requests[i].Turn+1)
	}
	if turns > 1 {
		m.Turns = m.by(turns, p.stream, func(q *Request) int { return q.Turn })
	}
	m.rates(open, m.all(), p.running)
	m.Health.lag(m.Requests, nil)
	if p.pacer != nil && p.pacer.stages != nil {
		m.staged(p)
	} else if l := m.Load; l.Rate > 0 && len(open) > 0 {
		served, behind := p.served, ended == EndedOverload
		if !behind && l.MostInFlight > 0 && heldBack(l.Rate, p.stage.held, m.Window) {
			served, behind = m.Metrics[TagReqRate].Stats["avg"], true
		}
		if !behind {
			served, behind = backlog(l.Rate, open[0].open, m.Requests, m.Others)
		}
		if behind {
			m.Warnings = append(m.Warnings, fmt.Errorf("%w: %.4g requests/s were offered and %.3g served", ErrUnstable, l.Rate, served))
		}
	}
	m.warn(p.raised)
	m.warnAnswers(p.work)
	return m
}

// appendOf appends a request to a list that will have n at most. They are large, and a list that
// grows copies them several times.
func appendOf(list []Request, q *Request, n int) []Request {
	if list == nil {
		list = make([]Request, 0, n)
	}
	return append(list, *q)
}

// all returns the requests that have ended, whenever they started.
func (m *Measurement) all() [][]Request { return [][]Request{m.Others, m.Requests, m.Cancelled} }

// by returns the metrics of which each request has a value, and the counts and shares, of n
// parts of the cohort. part says which of them a request is in.
func (m *Measurement) by(n int, stream bool, part func(*Request) int) (out []map[Tag]Metric) {
	parts := make([]Measurement, n)
	for i := range m.Requests {
		p := &parts[part(&m.Requests[i])]
		p.Requests = append(p.Requests, m.Requests[i])
	}
	for i := range parts {
		parts[i].Load, parts[i].Metrics = m.Load, map[Tag]Metric{}
		parts[i].perRequest(stream)
		out = append(out, parts[i].Metrics)
	}
	return out
}

// set sets a metric that is one number a run, in the unit of the metrics' table. se
// is its standard error, 0 where it is not known.
func (m *Measurement) set(tag Tag, v, se float64) {
	info, _ := LookupMetric(tag)
	m.Metrics[tag] = single(info.FileUnit, v, se)
}

// perRequest sets the metrics of which each request has a value, and the counts and
// shares of the cohort.
func (m *Measurement) perRequest(stream bool) {
	var valid, failed, good int
	var isl, osl, cached, thoughts, off int
	// What the server counted is summed up apart from what was found out of it: ISL and OSL are
	// of every answer, and usage is of those that came with one.
	var use codec.Usage
	told := false                    // the server tells how much of a prompt it had cached
	compared, tokens := false, false // answers can be compared with what was asked for, and have tokens
	all := slices.DeleteFunc(table(), func(d MetricInfo) bool { return !d.PerRequest })
	values := make([][]float64, len(all))
	rest := map[Tag][]float64{} // of a codec's own, which nobody has registered
	chunks := 0
	for i := range m.Requests {
		chunks += len(m.Requests[i].Chunks)
	}
	between := gaps{short: make([]uint32, 0, chunks)}
	first, last := time.Duration(math.MaxInt64), time.Duration(0)
	for i := range m.Requests {
		q := &m.Requests[i]
		first, last = min(first, q.Start), max(last, q.EOF)
		tokens = tokens || !q.tokenless
		for k := range all {
			if v, ok := q.Value(all[k].Tag); ok {
				if values[k] == nil {
					values[k] = make([]float64, 0, len(m.Requests))
				}
				values[k] = append(values[k], v)
			}
		}
		for tag, v := range q.Values {
			if _, known := LookupMetric(tag); !known && q.Failure == nil {
				rest[tag] = append(rest[tag], v)
			}
		}
		if q.Failure != nil {
			failed++
			continue
		}
		valid++
		isl, osl, cached = isl+q.ISL, osl+q.OSL, cached+q.Cached
		told = told || q.cacheKnown
		thoughts += q.Reasoning
		use.Add(q.Usage)
		wrong, known := q.mismatched()
		if compared = compared || known; wrong {
			off++
		}
		if q.Good {
			good++
		}
		// A request has many of these, and so no Value.
		if stream && len(q.Chunks) > 1 && !q.OneRead() {
			between.add(q.Chunks)
		}
	}
	for i, d := range all {
		if d.Streamed && !stream || d.Tokens && !tokens && len(m.Requests) > 0 {
			continue
		}
		if d.Tag == TagICL {
			values[i] = append(between.millis(), values[i]...)
		}
		adj := -1
		if d.Adjusted {
			adj = failed
		}
		if len(values[i]) > 0 || adj > 0 {
			m.Metrics[d.Tag] = describe(d.FileUnit, values[i], adj)
		}
	}
	for tag, v := range rest {
		m.Metrics[tag] = describe("", v, -1)
	}
	n := float64(valid + failed)
	m.set(TagCount, float64(valid), 0)
	m.set(TagErrors, float64(failed), 0)
	m.set(TagCompleted, n, 0)
	m.set(TagTotalISL, float64(isl), 0)
	if tokens || len(m.Requests) == 0 {
		m.set(TagTotalOSL, float64(osl), 0)
	}
	for _, sum := range []struct {
		tag   Tag
		n     int
		known bool
	}{
		{TagTotalOutput, osl - thoughts, osl > thoughts && tokens}, {TagTotalReasoning, thoughts, thoughts > 0}, {TagOSLOff, off, compared},
		{TagTotalUsagePrompt, use.Prompt, use.Prompt > 0}, {TagTotalUsageCompletion, use.Completion, use.Completion > 0},
		{TagTotalUsageTotal, use.Total, use.Total > 0}, {TagTotalUsageReasoning, use.Reasoning, use.Reasoning > 0},
		{TagTotalUsageCacheRead, use.CacheRead, use.CacheKnown}, {TagTotalUsageCacheWrite, use.CacheWrite, use.CacheWrite > 0},
	} {
		if sum.known {
			m.set(sum.tag, float64(sum.n), 0)
		}
	}
	if use.CacheKnown && use.Prompt > 0 {
		m.set(TagCacheReadShare, 100*float64(use.CacheRead)/float64(use.Prompt), 0)
	}
	if told && isl > 0 {
		m.set(TagCached, float64(cached)/float64(isl), 0)
	}
	// The standard error of a share e of n requests is √(e·(1−e)/n), that of the
	// binomial distribution.
	if n > 0 {
		e := float64(failed) / n
		m.set(TagErrorRate, 100*e, 100*math.Sqrt(e*(1-e)/n))
		m.set(TagDuration, (last - first).Seconds(), 0)
	}
	if len(m.Load.SLO) > 0 {
		share := 0.0
		if n > 0 {
			share = float64(good) / n
		}
		m.set(TagGoodCount, float64(good), 0)
		m.set(TagGoodShare, share, math.Sqrt(share*(1-share)/max(n, 1)))
	}
}

// rateBlocks is the number of equal parts of the window from whose scatter the
// standard error of a rate is taken. Arrivals are not independent, since requests
// of one batch end together, so that √count would be too small; blocks much longer
// than a request are nearly independent.
const rateBlocks = 10

// spans are the parts of a window, in order.
type spans []span

// length is how long the window was open.
func (ss spans) length() (d time.Duration) {
	for _, s := range ss {
		d += s.close - s.open
	}
	return d
}

// part is the index of the part that is open at t, or the nearest one: a part closes as its
// last request is due, and a client that is late sends that one a moment afterwards.
func (ss spans) part(t time.Duration) int {
	for i, s := range ss[:max(len(ss)-1, 0)] {
		if t < s.close+(ss[i+1].open-s.close)/2 {
			return i
		}
	}
	return max(len(ss)-1, 0)
}

// overlap is how much of the time from a to b the window was open.
func (ss spans) overlap(a, b time.Duration) (d time.Duration) {
	for _, s := range ss {
		d += max(min(b, s.close)-max(a, s.open), 0)
	}
	return d
}

// block is a time that lies in one of the parts of the window from whose scatter errors are
// taken, or between parts of the window.
type block struct {
	from, to time.Duration
	// n is the number of the part, from 0, and rateBlocks for a time in which the window was
	// not open.
	n int
}

// has reports whether the block has the time at.
func (b *block) has(at time.Duration) bool { return at >= b.from && at < b.to }

// blocks cuts all times into blocks, in their order. Their edges are looked for once, since the
// events of a probe are many.
func (ss spans) blocks() (all []block) {
	length, since := ss.length().Seconds(), time.Duration(0)
	from := time.Duration(math.MinInt64)
	for _, s := range ss {
		all = append(all, block{from, s.open, rateBlocks})
		for from = s.open; from < s.close; {
			number := func(at time.Duration) int {
				return min(int((since+at-s.open).Seconds()/length*rateBlocks), rateBlocks-1)
			}
			n := number(from)
			rest := sort.Search(int(s.close-from), func(d int) bool { return number(from+time.Duration(d)) > n })
			all = append(all, block{from, from + time.Duration(rest), n})
			from += time.Duration(rest)
		}
		since += s.close - s.open
	}
	return append(all, block{from, math.MaxInt64, rateBlocks})
}

// blockOf returns the block that has the time at.
func blockOf(all []block, at time.Duration) *block {
	for i := range all {
		if all[i].has(at) {
			return &all[i]
		}
	}
	return &all[len(all)-1]
}

// rates sets the rates, and the mean of requests in flight, of the time in which the
// window was open. all are the requests that have ended, whenever they started, and
// running the starts of those that have not.
func (m *Measurement) rates(open spans, all [][]Request, running []time.Duration) {
	length := open.length().Seconds()
	if length <= 0 {
		return
	}
	// What was counted while the window was not open comes last, and counts for nothing.
	type counts [rateBlocks + 1]float64
	var done, good, in, out counts
	var busy, paused, thought float64
	tokenless, blocks := false, open.blocks()
	for _, start := range running {
		busy += open.overlap(start, math.MaxInt64).Seconds()
	}
	count := func(q *Request) {
		tokenless = tokenless || q.tokenless
		busy += open.overlap(q.Start, q.EOF).Seconds()
		if q.paused > 0 {
			paused += open.overlap(q.EOF, q.EOF+q.paused).Seconds()
		}
		if q.thought > 0 {
			thought += open.overlap(q.EOF, q.EOF+q.thought).Seconds()
		}
		if q.Failure != nil {
			return
		}
		ended := blockOf(blocks, q.EOF).n
		done[ended]++
		if q.Good {
			good[ended]++
		}
		if len(q.Chunks) == 0 {
			out[ended] += float64(q.OSL)
			in[ended] += float64(q.ISL)
			return
		}
		in[blockOf(blocks, q.Chunks[0]).n] += float64(q.ISL)
		// A server may put several tokens into one event, and none into another, so
		// its own count is spread evenly over the events.
		per := float64(q.OSL) / float64(len(q.Chunks))
		for k := 0; k < len(q.Chunks); {
			b := blockOf(blocks, q.Chunks[k])
			sum := out[b.n]
			for ; k < len(q.Chunks) && b.has(q.Chunks[k]); k++ {
				sum += per
			}
			out[b.n] = sum
		}
	}
	for _, list := range all {
		for i := range list {
			count(&list[i])
		}
	}
	rate := func(tag Tag, kinds ...counts) {
		var per [rateBlocks]float64
		sum := 0.0
		for _, c := range kinds {
			for b, v := range c[:rateBlocks] {
				per[b] += v
				sum += v
			}
		}
		mean, ss := sum/rateBlocks, 0.0
		for _, v := range per {
			ss += (v - mean) * (v - mean)
		}
		se := math.Sqrt(ss/(rateBlocks-1)/rateBlocks) / (length / rateBlocks)
		m.set(tag, sum/length, se)
	}
	rate(TagReqRate, done)
	rate(TagInputRate, in)
	if !tokenless {
		rate(TagTokenRate, out)
		rate(TagTotalRate, in, out)
	}
	if len(m.Load.SLO) > 0 {
		rate(TagGoodput, good)
	}
	m.set(TagInFlight, busy/length, 0)
	m.pausing, m.thinking = paused/length, thought/length
}

// warn adds the warnings. raised is the number of requests that was asked for if it
// was too small, and 0 otherwise.
func (m *Measurement) warn(raised int) {
	warn := func(err error, format string, args ...any) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...)))
	}
	if c := m.Load.Concurrency; c > 0 && m.Ended != EndedFailures {
		mean, ok := m.Metrics[TagInFlight]
		switch n := mean.Stats["avg"]; {
		case !ok || n+m.thinking >= saturated*float64(c):
		case n+m.thinking+m.pausing >= saturated*float64(c):
			warn(ErrShed, "it kept %.1f requests in flight on average, not %d, and refused the others", n, c)
		default:
			warn(ErrUnsaturated, "%.1f requests were in flight on average, not %d", n, c)
		}
	}
	if raised > 0 {
		warn(ErrRaised, "%d were asked for; two turnovers of %d slots need %d, and with fewer the opening burst would be measured",
			raised, m.Load.Concurrency, m.Load.Requests)
	}
	if m.Ended == EndedTime && len(m.Requests)+len(m.Cancelled) < 2*m.Load.Concurrency {
		warn(ErrShort, "%d started within %v; two turnovers of %d slots need %d",
			len(m.Requests), m.Load.Window, m.Load.Concurrency, 2*m.Load.Concurrency)
	}
}

// What a probe's answers may show before they are worth a warning.
const (
	prompts   = 0.02                  // how far prompts may be from the requested length, as a share
	cacheable = 0.05                  // the share of the prompts' tokens that may come from a cache
	lateShare = 0.05                  // the share of its latency that the end of an answer may come late, and
	lateLeast = 10 * time.Millisecond // the least time that is late
)

// warnAnswers adds the warnings about the valid answers of the cohort. w made their
// requests; it may be nil.
func (m *Measurement) warnAnswers(w *workload) {
	warn := func(kind Warning, format string, args ...any) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...)))
	}
	var valid, isl, osl, both, off, several, whole, late, open, tokens, first, wanted, counted, cached int
	var tails []time.Duration
	asked := false // each for a length of its own
	for i := range m.Requests {
		q := &m.Requests[i]
		asked = asked || q.outputs > 0
		if q.Failure != nil {
			continue
		}
		valid++
		switch g := q.guessed; {
		case g.isl && g.osl:
			both++
		case g.isl:
			isl++
		case g.osl:
			osl++
		}
		if !q.guessed.osl && !q.tokenless && q.OSL != cmp.Or(q.outputs, m.Load.OSL) {
			off++
		}
		if !q.guessed.isl {
			tokens, cached = tokens+q.ISL, cached+q.Cached
			if q.Turn == 0 { // what is said later has the model's answers in it
				first, counted = first+q.ISL, counted+1
				wanted += cmp.Or(q.inputs, m.Load.ISL)
			}
		}
		if q.Streamed && q.OSL > 1 {
			several++
		}
		if q.OneRead() {
			whole++
		}
		tail := q.EOF - q.End
		switch {
		case q.late:
			open++
		case tail > max(lateLeast, time.Duration(lateShare*float64(q.End-q.Start))):
			late++
			tails = append(tails, tail)
		}
	}
	if n := both + isl + osl; n > 0 {
		what, from := "usage", "their tokens were counted from events and words"
		switch n {
		case isl:
			what, from = "prompt_tokens in usage", "the tokens of prompts were counted from words"
		case osl:
			what, from = "completion_tokens in usage", "the tokens of answers were counted from events"
		}
		warn(ErrEstimated, "%d of %d answers came without %s, so %s", n, valid, what, from)
	}
	if off > 0 && w != nil && w.mixed != nil && w.prompts == nil {
		warn(ErrLengths, "%d of %d answers do not have the output tokens that were drawn for them; %s", off, valid, w.shortening())
	} else if off > 0 && asked {
		warn(ErrLengths, "%d of %d answers do not have the output tokens that the file of prompts asks for; %s", off, valid, w.shortening())
	} else if off > 0 {
		warn(ErrLengths, "%d of %d answers do not have %d output tokens; %s", off, valid, m.Load.OSL, w.shortening())
	}
	if counted > 0 && w != nil && w.prompts == nil && !w.pictures() {
		mean, want := float64(first)/float64(counted), float64(wanted)/float64(counted)
		switch {
		case math.Abs(mean-want) <= prompts*want:
		case w.mixed != nil:
			warn(ErrPrompts, "they have %.1f tokens on average, not the %.1f that were drawn for them", mean, want)
		case w.words == 1 && mean > want:
			warn(ErrPrompts, "they have %.1f tokens on average, not %d, with a single word in them: the server's chat template is "+
				"longer than that", mean, m.Load.ISL)
		default:
			warn(ErrPrompts, "they have %.1f tokens on average, not %d", mean, m.Load.ISL)
		}
	}
	if 2*whole > several {
		warn(ErrBuffered, "%d of %d answers of several tokens came in one piece, so inter-token latency has no value and "+
			"time to first token is their latency; look for a proxy that buffers between client and server", whole, several)
	}
	// A schedule of rates is to differ from one half to the other.
	if first, second, ok := m.halves(); ok && len(m.Load.Workload.Stages) == 0 {
		warn(ErrUnsteady, "%s was %.0f ms in its first half and %.0f ms in its second (medians), so its percentiles mix two states "+
			"of the server", m.leading(), first, second)
	}
	switch {
	case 2*open > valid:
		warn(ErrLate, "the body of %d of %d answers had not ended %v after [DONE]; the next request was sent meanwhile", open, valid, lingerNext)
	case 2*late > valid:
		slices.Sort(tails)
		warn(ErrLate, "%d of %d ended late, %v after their last content (median), and held their slots for that time, "+
			"so throughput is less than latency allows", late, valid, tails[len(tails)/2].Round(time.Millisecond))
	}
	switch share, shared := float64(cached)/float64(max(tokens, 1)), w.expected(m.Requests); {
	case share <= shared+cacheable:
	case shared > 0:
		warn(ErrCached, "%.0f%% of the prompts' tokens were not computed, and %.0f%% are shared", 100*share, 100*shared)
	default:
		text := "%.0f%% of the prompts' tokens were not computed"
		if w != nil && w.unique > 0 {
			text += ", although each prompt begins with words of its own"
		}
		warn(ErrCached, text, 100*share)
	}
}

// leading is the metric that shows best how busy a server was, in words.
func (m *Measurement) leading() string {
	if _, ok := m.Metrics[TagTTFT]; ok {
		return "time to first token"
	}
	return "latency"
}

// halves compares the halves of the window by time to first token, or by latency if it was
// not streamed, in ms. ok is true if the halves have next to nothing in common: the median
// of one is half as large again as that of the other, and three quarters of one lie above
// three quarters of the other. Halves of a steady probe, however much its requests scatter,
// do not come apart like that.
func (m *Measurement) halves() (first, second float64, ok bool) {
	const fewest = 10 // in a half
	if len(m.Requests) == 0 {
		return 0, 0, false
	}
	middle := (m.Requests[0].Start + m.Requests[len(m.Requests)-1].Start) / 2
	var values [2][]float64
	for i := range m.Requests {
		q := &m.Requests[i]
		v, ok := q.Value(TagTTFT)
		if !ok {
			v, ok = q.Value(TagLatency)
		}
		half := 0
		if q.Start > middle {
			half = 1
		}
		if ok {
			values[half] = append(values[half], v)
		}
	}
	a, b := values[0], values[1]
	if min(len(a), len(b)) < fewest {
		return 0, 0, false
	}
	slices.Sort(a)
	slices.Sort(b)
	first, second = percentile(a, 50), percentile(b, 50)
	if first > second {
		a, b = b, a
	}
	return first, second, max(first, second) > 1.5*min(first, second) && percentile(b, 25) > percentile(a, 75)
}

// Stat returns a statistic of a metric, for example p95 of TagTTFT, in the metric's
// Unit. ok is false when the measurement has no such value.
func (m *Measurement) Stat(tag Tag, stat string) (v float64, ok bool) {
	v, ok = m.Metrics[tag].Stats[stat]
	return v, ok
}

// countFailures groups failures by what they say, the most frequent first.
func countFailures(requests []Request) []FailureCount {
	counts := map[Failure]int{}
	for i := range requests {
		if f := requests[i].Failure; f != nil {
			counts[*f]++
		}
	}
	var out []FailureCount
	for f, n := range counts {
		out = append(out, FailureCount{f, n})
	}
	slices.SortFunc(out, func(a, b FailureCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return cmp.Compare(a.Error(), b.Error())
	})
	return out
}
