package serving_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/aiperftest/ginkgoaiperf"
	. "github.com/aiperf-go/aiperf/aiperftest/matchers"
)

func TestServing(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Serving")
}

var _ = Describe("serving", ginkgoaiperf.Labels("max-concurrency-under-sla"), func() {
	It("holds its SLA", func(ctx SpecContext) {
		out := aiperftest.RunRecipe(ginkgoaiperf.T(ctx), "max-concurrency-under-sla",
			aiperftest.TTFT(500*time.Millisecond), aiperftest.Tokens(550, 128),
			aiperftest.Concurrency(1, 256), aiperftest.ReportOnly()) // the matchers assert
		AddReportEntry("capacity", ginkgoaiperf.Experiment(out), ReportEntryVisibilityFailureOrVerbose)
		Expect(out).To(MeetSLA())
		Expect(out).To(SustainConcurrency(BeNumerically(">=", 32)))
		Expect(out).To(HaveMetric("itl p95", BeNumerically("<", 40*time.Millisecond)))
	}, SpecTimeout(20*time.Minute), GracePeriod(20*time.Second))
})
