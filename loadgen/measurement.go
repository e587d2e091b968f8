package loadgen

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
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
	// Body returns the JSON body that was sent for one of Requests. The body is
	// made again, since prompts are a function of the seed and are not kept. Body
	// is nil whenever Requests was never filled in.
	Body func(*Request) []byte
	// Failures counts the failures of the cohort, the most frequent first.
	Failures []FailureCount
	// Health is how the client itself fared.
	Health Health
	// Warnings are what a reader of the numbers should know. Each wraps one of
	// ErrUnsaturated, ErrEstimated, ErrLengths, ErrShort and ErrRaised.
	Warnings []error

	// Window is the length of the measured window. Ramp is the time before it,
	// until the level was reached and had settled, and Wall the time of the whole
	// probe: ramp, window, and following the cohort to its end.
	Window, Ramp, Wall time.Duration
	// Epoch is the time that the times of Requests count from.
	Epoch time.Time
}

// FailureCount is how often requests failed in one way.
type FailureCount struct {
	Failure
	Count int // at least 1
}

// The warnings that a Measurement can carry. They are wrapped, so ask for them with
// errors.Is.
var (
	// ErrUnsaturated reports that clearly fewer requests were in flight than the
	// load asks for, or that an open loop could not send all that were due.
	ErrUnsaturated = errors.New("the load was not reached")
	// ErrEstimated reports answers whose tokens neither the server nor a tokenizer
	// counted.
	ErrEstimated = errors.New("token counts are estimates")
	// ErrLengths reports answers that are longer or shorter than Load.OSL.
	ErrLengths = errors.New("answers do not have the requested length")
	// ErrShort reports a window that time closed before two turnovers of the slots.
	ErrShort = errors.New("the window held fewer requests than asked for")
	// ErrRaised reports that Load.Requests was less than two turnovers of the slots
	// and was raised to that.
	ErrRaised = errors.New("more requests were measured than asked for")
)

// saturated is the share of the requested concurrency below which a probe is
// flagged as unsaturated.
const saturated = 0.95

// measure turns what was collected into metrics. begun and over are the times at
// which the probe began and ended.
func (p *probe) measure(ended Ended, epoch time.Time, begun, over time.Duration, health Health) *Measurement {
	m := &Measurement{
		Load: p.load, Ended: ended, Metrics: map[Tag]Metric{}, Health: health, Wall: over - begun, Epoch: epoch,
	}
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
	var isl, osl int
	values := map[Tag][]float64{}
	first, last := time.Duration(math.MaxInt64), time.Duration(0)
	for i := range m.Requests {
		q := &m.Requests[i]
		first, last = min(first, q.Start), max(last, q.EOF)
		for _, d := range metrics {
			if !d.PerRequest {
				continue
			}
			if v, ok := q.Value(d.Tag); ok {
				values[d.Tag] = append(values[d.Tag], v)
			}
		}
		if q.Failure != nil {
			failed++
			continue
		}
		valid++
		isl, osl = isl+q.ISL, osl+q.OSL
		if q.Good {
			good++
		}
		// A request has many of these, and so no Value.
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
	m.set(TagCount, float64(valid), 0)
	m.set(TagErrors, float64(failed), 0)
	m.set(TagCompleted, n, 0)
	m.set(TagTotalISL, float64(isl), 0)
	m.set(TagTotalOSL, float64(osl), 0)
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

// rates sets the rates, and the mean of requests in flight, of the time in which the
// window was open. all are the requests that have ended, whenever they started, and
// running the starts of those that have not.
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
		// A server may put several tokens into one event, and none into another, so
		// its own count is spread evenly over the events.
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
	rate := func(tag Tag, counts ...[rateBlocks]float64) {
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
		m.set(tag, sum/length, se)
	}
	rate(TagReqRate, done)
	rate(TagTokenRate, out)
	rate(TagInputRate, in)
	rate(TagTotalRate, in, out)
	if len(m.Load.SLO) > 0 {
		rate(TagGoodput, good)
	}
	m.set(TagInFlight, busy[0]/length, 0)
}

// warn adds the warnings. raised is the number of requests that was asked for if it
// was too small, and 0 otherwise.
func (m *Measurement) warn(raised int) {
	warn := func(err error, format string, args ...any) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...)))
	}
	if c := m.Load.Concurrency; c > 0 && m.Ended != EndedFailures {
		if mean, ok := m.Metrics[TagInFlight]; ok && mean.Stats["avg"] < saturated*float64(c) {
			warn(ErrUnsaturated, "%.1f requests were in flight on average, not %d", mean.Stats["avg"], c)
		}
	}
	if raised > 0 {
		warn(ErrRaised, "%d were asked for; two turnovers of %d slots need %d, and with fewer the opening burst would be measured",
			raised, m.Load.Concurrency, m.Load.Requests)
	}
	if m.Ended == EndedTime && len(m.Requests) < 2*m.Load.Concurrency {
		warn(ErrShort, "%d started within %v; two turnovers of %d slots need %d",
			len(m.Requests), m.Load.Window, m.Load.Concurrency, 2*m.Load.Concurrency)
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
		warn(ErrEstimated, "%d of %d answers came without usage, so their tokens were counted from events and words", estimated, valid)
	}
	if off > 0 {
		warn(ErrLengths, "%d of %d answers do not have %d output tokens; the server may not support ignore_eos", off, valid, m.Load.OSL)
	}
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
