// Command repeats searches engines over HTTP, several times each with new seeds, and
// says how far apart the answers lie and how far from the truth.
//
//	go run ./internal/experiments/repeats -runs 10
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/aiperf-go/aiperf/internal/repeats"
	"github.com/aiperf-go/aiperf/recipes"
)

func main() {
	runs := flag.Int("runs", 10, "searches of an engine in a style")
	styles := flag.String("styles", "sequential,smooth_isotonic,monotonic", "styles, joined by commas")
	only := flag.String("engine", "", "engines whose name contains this; empty for all")
	seed := flag.Uint64("seed", 1, "of the first search")
	flag.Parse()
	fmt.Println("| engine | style | truth | answers | mean | CV | > 5% above | > 10% above | interval holds | seconds |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, e := range repeats.Engines() {
		if !strings.Contains(e.Name, *only) {
			continue
		}
		truth := e.Truth()
		for _, style := range strings.Split(*styles, ",") {
			var answers []repeats.Answer
			var list []string
			for i := range *runs {
				a, err := e.Search(context.Background(), recipes.Style(style), *seed+uint64(i))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				answers = append(answers, a)
				list = append(list, fmt.Sprintf("%.0f", a.Safe))
				fmt.Fprintf(os.Stderr, "%s %s: %.0f [%.1f, %.1f] %v %s, %d requests, %.0f s\n",
					e.Name, style, a.Safe, a.Lo, a.Hi, a.Verdict, a.Reason, a.Requests, a.Took.Seconds())
			}
			s := repeats.Summarize(answers, truth)
			fmt.Printf("| %s | %s | %d | %s | %.1f | %.1f%% | %d | %d | %d of %d | %.0f |\n", e.Name, style, truth, strings.Join(list, " "),
				s.Mean, 100*s.CV, s.Above5, s.Above, s.Holds, s.N-s.Without, s.Seconds)
		}
	}
}
