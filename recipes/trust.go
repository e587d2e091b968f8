package recipes

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// doubts returns the reasons, as warnings, why the probe's numbers say nothing about
// the server: the client was the bottleneck, or the load was not reached.
func (p *Probe) doubts(limits []sla.Limit) []error {
	var doubts []error
	for _, m := range p.Trials {
		if ClientBound(m, limits) {
			h := m.Health
			doubts = append(doubts, &ClientBoundError{
				Concurrency: m.Load.Concurrency, Lag: max(h.SendLagP99, h.BeatLagP99), Woke: h.BeatLagP99 > h.SendLagP99,
				Allowed: lagAllowed(limits), CPU: h.CPU,
			})
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

// ClientBound reports whether the client was the bottleneck of a measurement: whether
// it sent late, or its goroutines woke late and so read late, by more than 5% of the
// tightest latency limit and more than 5 ms, at the 99th percentile. Lateness of sends
// alone would not do: in a closed loop a starved client sends as soon as it has read,
// and only its late wake-ups show that it reads late.
func ClientBound(m *loadgen.Measurement, limits []sla.Limit) bool {
	return max(m.Health.SendLagP99, m.Health.BeatLagP99) > lagAllowed(limits)
}

// notes returns what else a reader of the probe's numbers should know, unless this run
// has said so before. One warning of each kind is enough.
func (r *run) notes(p *Probe) (notes []error) {
	o := r.out
	for _, m := range p.Trials {
		for _, w := range m.Warnings {
			var kind loadgen.Warning
			told := func(e error) bool { return errors.Is(e, kind) }
			switch {
			case !errors.As(w, &kind), kind == loadgen.ErrUnsaturated: // one that is a doubt is told as such
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

// ClientBoundError warns that the client was the bottleneck of a probe, so that
// its numbers are not the server's.
type ClientBoundError struct {
	Concurrency int
	// Lag is the 99th percentile of the lateness, and Allowed what is tolerated.
	Lag, Allowed time.Duration
	// Woke says that Lag is that of goroutines that woke late, so that what arrived was
	// read late. If false, it is that of requests that were sent late.
	Woke bool
	// CPU is the client's share of the machine's cores, 0 to 1.
	CPU float64
}

// Error says how late the client was, and to give it more cores or less to do.
func (e *ClientBoundError) Error() string {
	what := "it sent "
	if e.Woke {
		what = "its goroutines woke "
	}
	return "the client was the bottleneck at concurrency " + strconv.Itoa(e.Concurrency) + ": " + what +
		e.Lag.Round(10*time.Microsecond).String() + " late (p99, allowed " + e.Allowed.String() + ") at " +
		strconv.Itoa(int(100*e.CPU+0.5)) + "% CPU; give it more cores or lower the load"
}

// lagAllowed returns how late a client may be: 5% of the tightest latency threshold,
// and at least 5 ms.
func lagAllowed(limits []sla.Limit) time.Duration {
	tightest := math.Inf(1)
	for _, l := range limits {
		if l.Unit() == "ms" && l.Op.Upper() {
			tightest = min(tightest, l.Threshold)
		}
	}
	allowed := 5 * time.Millisecond
	if !math.IsInf(tightest, 0) {
		allowed = max(allowed, time.Duration(0.05*tightest*float64(time.Millisecond)))
	}
	return allowed
}
