package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// probeDir is where one trial's files of the i-th probe go, below the artifact
// directory. With several trials a sweep has AIPerf's REPEATED layout: a folder
// a trial, and in it one a point.
func probeDir(o *recipes.Outcome, i, trial int) string {
	if o.Plan.Search != nil {
		return filepath.Join(fmt.Sprintf("search_iter_%04d", i), "profile_runs", fmt.Sprintf("run_%04d", trial+1))
	}
	point := pointName(o, i)
	for k := range i { // a further visit continues the trials of the first
		if slices.Equal(o.Probes[k].Step.At, o.Probes[i].Step.At) {
			trial += len(o.Probes[k].Trials)
		}
	}
	if o.Spec.Trials > 1 || o.Spec.Converge != nil || trial > 0 {
		return filepath.Join("profile_runs", fmt.Sprintf("trial_%04d", trial+1), point)
	}
	return point
}

// pointName is a point as a folder: leaf_value, joined by "__".
func pointName(o *recipes.Outcome, i int) string {
	var parts []string
	for k, path := range o.Plan.Paths() {
		parts = append(parts, Safe(sweep.Leaf(path)+"_"+exact(o.Probes[i].Step.At[k])))
	}
	return strings.Join(parts, "__")
}

// aggregateDir is where the aggregate of the i-th probe's point goes. The leaves
// of scenarios stand in alphabetical order there, those of grids in the grid's:
// so it is in AIPerf's runs.
func aggregateDir(o *recipes.Outcome, i int) string {
	name := pointName(o, i)
	if o.Plan.Scenarios != nil {
		parts := strings.Split(name, "__")
		slices.Sort(parts)
		name = strings.Join(parts, "__")
	}
	return filepath.Join("aggregate", name)
}

// pointLabel is AIPerf's label of a variation: path=value, joined by commas.
func pointLabel(o *recipes.Outcome, i int) string {
	var parts []string
	for k, path := range o.Plan.Paths() {
		parts = append(parts, path+"="+exact(o.Probes[i].Step.At[k]))
	}
	return strings.Join(parts, ", ")
}

// exact writes a coordinate with all its digits: two points never share a name.
func exact(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
