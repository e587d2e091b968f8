package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Measurement is what one probe found.
type Measurement struct {
	Load     Load                  // as it was run, defaults filled in
	Ended    string                // why the probe ended: EndedRequests, EndedTime, EndedDecided or EndedFailures
	Metrics  map[string]Metric     // by tag
	Requests []Request             // the cohort in start order; may be nil for measurements made elsewhere, and is released once a search has read it
	Body     func(*Request) []byte // the JSON body that was sent for one of Requests, made anew: prompts are a function of the seed and are not kept; nil like Requests
	Failures []FailureCount        // what failed in the cohort, the most frequent first
	Health   Health
	Warnings []error

	Window time.Duration // length of the measured window
	Ramp   time.Duration // until the window opened: the level was reached and settled
	Wall   time.Duration // of the whole probe: ramp, window, and following its requests to their end
	Epoch  time.Time     // what the requests' times count from
}

// FailureCount is how often requests failed in one way.
type FailureCount struct {
	Failure
	Count int
}

// Warnings that a Measurement can carry, for errors.Is.
var (
	ErrUnsaturated = errors.New("the load was not reached")
	ErrEstimated   = errors.New("token counts are estimates")
	ErrLengths     = errors.New("answers have not the length asked for")
	ErrShort       = errors.New("the window held fewer requests than asked for")
	ErrRaised      = errors.New("more requests were measured than asked for")
)

// saturated is the share of the asked concurrency below which a probe is flagged
// unsaturated.
const saturated = 0.95

// measure turns what was collected into metrics.
func (p *probe) measure(ended string, epoch time.Time, begun, over time.Duration, health Health) *Measurement {
	m := &Measurement{Load: p.load, Ended: ended, Metrics: map[string]Metric{}, Health: health, Wall: over - begun, Epoch: epoch}
	if w := p.work; w != nil {
		m.Body = func(q *Request) []byte { return w.body(q.serial) }
	}
	for _, q := range p.cohort {
		m.Requests = append(m.Requests, q)
	}
	slices.SortFunc(m.Requests, func(a, b Request) int { return a.Index - b.Index })
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
	m.rates(open, append(p.others, m.Requests...), p.running)
	m.Health.lag(m.Requests)
	m.warn(p.raised)
	return m
}

// perRequest describes the cohort.
func (m *Measurement) perRequest(stream bool) {
	var valid, failed, good int
	var isl, osl int
	values := map[string][]float64{}
	add := func(q *Request, tags ...string) {
		for _, tag := range tags {
			if v, ok := q.Value(tag); ok {
				values[tag] = append(values[tag], v)
			}
		}
	}
	first, last := time.Duration(math.MaxInt64), time.Duration(0)
	for i := range m.Requests {
		q := &m.Requests[i]
		first, last = min(first, q.Start), max(last, q.EOF)
		add(q, TagLag)
		if q.Failure != nil {
			failed++
			continue
		}
		valid++
		isl, osl = isl+q.ISL, osl+q.OSL
		if q.Good {
			good++
		}
		add(q, TagLatency, TagISL, TagOSL, TagTTFT, TagTTST, TagITL, TagPerUser)
		for k := 1; stream && k < len(q.Chunks); k++ {
			values[TagICL] = append(values[TagICL], millis(q.Chunks[k]-q.Chunks[k-1]))
		}
	}
	for _, d := range metrics {
		if !d.PerRequest || d.Streamed && !stream {
			continue
		}
		adj := -1
		if d.Adjusted {
			adj = failed
		}
		if len(values[d.Tag]) > 0 || adj > 0 {
			m.Metrics[d.Tag] = describe(d.FileUnit, values[d.Tag], adj)
		}
	}
	n := float64(valid + failed)
	m.Metrics[TagCount] = single("requests", float64(valid), 0)
	m.Metrics[TagErrors] = single("requests", float64(failed), 0)
	m.Metrics[TagCompleted] = single("requests", n, 0)
	m.Metrics[TagTotalISL] = single("tokens", float64(isl), 0)
	m.Metrics[TagTotalOSL] = single("tokens", float64(osl), 0)
	if n > 0 {
		e := float64(failed) / n
		m.Metrics[TagErrorRate] = single("%", 100*e, 100*math.Sqrt(e*(1-e)/n))
		m.Metrics[TagDuration] = single("sec", (last - first).Seconds(), 0)
	}
	if len(m.Load.SLO) > 0 {
		share := 0.0
		if n > 0 {
			share = float64(good) / n
		}
		m.Metrics[TagGoodCount] = single("requests", float64(good), 0)
		m.Metrics[TagGoodShare] = single("ratio", share, math.Sqrt(share*(1-share)/max(n, 1)))
	}
}

// rateBlocks is how many parts of the window a rate's standard error comes from.
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

