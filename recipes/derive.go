package recipes

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// errorsFile is where failures of derivations are kept.
const errorsFile = "post_process_errors.json"

// checkDerivation checks a plan's derivation before any traffic.
func checkDerivation(d sweep.Derivation) error {
	if d == nil {
		return nil
	}
	if f := d.File(); f == "" || f != filepath.Base(f) || f[0] == '.' || f == errorsFile {
		return fmt.Errorf("cannot write its derived result to %q: give a plain file name", f)
	}
	return nil
}

// derive runs the plan's derivation on what was measured. One that fails, or
// panics, spoils nothing: the run warns, and the error is kept as a file.
func (r *run) derive() {
	o := r.out
	d := o.Plan.Derive
	if d == nil || len(o.Probes) == 0 {
		return
	}
	o.Derived = map[string]json.RawMessage{}
	result, raw, err := derived(d, o.Sweep())
	if err == nil {
		o.Result, o.Derived[d.File()] = result, raw
		return
	}
	o.Warnings = append(o.Warnings, fmt.Errorf("%s was not derived: %w", d.File(), err))
	kept, _ := json.Marshal([]map[string]string{{"handler": d.Name(), "output_filename": d.File(), "error": err.Error()}})
	o.Derived[errorsFile] = kept
}

// derived derives a result and its JSON. Nothing that a derivation does gets past
// it.
func derived(d sweep.Derivation, s *sweep.Sweep) (result sweep.Result, raw json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	result, err = d.Derive(s)
	if err != nil {
		return nil, nil, err
	}
	raw, err = json.Marshal(result)
	if err == nil && (len(raw) == 0 || raw[0] != '{') {
		err = fmt.Errorf("its result is not a JSON object: %.40s", raw)
	}
	return result, raw, err
}

// Sweep gathers what was measured, a row for each point in the order of first
// visits; points of which nothing was measured are left out. A point whose every
// request failed stays, with the metrics it has: AIPerf drops it, and a crash then
// is no failing point.
func (o *Outcome) Sweep() *sweep.Sweep {
	s := &sweep.Sweep{Type: "sweep", FailedRuns: []sweep.FailedRun{}, Points: []sweep.Point{}}
	paths := o.Plan.Paths()
	values := make([][]any, len(paths))
	feasible, most := 0, 1
	for _, visits := range o.Visits() {
		at := o.Probes[visits[0]].Step.At
		point := sweep.Point{Params: sweep.Params{}}
		var label []string
		for i, path := range paths {
			v := sweep.Number(at[i])
			point.Params[sweep.Leaf(path)] = v
			label = append(label, fmt.Sprintf("%s_%v", sweep.Leaf(path), v))
			if !slices.Contains(values[i], v) {
				values[i] = append(values[i], v)
			}
		}
		var trials []*loadgen.Measurement
		for _, i := range visits {
			trials = append(trials, o.Probes[i].Trials...)
		}
		for i, m := range trials {
			if allFailed(m) {
				s.FailedRuns = append(s.FailedRuns, sweep.FailedRun{
					Label: fmt.Sprintf("%s/trial_%04d", strings.Join(label, "__"), i+1), Error: "every request failed"})
			} else {
				s.SuccessfulRuns++
			}
		}
		s.Runs += len(trials)
		most = max(most, len(trials))
		point.Metrics = sweep.Blocks(trials)
		s.Points = append(s.Points, point)
		if pass, _ := o.Probes[visits[len(visits)-1]].Passes(o.Spec.Confidence); pass {
			feasible++
		}
	}
	s.Metadata = sweep.Metadata{
		Type: s.Type, Level: sweep.Level, Size: len(s.Points), Trials: most, Mode: "repeated",
		Parameters: []sweep.Parameter{},
	}
	for i, path := range paths {
		s.Metadata.Parameters = append(s.Metadata.Parameters, sweep.Parameter{Name: sweep.Leaf(path), Values: values[i]})
	}
	if len(o.Plan.Limits) > 0 {
		s.Metadata.SLA = &sweep.Counts{Filters: activeFilters(o.Plan.Limits), Feasible: feasible, Infeasible: len(s.Points) - feasible}
	}
	if x := o.Recipe.Axes; x.XMetric != "" {
		s.Metadata.Axes = &sweep.Axes{
			XMetric: x.XMetric, XStat: x.XStat, XMinimize: !x.XMaximize,
			YMetric: x.YMetric, YStat: x.YStat, YMaximize: !x.YMinimize, Series: append([]string{}, x.Series...),
		}
	}
	return s
}

func activeFilters(limits []sla.Limit) []sweep.ActiveFilter {
	out := []sweep.ActiveFilter{}
	for _, l := range limits {
		out = append(out, sweep.ActiveFilter{Metric: l.Metric, Stat: l.Stat, Op: string(l.Op), Threshold: l.Threshold})
	}
	return out
}

// allFailed reports whether every request of a measurement failed.
func allFailed(m *loadgen.Measurement) bool {
	done, _ := m.Stat(loadgen.TagCompleted, "avg")
	failed, _ := m.Stat(loadgen.TagErrors, "avg")
	return done > 0 && failed >= done
}
