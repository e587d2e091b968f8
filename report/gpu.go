package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// What a load takes in GPUs, energy and money is shown where it is known: in columns of the
// table of probes, in two paragraphs of the finding, in a chart, and in AIPerf's forms, which
// gpuexport.go writes.
//
// Throughput of a GPU and costs need the number of GPUs, which the user gives or an exporter's
// page shows; power and energy need such a page. A run may have the one without the other, and
// everything here asks for each number apart. Package loadgen says how they are worked out.

// gpus says what the GPUs did at the probe that is shown. Power, use and memory are means of one
// GPU over the samples, and energy is that of all of them; what no page has has no word:
//
//	GPUs at concurrency 62 (4 × NVIDIA H100 80GB HBM3): 612 W each (max 671 W), 97% busy,
//	    76.5 GB used; 0.44 J an output token, 1,380 tok/s a GPU
func (v *view) gpus(t *text) {
	p := v.shown()
	if p == nil {
		return
	}
	n, known := p.Stat(loadgen.TagGPUs, "avg")
	if !known {
		return
	}
	var parts []string
	if x, ok := p.Stat(loadgen.TagGPUPower, "avg"); ok {
		most, _ := p.Stat(loadgen.TagGPUPower, "max")
		parts = append(parts, fmt.Sprintf("%s each (max %s)", value(x, "W"), value(most, "W")))
	}
	if x, ok := p.Stat(loadgen.TagGPUUse, "avg"); ok {
		parts = append(parts, value(x, "%")+" busy")
	}
	if x, ok := p.Stat(loadgen.TagGPUMemory, "avg"); ok {
		parts = append(parts, value(x, "GB")+" used")
	}
	first := strings.Join(parts, ", ")
	parts = nil
	if x, ok := p.Stat(loadgen.TagJoules, "avg"); ok {
		parts = append(parts, value(x, "J")+" an output token")
	}
	if x, ok := p.Stat(loadgen.TagPerGPU, "avg"); ok {
		parts = append(parts, value(x, "tok/s")+" a GPU")
	}
	kinds := ""
	if len(p.Trials) > 0 {
		kinds = strings.Join(v.gpuModels(p.Trials[0]), ", ")
	}
	if kinds == "" {
		kinds = plural(int(n), "GPU")
	} else {
		kinds = fmt.Sprintf("%d × %s", int(n), kinds)
	}
	line := strings.TrimPrefix(first+"; "+strings.Join(parts, ", "), "; ")
	t.paragraph("GPUs at %s (%s): %s", v.loadOf(*p), kinds, strings.TrimSuffix(line, "; "))
}

// gpuModels are the products' names of the GPUs of a measurement, each once, in the order of
// the GPUs. There are none if only their number is known.
func (v *view) gpuModels(m *loadgen.Measurement) (names []string) {
	for _, g := range m.Server.Window.GPUs {
		if name := v.redact(g.Device.Model); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// cost says what tokens cost at the answer or, of several points that were swept, at the
// cheapest of those that meet the limits:
//
//	cost at concurrency 62: 0.83 per million output tokens, 0.14 per million tokens (4 GPUs, 2.5 an hour each)
//
// The currency is the one that the price was given in, which nobody says. It is empty without a
// price, and where no rate of tokens is known.
func (v *view) cost() string {
	p := v.shown()
	if v.Plan != nil && v.Plan.Search == nil && len(v.probes) > 1 {
		p = v.cheapest()
	}
	if p == nil || v.Spec.Target.Price == 0 {
		return ""
	}
	out, ok := p.Stat(loadgen.TagCost, "avg")
	all, also := p.Stat(loadgen.TagTotalCost, "avg")
	if !ok && !also {
		return ""
	}
	var parts []string
	if ok {
		parts = append(parts, digits(out)+" per million output tokens")
	}
	if also {
		parts = append(parts, digits(all)+" per million tokens")
	}
	at, lowest := v.loadOf(*p), ""
	if v.Plan.Search == nil && len(v.probes) > 1 {
		lowest = "lowest "
	}
	n, _ := p.Stat(loadgen.TagGPUs, "avg")
	return fmt.Sprintf("%scost at %s: %s (%s, %s an hour each)", lowest, at, strings.Join(parts, ", "),
		plural(int(n), "GPU"), exact(v.Spec.Target.Price))
}

// costs adds what tokens cost.
func (v *view) costs(t *text) {
	if s := v.cost(); s != "" {
		t.paragraph("%s", s)
	}
}

// cheapest is the probe with the least cost of those that meet the limits, of all of them if
// none does; nil if no cost is known. It is of output tokens or, of an API without them, of all
// tokens. Probes that cannot be trusted say nothing of a cost.
func (v *view) cheapest() *probe {
	best, least, meets := -1, math.Inf(1), false
	for i, p := range v.probes {
		x, ok := p.Stat(loadgen.TagCost, "avg")
		if !ok {
			x, ok = p.Stat(loadgen.TagTotalCost, "avg")
		}
		if !ok || p.silent() || meets && !p.pass {
			continue
		}
		if x < least || p.pass && !meets {
			best, least, meets = i, x, p.pass
		}
	}
	if best < 0 {
		return nil
	}
	return &v.probes[best]
}
