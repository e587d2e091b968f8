package recipes

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// doubts returns why the probe's numbers cannot be laid at the server's door.
func (p *Probe) doubts(limits []Limit) []error {
	var doubts []error
	allowed := lagAllowed(limits)
	for _, m := range p.Trials {
		if lag := m.Health.SendLagP99; lag > allowed {
			doubts = append(doubts, &ClientBoundError{Concurrency: m.Load.Concurrency, Lag: lag, Allowed: allowed, CPU: m.Health.CPU})
		}
		for _, w := range m.Warnings {
			if errors.Is(w, loadgen.ErrUnsaturated) {
				doubts = append(doubts, w)
			}
		}
	}
	return doubts
}

// ClientBoundError warns that the client was the bottleneck of a probe, so that
// its numbers are not the server's.
type ClientBoundError struct {
	Concurrency  int
	Lag, Allowed time.Duration // p99 of the lateness of sends, and what is tolerated
	CPU          float64       // the client's share of the machine's cores, 0 to 1
}

func (e *ClientBoundError) Error() string {
	return "the client was the bottleneck at concurrency " + strconv.Itoa(e.Concurrency) + ": it sent " +
		e.Lag.Round(10*time.Microsecond).String() + " late (p99, allowed " + e.Allowed.String() + ") at " +
		strconv.Itoa(int(100*e.CPU+0.5)) + "% CPU; give it more cores or lower the load"
}

// lagAllowed is how late a client may send: 5 % of the tightest latency
// threshold, and 5 ms at least.
func lagAllowed(limits []Limit) time.Duration {
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
