package ginkgoaiperf

import (
	"strings"

	"github.com/onsi/ginkgo/v2"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// The names of the report entries, which are JUnit properties of the spec.
const (
	EntryVerdict   = "aiperf.verdict"   // met, missed or inconclusive
	EntryFinding   = "aiperf.finding"   // the finding, in full
	EntryProbes    = "aiperf.probes"    // the table of all probes
	EntryArtifacts = "aiperf.artifacts" // the directory of the run's files; absent when it is not kept

	// Ginkgo writes the values of properties as JSON, so that a text has quotes around it. These
	// two have none, for dashboards that compare.
	EntryMet    = "aiperf.met"    // true or false
	EntryAnswer = "aiperf.answer" // the load to deploy at, a number; absent when there is none
)

// Attach adds a run's results to the report of the running spec, each as a
// string. Runs on a T are attached by themselves; Attach is for those on
// GinkgoT() or GinkgoTB(). artifacts is the directory of the run's files, and
// may be empty: Ginkgo attaches no files, so the path stands for them.
//
// The console does not show the entries: it has the same words from the run.
func Attach(o *recipes.Outcome, artifacts string) {
	entry := func(name string, value any) {
		ginkgo.AddReportEntry(name, value, ginkgo.ReportEntryVisibilityNever, ginkgo.Offset(2))
	}
	add := func(name, value string) {
		if value = strings.TrimRight(value, "\n"); value != "" {
			entry(name, value)
		}
	}
	if o.Plan == nil {
		return // it did not come so far as to know what to measure
	}
	var finding, probes strings.Builder
	_ = report.Finding(&finding, o) // a strings.Builder takes everything
	_ = report.Probes(&probes, o)
	add(EntryVerdict, o.Verdict.String())
	entry(EntryMet, o.Verdict == recipes.Met)
	if o.Best.Found {
		entry(EntryAnswer, o.Best.Load.Level())
	}
	add(EntryFinding, finding.String())
	add(EntryProbes, probes.String())
	add(EntryArtifacts, artifacts)
}
