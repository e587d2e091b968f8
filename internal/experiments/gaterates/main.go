// Gaterates simulates the error rates of gates that docs/gate.md names: of a capacity
// gate, each run with a baseline of its own, and of a fixed load's gate. It fails if
// they are worse than promised.
//
//	go run ./internal/experiments/gaterates
//
// 1,000 runs of two surfaces take about four minutes on two cores; -runs 200 is quick.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"strings"

	"github.com/aiperf-go/aiperf/internal/surfaces"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gaterates: ")
	runs := flag.Int("runs", 1000, "`runs` of each case; the promised rates themselves are held from 1,000 on")
	shared := flag.Int("shared", 1, "`gates` that share a baseline")
	dir := flag.String("dir", surfaces.Dir(), "`folder` of the surfaces")
	names := flag.String("surfaces", "p01 p02", "the starts of the surfaces' `names`")
	flag.Parse()
	if err := run(*dir, strings.Fields(*names), *runs, *shared); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, names []string, runs, shared int) error {
	all, err := surfaces.Load(dir)
	if err != nil {
		return err
	}
	some := surfaces.Named(all, names...)
	if len(some) == 0 {
		return fmt.Errorf("no surface in %s has a name that starts with one of %q", dir, names)
	}
	if shared < 1 || runs < shared {
		return fmt.Errorf("-runs %d with -shared %d: give at least one gate a baseline, and one baseline", runs, shared)
	}
	var bad []error
	for _, kind := range []struct {
		what  string
		rates func(s surfaces.Surface, blocks bool) (*surfaces.Gates, error)
	}{
		{"capacity", func(s surfaces.Surface, blocks bool) (*surfaces.Gates, error) {
			return surfaces.GateRates(s, blocks, runs, shared)
		}},
		{"fixed load", func(s surfaces.Surface, blocks bool) (*surfaces.Gates, error) {
			return surfaces.FixedGateRates(s, blocks, runs)
		}},
	} {
		fmt.Printf("%s, %d runs a case\n%s", kind.what, runs, surfaces.GateHead)
		notes := ""
		for _, s := range some {
			for _, blocks := range []bool{false, true} {
				g, err := kind.rates(s, blocks)
				if err != nil {
					return err
				}
				fmt.Print(g.Rows())
				bad = append(bad, g.Check()...)
				if g.Baseline > 0 {
					notes += fmt.Sprintf("%s, %s: a baseline takes %d requests; %.1f%% of the baselines are too vague for a gate\n",
						s.Name, g.Kind, g.Baseline, 100*g.Vague)
				}
			}
		}
		fmt.Println(notes)
	}
	return errors.Join(bad...)
}
