// Package ginkgoaiperf makes runs at home in a Ginkgo suite.
//
//	It("meets TTFT", ginkgoaiperf.Labels("max-concurrency-under-sla"), func(ctx SpecContext) {
//		out := aiperftest.RunRecipe(ginkgoaiperf.T(ctx), "max-concurrency-under-sla",
//			aiperftest.TTFT(200*time.Millisecond))
//		AddReportEntry("capacity", ginkgoaiperf.Experiment(out), ReportEntryVisibilityFailureOrVerbose)
//	}, SpecTimeout(10*time.Minute), GracePeriod(10*time.Second))
//
// The first line of the finding is the spec's failure, and the rest is an entry of its
// report. Without ginkgo -v a run that is met prints nothing.
//
// GinkgoT() and GinkgoTB() work with aiperftest.Run, too, and what is known so far is
// in Ginkgo's progress reports, also in that of a timeout. T adds what they do
// not know: the run ends with the spec (SpecTimeout, an interrupt), and the
// finding, the probe table and the path of the artifacts are attached to the
// spec's report, from where Ginkgo writes them to its JSON and JUnit files. With GinkgoT()
// give the run the spec's context (aiperftest.Context(ctx)).
//
// A failed assertion aborts the spec inside of Run, as every failure does in
// Ginkgo. To assert with package matchers, run with aiperftest.ReportOnly.
package ginkgoaiperf
