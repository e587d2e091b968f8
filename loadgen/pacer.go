package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// pacer says when the requests of an open loop are due. The schedule is a function of
// rate, arrival process and seed alone, and never waits for an answer.
type pacer struct {
	// rate is the number of requests per second.
	rate float64
	// shape is that of the gamma distribution of the gaps. It is +Inf if all gaps
	// are equal.
	shape float64
	rng   *rand.Rand
	// most is the greatest number of requests in flight; 0 for any.
	most int
	// due is the time of the last request in seconds. It is summed unrounded, since
	// gaps rounded to nanoseconds would add up to another rate.
	due float64
	// replay takes the place of all of this if the times are those of a file, nil otherwise.
	replay *replay
	// stages takes the place of the one rate, nil for none.
	stages *stages
	// part says which of the requests are this generator's, in turn with those of others, sent
	// counts all of them, and start is when the schedule starts, 0 for at once.
	part  share.Part
	sent  int
	start time.Duration
}

// defaultShape makes gamma arrivals burstier than a Poisson process, whose shape is 1:
// the gaps' standard deviation is 1/√shape of their mean.
const defaultShape = 0.5

// newPacer reads an arrival process: constant (also if empty), poisson, gamma or
// gamma:SHAPE. Errors are *TargetError.
func newPacer(rate float64, arrival string, seed uint64) (*pacer, error) {
	p := &pacer{rate: rate, shape: math.Inf(1), part: share.Whole, rng: rand.New(rand.NewPCG(seed, 0x7061636572))} // "pacer"
	name, shape, shaped := strings.Cut(arrival, ":")
	switch {
	case !(rate > 0) || math.IsInf(rate, 0):
		return nil, &TargetError{Field: "Load.Rate", Problem: fmt.Sprintf("is %v; it must be positive and finite", rate)}
	case arrival == "" || arrival == "constant":
	case arrival == "poisson":
		p.shape = 1
	case name == "gamma":
		p.shape = defaultShape
		if shaped {
			v, err := strconv.ParseFloat(shape, 64)
			if err != nil || !(v > 0) || math.IsInf(v, 0) {
				return nil, &TargetError{Field: "Load.Arrival",
					Problem: fmt.Sprintf("%q has no positive shape; write, for example, gamma:0.5", arrival)}
			}
			p.shape = v
		}
	default:
		return nil, &TargetError{Field: "Load.Arrival",
			Problem: fmt.Sprintf("%q is unknown; use constant, poisson, gamma or gamma:SHAPE", arrival)}
	}
	return p, nil
}

// next returns when the next request of this generator is due, counted from the start of the
// schedule. The first of all is due one gap after it. turn says which request of a replay it is.
func (p *pacer) next() (due time.Duration, turn turn) {
	for {
		due, turn = p.any()
		if p.sent++; p.part.Has(p.sent - 1) {
			return due, turn
		}
	}
}

// any is next for the requests of all generators.
func (p *pacer) any() (due time.Duration, turn turn) {
	switch {
	case p.replay != nil:
		return p.replay.next()
	case p.stages != nil:
		return p.stages.next(p)
	}
	p.due += p.gap(p.rate)
	return time.Duration(math.Round(p.due * float64(time.Second))), turn
}

// first returns the rate at which the schedule begins.
func (p *pacer) first() float64 {
	if p.stages != nil {
		return p.stages.rates[0].From
	}
	return p.rate
}

// highest returns the highest rate of the schedule.
func (p *pacer) highest() float64 {
	if p.stages == nil {
		return p.rate
	}
	most := 0.0
	for _, s := range p.stages.rates {
		most = max(most, s.From, s.To)
	}
	return most
}

// turn says which request of a workload is sent. If it is not fixed, it is the one whose
// turn it is.
type turn struct {
	item  uint64
	fixed bool
	timed bool  // the schedule says with which request the window opens
	opens bool  // the window opens with it, or has opened before it
	talk  *talk // the conversation of a replay that goes on, nil if another begins
	ends  bool  // it is behind the end of the schedule, so that the window closes before it
}

// gap draws the seconds from one request of the arrival process to the next, at a rate.
func (p *pacer) gap(rate float64) float64 {
	if math.IsInf(p.shape, 1) {
		return 1 / rate
	}
	return distuv.Gamma{Alpha: p.shape, Beta: p.shape * rate, Src: p.rng}.Rand() // of mean 1/rate
}
