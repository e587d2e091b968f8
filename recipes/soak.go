package recipes

import (
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// soak measures a schedule of rates to its end: ramps, steps and long stretches, each of which
// has metrics of its own in the outcome. Workload.Stages has the schedule, so that its mean
// rate is not known before. AIPerf ramps up to one rate (--request-rate-ramp-duration), and
// has series of rates.
var soak = &Recipe{
	Name: "soak",
	Doc:  "send requests at rates that change with time, in ramps and steps, to the end of their schedule",
	Uses: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA, inputArrival},
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		return &Plan{Scenarios: []Scenario{{Name: "soak", Values: []Value{{PathRate, ownRate}}}}, Limits: in.limits()}, nil
	},
}

// staged puts the mean rate of the workload's schedule, in requests a second, in place of
// those that the plan leaves open. The window has a minute more than the schedule, unless
// another length is asked for: a shorter window cuts it.
func (s *Spec) staged(open []*float64) {
	stages := s.Workload.Workload.Stages
	for _, rate := range open {
		*rate = stages.Mean()
	}
	if s.Workload.Window == 0 {
		s.Workload.Window = stages.Length() + time.Minute // for what is late
	}
}
