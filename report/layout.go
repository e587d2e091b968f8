package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// The layout is AIPerf's, so that its tools find what they look for; comments say
// where a rule is read off real runs rather than documented.

// Safe makes a path element of a user's text: letters, digits, dot, underscore
// and dash stay, and everything else becomes an underscore. The result is never empty
// and never dots alone, so that no name leaves its folder. Different texts may become
// the same name.
func Safe(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, s)
	if strings.Trim(s, ".") == "" {
		return "_" + strings.ReplaceAll(s, ".", "_")
	}
	return s
}

// probeDir is where the files of one trial (from 0) of the i-th probe go, below
// the artifact directory. With several trials a sweep has AIPerf's REPEATED
// layout: a folder a trial, and in it one a point.
//
//	search_iter_0003/profile_runs/run_0001   a search
//	concurrency_16                           a point of a sweep, measured once
//	profile_runs/trial_0002/concurrency_16   and measured again
func (v *view) probeDir(i, trial int) string {
	if v.Plan.Search != nil {
		return filepath.Join(iterationLabel(i), "profile_runs", runLabel(trial))
	}
	point := v.pointName(i)
	before, _ := v.trialsAt(i)
	trial += before
	if v.Spec.Trials > 1 || v.Spec.Converge != nil || trial > 0 {
		return filepath.Join("profile_runs", fmt.Sprintf("trial_%04d", trial+1), point)
	}
	return point
}

// pointName is a probe's point as a folder: the last part of each path with its value,
// joined by "__". Values have all their digits, and no two points one folder.
func (v *view) pointName(i int) string {
	var parts []string
	for k, path := range v.paths {
		parts = append(parts, Safe(sweep.Leaf(path)+"_"+exact(v.probes[i].Step.At[k])))
	}
	return strings.Join(parts, "__")
}

// aggregateDir is where the aggregate of the i-th probe's point goes. The leaves
// of scenarios stand in alphabetical order there, those of grids in the grid's:
// so it is in AIPerf's runs.
func (v *view) aggregateDir(i int) string {
	name := v.pointName(i)
	if v.Plan.Scenarios != nil {
		parts := strings.Split(name, "__")
		slices.Sort(parts)
		name = strings.Join(parts, "__")
	}
	return filepath.Join("aggregate", name)
}

// pointLabel is AIPerf's label of a variation: path=value, joined by commas.
func (v *view) pointLabel(i int) string {
	var parts []string
	for k, path := range v.paths {
		parts = append(parts, path+"="+exact(v.probes[i].Step.At[k]))
	}
	return strings.Join(parts, ", ")
}

// variationLabel names what was run as AIPerf does: an iteration of a search by
// its number, a point of a sweep by its values.
func (v *view) variationLabel(i int) string {
	if v.Plan.Search != nil {
		return iterationLabel(i)
	}
	return v.pointLabel(i)
}

// iterationLabel names an iteration of a search.
func iterationLabel(i int) string { return fmt.Sprintf("search_iter_%04d", i) }

// runLabel names a trial, which AIPerf counts from 1.
func runLabel(trial int) string { return fmt.Sprintf("run_%04d", trial+1) }

// sweepID names the run; it is the same for all its probes.
func (v *view) sweepID() string {
	return fmt.Sprintf("%s-%d-%d", v.Recipe.Name, v.Began.UTC().UnixNano(), v.Spec.Workload.Seed)
}

// benchmarkID names one trial (from 0) of the i-th probe.
func (v *view) benchmarkID(i, trial int) string {
	return fmt.Sprintf("%s-%04d-%04d", v.sweepID(), i, trial+1)
}

// talks reports whether the requests of a measurement are turns of conversations, of which
// at least one went beyond its first. The sessions of AIPerf's files are then conversations.
func talks(m *loadgen.Measurement) bool { return len(m.Turns) > 0 }

// session names the session of a request: its conversation, or one of its own.
func session(m *loadgen.Measurement, q *loadgen.Request) string {
	if talks(m) {
		return conversation(int(q.Conversation))
	}
	return conversation(q.Index)
}

// conversation names a session.
func conversation(index int) string { return fmt.Sprintf("session_%06d", index) }
