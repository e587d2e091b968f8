// Rates searches the highest request rate of five simulated servers over HTTP, with both
// recipes over the request rate, and holds the answers to the true rates within 5%:
//
//	go run ./internal/experiments/rates
//
// It measures real times, so nothing else should use the machine. It takes up to six minutes a search, eleven a server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"

	"github.com/aiperf-go/aiperf/internal/boundaries"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("rates: ")
	verbose := flag.Bool("v", false, "log each probe")
	style := flag.String("style", "", "`style` of the search; empty means the recipe's own")
	server := flag.String("server", "", "`name` of the one server to search; empty means all")
	flag.Parse()
	logf := func(string, ...any) {}
	if *verbose {
		logf = func(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }
	}
	if err := run(context.Background(), recipes.Style(*style), *server, logf); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, style recipes.Style, only string, logf func(string, ...any)) error {
	var bad []error
	fmt.Println("server, recipe, truth (requests/s), answer, error, probes, seconds")
	for _, s := range boundaries.Rates() {
		if only != "" && only != s.Name {
			continue
		}
		truth := boundaries.HighestRate(s)
		for _, goodput := range []bool{false, true} {
			srv := simserver.New(s.Model)
			out, err := boundaries.Search{Scenario: s, Server: srv, Logf: logf, Inputs: recipes.Inputs{Style: style,
				Rate: [2]float64{truth / 4, truth * 4}}}.Rate(ctx, goodput)
			srv.Close()
			if err != nil {
				return err
			}
			fmt.Printf("%s, %s, %.1f, %.1f, %+.1f%%, %d, %.0f\n", s.Name, out.Recipe.Name, truth, out.Best.Rate(),
				100*(out.Best.Rate()/truth-1), len(out.Probes), out.Wall.Seconds())
			bad = append(bad, boundaries.NearRate(s.Name, truth, out))
		}
	}
	return errors.Join(bad...)
}
