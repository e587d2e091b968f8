package recipes

import "github.com/aiperf-go/aiperf/loadgen"

// maxConcurrency answers: the highest concurrency at which every limit holds.
var maxConcurrency = &Recipe{
	Name: "max-concurrency-under-sla",
	Doc:  "highest concurrency at which every SLA limit holds",
	Uses: searchInputs(inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate),
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: "concurrency", YStat: "value"},
	Expand: func(in Inputs) (*Plan, error) {
		const name = "max-concurrency-under-sla"
		limits := in.limits()
		if len(limits) == 0 {
			return nil, &InputError{Recipe: name, Inputs: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA},
				Problem: "requires at least one SLA: give " + inputTTFT.option() + ", " + inputITL.option() + ", " + inputE2E.option() +
					", " + inputErrorRate.option() + " or " + inputSLA.option()}
		}
		if in.Style == Grid {
			return concurrencyGrid(name, in, limits)
		}
		s, err := concurrencySearch(name, in, SmoothIsotonic, Objective{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true})
		if err != nil {
			return nil, err
		}
		s.Boundary = true
		return &Plan{Search: s, Limits: limits}, nil
	},
}

// limits turns the SLA inputs into limits: those that have an option of their
// own first, then the text ones in order.
func (in Inputs) limits() []Limit {
	var limits []Limit
	add := func(v *float64, factor float64, tag, stat string) {
		if v != nil {
			limits = append(limits, Limit{tag, stat, LT, *v * factor})
		}
	}
	add(in.TTFT, 1, loadgen.TagTTFT, "p95")
	add(in.itl(), 1, loadgen.TagITL, "p95")
	add(in.E2E, 1, loadgen.TagLatency, "p99")
	add(in.ErrorRate, 100, loadgen.TagErrorRate, "avg") // the metric is in percent
	return append(limits, in.Limits...)
}
