package recipes

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// errorsFile is the file, below sweep_aggregate, with the error of a derivation.
const errorsFile = "post_process_errors.json"

// checkDerivation checks that the file of a derivation is a plain name, which can be
// written below sweep_aggregate. A nil derivation is valid.
func checkDerivation(d sweep.Derivation) error {
	if d == nil {
		return nil
	}
	if f := d.File(); f == "" || f != filepath.Base(f) || f[0] == '.' || f == errorsFile {
		return fmt.Errorf("cannot write its derived result to %q: give a plain file name", f)
	}
	return nil
}

// derive runs the plan's derivation on what was measured. If it fails or panics, the
// run only warns, and the error is kept as a file.
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

// derived returns the result of a derivation and its JSON, which must be an object. A
// panic becomes an error, since a derivation may be a user's own code.
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

// Sweep gathers what was measured, with a row for each point in the order of first
// visits. Points of which nothing was measured are left out. A point meets the limits
// when all of its visits together do.
func (o *Outcome) Sweep() *sweep.Sweep {
	s := &sweep.Sweep{}
	s.Begin(o.Plan.Paths(), o.Plan.Limits, chart(o.Recipe.Axes))
	for _, visits := range o.Visits() {
		var trials []*loadgen.Measurement
		for _, i := range visits {
			trials = append(trials, o.Probes[i].Trials...)
		}
		last := &o.Probes[visits[len(visits)-1]]
		readings := o.Pooled(visits[len(visits)-1])
		feasible := !slices.ContainsFunc(readings, func(r sla.Reading) bool { return !r.Holds })
		s.Add(last.Step.At, trials, feasible && last.trusted())
		s.Judged(readings)
	}
	return s
}

// chart writes a recipe's axes with AIPerf's keys; nil for a recipe without a chart.
func chart(x Axes) []byte {
	if x.XMetric == "" {
		return nil
	}
	type axes struct {
		Series    []string `json:"series_keys"`
		XMetric   string   `json:"x_metric"`
		XMinimize bool     `json:"x_minimize"`
		XStat     string   `json:"x_stat"`
		YMaximize bool     `json:"y_maximize"`
		YMetric   string   `json:"y_metric"`
		YStat     string   `json:"y_stat"`
	}
	raw, _ := json.Marshal(axes{
		XMetric: x.XMetric, XStat: x.XStat, XMinimize: !x.XMaximize,
		YMetric: x.YMetric, YStat: x.YStat, YMaximize: !x.YMinimize, Series: append([]string{}, x.Series...),
	})
	return raw
}
