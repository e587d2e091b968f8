package sweep

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Level is the confidence level of the intervals over trials, as in AIPerf.
const Level = 0.95

// blocks describes the trials of a point as a row of a sweep does: a single trial by
// its metrics, several by each statistic over them. Values that are not finite
// cannot be written in JSON and are left out.
func blocks(trials []*loadgen.Measurement) map[string]Block {
	if len(trials) != 1 {
		return OverTrials(trials)
	}
	out := map[string]Block{}
	for tag, m := range trials[0].Metrics {
		if b := single(m); len(b) > 1 {
			out[tag] = b
		}
	}
	return out
}

// OverTrials describes each statistic of each metric over several trials. The keys
// are tag and statistic, for example request_latency_p99. A block has mean, std (of
// the sample), min, max, cv, se, and Student's 95% interval for the mean (ci_low,
// ci_high, t_critical), which collapses to the mean when there is a single trial.
// Values that are not finite cannot be written in JSON and are left out.
func OverTrials(trials []*loadgen.Measurement) map[string]Block {
	out := map[string]Block{}
	series := map[string][]float64{}
	units := map[string]string{}
	for _, t := range trials {
		for tag, m := range t.Metrics {
			for name, v := range m.Stats {
				if !finite(v) {
					continue
				}
				key := tag + "_" + name
				series[key] = append(series[key], v)
				units[key] = m.Unit
			}
		}
	}
	for key, vs := range series {
		out[key] = over(vs, units[key])
	}
	return out
}

// single returns the block of one trial: its statistics, and an interval that has
// collapsed to the average. The standard deviation in such a file is the one over
// trials, so the one over requests is left out.
func single(m loadgen.Metric) Block {
	b := Block{"unit": m.Unit}
	avg, ok := m.Stats["avg"]
	if ok && finite(avg) {
		for _, key := range []string{"mean", "ci_low", "ci_high", "min", "max"} {
			b[key] = avg
		}
		b["std"], b["cv"] = 0.0, 0.0
	}
	for name, v := range m.Stats {
		if name == "std" || !finite(v) {
			continue
		}
		if name == "count" {
			b[name] = shown(v)
			continue
		}
		b[name] = v
	}
	return b
}

// over returns the block of one statistic over several trials, with Student's
// interval for its mean. A single value has no interval; t_critical is then null.
func over(vs []float64, unit string) Block {
	mean := stat.Mean(vs, nil)
	b := Block{"unit": unit, "mean": mean, "min": slices.Min(vs), "max": slices.Max(vs),
		"std": 0.0, "se": 0.0, "cv": 0.0, "ci_low": mean, "ci_high": mean, "t_critical": nil}
	n := float64(len(vs))
	if n < 2 {
		return b
	}
	std := stat.StdDev(vs, nil)
	se := std / math.Sqrt(n)
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1 + Level) / 2)
	b["std"], b["se"], b["t_critical"] = std, se, t
	b["ci_low"], b["ci_high"] = mean-t*se, mean+t*se
	if mean != 0 {
		b["cv"] = std / mean
	}
	return b
}
