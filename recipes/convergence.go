package recipes

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Convergence adds trials at each point until a metric is known well enough (AIPerf:
// --convergence-metric). It is for sweeps and fixed loads; a search decides by itself how
// much it wants to know about a point.
type Convergence struct {
	// Metric goes by its tag or its short name. Stat is not read by the criterion
	// distribution.
	Metric, Stat string
	// Criterion says what well enough is, and Within how much of it, by AIPerf's names.
	// Within ci_width, which is that of an empty Criterion, half the 95% interval of the mean
	// over the trials is at most this share of the mean, 0.10 if 0; AIPerf has the whole
	// interval there. Within cv, the standard deviation of the trials is at most this share of
	// their mean, 0.05 if 0. With distribution, the requests of the last trial are told from
	// those of all others with a p-value above it, 0.05 if 0: it is for a metric of which each
	// request has a value.
	Criterion string
	Within    float64
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
	s := c.Stat
	if c.Criterion == byDistribution {
		s = "avg" // all of them are compared
	}
	m, unknown := sla.Quantity(c.Metric, s)
	switch {
	case !slices.Contains(criteria, c.Criterion):
		return bad("criterion %q is unknown%s; the criteria are ci_width, cv and distribution", c.Criterion, sla.Suggest(c.Criterion, criteria))
	case p.Search != nil:
		return bad("it adds trials to the points of a sweep, and a search chooses its own")
	case unknown != nil:
		return bad("%v", unknown)
	case c.Criterion == byDistribution && !m.PerRequest:
		return bad("%s is one number a trial, and criterion distribution compares those of single requests", m.Name())
	case c.Within < 0 || math.IsNaN(c.Within) || c.Max < 0:
		return bad("neither the width %v nor the maximum of %d trials may be negative", c.Within, c.Max)
	}
	return nil
}

// The criteria, of which the first is the default.
const (
	byInterval     = "ci_width"
	byDeviation    = "cv"
	byDistribution = "distribution"
)

// criteria lists all of them, with the empty one, which stands for the first.
var criteria = []string{"", byInterval, byDeviation, byDistribution}

// wantsMore reports whether a probe needs another trial: until it has a fixed number of
// them if c is nil, and otherwise until the criterion is met, with at least the fixed
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
	return n < most && !c.converged(p.Trials)
}

// converged reports whether the criterion is met by the trials of a point, of which there are
// leastTrials or more. A mean of 0, or a trial without the metric, meets none: what is divided
// by it is no number, which is not at most anything.
func (c *Convergence) converged(trials []*loadgen.Measurement) bool {
	if c.Criterion == byDistribution {
		var before, last []float64
		for i, m := range trials {
			if values := perRequest(m, c.Metric); i < len(trials)-1 {
				before = append(before, values...)
			} else {
				last = values
			}
		}
		return sameLaw(before, last) > cmp.Or(c.Within, 0.05)
	}
	var vs []float64
	for _, m := range trials {
		if v, ok := (&Probe{Trials: []*loadgen.Measurement{m}}).Stat(c.Metric, c.Stat); ok {
			vs = append(vs, v)
		}
	}
	if c.Criterion == byDeviation {
		mean, sd := stat.MeanStdDev(vs, nil)
		return len(vs) > 1 && sd/math.Abs(mean) <= cmp.Or(c.Within, 0.05)
	}
	return relativeHalfWidth(vs) <= cmp.Or(c.Within, 0.10)
}

// perRequest returns, in the unit of files, the values of a metric of the requests of a trial, in ascending order.
func perRequest(m *loadgen.Measurement, metric string) (values []float64) {
	info, _ := loadgen.LookupMetric(metric)
	for i := range m.Requests {
		if v, ok := m.Requests[i].Value(info.Tag); ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// sameLaw returns the p-value of the two-sample test of Kolmogorov and Smirnov: the
// probability that samples of one law are as far apart. It is 0 for samples of fewer than
// two values. The approximation is that of Stephens 1970 ("Use of the Kolmogorov-Smirnov,
// Cramér-von Mises and related statistics without extensive tables", JRSS B 32).
func sameLaw(x, y []float64) float64 {
	if len(x) < 2 || len(y) < 2 {
		return 0
	}
	slices.Sort(x)
	n := math.Sqrt(float64(len(x)) * float64(len(y)) / float64(len(x)+len(y)))
	d := (n + 0.12 + 0.11/n) * stat.KolmogorovSmirnov(x, nil, y, nil)
	if d < 0.3 { // the series does not converge there, and is 1 to four digits
		return 1
	}
	p, sign := 0.0, 2.0
	for k := 1.0; k <= 100; k++ {
		p += sign * math.Exp(-2*k*k*d*d)
		sign = -sign
	}
	return min(max(p, 0), 1)
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
