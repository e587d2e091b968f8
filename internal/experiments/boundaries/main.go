// Boundaries searches five simulated servers over HTTP and holds the answers to the
// true boundaries. With -compare it instead measures the time of style sequential beside
// that of smooth_isotonic with full probes, and prints the table of docs/accuracy.md:
//
//	go run ./internal/experiments/boundaries -compare
//
// It measures real times, so nothing else should use the machine. Holding the answers takes
// about a minute; -compare takes four.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"

	"github.com/aiperf-go/aiperf/internal/boundaries"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("boundaries: ")
	compare := flag.Bool("compare", false, "compare two styles, each with its defaults")
	requests := flag.Int("requests", 0, "`requests` of a probe with -compare; zero means the default, which the bounds are for")
	verbose := flag.Bool("v", false, "log each probe")
	flag.Parse()
	logf := func(string, ...any) {}
	if *verbose {
		logf = func(format string, args ...any) { fmt.Printf("  "+format+"\n", args...) }
	}
	if err := run(context.Background(), *compare, *requests, logf); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, compare bool, requests int, logf func(string, ...any)) error {
	var bad []error
	table := boundaries.CompareHead
	for _, s := range boundaries.HTTP() {
		if !compare {
			err := boundaries.Truth(ctx, s, logf)
			fmt.Printf("%s: the truth is %d, within 10%%: %v\n", s.Name, s.Boundary, err == nil)
			bad = append(bad, err)
			continue
		}
		c, err := boundaries.Compare(ctx, s, requests, logf)
		if err != nil {
			return err
		}
		table += c.Row()
		fmt.Printf("%s\n  sequential       %s\n  smooth_isotonic  %s\n", s.Name, boundaries.Spent(c.Fast), boundaries.Spent(c.Whole))
		bad = append(bad, c.Check())
	}
	if compare {
		fmt.Printf("\n%s", table)
	}
	return errors.Join(bad...)
}
