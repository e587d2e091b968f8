package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// HistoryError reports a search_history.json that cannot be read back.
type HistoryError struct {
	// Path is the file; empty when it was not read from one.
	Path string
	// Problem says what is wrong with it, without the path.
	Problem string
}

// Error names the file and the problem.
func (e *HistoryError) Error() string {
	if e.Path == "" {
		return "read search history: " + e.Problem
	}
	return fmt.Sprintf("read search history %s: %s", e.Path, e.Problem)
}

// notHistory says of a file that cannot be decoded what it is instead.
func notHistory(err error) string {
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		if kind.Field == "" {
			return fmt.Sprintf("it is no search_history.json but a JSON %s", kind.Value)
		}
		return fmt.Sprintf("it is no search_history.json: its %s is a JSON %s", kind.Field, kind.Value)
	}
	return fmt.Sprintf("it is no JSON (%v)", err)
}

// ReadHistoryFile reads the search_history.json at path. The error wraps fs.ErrNotExist
// when there is no file, and is a *HistoryError when it is not one that History wrote.
func ReadHistoryFile(path string) (*recipes.Outcome, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read search history: %w", err)
	}
	defer f.Close()
	o, err := ReadHistory(f)
	if h, ok := err.(*HistoryError); ok {
		h.Path = path
	}
	return o, err
}

// ReadHistory reads back what History wrote, as far as it is needed to go on
// from a run or to compare with it: recipe, plan, workload, every probe as its
// planner saw it, and the boundary. Requests and results are not in the file. Errors
// are *HistoryError.
func ReadHistory(r io.Reader) (*recipes.Outcome, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, &HistoryError{Problem: err.Error()}
	}
	var h history
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&h); err != nil {
		return nil, &HistoryError{Problem: notHistory(err)}
	}
	if h.Schema == schemaBefore {
		var before struct {
			Config *asked `json:"config"`
		}
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&before); err != nil {
			return nil, &HistoryError{Problem: err.Error()}
		}
		h.Schema, h.Asked = schema, before.Config
	}
	bad := func(format string, args ...any) (*recipes.Outcome, error) {
		return nil, &HistoryError{Problem: fmt.Sprintf(format, args...)}
	}
	if h.Schema != schema {
		return bad("its schema is %q and this version reads %q; run the search again", h.Schema, schema)
	}
	o := &recipes.Outcome{Recipe: &recipes.Recipe{Name: h.Recipe}, Plan: &recipes.Plan{}}
	c, a := h.Config, h.Asked
	if a == nil {
		return bad("it does not have what was asked for; run the search again")
	}
	w := &o.Spec.Workload
	w.ISL, w.OSL, w.Requests, w.Seed = a.Workload.ISL, a.Workload.OSL, a.Workload.Requests, c.Seed
	w.Window = seconds(a.Workload.Window)
	if says := a.Workload.Says; says != nil {
		if err := says.Validate(); err != nil {
			return bad("its workload cannot be used: %v", err)
		}
		w.Workload = *says
	}
	w.Arrival = a.Workload.Arrival
	o.Spec.Trials, o.Spec.Confidence = a.Trials, a.Confidence
	o.Spec.AtLeast, o.Spec.LeastRate = int(math.Ceil(a.AtLeast)), a.AtLeast
	o.Server.Model, o.Server.Version = h.Environment.Model, h.Environment.Server
	o.Spec.Target.URL, o.Began = h.Environment.URL, h.Environment.Began
	o.Wall = seconds(h.Environment.Wall)
	if h.Reason != nil {
		o.Reason = *h.Reason
	}
	for _, f := range c.Filters {
		o.Plan.Limits = append(o.Plan.Limits, f.limit())
	}
	o.Plan.SLO = a.SLO
	// The axes of a grid are not in the file: a sweep is read to be compared with, and a
	// search to be continued.
	if c.Planner != "list" {
		o.Plan.Search = c.search()
		for _, x := range a.With {
			o.Plan.Search.With = append(o.Plan.Search.With, recipes.Value{Path: x.Path, Value: float64(x.Value)})
		}
	}
	// A file that was broken off has no half iteration: it is written whole.
	for i, it := range h.Iterations {
		p, err := it.probe(len(c.Space), len(c.Filters))
		if err != nil {
			return bad("iteration %d %v", i, err)
		}
		o.Probes = append(o.Probes, p)
	}
	nan := math.NaN()
	o.RestoreBoundary(nan, nan, nan, nan)
	if b := h.Boundary; b != nil {
		o.RestoreBoundary(float64(b.Safe), float64(b.Estimate), float64(b.CI.Lo), float64(b.CI.Hi))
	}
	return o, nil
}

