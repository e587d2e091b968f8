package sweep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Begin makes s an empty sweep over the given paths. limits are those that feasible
// points meet. chart is a JSON object that names the metrics of the recipe's chart,
// or nil.
func (s *Sweep) Begin(paths []string, limits []sla.Limit, chart []byte) {
	*s = Sweep{Type: "sweep", FailedRuns: []failedRun{}, Points: []Point{}} // empty lists are [], not null
	m := &s.Metadata
	m.Type, m.Level, m.Mode, m.Trials, m.Chart = s.Type, Level, "repeated", 1, chart
	m.Parameters = []Parameter{}
	for _, path := range paths {
		m.Parameters = append(m.Parameters, Parameter{Name: Leaf(path)})
	}
	if len(limits) == 0 {
		return
	}
	m.SLA = &counts{Filters: []activeFilter{}}
	for _, l := range limits {
		m.SLA.Filters = append(m.SLA.Filters, activeFilter{Metric: l.Metric, Stat: l.Stat, Op: string(l.Op), Threshold: l.Threshold})
	}
}

// Add adds a point: the values of the paths in the order of Begin, the trials of all
// visits of the point, and whether it meets the limits.
//
// A point of which every request failed becomes a row like any other, with the
// metrics that it has. AIPerf drops such a point, so that a crash does not count as a
// failing point there.
func (s *Sweep) Add(at []float64, trials []*loadgen.Measurement, feasible bool) {
	m := &s.Metadata
	point := Point{Params: Params{}, Metrics: blocks(trials)}
	var label []string
	for i := range m.Parameters {
		p, v := &m.Parameters[i], shown(at[i])
		point.Params[p.Name] = v
		label = append(label, fmt.Sprintf("%s_%v", p.Name, v))
		if !slices.Contains(p.Values, v) {
			p.Values = append(p.Values, v)
		}
	}
	for i, t := range trials {
		if allFailed(t) {
			s.FailedRuns = append(s.FailedRuns, failedRun{
				Label: fmt.Sprintf("%s/trial_%04d", strings.Join(label, "__"), i+1), Error: "every request failed"})
		} else {
			s.SuccessfulRuns++
		}
	}
	s.Points = append(s.Points, point)
	s.Runs += len(trials)
	m.Size, m.Trials = len(s.Points), max(m.Trials, len(trials))
	switch {
	case m.SLA == nil:
	case feasible:
		m.SLA.Feasible++
	default:
		m.SLA.Infeasible++
	}
}

// allFailed reports whether every request of a measurement failed.
func allFailed(m *loadgen.Measurement) bool {
	done, _ := m.Stat(loadgen.TagCompleted, "avg")
	failed, _ := m.Stat(loadgen.TagErrors, "avg")
	return done > 0 && failed >= done
}
