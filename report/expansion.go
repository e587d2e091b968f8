package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/recipes"
)

// Expansion writes what the recipe expanded to: where it searches, for what,
// within which limits. It is what a reader wants to know before the first probe.
// The outcome must have a plan. The error is the writer's.
//
//	recipe max-goodput-under-slo: highest rate of requests that meet their TTFT,
//	    ITL and latency limits, while enough of them do
//	    search concurrency in [1, 1000], style monotonic, at most 20 points
//	    maximize goodput
//	    SLA good >= 0.8
//	    550/128 tokens in/out, 300 requests a probe in at most 1m0s, seed 0
func (l Log) Expansion(w io.Writer, o *recipes.Outcome) error {
	v := viewOf(o)
	t := l.text()
	t.open(fmt.Sprintf("recipe %s: %s", v.Recipe.Name, v.Recipe.Doc))
	v.asked(t)
	if v.Spec.Note != "" {
		t.paragraph("%s", v.redact(v.Spec.Note))
	}
	return t.writeTo(w)
}

// Expansion writes what the recipe expanded to, for a log of the usual width. See
// Log.Expansion.
func Expansion(w io.Writer, o *recipes.Outcome) error { return Log{}.Expansion(w, o) }

// asked says what is measured, within which limits, with which requests, at which server.
func (v *view) asked(t *text) {
	v.points(t)
	if len(v.Plan.Limits) > 0 {
		var limits []string
		for _, l := range v.Plan.Limits {
			limits = append(limits, l.String())
		}
		t.paragraph("SLA %s", strings.Join(limits, ", "))
	}
	if d := v.Plan.Derive; d != nil {
		t.paragraph("then %s → %s", d.Name(), d.File())
	}
	t.paragraph("%s", v.shape())
	if v.Server.Model != "" {
		server := "model " + v.Server.Model + " at " + strings.Join(v.Spec.Target.Endpoints(), ", ")
		if v.Server.Version != "" {
			server += ", version " + v.Server.Version
		}
		t.paragraph("%s", v.redact(server))
	}
}

// points adds what is measured: the space of a search and what is best in it, the
// axes of a grid, or the number of points.
func (v *view) points(t *text) {
	switch p := v.Plan; {
	case p.Search != nil:
		s := p.Search
		for _, d := range s.Space {
			t.paragraph("search %s in [%s, %s], style %s, at most %d points", inWords(d.Path), digits(d.Lo), digits(d.Hi), s.Style, s.MaxProbes)
		}
		for _, g := range s.Objectives {
			if !s.Boundary { // a search for the boundary itself ranks by nothing else
				t.paragraph("%s %s", objectiveWay(g), objectiveName(g))
			}
		}
	case p.Grid != nil:
		for _, a := range p.Grid {
			t.paragraph("sweep %s over %s", inWords(a.Path), digitsOf(a.Values))
		}
	default:
		t.paragraph("measure %s", plural(len(p.Scenarios), "point"))
	}
}

// lengths describes the requests: the lengths of prompts and answers with whatever else the
// workload says, or the file that they come from. Answers of an API without tokens have no
// length.
func (v *view) lengths() string {
	w := v.Spec.Workload
	if v.Spec.Tokenless() {
		return w.Workload.Describe(w.ISL, 0)
	}
	return w.Lengths()
}

// shape says what a probe sends, for a reader to check against the question: the requests,
// how many, for how long.
func (v *view) shape() string {
	load, passes := v.Spec.Workload, max(v.Plan.Passes, 1)
	requests, length := plural((load.Requests+passes-1)/passes, "request"), fmt.Sprintf("at most %v", load.Window/time.Duration(passes))
	if least := min(load.Least, load.Window); least > 0 {
		requests, length = requests+" or more", fmt.Sprintf("%v to %v", least, load.Window)
	}
	if passes > 1 {
		length += fmt.Sprintf(", %d passes", passes)
	}
	return fmt.Sprintf("%s, %s a probe in %s, seed %d", v.lengths(), requests, length, load.Seed)
}
