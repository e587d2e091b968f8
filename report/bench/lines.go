package bench

import (
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Write writes bench.txt, which benchstat reads: a line a trial for fixed loads
// and sweeps, named BenchmarkRecipe/<recipe>/concurrency=N; one line for a search,
// named BenchmarkRecipe/<recipe>/capacity, since a search ends at another load each
// time and what can be compared is how far it came. A search for several objectives has
// a line a trial of each point of its front, named …/front/concurrency=N. A search without a certain
// answer, and probes that cannot be trusted, have no line.
//
// What differs from run to run (date, seed, commit, URL, the server's version) is
// not in the file's configuration: it would split benchstat's table.
func Write(w io.Writer, o *recipes.Outcome) error {
	b := benchfmt.NewWriter(w)
	meta := func(unit, better string) error {
		key := benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}
		return b.Write(&benchfmt.UnitMetadata{UnitMetadataKey: key, OrigUnit: unit, Value: better})
	}
	all := results(o)
	used := map[string]bool{}
	for _, r := range all {
		for _, v := range r.Values {
			used[v.Unit] = true
		}
	}
	if unit, ok := capacityUnit(o); ok && used[unit] {
		if err := meta(unit, "higher"); err != nil {
			return err
		}
	}
	for _, c := range slices.Concat(columns, told) {
		if !used[c.Unit] {
			continue
		}
		if err := meta(c.Unit, c.better()); err != nil {
			return err
		}
	}
	for _, r := range all {
		r.Config = configOf(o)
		if err := b.Write(r); err != nil {
			return err
		}
	}
	return nil
}

// capacityUnit is what the answer of a search over one dimension is in: requests a second, or
// the last part of the dimension's path. ok is false for all other runs.
func capacityUnit(o *recipes.Outcome) (string, bool) {
	if s := o.Plan.Search; s != nil && len(s.Space) == 1 {
		if s.Space[0].Path == recipes.PathRate {
			return lineRate, true
		}
		return sweep.Leaf(s.Space[0].Path), true
	}
	return "", false
}

// results are the lines of the file, without its configuration. Names and values are
// what benchfmt writes; a run without numbers to trust has none.
func results(o *recipes.Outcome) []*benchfmt.Result {
	name := "Recipe/" + o.Recipe.Name
	var out []*benchfmt.Result
	if s := o.Plan.Search; s != nil && len(s.Objectives) > 1 {
		// Where several objectives are searched for, a point is no better than another.
		front, _ := o.BestProbes()
		for _, i := range front {
			for _, m := range o.Probes[i].Trials {
				if r := result(pointName(o, &o.Probes[i], name+"/front"), m); len(r.Values) > 0 {
					out = append(out, r)
				}
			}
		}
		return out
	}
	if o.Plan.Search != nil {
		if r := capacityResult(o, name+"/capacity"); r != nil {
			out = append(out, r)
		}
		return out
	}
	for i := range o.Probes {
		p := &o.Probes[i]
		if p.State() == "untrusted" || p.State() == "unmeasured" {
			continue
		}
		for _, m := range p.Trials {
			if r := result(pointName(o, p, name), m); len(r.Values) > 0 {
				out = append(out, r)
			}
		}
	}
	return out
}

// pointName is the name of a point's line: that of the run, and what is varied.
func pointName(o *recipes.Outcome, p *recipes.Probe, name string) string {
	for k, path := range o.Plan.Paths() {
		name += "/" + sweep.Leaf(path) + "=" + strconv.FormatFloat(p.Step.At[k], 'f', -1, 64)
	}
	return name
}

// capacityResult is the answer of a search with the rates at its best point; nil
// when there is no answer. That nothing passes is an answer: capacity 0.
func capacityResult(o *recipes.Outcome, name string) *benchfmt.Result {
	unit, one := capacityUnit(o)
	if !o.Best.Found {
		if o.Verdict != recipes.Missed || !one {
			return nil
		}
		return &benchfmt.Result{Name: benchfmt.Name(name), Iters: len(o.Probes), Values: []benchfmt.Value{{Unit: unit}}}
	}
	p := &o.Probes[o.Best.Probe]
	r := &benchfmt.Result{Name: benchfmt.Name(name), Iters: max(p.Requests(), 1)}
	if one {
		r.Values = append(r.Values, benchfmt.Value{Value: p.Step.At[0], Unit: unit})
	}
	for _, u := range columns {
		if v, ok := p.Stat(u.metric, u.stat); ok && finite(v) && strings.HasSuffix(u.Unit, "/s") {
			r.Values = append(r.Values, benchfmt.Value{Value: u.scale(v), Unit: u.Unit})
		}
	}
	if len(r.Values) == 0 {
		return nil
	}
	for _, u := range told {
		if v, ok := p.Stat(u.metric, u.stat); ok && finite(v) {
			r.Values = append(r.Values, benchfmt.Value{Value: u.scale(v), Unit: u.Unit})
		}
	}
	return r
}

// result is one trial's line. benchstat accepts NaN and infinities, and its
// table is then spoilt without a word: they are left out.
func result(name string, m *loadgen.Measurement) *benchfmt.Result {
	n, _ := m.Stat(loadgen.TagCompleted, "avg")
	r := &benchfmt.Result{Name: benchfmt.Name(name), Iters: max(int(n), 1)}
	for _, u := range slices.Concat(columns, told) {
		if v, ok := m.Stat(u.metric, u.stat); ok && finite(v) {
			r.Values = append(r.Values, benchfmt.Value{Value: u.scale(v), Unit: u.Unit})
		}
	}
	return r
}

// configOf is what must be the same for two files to be comparable. Lengths that the
// run sweeps are part of the lines' names instead.
func configOf(o *recipes.Outcome) []benchfmt.Config {
	var out []benchfmt.Config
	add := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			out = append(out, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	add("goos", runtime.GOOS)
	add("goarch", runtime.GOARCH)
	add("model", o.Spec.Target.Redact(o.Server.Model))
	swept := map[string]bool{}
	for _, path := range o.Plan.Paths() {
		swept[path] = true
	}
	if w := o.Spec.Workload; !w.Workload.IsZero() {
		add(workloadKey, o.Spec.Target.Redact(w.Lengths())+" #"+w.Workload.Sum())
		return out
	}
	if !swept[recipes.PathISL] {
		add("isl", strconv.Itoa(o.Spec.Workload.ISL))
	}
	if !swept[recipes.PathOSL] && !o.Spec.Tokenless() {
		add("osl", strconv.Itoa(o.Spec.Workload.OSL))
	}
	return out
}

// workloadKey is the key of a line that describes a workload other than fixed lengths.
const workloadKey = "workload"

// finite reports whether v is a number: neither NaN nor infinite.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
