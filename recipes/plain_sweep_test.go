package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// axis is an axis of so many values.
func axis(path recipes.Path, values ...float64) recipes.Axis {
	return recipes.Axis{Path: path, Values: values}
}

// visited are the loads of a run, each as its level, lengths and fields of the body.
func visited(f *formula) (at []string) {
	for _, l := range f.loads {
		at = append(at, fmt.Sprintf("%v %d/%d %v", l, l.ISL, l.OSL, l.Body))
	}
	return at
}

// TestSweep: axes are combined, with the first varying slowest, and those that move along do
// not multiply the points.
func TestSweep(t *testing.T) {
	lengths := axis(recipes.PathISL, 128, 512)
	lengths.With = []recipes.Axis{axis(recipes.PathOSL, 32, 64)}
	for _, tt := range []struct {
		why  string
		axes []recipes.Axis
		want []string
	}{
		{"one axis", []recipes.Axis{axis(recipes.PathConcurrency, 8, 2)}, []string{"concurrency 8 550/128 map[]", "concurrency 2 550/128 map[]"}},
		{"crossed", []recipes.Axis{axis(recipes.PathISL, 16, 32), axis(recipes.PathRate, 2, 2.5)}, []string{
			"2 requests/s 16/128 map[]", "2.5 requests/s 16/128 map[]", "2 requests/s 32/128 map[]", "2.5 requests/s 32/128 map[]"}},
		{"zipped", []recipes.Axis{lengths, axis(recipes.PathConcurrency, 1, 4)}, []string{
			"concurrency 1 128/32 map[]", "concurrency 4 128/32 map[]", "concurrency 1 512/64 map[]", "concurrency 4 512/64 map[]"}},
		{"a field of the body", []recipes.Axis{axis(recipes.PathConcurrency, 2), axis(recipes.PathBody+"temperature", 0, 0.7)}, []string{
			"concurrency 2 550/128 map[temperature:0]", "concurrency 2 550/128 map[temperature:0.7]"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			f := &formula{}
			out, err := recipes.Run(t.Context(), recipes.Sweep(tt.axes...), recipes.Spec{Prober: f})
			require.NoError(t, err)
			assert.Equal(t, recipes.Met, out.Verdict)
			assert.Equal(t, tt.want, visited(f))
			assert.Len(t, out.Sweep().Points, len(tt.want))
			assert.NoError(t, recipes.Validate(out.Recipe))
		})
	}
	out, err := recipes.Run(t.Context(), recipes.Sweep(axis(recipes.PathConcurrency, 1, 4, 400)), recipes.Spec{Prober: &formula{},
		Inputs: recipes.Inputs{TTFT: new(100.0)}, AtLeast: 2})
	require.NoError(t, err)
	assert.Equal(t, recipes.Met, out.Verdict, "4 in flight are enough")
	assert.Equal(t, 4, out.Best.Concurrency())
}

// TestSweepRefused: axes that no sweep can be made of are refused before anything is sent.
func TestSweepRefused(t *testing.T) {
	c := axis(recipes.PathConcurrency, 1)
	short := axis(recipes.PathISL, 8, 16)
	short.With = []recipes.Axis{axis(recipes.PathOSL, 8)}
	for _, tt := range []struct {
		axes []recipes.Axis
		want string
	}{
		{nil, "no axis is a concurrency or a request rate"},
		{[]recipes.Axis{axis(recipes.PathISL, 8)}, "no axis is a concurrency or a request rate"},
		{[]recipes.Axis{c, axis(recipes.PathRate, 1)}, "and not both"},
		{[]recipes.Axis{c, c}, "duplicate axis concurrency"},
		{[]recipes.Axis{axis(recipes.PathConcurrency, 1, 2, 1)}, "duplicate point concurrency_1"},
		{[]recipes.Axis{axis(recipes.PathConcurrency, 1.5)}, "1.5 is no value of concurrency"},
		{[]recipes.Axis{axis(recipes.PathRate, 0)}, "0 is no value of request_rate"},
		{[]recipes.Axis{axis(recipes.PathConcurrency)}, "concurrency has no values"},
		{[]recipes.Axis{c, axis("phases.profiling.concurency", 1)}, "is unknown; did you mean"},
		{[]recipes.Axis{c, axis(recipes.PathServer, 1)}, "server. is unknown"},
		{[]recipes.Axis{c, short}, "has 1 values instead of 2"},
		{[]recipes.Axis{axis(recipes.PathConcurrency, make([]float64, 1001)...)}, "0 is no value"},
	} {
		out, err := recipes.Run(t.Context(), recipes.Sweep(tt.axes...), recipes.Spec{Prober: untouched{t}})
		require.ErrorAs(t, err, new(*recipes.InputError), tt.want)
		assert.ErrorContains(t, err, tt.want)
		assert.Nil(t, out)
	}
}