// seconds turns a number of a file into a duration.
func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// limit is the filter as a limit.
func (f filter) limit() sla.Limit {
	return sla.Limit{Metric: f.Metric, Stat: f.Stat, Op: sla.Op(f.Op), Threshold: float64(f.Threshold)}
}

// search is what was searched for. What the file does not have, such as a sampler or
// tiers, has its zero value: nothing that continues a run needs it.
func (c historyConfig) search() *recipes.Search {
	s := &recipes.Search{
		Style: recipes.Style(c.Planner), MaxProbes: c.MaxIterations, InitialPoints: c.InitialPoints,
		Patience: c.Patience, PlateauWindow: c.PlateauWindow, PlateauThreshold: c.PlateauThreshold,
	}
	// AIPerf's name of a style stands in the file, where it has one.
	for style, name := range plannerNames {
		if name == c.Planner {
			s.Style = style
		}
	}
	for _, g := range c.Objectives {
		s.Objectives = append(s.Objectives, recipes.Objective{Metric: g.Metric, Stat: g.Stat, Maximize: g.Direction == "MAXIMIZE",
			Reference: g.Threshold, Pooled: g.Pooled})
	}
	for _, d := range c.Space {
		s.Space = append(s.Space, plan.Dim{Path: d.Path, Lo: float64(d.Lo), Hi: float64(d.Hi), Int: d.Kind == "int",
			Log: d.Log || d.Prior == logUniform})
	}
	return s
}

// plan is an estimate as planners have it.
func (e estimate) plan() plan.Estimate {
	return plan.Estimate{Value: float64(e.Value), SE: float64(e.SE)}
}

// probe rebuilds a probe as its planner saw it, in a space of so many dimensions and
// with so many limits; none of its requests comes back. The error says what is wrong
// with the iteration, and begins with a verb.
func (it iteration) probe(dims, limits int) (p recipes.Probe, err error) {
	seen := it.Seen
	if len(seen.At) == 0 || dims > 0 && len(seen.At) != dims {
		return p, fmt.Errorf("has a point of %d coordinates in a space of %d", len(seen.At), dims)
	}
	if len(seen.Limits) != limits || len(it.Observations) != limits {
		return p, fmt.Errorf("has readings of %d limits where the search has %d", len(it.Observations), limits)
	}
	// A point is where a load was, so that each coordinate must be known.
	at := make([]float64, len(seen.At))
	for i, x := range seen.At {
		at[i] = float64(x)
		if math.IsNaN(at[i]) {
			return p, fmt.Errorf("has no value for coordinate %d", i)
		}
	}
	p.Step.At, p.Step.Size, p.Step.Full, p.Step.Reason = at, it.Step.Size, it.Step.Full, it.Step.Reason
	p.Step.Apart = seconds(it.Step.Apart)
	p.Wall = seconds(it.Wall)
	if !p.RestoreState(seen.State) {
		return p, fmt.Errorf("has the unknown state %q", seen.State)
	}
	o := &p.Observed
	o.At, o.Asked, o.Requests, o.Lasted = at, p.Step, seen.Requests, seconds(seen.Lasted)
	for k, r := range it.Observations {
		p.Readings = append(p.Readings, sla.Reading{
			Limit: r.limit(), Value: float64(r.Observed), Adjusted: float64(r.Adjusted), Lo: math.NaN(), Hi: math.NaN(),
			Exceeded: r.Exceeded, Of: r.Of, Holds: r.Holds, Pass: float64(r.Pass),
		})
		m := seen.Limits[k]
		margin := plan.Margin{Estimate: m.estimate.plan(), Pass: float64(m.Pass), Excess: math.NaN()}
		if m.Excess != nil {
			margin.Excess = *m.Excess
		}
		o.Margins = append(o.Margins, margin)
	}
	for _, g := range seen.Goals {
		o.Goals = append(o.Goals, g.plan())
	}
	// One trial stands for all: it has the means that Probe.Stat returned.
	m := &loadgen.Measurement{Metrics: map[string]loadgen.Metric{}}
	for tag, stats := range it.Metrics {
		kept := loadgen.Metric{Stats: map[string]float64{}}
		for stat, v := range stats {
			kept.Stats[stat] = float64(v)
		}
		m.Metrics[tag] = kept
	}
	p.Trials = []*loadgen.Measurement{m}
	return p, nil
}
