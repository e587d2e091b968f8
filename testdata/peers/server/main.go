// Command server is what the three load generators are measured against. It
// listens on the loopback interface, prints its base URL, and ends with its
// standard input.
//
//	server               to each stream a token exactly every 20 ms
//	server -engine       a simulated batching engine; also prints the true highest
//	                     concurrency at which p95 TTFT is below -limit
//
// The exact server keeps its own account of what it sent, beside which a
// client's report can be held; GET /account returns it, and begins a new one.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// engine has steps that grow with the batch and prompts that cost nothing: the
// answer must not depend on how a client's tokens become the server's words.
var engine = simserver.Model{Name: "measured", Step: 1500 * time.Microsecond, PerSeq: 220 * time.Microsecond, Jitter: 0.05, Chunk: 1 << 20, MaxBatch: 512}

func main() {
	log.SetFlags(0)
	every := flag.Duration("every", 20*time.Millisecond, "time between the tokens of a stream")
	simulated := flag.Bool("engine", false, "serve the simulated engine instead")
	limit := flag.Duration("limit", 30*time.Millisecond, "limit on p95 TTFT, with -engine")
	osl := flag.Int("osl", 16, "tokens of an answer, with -engine")
	flag.Parse()
	if *simulated {
		s := simserver.New(engine)
		defer s.Close()
		fmt.Println(s.URL)
		holds := simserver.Limit{Metric: simserver.TTFT, Percentile: 95, Threshold: *limit}
		fmt.Println(engine.Boundary(simserver.Clients{ISL: 1, OSL: *osl}, 1, 1000, func(t []simserver.Trace) bool { return holds.Holds(t, *osl) }))
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatalf("listen on the loopback interface: %v", err)
		}
		fmt.Printf("http://%v\n", l.Addr())
		go func() { log.Fatalf("serve: %v", http.Serve(l, newExact(*every))) }()
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}
