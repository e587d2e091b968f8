package recipes

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Convergence adds trials at each point until the confidence interval of a metric is
// narrow (AIPerf: --convergence-metric). It is for sweeps and fixed loads; a search
// decides by itself how much it wants to know about a point.
type Convergence struct {
	// Metric goes by its tag or its short name.
	Metric, Stat string
	// Within is the width to reach: half the 95% interval of the mean over the trials,
	// as a share of the mean. 0 means 0.10.
	Within float64
	// Max is the largest number of trials at a point; 0 means 10.
	Max int
}

// leastTrials is the number of trials before an interval is computed. Student's
// interval of two values is hardly ever narrow: its quantile is 12.7, that of three
// values 4.3.
const leastTrials = 3

// validate checks the convergence against the plan that it is for. A nil one is valid.
func (c *Convergence) validate(p *Plan) error {
	if c == nil {
		return nil
	}
	bad := func(format string, args ...any) error { return wrong(inputConverge, format, args...) }
	_, unknown := sla.Quantity(c.Metric, c.Stat)
	switch {
	case p.Search != nil:
		return bad("it adds trials to the points of a sweep, and a search chooses its own")
	case unknown != nil:
		return bad("%v", unknown)
	case c.Within < 0 || math.IsNaN(c.Within) || c.Max < 0:
		return bad("neither the width %v nor the maximum of %d trials may be negative", c.Within, c.Max)
	}
	return nil
}

// wantsMore reports whether a probe needs another trial: until it has a fixed number of
// them if c is nil, and otherwise until the interval is narrow, with at least the fixed
// number and at most Max.
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

// relativeHalfWidth returns half the 95% Student-t interval of the mean, as a share of
// the mean. It is NaN for fewer than two values.
func relativeHalfWidth(vs []float64) float64 {
	if len(vs) < 2 {
		return math.NaN()
	}
	mean, sd := stat.MeanStdDev(vs, nil)
	n := float64(len(vs))
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(0.975)
	return t * sd / math.Sqrt(n) / math.Abs(mean)
}
