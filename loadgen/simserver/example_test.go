package simserver_test

import (
	"bufio"
	"fmt"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

func ExampleNew() {
	s := simserver.New(simserver.Model{Step: time.Millisecond})
	defer s.Close()

	resp, err := s.Client().Post(s.URL+"/v1/completions", "application/json",
		strings.NewReader(`{"model":"simulated","prompt":"say three words","max_tokens":3,"stream":true}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	events := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			events++
		}
	}
	fmt.Println("events:", events, "(three tokens, the finish, [DONE])")
	fmt.Println("tokens:", s.Stats().OutputTokens)
	// Output:
	// events: 5 (three tokens, the finish, [DONE])
	// tokens: 3
}

func ExampleModel_Simulate() {
	m := simserver.Model{Step: 10 * time.Millisecond, Chunk: 64, MaxBatch: 4}
	limit := simserver.Limit{Metric: simserver.TTFT, Percentile: 95, Threshold: 50 * time.Millisecond}
	for _, n := range []int{1, 2, 4, 8, 16} {
		traces := m.Simulate(simserver.Clients{Concurrency: n, ISL: 64, OSL: 8})
		fmt.Println(n, limit.Quantile(traces, 8), limit.Holds(traces, 8))
	}
	// Output:
	// 1 10ms true
	// 2 19.7ms true
	// 4 19.7ms true
	// 8 89.7ms false
	// 16 249.7ms false
}
