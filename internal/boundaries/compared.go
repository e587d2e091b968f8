package boundaries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// Compared is two searches of one server over HTTP: Fast is style sequential, and Whole
// smooth_isotonic with full probes.
type Compared struct {
	Scenario    simserver.Scenario
	Fast, Whole *recipes.Outcome
}

// Compare searches a scenario's server over sockets in both styles, one after the other.
// Zero requests of a probe mean the recipe's default.
func Compare(ctx context.Context, s simserver.Scenario, requests int, logf func(string, ...any)) (*Compared, error) {
	srv := simserver.New(s.Model)
	defer srv.Close()
	search := Search{Scenario: s, Server: srv, Requests: requests, Logf: logf, Inputs: recipes.Inputs{Style: recipes.Sequential}}
	fast, err := search.Run(ctx)
	if err != nil {
		return nil, err
	}
	search.Full, search.Inputs.Style = true, recipes.SmoothIsotonic
	whole, err := search.Run(ctx)
	return &Compared{s, fast, whole}, err
}

// Ratio is the wall-clock time of the fast search as a share of the other's, both without
// the visits that see an answer again at other times: those cost every style the same.
func (c *Compared) Ratio() float64 { return searching(c.Fast).Seconds() / searching(c.Whole).Seconds() }

// searching is the time that a search took until it saw its answer again.
func searching(o *recipes.Outcome) time.Duration {
	d := o.Wall
	for i := range o.Probes {
		if p := &o.Probes[i]; p.Step.Apart > 0 {
			d -= p.Wall + p.Step.Apart
		}
	}
	return d
}

// CompareHead is the head of a Markdown table of Compared.Row.
const CompareHead = "| server | true boundary | sequential | time | smooth_isotonic, full probes | time | ratio |\n" +
	"|---|---|---|---|---|---|---|\n"

// Row is the comparison as a line of a Markdown table.
func (c *Compared) Row() string {
	return fmt.Sprintf("| %s | %d | %d | %.1f s | %d | %.1f s | %.2f |\n", c.Scenario.Name, c.Scenario.Boundary,
		c.Fast.Best.Concurrency(), c.Fast.Wall.Seconds(), c.Whole.Best.Concurrency(), c.Whole.Wall.Seconds(), c.Ratio())
}

// Spent is where the time of a search went, as text.
func Spent(o *recipes.Outcome) string {
	measuring, ramps := o.Spent()
	return fmt.Sprintf("%.1fs: %.1fs measuring, %.1fs ramps, %.1fs pauses, %.1f%% dead", o.Wall.Seconds(), measuring.Seconds(),
		ramps.Seconds(), pauses(o).Seconds(), 100*(1-(measuring+ramps+pauses(o)).Seconds()/o.Wall.Seconds()))
}

// pauses is the time that a search waited before it saw its answer again.
func pauses(o *recipes.Outcome) (d time.Duration) {
	for i := range o.Probes {
		d += o.Probes[i].Step.Apart
	}
	return d
}

// Check returns an error if the fast answer is more than 10% off the truth, or if more than
// 15% of the time of either was neither measuring, nor ramping up, nor a pause before an
// answer is seen again. The ratio of their times is printed and not checked, since it depends
// on how often either search looks at a doubtful point again.
func (c *Compared) Check() error {
	errs := []error{near(c.Scenario, c.Fast)}
	for _, o := range []*recipes.Outcome{c.Fast, c.Whole} {
		if measuring, ramps := o.Spent(); o.Wall > time.Duration(1.15*float64(measuring))+ramps+pauses(o) {
			errs = append(errs, fmt.Errorf("%s: dead time: %s", c.Scenario.Name, Spent(o)))
		}
	}
	return errors.Join(errs...)
}
