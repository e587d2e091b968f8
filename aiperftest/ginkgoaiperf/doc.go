// Package ginkgoaiperf makes runs at home in a Ginkgo suite.
//
//	It("meets TTFT", Label("load"), func(ctx SpecContext) {
//		out := aiperftest.RunRecipe(ginkgoaiperf.T(ctx), "max-concurrency-under-sla",
//			aiperftest.TTFT(200*time.Millisecond))
//		AddReportEntry("capacity", ginkgoaiperf.Experiment(out))
//	}, SpecTimeout(10*time.Minute))
//
// GinkgoT() and GinkgoTB() work with aiperftest.Run, too. T adds what they do
// not know: the run ends with the spec (SpecTimeout, an interrupt), and the
// finding, the probe table and the path of the artifacts are attached to the
// spec's report, from where Ginkgo writes them to its JSON and JUnit files.
//
// A failed assertion aborts the spec inside of Run, as every failure does in
// Ginkgo. To assert with package matchers, run with aiperftest.ReportOnly.
package ginkgoaiperf
