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

// doubts returns why the probe's numbers cannot be laid at the server's door.
func (p *Probe) doubts(limits []sla.Limit) []error {
	var doubts []error
	for _, m := range p.Trials {
		if ClientBound(m, limits) {
			h := m.Health
			doubts = append(doubts, &ClientBoundError{Concurrency: m.Load.Concurrency, Lag: max(h.SendLagP99, h.BeatLagP99), Woke: h.BeatLagP99 > h.SendLagP99, Allowed: lagAllowed(limits), CPU: h.CPU})
		}
		for _, w := range m.Warnings {
			if errors.Is(w, loadgen.ErrUnsaturated) {
				doubts = append(doubts, w)
			}
		}
	}
	return doubts
}

// ClientBound reports whether the client was the bottleneck of a measurement: it
// sent late, or its goroutines woke late and so read late, by more than 5 % of
// the tightest latency limit and more than 5 ms (99th percentile). In a closed
// loop the second alone tells: a starved client sends as soon as it has read.
func ClientBound(m *loadgen.Measurement, limits []sla.Limit) bool {
	return max(m.Health.SendLagP99, m.Health.BeatLagP99) > lagAllowed(limits)
}

// notes returns what else a reader of the probe's numbers should know, and has
// not been told in this run: a warning of each kind is enough.
func (r *run) notes(p *Probe) (notes []error) {
	o := r.out
	for _, m := range p.Trials {
		for _, w := range m.Warnings {
			for _, kind := range []error{loadgen.ErrEstimated, loadgen.ErrLengths, loadgen.ErrShort, loadgen.ErrRaised} {
				told := func(e error) bool { return errors.Is(e, kind) }
				switch {
				case !errors.Is(w, kind), slices.ContainsFunc(o.Warnings, told), slices.ContainsFunc(notes, told):
				case kind == loadgen.ErrRaised && (o.Plan.Search != nil || o.Spec.Workload.Requests == loadgen.DefaultRequests):
					// who has not said how many is not told, nor where a search goes from few slots to many
				default:
					notes = append(notes, w)
				}
			}
		}
	}
	return notes
}

// ClientBoundError warns that the client was the bottleneck of a probe, so that
// its numbers are not the server's.
type ClientBoundError struct {
	Concurrency  int
	Lag, Allowed time.Duration // p99 of the lateness, and what is tolerated
	Woke         bool          // Lag is that of the heartbeat's wake-ups, not of sends: what arrives is then read late, too
	CPU          float64       // the client's share of the machine's cores, 0 to 1
}

func (e *ClientBoundError) Error() string {
	what := "it sent "
	if e.Woke {
		what = "its goroutines woke "
	}
	return "the client was the bottleneck at concurrency " + strconv.Itoa(e.Concurrency) + ": " + what +
		e.Lag.Round(10*time.Microsecond).String() + " late (p99, allowed " + e.Allowed.String() + ") at " +
		strconv.Itoa(int(100*e.CPU+0.5)) + "% CPU; give it more cores or lower the load"
}

// lagAllowed is how late a client may send: 5 % of the tightest latency
// threshold, and 5 ms at least.
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
