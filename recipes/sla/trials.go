package sla

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Stat averages a statistic over trials, by their numbers of requests.
func Stat(trials []*loadgen.Measurement, tag, stat string) float64 {
	sum, weight := 0.0, 0.0
	for _, m := range trials {
		v, ok := m.Stat(tag, stat)
		if !ok || math.IsNaN(v) {
			continue
		}
		w, _ := m.Stat(loadgen.TagCompleted, "avg")
		w = max(w, 1)
		sum, weight = sum+w*v, weight+w
	}
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

// SE is the standard error of a statistic averaged over trials; NaN when
// a trial does not know its own.
func SE(trials []*loadgen.Measurement, tag, stat string) float64 {
	ss, n := 0.0, 0.0
	for _, m := range trials {
		se, ok := m.Metrics[tag].SE[stat]
		if !ok {
			return math.NaN()
		}
		ss, n = ss+se*se, n+1
	}
	if n == 0 {
		return math.NaN()
	}
	return math.Sqrt(ss) / n
}

// Percentile is a percentile of a metric over the requests of all trials together;
// ok is false when the statistic is no percentile, or the requests are not there.
func Percentile(trials []*loadgen.Measurement, tag, stat string) (v float64, ok bool) {
	q, isQuantile := loadgen.Quantile(stat)
	if !isQuantile {
		return 0, false
	}
	m, _ := metricOf(tag)
	var values []float64
	for _, t := range trials {
		for i := range t.Requests {
			if v, ok := t.Requests[i].Value(m.Tag); ok {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return (&tally{values: values}).quantile(q), true
}
