package report

import (
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Metrics go by the names of loadgen's table. Three of these are for text, in the words
// that limits are written in; two are for charts, which have room for a better one.

// metricName is a metric's statistic as people write it in a limit: "ttft p95".
func metricName(metric, stat string) string { return sla.Limit{Metric: metric, Stat: stat}.Name() }

// metricUnit is its display unit: ms, tok/s, req/s, %, ratio or tokens.
func metricUnit(metric, stat string) string { return sla.Limit{Metric: metric, Stat: stat}.Unit() }

// objectiveName is what an objective is about: an average goes without the word.
func objectiveName(g recipes.Objective) string {
	return strings.TrimSuffix(metricName(g.Metric, g.Stat), " avg")
}

// objectiveWay is "maximize" or "minimize".
func objectiveWay(g recipes.Objective) string {
	if g.Maximize {
		return "maximize"
	}
	return "minimize"
}

// metricTitle names a metric and its statistic for a chart's title, and its unit
// for an axis: "TTFT p95" and "ms". The statistic is left out of rates and shares,
// which have an average alone.
func metricTitle(metric, stat string) (name, unit string) {
	l := sla.Limit{Metric: metric, Stat: stat}
	short, _, _ := strings.Cut(l.Name(), " ")
	if m, ok := loadgen.LookupMetric(metric); ok && m.Label != "" {
		short = m.Label
	}
	if unit = l.Unit(); unit == "ratio" {
		unit = "share"
	}
	if stat != "avg" || unit == "ms" {
		short += " " + stat
	}
	return short, unit
}

// metricAxis is a metric's axis label: "TTFT p95 (ms)".
func metricAxis(metric, stat string) string {
	name, unit := metricTitle(metric, stat)
	if unit == "" {
		return name
	}
	return name + " (" + unit + ")"
}
