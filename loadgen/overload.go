package loadgen

import (
	"math"
	"time"
)

// A server that does not keep up with the rate of an open loop shows it before its window is
// over: what is in flight grows, and goes on to grow. Below capacity it stays within bounds,
// and grows only where the load has just begun, or by chance.

const (
	// Chance is told apart by a growth of surelyGrown standard deviations of the number of
	// requests that a Poisson process starts in that time, and of leastGrown of their number.
	// At the very capacity of a server what is in flight is a random walk with such steps.
	surelyGrown = 3.0
	leastGrown  = 0.07
	// A beginning is told apart by shares of that growth: lastHalf falls into the last half of
	// the time, and lastQuarter into its last quarter.
	lastHalf, lastQuarter = 0.35, 0.1
	// Nothing is told before leastLook, nor before the time of lookLatest of the latest
	// answers and lookLeast of the fastest: until then what is in flight fills the server.
	leastLook             = 4 * time.Second
	lookLatest, lookLeast = 1.2, 3.0
)

// overloaded reports whether the server of an open loop certainly does not keep up. It looks
// each time that a tenth more of the requests has ended. A schedule of rates goes on to its
// end: what is in flight grows where its rate does, and may be gone by then.
// underway is as books.underway says.
func (p *probe) overloaded(now time.Duration, underway func() (opened time.Duration, starts []time.Duration, ok bool)) bool {
	if p.pacer == nil || p.pacer.stages != nil || p.stopped || p.cohort.ended < max(leastTrend, p.looked+p.looked/10) {
		return false
	}
	p.looked = p.cohort.ended
	opened, flying, ok := underway()
	if !ok {
		return false
	}
	served, behind := growing(opened, now, p.cohort.places, p.others, flying)
	if behind {
		p.served, p.stopped = served, true
	}
	return behind
}

// growing reports whether what is in flight has grown and goes on to grow between the
// opening of a window and now, and how many requests a second were served in the last half
// of that time. flying are the starts of the requests in flight; others, and those of cohort
// that are not nil, have ended.
func growing(opened, now time.Duration, cohort, others []*Request, flying []time.Duration) (served float64, behind bool) {
	length := now - opened
	if length < leastLook {
		return 0, false
	}
	var starts, ends [4]float64 // by quarters
	count := func(quarters *[4]float64, at time.Duration) {
		if at >= opened && at <= now {
			quarters[min(int(4*(at-opened)/length), 3)]++
		}
	}
	least, latest, last := time.Duration(math.MaxInt64), time.Duration(0), time.Duration(0)
	ended := func(q *Request) {
		count(&starts, q.Start)
		count(&ends, q.EOF)
		if q.Failure != nil {
			return
		}
		least = min(least, q.EOF-q.Start)
		if q.EOF > last {
			last, latest = q.EOF, q.EOF-q.Start
		}
	}
	for _, q := range cohort {
		if q != nil {
			ended(q)
		}
	}
	for _, q := range others {
		ended(q)
	}
	for _, at := range flying {
		count(&starts, at)
	}
	if last == 0 || float64(length) < lookLatest*float64(latest)+lookLeast*float64(least) {
		return 0, false
	}
	sent, grown := 0.0, 0.0
	for i := range starts {
		sent, grown = sent+starts[i], grown+starts[i]-ends[i]
	}
	quarter := starts[3] - ends[3]
	half := quarter + starts[2] - ends[2]
	served = (ends[2] + ends[3]) / (length.Seconds() / 2)
	return served, grown > surelyGrown*math.Sqrt(sent) && grown > leastGrown*sent && half > lastHalf*grown && quarter > lastQuarter*grown
}
