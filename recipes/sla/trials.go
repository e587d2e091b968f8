package sla

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Trials are the repeated measurements of one point under the same load. The
// methods take a metric by its tag, and return values in the unit of the metric.
type Trials []*loadgen.Measurement

// Stat returns a statistic averaged over the trials, weighted by the numbers of
// requests that completed. It is NaN when no trial has the statistic.
func (ts Trials) Stat(tag, stat string) float64 {
	sum, weight := 0.0, 0.0
	for _, m := range ts {
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

// SE returns the standard error of a statistic averaged over the trials, which are
// taken to be independent. It is NaN when there is no trial, or when a trial does
// not know its own standard error.
func (ts Trials) SE(tag, stat string) float64 {
	ss, n := 0.0, 0.0
	for _, m := range ts {
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

// Percentile returns a percentile of a metric over the requests of all trials
// together, where Stat would average the percentiles of the trials. ok is false
// when the statistic is not a percentile, or when the requests have been dropped.
func (ts Trials) Percentile(tag, stat string) (v float64, ok bool) {
	q, isQuantile := loadgen.Quantile(stat)
	if !isQuantile {
		return 0, false
	}
	m, _ := metricOf(tag)
	var values []float64
	for _, t := range ts {
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
