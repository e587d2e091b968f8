package sla_test

import (
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// A limit is read once, and writes itself in a form that reads the same.
func ExampleParseLimit() {
	for _, text := range []string{"ttft p95 < 0.2s", "time_to_first_token:p95:lt:200", "errors <= 1%"} {
		l, err := sla.ParseLimit(text)
		fmt.Println(l, err)
	}
	_, err := sla.ParseLimit("ttft p95 < 200 tok/s")
	fmt.Println(err)
	// Output:
	// ttft p95 < 200ms <nil>
	// ttft p95 < 200ms <nil>
	// errors <= 1% <nil>
	// parse SLA "ttft p95 < 200 tok/s": unit "tok/s" does not fit ttft, which is in ms
	// 	ttft p95 < 200 tok/s
	// 	               ^
}

// A decider ends a trial once its verdict is settled. Here no request fails, and each
// takes 100 ms, half of what the limit allows.
func ExampleDecider() {
	fast, _ := sla.ParseLimit("e2e p95 < 200ms")
	valid, _ := sla.ParseLimit("errors <= 5%")
	d := sla.NewDecider([]sla.Limit{fast, valid}, 1000, 8, 0.98)
	for n := 1; n <= 1000; n++ {
		if d.Seen(loadgen.Request{End: 100 * time.Millisecond}) {
			fmt.Println("settled after", n, "of 1,000 requests")
			return
		}
	}
	// Output:
	// settled after 105 of 1,000 requests
}

// A limit on a single request says whether it is good.
func ExampleParseSLO() {
	for _, text := range []string{"ttft < 0.2s", "inter_token_latency:20"} {
		tag, ms, err := sla.ParseSLO(text)
		fmt.Println(tag, ms, err)
	}
	// Output:
	// time_to_first_token 200 <nil>
	// inter_token_latency 20 <nil>
}
