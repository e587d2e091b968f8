package recipes

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// rates returns the range of request rates, with lo and hi in place of ends that are not
// given, and checks that it is positive and not empty.
func (in Inputs) rates(lo, hi float64) (from, to float64, err error) {
	from, to = in.Rate[0], in.Rate[1]
	if from == 0 {
		from = lo
	}
	if to == 0 {
		to = hi
	}
	switch {
	case !(from > 0) || !(to > 0) || math.IsInf(to, 0):
		return 0, 0, wrong(inputRate, "%s to %s requests/s cannot be; both ends must be positive and finite", number(from), number(to))
	case from >= to:
		return 0, 0, wrong(inputRate, "%s is not below %s; give the lower end first", number(from), number(to))
	}
	return from, to, nil
}

// Rates are real numbers, and nobody can tell 52.7834 requests a second from 52.8.

// rateSteps returns so many rates from lo to hi, evenly spaced in the logarithm, rounded to
// three significant digits, in ascending order and without duplicates. The ends are as
// given.
func rateSteps(lo, hi float64, steps int) ([]float64, error) {
	if steps < 2 {
		return nil, wrong(inputSteps, "%d steps have no two ends; ask for 2 or more", steps)
	}
	var out []float64
	for i := range steps {
		x, _ := strconv.ParseFloat(strconv.FormatFloat(lo*math.Pow(hi/lo, float64(i)/float64(steps-1)), 'g', 3, 64), 64)
		switch i {
		case 0:
			x = lo
		case steps - 1:
			x = hi
		}
		if len(out) == 0 || x > out[len(out)-1] {
			out = append(out, x)
		}
	}
	return out, nil
}

// varies reports whether the path is one of those that the plan varies, for example whether
// its load is a request rate.
func (p *Plan) varies(path Path) bool {
	return slices.Contains(p.Paths(), path)
}

const (
	// defaultArrival is AIPerf's: users who know nothing of each other.
	defaultArrival = "poisson"
	// defaultRateRequests is the number of requests of a probe at a rate, unless another is
	// given. Arrivals come in bursts: of 300, one rate in three is offered more than 5% off,
	// and a rate 20% above the server's is not told from one just below it.
	defaultRateRequests = 1000
	// leastPaced is how long such a probe lasts at least: what waits at a server that is all
	// but full changes within seconds, however many requests they have.
	leastPaced = 10 * time.Second
)

// open fills in the defaults of a load at a rate.
func (s *Spec) open(p *Plan) {
	w := &s.Workload
	if !p.varies(PathRate) && w.Rate == 0 {
		return
	}
	if w.Arrival == "" {
		w.Arrival = defaultArrival
	}
	if w.Requests == 0 {
		w.Requests, s.paced = defaultRateRequests, true
		if stages := w.Workload.Stages; len(stages) > 0 {
			w.Requests = loadgen.Load{Rate: stages.Mean(), Arrival: w.Arrival, Workload: w.Workload}.Due()
		}
	}
}

// The requests of a rate are counted in a window as those of a concurrency are: percentiles
// are over those that start in it, and each is followed to its end.

// arrives refuses an arrival process that there is none of, and one without a rate.
func (s *Spec) arrives(p *Plan) error {
	w := s.Workload
	switch {
	case w.MostInFlight < 0:
		return wrong(inputMostInFlight, "%d is negative; give at least 1", w.MostInFlight)
	case w.MostInFlight > 0 && !p.varies(PathRate) && w.Rate == 0:
		return wrong(inputMostInFlight, "the load has no rate, and a concurrency is such a limit by itself")
	case w.Arrival == "":
		return nil
	}
	if err := (loadgen.Load{Rate: 1, Arrival: w.Arrival}).Validate(); err != nil {
		return wrong(inputArrival, "%q is unknown; give constant, poisson, gamma or gamma:SHAPE", w.Arrival)
	}
	return nil
}

// Least returns the load that the answer has to reach, in the unit of what the plan varies:
// requests in flight, or requests a second. It is 0 when any answer will do.
func (o *Outcome) Least() float64 {
	if o.Plan != nil {
		return o.Spec.least(o.Plan)
	}
	return float64(o.Spec.AtLeast)
}

// least is Least for a plan.
func (s *Spec) least(p *Plan) float64 {
	if p.varies(PathRate) && s.LeastRate != 0 {
		return s.LeastRate
	}
	return float64(s.AtLeast)
}
