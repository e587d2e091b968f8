package report

import "github.com/aiperf-go/aiperf/report/plot"

// charts draws an outcome: each limit over concurrency, what the load gives, throughput
// against latency and of a GPU, what the recipe derived, the search as it closed in, and the
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
	// First what the run was for: of a search the limit that binds and what the load gives,
	// side by side over the same axis. Then what explains it, and last the way there.
	binding := v.binding()
	if v.Plan.Search != nil && binding >= 0 {
		add(v.limitChart(binding))
		add(v.throughputChart())
	}
	add(v.kneeChart())
	add(v.ttftChart())
	add(v.itlChart())
	add(v.frontierChart())
	for k := range v.Plan.Limits {
		if v.Plan.Search == nil || k != binding {
			add(v.limitChart(k))
		}
	}
	add(v.tradeChart())
	add(v.gpuChart())
	add(v.searchTrace())
	for _, metric := range []string{"ttft", "itl", "e2e"} {
		add(v.distributionChart(metric))
	}
	return out
}
