package recipes

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// Sweep returns the recipe of a plain sweep: it measures every combination of the axes'
// values, of which the first axis varies slowest, and derives nothing. An axis has any of
// the paths PathConcurrency, PathRate, PathISL and PathOSL, or PathBody, PathWorkload and
// PathServer with a name behind them. One of them must be a concurrency or a rate, if need be of a single
// value. Axes that are to move together instead of being combined stand in Axis.With. Four
// points, two pairs of lengths at two concurrencies:
//
//	lengths := recipes.Axis{Path: recipes.PathISL, Values: []float64{128, 512}}
//	lengths.With = []recipes.Axis{{Path: recipes.PathOSL, Values: []float64{32, 64}}}
//	recipes.Sweep(lengths, recipes.Axis{Path: recipes.PathConcurrency, Values: []float64{1, 16}})
//
// Values are numbers, as the coordinates of all points are. What is no number, for example
// the name of a model's quantization, is numbered by the test, and Spec.Setup reads the
// number.
//
// With SLA limits the run is met when some point meets them; without limits it is met once
// every point was measured. Mistakes in the axes are reported by Run, as *InputError.
func Sweep(axes ...Axis) *Recipe {
	return &Recipe{
		Name: "sweep",
		Doc:  "measure every combination of " + strings.Join(leaves(axes), ", "),
		Uses: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA, inputAtLeast, inputArrival},
		Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
		Expand: func(in Inputs) (*Plan, error) {
			if err := checkAxes(axes); err != nil {
				return nil, err
			}
			for _, a := range every(axes) {
				for _, x := range a.Values {
					if _, err := numbered(in.Workload.Workload, a.Path, x); err != nil {
						return nil, inputError(nil, "cannot sweep: %v", err)
					}
				}
			}
			p := &Plan{Limits: in.limits()}
			if !slices.ContainsFunc(axes, func(a Axis) bool { return len(a.With) > 0 }) {
				p.Grid = axes
				return p, nil
			}
			p.Scenarios = scenarios(axes)
			return p, nil
		},
	}
}

// mostPoints is the largest number of points of a sweep.
const mostPoints = 1000

// every lists the axes with those that move along with them.
func every(axes []Axis) (all []Axis) {
	for _, a := range axes {
		all = append(append(all, a), a.With...)
	}
	return all
}

// leaves names what the axes vary, by the last parts of their paths.
func leaves(axes []Axis) (names []string) {
	for _, a := range every(axes) {
		names = append(names, sweep.Leaf(a.Path))
	}
	return names
}

// checkAxes refuses axes that no sweep can be made of.
func checkAxes(axes []Axis) error {
	bad := func(format string, args ...any) error { return inputError(nil, "cannot sweep: "+format, args...) }
	points, load := 1, false
	seen := map[string]bool{}
	for _, a := range axes {
		points *= len(a.Values)
		for _, b := range a.With {
			if len(b.With) > 0 || len(b.Values) != len(a.Values) {
				return bad("%s moves with %s and has %d values instead of %d, or axes of its own", b.Path, a.Path, len(b.Values), len(a.Values))
			}
		}
	}
	for _, a := range every(axes) {
		leaf := sweep.Leaf(a.Path)
		switch {
		case !sweepable(a.Path):
			return bad("%s is unknown%s", a.Path, sla.Suggest(a.Path, paths))
		case seen[leaf]:
			return bad("duplicate axis %s", leaf)
		case len(a.Values) == 0:
			return bad("%s has no values", leaf)
		}
		seen[leaf] = true
		load = load || a.Path == PathConcurrency || a.Path == PathRate
		whole := slices.Contains([]Path{PathConcurrency, PathISL, PathOSL}, a.Path)
		for _, v := range a.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) || whole && (v < 1 || v != math.Trunc(v)) || a.Path == PathRate && v <= 0 {
				return bad("%v is no value of %s", v, leaf)
			}
		}
	}
	switch {
	case !load:
		return bad("no axis is a concurrency or a request rate; add one, if need be of a single value")
	case seen[sweep.Leaf(PathConcurrency)] && seen[sweep.Leaf(PathRate)]:
		return bad("a load has a concurrency or a request rate, and not both")
	case points > mostPoints:
		return bad("%d points are more than %d", points, mostPoints)
	}
	names := map[string]bool{}
	for _, s := range scenarios(axes) {
		if names[s.Name] {
			return bad("duplicate point %s", s.Name)
		}
		names[s.Name] = true
	}
	return nil
}

// paths lists the paths that have a name of their own. Those of fields and settings have
// one that the user chooses.
var paths = []Path{PathConcurrency, PathRate, PathISL, PathOSL}

// sweepable reports whether a path can be varied.
func sweepable(path Path) bool {
	if rest, ok := strings.CutPrefix(path, PathWorkload); ok {
		return rest != ""
	}
	for _, prefix := range []Path{PathBody, PathServer} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return rest != "" && !strings.Contains(rest, ".")
		}
	}
	return slices.Contains(paths, path)
}

// scenarios lists the points of axes of which some move together.
func scenarios(axes []Axis) []Scenario {
	points := []Scenario{{}}
	for _, a := range axes {
		var next []Scenario
		for _, s := range points {
			for i := range a.Values {
				values := slices.Clone(s.Values)
				for _, b := range every([]Axis{a}) {
					values = append(values, Value{b.Path, b.Values[i]})
				}
				next = append(next, Scenario{Values: values})
			}
		}
		points = next
	}
	for i := range points {
		var name []string
		for _, v := range points[i].Values {
			name = append(name, sweep.Leaf(v.Path)+"_"+number(v.Value))
		}
		points[i].Name = strings.Join(name, "__")
	}
	return points
}

// withField returns the load with one more field of the request body.
func withField(l loadgen.Load, name string, v float64) loadgen.Load {
	body := maps.Clone(l.Body)
	if body == nil {
		body = map[string]any{}
	}
	body[name] = v
	l.Body = body
	return l
}

// setUp prepares the server for the point of a step, if the spec has a hook for that and the
// point differs from the one before in what the hook is for: in settings of the server, or in
// anything if no such setting is varied. The load ends before, and the server must be ready
// again behind.
func (r *run) setUp(ctx context.Context, step plan.Step) error {
	hook := r.out.Spec.Setup
	if hook == nil {
		return nil
	}
	at, settings := map[Path]float64{}, map[Path]float64{}
	for i, path := range r.out.Plan.Paths() {
		at[path] = step.At[i]
		if strings.HasPrefix(path, PathServer) {
			settings[path] = step.At[i]
		}
	}
	if len(settings) == 0 {
		settings = at
	}
	if r.settings != nil && maps.Equal(r.settings, settings) {
		return nil
	}
	r.rest()
	if err := hook(ctx, at); err != nil {
		return fmt.Errorf("set up the server: %w", err)
	}
	r.settings = settings
	if p, ok := r.prober.(interface{ Ready(context.Context) error }); ok {
		return p.Ready(ctx)
	}
	return nil
}