// at returns how long the window had been open at t; ok is false when it was not open
// then.
func (ss spans) at(t time.Duration) (since time.Duration, ok bool) {
	for _, s := range ss {
		if t >= s.open && t < s.close {
			return since + t - s.open, true
		}
		since += s.close - s.open
	}
	return 0, false
}

// part is the index of the part that is open at t.
func (ss spans) part(t time.Duration) int {
	for i, s := range ss {
		if t < s.close {
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

// rates counts what arrived of all requests while the window was open, whenever they
// started; running are the starts of those that have not ended.
func (m *Measurement) rates(open spans, all []Request, running []time.Duration) {
	length := open.length().Seconds()
	if length <= 0 {
		return
	}
	var done, good, in, out, busy [rateBlocks]float64
	block := func(at time.Duration) (int, bool) {
		since, ok := open.at(at)
		if !ok {
			return 0, false
		}
		return min(int(since.Seconds()/length*rateBlocks), rateBlocks-1), true
	}
	for _, start := range running {
		busy[0] += open.overlap(start, math.MaxInt64).Seconds()
	}
	for i := range all {
		q := &all[i]
		busy[0] += open.overlap(q.Start, q.EOF).Seconds()
		if q.Failure != nil {
			continue
		}
		if b, ok := block(q.EOF); ok {
			done[b]++
			if q.Good {
				good[b]++
			}
		}
		// A server may put several tokens into one event, or none into some:
		// its own count is spread evenly over them.
		per := float64(q.OSL) / float64(max(len(q.Chunks), 1))
		for _, at := range q.Chunks {
			if b, ok := block(at); ok {
				out[b] += per
			}
		}
		began := q.EOF
		if len(q.Chunks) > 0 {
			began = q.Chunks[0]
		} else if b, ok := block(q.EOF); ok {
			out[b] += float64(q.OSL)
		}
		if b, ok := block(began); ok {
			in[b] += float64(q.ISL)
		}
	}
	rate := func(tag, unit string, counts ...[rateBlocks]float64) {
		var per [rateBlocks]float64
		sum := 0.0
		for _, c := range counts {
			for b, v := range c {
				per[b] += v
				sum += v
			}
		}
		mean, ss := sum/rateBlocks, 0.0
		for _, v := range per {
			ss += (v - mean) * (v - mean)
		}
		se := math.Sqrt(ss/(rateBlocks-1)/rateBlocks) / (length / rateBlocks)
		m.Metrics[tag] = single(unit, sum/length, se)
	}
	rate(TagReqRate, "requests/sec", done)
	rate(TagTokenRate, "tokens/sec", out)
	rate(TagInputRate, "tokens/sec", in)
	rate(TagTotalRate, "tokens/sec", in, out)
	if len(m.Load.SLO) > 0 {
		rate(TagGoodput, "requests/sec", good)
	}
	m.Metrics[TagInFlight] = single("requests", busy[0]/length, 0)
}

// warn says what a reader of the numbers should know. raised is the number of
// requests asked for, where it was too small; else 0.
func (m *Measurement) warn(raised int) {
	warn := func(err error, format string, args ...any) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...)))
	}
	if c := m.Load.Concurrency; c > 0 && m.Ended != EndedFailures {
		if mean, ok := m.Metrics[TagInFlight]; ok && mean.Stats["avg"] < saturated*float64(c) {
			warn(ErrUnsaturated, "%.1f requests in flight on average where %d were asked for", mean.Stats["avg"], c)
		}
	}
	if raised > 0 {
		warn(ErrRaised, "%d were asked for; two turnovers of %d slots need %d, or the opening burst is what is measured", raised, m.Load.Concurrency, m.Load.Requests)
	}
	if m.Ended == EndedTime && len(m.Requests) < 2*m.Load.Concurrency {
		warn(ErrShort, "%d started within %v; two turnovers of %d need %d", len(m.Requests), m.Load.Window, m.Load.Concurrency, 2*m.Load.Concurrency)
	}
	estimated, off, valid := 0, 0, 0
	for i := range m.Requests {
		q := &m.Requests[i]
		if q.Failure != nil {
			continue
		}
		valid++
		if q.Estimated {
			estimated++
		} else if q.OSL != m.Load.OSL {
			off++
		}
	}
	if estimated > 0 {
		warn(ErrEstimated, "%d of %d answers came without usage; tokens are counted from events and words", estimated, valid)
	}
	if off > 0 {
		warn(ErrLengths, "%d of %d answers differ from %d output tokens; the server may not know ignore_eos", off, valid, m.Load.OSL)
	}
}

// Stat returns a statistic of a metric; ok is false when the measurement has no
// such value.
func (m *Measurement) Stat(tag, stat string) (v float64, ok bool) {
	v, ok = m.Metrics[tag].Stats[stat]
	return v, ok
}

// countFailures groups failures by what they say.
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
