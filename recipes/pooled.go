package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// pooledStat averages a statistic over trials, by their numbers of requests.
func pooledStat(trials []*loadgen.Measurement, tag, stat string) float64 {
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

// pooledSE is the standard error of a statistic averaged over trials; NaN when
// a trial does not know its own.
func pooledSE(trials []*loadgen.Measurement, tag, stat string) float64 {
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

// pooledPercentile is an objective's percentile over the requests of all trials;
// ok is false when it is not asked for, or the requests are not there.
func pooledPercentile(trials []*loadgen.Measurement, g Objective) (v float64, ok bool) {
	q, isQuantile := quantileOf(g.Stat)
	if !g.Pooled || !isQuantile || len(trials) < 2 {
		return 0, false
	}
	m, _ := metricOf(g.Metric)
	var values []float64
	for _, t := range trials {
		for i := range t.Requests {
			if v, ok := t.Requests[i].Value(m.tag); ok {
				values = append(values, v)
			}
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return (&tally{values: values}).quantile(q), true
}