// restarted is a prober that tells of restarts.
type restarted struct {
	formula
	said []string
}

func (r *restarted) Rest()                       { r.said = append(r.said, "rest") }
func (r *restarted) Ready(context.Context) error { r.said = append(r.said, "ready"); return nil }

func (r *restarted) Probe(ctx context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	r.said = append(r.said, l.String())
	return r.formula.Probe(ctx, l, d)
}

// TestSetup: the hook is called when a setting of the server changes, while there is no load,
// and the run then waits for the server. Without such settings it is called at each point.
func TestSetup(t *testing.T) {
	p := &restarted{}
	hook := func(_ context.Context, at map[recipes.Path]float64) error {
		p.said = append(p.said, fmt.Sprintf("%v sequences", at[recipes.PathServer+"max_num_seqs"]))
		return nil
	}
	_, err := recipes.Run(t.Context(), recipes.Sweep(axis(recipes.PathServer+"max_num_seqs", 16, 64), axis(recipes.PathConcurrency, 1, 4)),
		recipes.Spec{Prober: p, Setup: hook})
	require.NoError(t, err)
	assert.Equal(t, []string{"ready", "rest", "16 sequences", "ready", "concurrency 1", "concurrency 4",
		"rest", "64 sequences", "ready", "concurrency 1", "concurrency 4"}, p.said)

	var points []float64
	_, err = recipes.Run(t.Context(), recipes.Sweep(axis(recipes.PathConcurrency, 1, 4)), recipes.Spec{Prober: &formula{}, Trials: 3,
		Setup: func(_ context.Context, at map[recipes.Path]float64) error {
			points = append(points, at[recipes.PathConcurrency])
			return nil
		}})
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 4}, points, "once a point, and not a trial")

	// A search over settings of the server, at one load.
	var seen []float64
	out, err := recipes.Run(t.Context(), recipes.Explicit(recipes.Search{MaxProbes: 4, InitialPoints: 2,
		Space:      []plan.Dim{{Path: recipes.PathServer + "max_num_seqs", Lo: 1, Hi: 64, Int: true}},
		Objectives: []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}},
	}), recipes.Spec{Prober: &formula{}, Workload: loadgen.Load{Concurrency: 4}, Setup: func(_ context.Context,
		at map[recipes.Path]float64) error {
		seen = append(seen, at[recipes.PathServer+"max_num_seqs"])
		return nil
	}})
	require.NoError(t, err)
	assert.NotEmpty(t, seen)
	assert.Equal(t, 4, out.Probes[0].Load.Concurrency)

	broken := errors.New("no such setting")
	out, err = recipes.Run(t.Context(), recipes.Sweep(axis(recipes.PathConcurrency, 1, 4)), recipes.Spec{Prober: &formula{},
		Setup: func(context.Context, map[recipes.Path]float64) error { return broken }})
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "set up the server")
	assert.Empty(t, out.Probes)
}
