package recipes

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// doubts returns the reasons, as warnings, why the probe's numbers say nothing about
// the server: the client was late and a limit cannot be judged for that, or the load was
// not reached.
func (p *Probe) doubts(limits []sla.Limit) []error {
	var doubts []error
	for _, m := range p.Trials {
		h := m.Health
		lag := max(h.SendLagP99, h.BeatLagP99)
		if allowed, blurred := p.blurred(m, lag); blurred {
			doubts = append(doubts, &ClientBoundError{Concurrency: m.Load.Concurrency, Rate: m.Load.Rate, Lag: lag,
				Woke: h.BeatLagP99 > h.SendLagP99, Allowed: allowed, CPU: h.CPU,
				Worker: h.Worker, Workers: h.Workers, free: len(p.Readings) == 0})
		}
		for _, w := range m.Warnings {
			if errors.Is(w, loadgen.ErrUnsaturated) {
				if _, _, behind := p.Behind(); !behind { // that is why not all could be sent
					doubts = append(doubts, w)
				}
			}
		}
	}
	return doubts
}

// blurred reports whether a client that was late by lag leaves it open on which side of a
// limit the server is, and how late it was allowed to be. Lateness makes latencies larger
// and never changes which request failed: a latency that stays on its side of the limit
// when the lag is added or taken away is judged, and so are error rates and throughput. One
// limit that is broken beyond the lag is enough for the probe's verdict.
//
// A measurement without limits on latencies is judged by itself: the lag may be 5% of the
// median latency to the first token, or of the whole request where there is none.
func (p *Probe) blurred(m *loadgen.Measurement, lag time.Duration) (allowed time.Duration, yes bool) {
	const ms = float64(time.Millisecond)
	latencies := false
	for _, r := range p.Readings {
		if !clocked(r.Limit) {
			continue
		}
		latencies = true
		late, value := float64(lag)/ms, r.Adjusted
		share := tolerated(r.Limit.Threshold)
		switch {
		case lag <= share, math.IsNaN(value):
			continue
		case r.Limit.Op.Upper() && value-late > r.Limit.Threshold, !r.Limit.Op.Upper() && value+late < r.Limit.Threshold:
			// It is missed, whatever the client did.
			return 0, false
		case r.Limit.Op.Upper() && value+late < r.Limit.Threshold, !r.Limit.Op.Upper() && value-late > r.Limit.Threshold:
			continue // met
		}
		if !yes || share < allowed {
			allowed = share
		}
		yes = true
	}
	if latencies || len(p.Readings) > 0 {
		return allowed, yes
	}
	typical, ok := m.Stat(loadgen.TagTTFT, "p50")
	if !ok {
		typical, _ = m.Stat(loadgen.TagLatency, "p50")
	}
	allowed = tolerated(typical)
	return allowed, lag > allowed
}

// tolerated returns how late a client may be where a latency of so many milliseconds is
// measured or limited: 5% of it, and at least 5 ms.
func tolerated(latency float64) time.Duration {
	return max(5*time.Millisecond, time.Duration(0.05*latency*float64(time.Millisecond)))
}

// ClientBound reports whether the client was the bottleneck of a measurement: whether
// it sent late, or its goroutines woke late and so read late, by more than 5% of the
// tightest latency limit and more than 5 ms, at the 99th percentile. Lateness of sends
// alone would not do: in a closed loop a starved client sends as soon as it has read,
// and only its late wake-ups show that it reads late.
func (p *Plan) ClientBound(m *loadgen.Measurement) bool {
	return max(m.Health.SendLagP99, m.Health.BeatLagP99) > lagAllowed(p.Limits)
}

// notes returns what else a reader of the probe's numbers should know, unless this run
// has said so before. One warning of each kind is enough.
func (r *run) notes(p *Probe) (notes []error) {
	o := r.out
	_, _, behind := p.Behind()
	for _, m := range p.Trials {
		for _, w := range m.Warnings {
			var kind loadgen.Warning
			told := func(e error) bool { return errors.Is(e, kind) }
			switch {
			case !errors.As(w, &kind), kind == loadgen.ErrUnsaturated: // one that is a doubt is told as such
			case kind == loadgen.ErrUnsteady && behind: // that is what a backlog is like
			case slices.ContainsFunc(o.Warnings, told), slices.ContainsFunc(notes, told):
			case kind == loadgen.ErrRaised && (o.Plan.Search != nil || o.Spec.Workload.Requests == loadgen.DefaultRequests):
				// The number of requests was raised because there are more slots. That
				// is no news in a search, which goes from few slots to many, or to a
				// user who did not choose the number.
			default:
				notes = append(notes, w)
			}
		}
	}
	if e := r.misfit(p); e != nil && !slices.ContainsFunc(o.Warnings, func(w error) bool { return errors.As(w, new(*misfitError)) }) {
		notes = append(notes, e)
	}
	return notes
}

// ClientBoundError warns that the client was so late in a probe that a limit cannot be
// judged.
type ClientBoundError struct {
	Concurrency int
	Rate        float64 // of an open loop; 0 for a closed one
	// Lag is the 99th percentile of the lateness, and Allowed what is tolerated.
	Lag, Allowed time.Duration
	// Woke says that Lag is that of goroutines that woke late, so that what arrived was
	// read late. If false, it is that of requests that were sent late.
	Woke bool
	// CPU is this process's share of the cores that it may use, 0 to 1.
	CPU float64
	// Worker is the one of several Workers that was the latest. CPU is then the greatest share of
	// any. Worker is empty for load of this process.
	Worker  string
	Workers int
	// free says that the run has no limits, so that the lag is held against the latencies
	// that were measured.
	free bool
}

// busyShare is the share of the processor time from which on a late client is taken for
// the cause of it.
const busyShare = 0.6

// Error says how late the client was, and what is known of the reason: whether this process
// used the processors up, or something else on the machine did.
func (e *ClientBoundError) Error() string {
	what := "requests were sent "
	if e.Woke {
		what = "goroutines woke "
	}
	at := loadgen.Load{Concurrency: e.Concurrency, Rate: e.Rate}.String()
	why := "the machine was busy: this process used %s%% of the CPU; stop what else runs on it, or give it more cores"
	if e.CPU >= busyShare {
		why = "this process used %s%% of the CPU; give it more cores or lower the load"
	}
	if e.Worker != "" {
		why = e.Worker + fmt.Sprintf(" was the latest of %d, which used up to %%s%%%% of their CPU; use %d workers, or ones with more cores",
			e.Workers, 2*e.Workers)
	}
	than := " and the limit is nearer than that; "
	if e.free {
		than = ", which is too much for the latencies that were measured; "
	}
	return "the client was late at " + at + ": " + what + e.Lag.Round(10*time.Microsecond).String() + " late (p99, allowed " +
		e.Allowed.String() + ")" + than + fmt.Sprintf(why, strconv.Itoa(int(100*e.CPU+0.5)))
}

// clocked reports whether a limit is on a time that the client measures.
func clocked(l sla.Limit) bool {
	m, _ := loadgen.LookupMetric(l.Metric)
	return m.Clocked()
}

// lagAllowed returns how late a client may be: 5% of the tightest latency threshold,
// and at least 5 ms.
func lagAllowed(limits []sla.Limit) time.Duration {
	tightest := math.Inf(1)
	for _, l := range limits {
		if clocked(l) && l.Op.Upper() {
			tightest = min(tightest, l.Threshold)
		}
	}
	if math.IsInf(tightest, 0) {
		tightest = 0
	}
	return tolerated(tightest)
}
