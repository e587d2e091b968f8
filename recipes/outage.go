package recipes

import (
	"context"
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// outageLeast is the least number of failures that are an outage.
const outageLeast = 3

// outage says that the endpoint was away for a part of a probe, for example while a server
// restarts behind a gateway. Of the requests that were started from one time to another all
// failed, with a status from 500 on or with a connection that was refused or broke; of the
// requests before and after it none did. It is nil if there was no such time.
//
// A server that refuses what it cannot take serves others meanwhile, and is not away. Nor is
// one that fails every request: the run then asks whether it is alive.
//
// said reports that the last of the failures was an answer of HTTP.
func outage(m *loadgen.Measurement) (gone error, said bool) {
	var first, last *loadgen.Request
	n := 0
	for i := range m.Requests {
		q := &m.Requests[i]
		switch f := q.Failure; {
		case f == nil:
			continue
		case f.Kind != loadgen.FailedDial && f.Kind != loadgen.FailedBroken && f.Status < 500:
			return nil, false
		}
		if n++; first == nil || q.Start < first.Start {
			first = q
		}
		if last == nil || q.Start > last.Start {
			last = q
		}
	}
	if n < max(outageLeast, m.Load.Concurrency/2) || n == len(m.Requests) {
		return nil, false
	}
	// Requests that overtook others at the beginning and at the end of the time are allowed.
	inside, overtaken := 0, max(1, m.Load.Concurrency/4)
	for i := range m.Requests {
		if q := &m.Requests[i]; q.Failure == nil && q.Start >= first.Start && q.Start <= last.Start {
			inside++
		}
	}
	if inside > overtaken || inside == len(m.Requests)-n {
		return nil, false
	}
	return fmt.Errorf("%d requests at %s failed one after the other, within %v, and no others: %w", n, m.Load,
		(last.EOF - first.Start).Round(time.Millisecond), last.Failure), last.Failure.Status != 0
}

// returns waits for an endpoint that was away, and reports whether it answers. The load is
// taken off it meanwhile. A gateway that says so is given the time that the target allows for
// getting ready. A connection that nobody answers at is asked for two seconds, since the
// server may well be gone; one that is refused is waited for at the next probe. A prober that
// cannot ask reports false.
func (r *run) returns(ctx context.Context, said bool) bool {
	r.rest()
	if back, ok := r.prober.(interface{ Ready(context.Context) error }); ok && said {
		return back.Ready(ctx) == nil
	}
	asked, ok := r.prober.(interface{ Alive(context.Context) error })
	return ok && asked.Alive(ctx) == nil
}

// repeated is the warning that a probe was measured again.
func repeated(why error) error {
	return fmt.Errorf("repeated a probe that could not be measured: %w", why)
}
