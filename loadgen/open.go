package loadgen

import (
	"cmp"
	"context"
	"math"
	"time"

	"gonum.org/v1/gonum/stat"
)

// mostInFlight is the greatest number of requests that an open loop has in flight. If
// a server does not keep up, requests pile up without end, and the client would run
// out of memory and ports. What is then not sent is reported with ErrUnsaturated.
const mostInFlight = 20000

// drive is the open loop. It starts each request when it is due, whatever has become
// of those before it, until ctx ends. The schedule is absolute, so that one late
// wake-up does not delay the requests behind it.
//
// With a limit on what is in flight a request that is due waits for one to end, and counts as
// due only then, since it is not the client that is late.
func (g *Generator) drive(ctx context.Context, p *pacer) {
	begun := cmp.Or(p.start, g.now())
	for {
		at, turn := p.next()
		due := begun + at
		if !sleep(ctx, due-g.now()) {
			return
		}
		planned := due
		for p.most > 0 && g.books.onLoan() >= p.most {
			select {
			case <-g.books.freed:
			case <-ctx.Done():
				return
			}
			due = g.now()
		}
		g.books.held(due - planned)
		if s := g.books.vacant(mostInFlight); s != nil {
			g.books.running.Go(func() { s.once(due, turn) })
		}
	}
}

// once sends the one request that was due at the given time.
func (s *slot) once(due time.Duration, turn turn) {
	g := s.g
	tk, ok := g.books.admit(s, turn)
	if !ok {
		g.books.vacate(s)
		return
	}
	rec := g.records.Get().(*record)
	body := tk.body()
	rec.ticket, rec.scheduled = tk, due
	s.perform(rec, body)
	s.heard(rec)
	s.finish(rec)
	if k := s.talk; k != nil && turn.fixed {
		g.follow(s.ctx, k, turn)
	} else if k != nil {
		g.books.wait(k)
	}
	s.talk = nil
	g.books.vacate(s)
}

// heldBack reports whether the limit on what is in flight has held requests of an open loop
// back so long that their rate was not reached: the last of a window was held for so long.
func heldBack(rate float64, held, window time.Duration) bool {
	const gaps = 20 // requests that a burst may bring at once
	return held.Seconds() > max((1-keptUp)*window.Seconds(), gaps/rate)
}

const (
	// A backlog shows in leastTrend requests or more, whose latency rises with the time of
	// their start by leastRise of a second a second, sureTrend standard errors or more, and
	// by a quarter of itself over the cohort; and in fewer than keptUp of the requests
	// offered that are served.
	leastTrend = 20
	leastRise  = 0.03
	sureTrend  = 4.0
	keptUp     = 0.97
)

// backlog reports whether the requests of an open loop at a rate pile up, and how many a
// second are served. opened is when the window opened; others are the requests outside of
// the cohort.
//
// What is in flight also grows where the load has just begun and requests take longer than
// on the idle server. Their latency then stays the same, while behind a server that serves
// s of r requests a second it rises by r/s − 1 each second.
func backlog(rate float64, opened time.Duration, cohort, others []Request) (served float64, behind bool) {
	var starts, latencies []float64
	last := opened
	for i := range cohort {
		q := &cohort[i]
		if q.Failure == nil {
			starts = append(starts, (q.Start - opened).Seconds())
			latencies = append(latencies, (q.EOF - q.Start).Seconds())
			last = max(last, q.EOF)
		}
	}
	if len(starts) < leastTrend {
		return 0, false
	}
	from, done := opened+(last-opened)/2, 0
	for _, group := range [][]Request{cohort, others} {
		for i := range group {
			if at := group[i].EOF; at > from && at <= last {
				done++
			}
		}
	}
	served = float64(done) / (last - from).Seconds()
	return served, rising(starts, latencies) && served < keptUp*rate
}

// rising reports whether the latencies of requests that started at those times, all in
// seconds, rise as they do behind a server that does not keep up.
func rising(starts, latencies []float64) bool {
	n := float64(len(starts))
	if n < leastTrend {
		return false
	}
	at, rise := stat.LinearRegression(starts, latencies, nil, false)
	mean, deviation := stat.MeanStdDev(starts, nil)
	residual := 0.0
	for i, x := range starts {
		d := latencies[i] - at - rise*x
		residual += d * d
	}
	se := math.Sqrt(residual/(n-2)) / (deviation * math.Sqrt(n-1))
	begin := at + rise*starts[0]
	return rise > leastRise && rise > sureTrend*se && rise*2*(mean-starts[0]) > begin/4
}
