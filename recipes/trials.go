package recipes

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Convergence asks for as many trials at a point as make a metric's confidence
// interval narrow (AIPerf: --convergence-metric). It goes with sweeps and fixed
// loads; a search decides by itself how much it wants to know of a point.
type Convergence struct {
	Metric, Stat string  // by tag or short name
	Within       float64 // half the 95 % interval over the mean; 0: 0.10
	Max          int     // trials at most; 0: 10
}

// leastTrials is how many trials an interval is worth computing from.
const leastTrials = 3

func (c *Convergence) validate(p *Plan) error {
	if c == nil {
		return nil
	}
	bad := func(format string, args ...any) error { return wrong(inputConverge, format, args...) }
	_, unknown := sla.Quantity(c.Metric, c.Stat)
	switch {
	case p.Search != nil:
		return bad("it adds trials to the points of a sweep; a search chooses its own")
	case unknown != nil:
		return bad("%v", unknown)
	case c.Within < 0 || math.IsNaN(c.Within) || c.Max < 0:
		return bad("width %v and %d trials are not positive", c.Within, c.Max)
	}
	return nil
}

// wantsMore reports whether a probe needs another trial.
func (c *Convergence) wantsMore(p *Probe, fixed int) bool {
	n := len(p.Trials)
	if c == nil {
		return n < fixed
	}
	most := c.Max
	if most == 0 {
		most = 10
	}
	if n < max(leastTrials, fixed) {
		return n < most
	}
	within := c.Within
	if within == 0 {
		within = 0.10
	}
	var vs []float64
	for _, m := range p.Trials {
		if v, ok := (&Probe{Trials: []*loadgen.Measurement{m}}).Stat(c.Metric, c.Stat); ok {
			vs = append(vs, v)
		}
	}
	return n < most && !(relativeHalfWidth(vs) <= within)
}

// relativeHalfWidth is half the 95 % Student-t interval of the mean, over the
// mean; NaN for fewer than two values.
func relativeHalfWidth(vs []float64) float64 {
	if len(vs) < 2 {
		return math.NaN()
	}
	mean, sd := stat.MeanStdDev(vs, nil)
	n := float64(len(vs))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975)
	return t * sd / math.Sqrt(n) / math.Abs(mean)
}
