package report

import "github.com/aiperf-go/aiperf/report/plot"

// charts draws an outcome: the search as it closed in, each limit over
// concurrency, throughput against latency, what the recipe derived, and the
// distributions of latency. What was not measured is not drawn;
// it returns nil when nothing was. Each chart decides itself whether the outcome has
// what it shows.
func (v *view) charts() []plot.Chart {
	if v.Plan == nil || len(v.probes) == 0 {
		return nil
	}
	var out []plot.Chart
	add := func(c plot.Chart, ok bool) {
		if ok {
			inSeconds(&c)
			out = append(out, c)
		}
	}
	// First what the run was for, then what explains it.
	add(v.searchTrace())
	add(v.kneeChart())
	add(v.ttftChart())
	add(v.itlChart())
	add(v.frontierChart())
	for k := range v.Plan.Limits {
		add(v.limitChart(k))
	}
	add(v.tradeChart())
	for _, metric := range []string{"ttft", "itl", "e2e"} {
		add(v.distributionChart(metric))
	}
	return out
}
