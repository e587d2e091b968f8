package serving_test

import (
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/kube"
)

var bench = kube.Options{Namespace: "bench"}

func TestRights(t *testing.T) { kube.Check(t, bench) }

func TestCapacity(t *testing.T) {
	aiperftest.RunRecipe(t, "max-throughput-ttft-sla",
		aiperftest.Endpoint("http://llm.serving:8000"), // as the pods reach it
		aiperftest.TTFT(200*time.Millisecond),
		kube.Pods(8, bench))
}
