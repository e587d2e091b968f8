// Package matchers has Gomega matchers for the outcome of a run.
//
//	out := aiperftest.RunRecipe(GinkgoTB(), "max-concurrency-under-sla",
//		aiperftest.TTFT(200*time.Millisecond), aiperftest.ReportOnly())
//	Expect(out).To(MeetSLA())
//	Expect(out).To(SustainConcurrency(BeNumerically(">=", 64)))
//	Expect(out).To(HaveMetric("itl p95", BeNumerically("<", 25*time.Millisecond)))
//
// With aiperftest.ReportOnly the run itself asserts nothing and the matchers do;
// without it Ginkgo aborts the spec in the run, and Expect is not reached. A
// failure's message is the run's finding, as it is printed by the run.
//
// All matchers take a *recipes.Outcome; anything else, and a run that measured
// nothing, is an error rather than a mismatch, so that Expect(…).NotTo does not
// pass on it.
package matchers
