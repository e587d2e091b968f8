package report

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// csvName is a metric's name with its unit, which counts do not show. Metrics that the
// table of loadgen does not title go by the words of their tag.
func csvName(tag, unit string) string {
	m, _ := loadgen.LookupMetric(tag)
	name := m.Title
	if name == "" { // AIPerf's name is the tag's words
		var words []string
		for _, w := range strings.Split(tag, "_") {
			if w != "" {
				w = strings.ToUpper(w[:1]) + w[1:]
			}
			words = append(words, w)
		}
		name = strings.Join(words, " ")
	}
	if unit == "" || unit == "requests" {
		return name
	}
	return name + " (" + unit + ")"
}

// profileCSV writes profile_export_aiperf.csv of one trial (from 0) of the i-th
// probe: a table of the metrics that requests have, a column a statistic, then one of
// those that the run has, with one value each. Values have two decimals.
func (v *view) profileCSV(w io.Writer, i, trial int) error {
	m := v.probes[i].Trials[trial]
	c := newCSV(w)
	c.row(append([]string{"Metric"}, csvStats...)...)
	// What has no percentiles is one number a run, and goes below.
	var run [][]string
	for _, tag := range slices.Sorted(maps.Keys(m.Metrics)) {
		metric := m.Metrics[tag]
		name := csvName(tag, metric.Unit)
		if _, described := metric.Stats["p50"]; !described {
			run = append(run, []string{name, csvNumber(metric, "avg")})
			continue
		}
		cells := []string{name}
		for _, stat := range csvStats {
			cells = append(cells, csvNumber(metric, stat))
		}
		c.row(cells...)
	}
	c.row()
	c.row("Metric", "Value")
	for _, cells := range run {
		c.row(cells...)
	}
	v.gpuCSV(c, m)
	return c.done()
}

// csvNumber is a statistic with two decimals; empty when there is none.
func csvNumber(m loadgen.Metric, stat string) string {
	if x, ok := m.Stats[stat]; ok && finite(x) {
		return fixed(x, 2)
	}
	return ""
}
