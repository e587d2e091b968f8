package loadgen

import (
	"context"
	"time"
)

// mostInFlight is the greatest number of requests that an open loop has in flight. If
// a server does not keep up, requests pile up without end, and the client would run
// out of memory and ports. What is then not sent is reported with ErrUnsaturated.
const mostInFlight = 20000

// drive is the open loop. It starts each request when it is due, whatever has become
// of those before it, until ctx ends. The schedule is absolute, so that one late
// wake-up does not delay the requests behind it.
func (g *Generator) drive(ctx context.Context, p *pacer) {
	begun := g.now()
	for {
		due := begun + p.next()
		if !sleep(ctx, due-g.now()) {
			return
		}
		if s := g.books.vacant(mostInFlight); s != nil {
			g.books.running.Go(func() { s.once(due) })
		}
	}
}

// once sends the one request that was due at the given time.
func (s *slot) once(due time.Duration) {
	g := s.g
	tk, ok := g.books.admit(s)
	if !ok {
		return
	}
	rec := g.records.Get().(*record)
	rec.ticket, rec.scheduled = tk, due
	s.perform(rec, tk.work.body(tk.serial))
	s.finish(rec)
	g.books.vacate(s)
}
