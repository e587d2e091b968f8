package loadgen

import (
	"context"
	"time"
)

// mostInFlight bounds an open loop against a server that does not keep up:
// requests pile up, and the client is not to drown in them.
const mostInFlight = 20000

// drive is the open loop: it starts each request when it is due, whatever has
// become of those before it.
func (g *Generator) drive(ctx context.Context, p *pacer) {
	begun := g.now()
	for {
		due := begun + p.next()
		if !sleep(ctx, due-g.now()) {
			return
		}
		g.mu.Lock()
		if len(g.flying) >= mostInFlight {
			if g.probe != nil {
				g.probe.skipped++
			}
			g.mu.Unlock()
			continue
		}
		var s *slot
		if n := len(g.idle); n > 0 {
			s, g.idle = g.idle[n-1], g.idle[:n-1]
		} else {
			s = newSlot(g.loadCtx, g, -1)
		}
		g.mu.Unlock()
		g.slots.Go(func() { s.once(due) })
	}
}

// once sends the one request that was due at the given time.
func (s *slot) once(due time.Duration) {
	g := s.g
	tk, ok := g.admit(s)
	if !ok {
		return
	}
	rec := g.records.Get().(*record)
	rec.ticket, rec.scheduled = tk, due
	s.perform(rec, tk.work.body(tk.serial))
	g.end(s, rec)
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.ctx.Err() == nil {
		g.idle = append(g.idle, s)
	}
}

// admit hands a slot of an open loop its request; ok is false when the load was
// stopped.
func (g *Generator) admit(s *slot) (tk ticket, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.ctx.Err() != nil {
		return tk, false
	}
	return g.ticket(s), true
}
