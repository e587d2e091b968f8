// Accuracy searches response surfaces whose boundaries are known with every style, and
// prints how far the answers are off and what they cost. With -out it writes the
// tables and pictures of docs/accuracy.md:
//
//	go run ./internal/experiments/accuracy -out docs
//
// It fails, once it has written them, if the 14 public surfaces, at 20 seeds or more, do not come
// out better than AIPerf's figures, or a search takes too many requests. That takes about a minute; -seeds 3 is quick.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/internal/surfaces"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("accuracy: ")
	var o options
	flag.IntVar(&o.seeds, "seeds", 20, "`seeds` a surface; random surfaces take at most 10")
	flag.StringVar(&o.dir, "surfaces", surfaces.Dir(), "`folder` of the surfaces")
	flag.StringVar(&o.style, "style", "", "run this `style` alone; by default, all")
	flag.BoolVar(&o.details, "details", false, "also print a row for each surface")
	flag.BoolVar(&o.full, "full", false, "end no probe early, to see what that saves")
	flag.StringVar(&o.out, "out", "", "write the tables and pictures into this `folder` of documents")
	flag.Parse()
	if err := o.run(); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	seeds         int
	dir           string
	style         string
	details, full bool
	out           string
}

func (o options) run() error {
	styles := slices.Clone(surfaces.Styles)
	if o.style != "" {
		styles = slices.DeleteFunc(styles, func(st surfaces.Style) bool { return st.Name != o.style })
	}
	all, err := surfaces.Load(o.dir)
	switch {
	case err != nil:
		return err
	case o.seeds < 1:
		return fmt.Errorf("-seeds %d is not a positive integer", o.seeds)
	case len(styles) == 0:
		return fmt.Errorf("there is no style %q", o.style)
	case o.out != "" && (o.full || o.style != ""):
		return errors.New("-out writes the whole tables; leave -full and -style out")
	}
	comparable := o.seeds >= 20 && surfaces.ArePublic(all)

	styled, table, bad, err := o.styles(styles, all, comparable)
	if err != nil {
		return err
	}
	requests, early, err := o.requests(all)
	if err != nil {
		return err
	}
	if comparable && !o.full {
		for _, by := range early {
			bad = append(bad, surfaces.CheckCost(by))
		}
	}
	random, err := surfaces.RandomTable(styles, surfaces.Random(surfaces.HeldOut), min(10, o.seeds))
	if err != nil {
		return err
	}
	fmt.Printf("%d surfaces drawn at random, %d seeds\n%s\n", surfaces.RandomCount, min(10, o.seeds), random)
	if o.out != "" {
		if !comparable {
			return errors.New("-out wants the 14 public surfaces and 20 seeds or more")
		}
		if err := o.write(styled, all, map[string]string{"surfaces": table, "requests": requests, "random": random}); err != nil {
			return err
		}
	}
	return errors.Join(bad...)
}

// write writes what was measured into the documents, whatever bounds it keeps.
func (o options) write(styled []surfaces.Styled, all []surfaces.Surface, tables map[string]string) error {
	for name, text := range tables {
		if err := writeTable(o.out, name, text); err != nil {
			return err
		}
	}
	spots := make([]spot, 0, len(styled)+1)
	for _, r := range styled {
		f := r.Figures
		spots = append(spots, spot{r.Style.Name, surfaces.ProbeRequests * f.Probes, 100 * f.Error, 100 * f.Violates})
	}
	costs, err := surfaces.RunRequests(all, o.seeds, false, false, func(surfaces.Surface) string { return "all" })
	if err != nil {
		return err
	}
	c := costs["all"]
	return writePictures(o.out, append(spots, spot{"sequential, probes ended early", c.Requests, 100 * c.Error, 100 * c.Violates}))
}

// styles searches with whole probes, and returns what the figures lack to beat
// AIPerf's.
func (o options) styles(
	styles []surfaces.Style, all []surfaces.Surface, comparable bool,
) (styled []surfaces.Styled, table string, bad []error, err error) {
	styled, err = surfaces.RunStyles(styles, all, o.seeds)
	if err != nil {
		return nil, "", nil, err
	}
	table = surfaces.TableHead
	var bench, details strings.Builder
	for _, r := range styled {
		table += r.Figures.Row(r.Style.Name)
		bench.WriteString(r.Figures.BenchLine(r.Style.Name))
		if comparable {
			bad = append(bad, r.Style.Check(r.Figures)...)
		}
		for _, s := range all {
			details.WriteString(r.BySurface[s.Name].Row(r.Style.Name + " " + s.Name))
		}
	}
	fmt.Printf("%d surfaces, %d seeds, whole probes\n%s\n%s\n", len(all), o.seeds, table, bench.String())
	if o.details {
		fmt.Printf("by surface\n%s%s\n", surfaces.TableHead, details.String())
	}
	return styled, table, bad, nil
}

// requests searches at request level, a probe asking for 1,000 requests.
func (o options) requests(all []surfaces.Surface) (table string, costs []map[string]surfaces.Cost, err error) {
	table = surfaces.CostHead
	details := ""
	for _, blocks := range []bool{false, true} {
		kind := surfaces.Kind(blocks)
		by, err := surfaces.RunRequests(all, o.seeds, blocks, o.full, surfaces.BySize)
		if err != nil {
			return "", nil, err
		}
		costs = append(costs, by)
		for _, size := range surfaces.Sizes {
			table += by[size].Row(kind, size)
		}
		for _, s := range all {
			details += by[s.Name].Row(kind, s.Name)
		}
	}
	fmt.Printf("%d surfaces, %d seeds, probes ended early: %v\n%s\n", len(all), o.seeds, !o.full, table)
	if o.details {
		fmt.Printf("by surface\n%s%s\n", surfaces.CostHead, details)
	}
	return table, costs, nil
}
