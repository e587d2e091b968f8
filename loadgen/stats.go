package loadgen

import (
	"math"
	"strconv"
)

// percentiles lists the percentiles that every per-request metric has.
var percentiles = []float64{1, 5, 10, 25, 50, 75, 90, 95, 99}

// percentileName returns the name of a percentile among the statistics, for example
// "p95".
func percentileName(q float64) string { return "p" + strconv.FormatFloat(q, 'f', -1, 64) }

// Metric is one metric of a measurement.
type Metric struct {
	// Unit is the unit of Stats and SE as AIPerf's files spell it, for example ms
	// or tokens/sec.
	Unit string
	// Stats holds the statistics by name: avg, min, max, p1 … p99, std (of the
	// population), count and sum. adj_p50 … adj_p99 are percentiles in which a
	// failed request counts as +Inf. A metric that is one number a run has avg
	// alone.
	Stats map[string]float64
	// SE holds the standard errors of avg and of the percentiles, as far as they
	// are known.
	SE map[string]float64
}

// percentile interpolates linearly between the order statistics of sorted, as
// numpy does by default (Hyndman and Fan 1996, type 7). sorted must not be empty, and
// q is from 0 to 100.
//
// Note: the values are all kept and sorted (sort.go). A sketch would save memory, but gives a
// percentile with an error of its own.
func percentile(sorted []float64, q float64) float64 {
	at := q / 100 * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	lo, hi, t := sorted[i], sorted[i+1], at-float64(i)
	// The form numpy uses: it is exact at both ends.
	if t >= 0.5 {
		return hi - (hi-lo)*(1-t)
	}
	return lo + (hi-lo)*t
}

// adjusted is the percentile over sorted and as many values of +Inf as requests have
// failed, by numpy's method "nearest" (ties to the even index). It is +Inf when it
// falls on a failure.
//
// Note: it does not interpolate. Between a latency and +Inf there is nothing to
// interpolate to, and a server must not look faster for refusing slow requests.
func adjusted(sorted []float64, failed int, q float64) float64 {
	i := int(math.RoundToEven(q / 100 * float64(len(sorted)+failed-1)))
	if i >= len(sorted) {
		return math.Inf(1)
	}
	return sorted[i]
}

// describe returns the statistics of a per-request metric over valid requests. failed
// is the number of failed requests for the adjusted percentiles; if it is negative,
// they are left out. describe sorts values.
func describe(unit string, values []float64, failed int) Metric {
	m := Metric{Unit: unit, Stats: map[string]float64{}, SE: map[string]float64{}}
	n := float64(len(values))
	if len(values) > 0 {
		sortValues(values)
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		avg, ss := sum/n, 0.0
		for _, v := range values {
			ss += (v - avg) * (v - avg)
		}
		m.Stats["count"], m.Stats["sum"], m.Stats["avg"] = n, sum, avg
		m.Stats["std"] = math.Sqrt(ss / n)
		m.Stats["min"], m.Stats["max"] = values[0], values[len(values)-1]
		if len(values) > 1 {
			m.SE["avg"] = math.Sqrt(ss / (n - 1) / n)
		}
		for _, q := range percentiles {
			name := percentileName(q)
			m.Stats[name] = percentile(values, q)
			if se, ok := percentileSE(values, q); ok {
				m.SE[name] = se
			}
		}
	}
	if failed >= 0 && len(values)+failed > 0 {
		for _, q := range percentiles {
			if q >= 50 {
				m.Stats["adj_"+percentileName(q)] = adjusted(values, failed, q)
			}
		}
	}
	return m
}

// percentileSE is the standard error of a percentile from order statistics: half
// the distance, in ln x where all is positive, between the values one binomial
// standard deviation of ranks below and above (David and Nagaraja, Order
// Statistics, 3rd ed., section 7.1). ok is false when the sample is too small for
// both ranks to exist.
//
// Note: the textbook's other form, √(q·(1−q)/n) over the density at the percentile,
// needs an estimate of that density, which in the tail rests on a handful of values.
func percentileSE(sorted []float64, q float64) (se float64, ok bool) {
	n, p := float64(len(sorted)), q/100
	sd := math.Sqrt(n * p * (1 - p))
	lo, hi := int(math.Floor(n*p-sd))-1, int(math.Ceil(n*p+sd))-1
	if lo < 0 || hi >= len(sorted) || lo >= hi {
		return 0, false
	}
	z := float64(hi-lo) / 2 / sd // the ranks' own distance, after rounding
	a, b := sorted[lo], sorted[hi]
	if a > 0 {
		return percentile(sorted, q) * math.Log(b/a) / 2 / z, true
	}
	return (b - a) / 2 / z, true
}

// single is a metric that is one number a run. se is its standard error, 0 where it
// is not known.
func single(unit string, v, se float64) Metric {
	m := Metric{Unit: unit, Stats: map[string]float64{"avg": v}}
	if se > 0 {
		m.SE = map[string]float64{"avg": se}
	}
	return m
}
