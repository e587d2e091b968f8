package loadgen

import (
	"fmt"
	"math"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// What a load costs in GPUs, energy and money follows from its rates and from three numbers:
//
//	throughput of a GPU   = tokens a second / GPUs
//	energy of a token     = mean power of all GPUs / tokens a second
//	cost of 1e6 tokens    = price of a GPU-hour · GPUs / 3600 s / tokens a second · 1e6
//
// Each has two forms, one of output tokens alone and one of those of prompts and answers
// together. Both bear the whole cost: what a prompt takes is not told apart from what its
// answer takes. GPUs that wait for work cost as much as those that work, so that a cost is one
// of the load that was measured, and of no other.
//
// Note: AIPerf divides the energy of the window by the tokens of the requests that started in
// it, some of which are computed behind it. A rate counts what arrived in the window, as the
// energy is what was taken in it.

// account sets what follows from the number of GPUs, their energy and their price, as far as
// they are known. It needs the rates, and may be called again: what it sets is set anew.
//
// Energy has no standard error. It is exact for its window, and how much another window takes
// differs with its tokens, whose rate has one.
func (m *Measurement) account() {
	w := m.Server.Window
	if m.Server.GPUs == 0 {
		m.Server.GPUs = len(w.GPUs)
	}
	n := float64(m.Server.GPUs)
	joules, length, measured := w.Energy()
	if measured {
		m.set(TagGPUEnergy, joules, 0)
	}
	if n > 0 {
		m.set(TagGPUs, n, 0)
	}
	for _, t := range []struct{ rate, each, energy, cost Tag }{
		{TagTokenRate, TagPerGPU, TagJoules, TagCost},
		{TagTotalRate, TagTotalPerGPU, TagTotalJoules, TagTotalCost},
	} {
		rate, ok := m.Stat(t.rate, "avg")
		if !ok && t.rate == TagTotalRate { // vectors and scores have prompts alone
			t.rate = TagInputRate
			rate, ok = m.Stat(t.rate, "avg")
		}
		if !ok || !(rate > 0) {
			continue
		}
		// Of a quotient with the rate the relative error is the rate's.
		relative := m.Metrics[t.rate].SE["avg"] / rate
		put := func(tag Tag, v float64) { m.set(tag, v, v*relative) }
		if n > 0 {
			put(t.each, rate/n)
		}
		if measured {
			put(t.energy, joules/length.Seconds()/rate)
		}
		if n > 0 && m.Server.Price > 0 {
			put(t.cost, m.Server.Price*n/3600/rate*1e6)
		}
	}
}

// gpus chooses which of the GPUs that the pages show are the server's, and warns if they are
// more or fewer than can be known. The others are left out of the window, and stay in the series
// of their page.
func (g *Generator) gpus(m *Measurement) {
	r := &m.Server
	r.GPUs, r.Price = g.target.GPUs, g.target.Price
	shown := len(r.Window.GPUs)
	if shown == 0 {
		return
	}
	var hosts []string
	for _, e := range g.ends {
		hosts = append(hosts, e.base.Hostname())
	}
	mine, told := servermetrics.Mine(r.Window.GPUs, r.GPUs, hosts)
	r.Window = r.Window.Only(mine)
	warn := func(kind Warning, format string, args ...any) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...)))
	}
	switch {
	case !told:
		warn(ErrGPUs, "the pages of metrics show %d, and nothing says which are the server's; the %d that worked are counted; "+
			"set Target.GPUs to their number", shown, len(mine))
	case len(mine) < r.GPUs:
		warn(ErrGPUs, "the pages of metrics show %d of %d, and energy and power are theirs alone", len(mine), r.GPUs)
	}
	var seldom time.Duration
	for _, s := range r.Series {
		seldom = max(seldom, s.Refreshed)
	}
	if seldom > 0 {
		warn(ErrScrape, "GPUs are read each %v or more seldom by their exporter, and energy is that between its readings; "+
			"have it read them each second", seldom.Round(time.Second))
	}
}

// Absent says why a measurement may lack the metric, for those that need more than requests;
// it is empty for all others.
func (m MetricInfo) Absent() string {
	const (
		count = "the number of GPUs is not known; set Target.GPUs, or name the page of their exporter in Target.Metrics"
		page  = "no page of metrics has the GPUs; name that of their exporter in Target.Metrics"
	)
	switch m.Tag {
	case TagCost, TagTotalCost:
		return "the price or the number of GPUs is not known; set Target.Price and set Target.GPUs"
	case TagPerGPU, TagTotalPerGPU, TagGPUs:
		return count
	case TagGPUPower, TagGPUUse, TagGPUMemory, TagGPUEnergy, TagJoules, TagTotalJoules:
		return page
	}
	if m.Server {
		return "the server's page of metrics does not have it, or there is none"
	}
	return ""
}

// checkCost returns the error of a number of GPUs or of a price that is none, a *TargetError. 0
// is not given, and no error.
func (t Target) checkCost() error {
	switch {
	case t.GPUs < 0:
		return &TargetError{Field: "GPUs", Problem: fmt.Sprintf("%d is not a positive integer", t.GPUs)}
	case t.Price < 0 || math.IsNaN(t.Price) || math.IsInf(t.Price, 0):
		return &TargetError{Field: "Price", Problem: fmt.Sprintf("%v is not a price of a GPU-hour", t.Price)}
	}
	return nil
}
