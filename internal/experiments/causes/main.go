// Causes runs simulated servers of which it is known why their latency rises, a hundred seeds
// of each, and prints how often the cause was found, and how often none was on a flat server:
//
//	go run ./internal/experiments/causes
//
// It runs in virtual time and takes about a minute of one core.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/aiperf-go/aiperf/internal/causes"
)

func main() {
	runs := flag.Int("runs", 100, "`runs` of each server")
	requests := flag.Int("requests", 300, "`requests` at each of the two loads")
	flag.Parse()
	fmt.Printf("| server | cause | right, of %d |\n|---|---|---|\n", *runs)
	good := true
	for _, c := range causes.Cases() {
		right := 0
		for seed := range uint64(*runs) {
			if c.Right(seed, *requests) {
				right++
			}
		}
		name, least := string(c.Kind), 0.95
		if name == "" {
			name, least = "none", 0.98
		}
		fmt.Printf("| %s | %s | %d |\n", c.Name, name, right)
		good = good && float64(right) >= least*float64(*runs)
	}
	if !good {
		os.Exit(1)
	}
}
