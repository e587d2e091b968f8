package bench

import (
	"cmp"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"

	"golang.org/x/perf/benchmath"

	"github.com/aiperf-go/aiperf/recipes"
)

// Series is one metric of one point, measured several times.
type Series struct {
	// Point is where it was measured, for example "concurrency=16". If it is empty, the
	// file did not say, and the series is compared with any point.
	Point string
	// Unit is the metric with its unit, for example ttft-p95-ns.
	Unit string
	// Higher says that more of it is better.
	Higher bool
	// Values has one value a measurement, in no order that matters.
	Values []float64
}

// Change is how one metric stands to what it was.
type Change struct {
	// Point, Unit and Higher are those of the new series.
	Point, Unit string
	Higher      bool
	// Old and New are the medians, each with its 95% interval.
	Old, New benchmath.Summary
	// N1 and N2 are the numbers of measurements then and now.
	N1, N2 int
	// P is that of the Mann-Whitney U test, two-sided.
	P float64
	// Worse is the share of the old value by which the new one is worse. It is negative
	// when that is better, and +Inf when there are errors where there were none.
	Worse float64
	// Real says that P is below the comparison's Alpha.
	Real bool
	// Fails says that it is real, and worse by more than is tolerated.
	Fails bool
}

// Comparison is a run held against an earlier one, or against another endpoint.
type Comparison struct {
	// With names what the run is compared with, for example the path of a file, and Was
	// says what that is, for example "the baseline". Sides are headings of the old and
	// the new side. Compare leaves all three empty.
	With, Was string
	Sides     [2]string
	// Tolerance is the share by which a metric may be worse.
	Tolerance float64
	// Alpha is the P below which a change is real.
	Alpha float64
	// Changes has a metric and point each that both sides measured, in the order of
	// the new side.
	Changes []Change
	// Need is how many measurements of each side would be enough; 0 if there were.
	Need int
}

// falseAlarm is the chance that a comparison of two equal servers fails, all its
// metrics together, if their measurements are independent. TestFalseAlarms has the chance
// where latencies hang together for longer than a measurement lasts.
const falseAlarm = 0.01

// alphaFor is the two-sided level of one of k metrics: only worse ones fail,
// which is one side, and the error is shared between them (Bonferroni). Metrics
// of one run hang together, so that the true error is smaller.
func alphaFor(k int) float64 { return 2 * falseAlarm / float64(max(k, 1)) }

// leastP is the smallest P that the U test can come to: all of one side above
// all of the other.
func leastP(n1, n2 int) float64 {
	if n1 < 1 || n2 < 1 {
		return 1
	}
	choose := 1.0
	for i := 1; i <= n2; i++ {
		choose *= float64(n1+i) / float64(i)
	}
	return 2 / choose
}

// TrialsFor is how many measurements to compare with series of n each, for k
// metrics: as many as make a change significant that shows in nearly every
// pair, and not only in every one; at most 20. It returns 0 if no number is enough
// because n is too small.
func TrialsFor(n, k int) int {
	const margin = 8 // pairs the wrong way round raise P about so much
	for m := 4; m <= 20; m++ {
		if leastP(n, m) <= alphaFor(k)/margin {
			return m
		}
	}
	return 0
}

// Enough returns how many measurements of each side show a change at so many points, all
// of whose metrics are compared, and whether n of each can show any at all. It is known
// before anything is measured. stream says that answers are streamed.
func Enough(points, n int, stream bool) (enough int, can bool) {
	metrics := 0
	for _, c := range columns {
		if c.metric != loadgen.TagGoodput && (stream || !c.info().Streamed) {
			metrics++
		}
	}
	c := Comparison{Alpha: alphaFor(points * metrics)}
	return c.enough(), leastP(n, n) < c.Alpha
}

// Compare holds every metric that both sides have against the other by
// benchstat's test (Mann-Whitney U, without an assumption on the distribution),
// and says which are worse by more than the tolerance, a share of the old median, and
// not by chance. A metric that only one side has is left out.
//
// Note: a test of means would assume a normal distribution. Percentiles of latencies
// are skewed, and a pause of the machine in one measurement is an outlier.
func Compare(old, new []Series, tolerance float64) *Comparison {
	type pair struct{ old, new Series }
	var pairs []pair
	for _, n := range new {
		if slices.ContainsFunc(told, func(c Column) bool { return c.Unit == n.Unit }) {
			continue // it explains a change
		}
		i := slices.IndexFunc(old, func(o Series) bool { return (o.Point == n.Point || o.Point == "") && o.Unit == n.Unit })
		if i >= 0 && len(old[i].Values) > 0 && len(n.Values) > 0 {
			pairs = append(pairs, pair{old[i], n})
		}
	}
	c := &Comparison{Tolerance: tolerance, Alpha: alphaFor(len(pairs))}
	for _, p := range pairs {
		th := benchmath.DefaultThresholds
		th.CompareAlpha = c.Alpha
		a := benchmath.NewSample(slices.Clone(p.old.Values), &th)
		b := benchmath.NewSample(slices.Clone(p.new.Values), &th)
		test := benchmath.AssumeNothing.Compare(a, b)
		ch := Change{
			Point: p.new.Point, Unit: p.new.Unit, Higher: p.new.Higher, N1: test.N1, N2: test.N2, P: test.P,
			Old: benchmath.AssumeNothing.Summary(a, 0.95), New: benchmath.AssumeNothing.Summary(b, 0.95),
		}
		ch.Worse = worse(ch.Old.Center, ch.New.Center, ch.Higher)
		ch.Real = ch.P < c.Alpha
		ch.Fails = ch.Real && ch.Worse > tolerance
		if leastP(ch.N1, ch.N2) >= c.Alpha {
			c.Need = max(c.Need, c.enough())
		}
		c.Changes = append(c.Changes, ch)
	}
	return c
}

// enough is how many measurements of each side can show a change.
func (c *Comparison) enough() int {
	n := 4
	for leastP(n, n) >= c.Alpha/2 {
		n++
	}
	return n
}

// worse is the share of old by which new is worse.
func worse(old, new float64, higher bool) float64 {
	d := new - old
	if higher {
		d = -d
	}
	switch {
	case d == 0:
		return 0
	case old == 0:
		return math.Inf(int(math.Copysign(1, d)))
	}
	return d / math.Abs(old)
}

// Failed returns the changes that fail, the worst first.
func (c *Comparison) Failed() []Change {
	var out []Change
	for _, ch := range c.Changes {
		if ch.Fails {
			out = append(out, ch)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return cmp.Compare(b.Worse, a.Worse) })
	return out
}

// Verdict is recipes.Missed when a metric is worse, by more than the tolerance and not by
// chance; inconclusive when nothing is compared, or there were too few
// measurements to tell; otherwise met.
func (c *Comparison) Verdict() recipes.Verdict {
	switch {
	case len(c.Failed()) > 0:
		return recipes.Missed
	case len(c.Changes) == 0 || c.Need > 0:
		return recipes.Inconclusive
	}
	return recipes.Met
}

// Join is the verdict of a run that was held against another: the comparison's,
// where the run's own limits do not already say no.
func (c *Comparison) Join(own recipes.Verdict) recipes.Verdict {
	switch v := c.Verdict(); {
	case own == recipes.Missed:
		return own
	case v == recipes.Missed, own == recipes.Met:
		return v
	}
	return own
}
