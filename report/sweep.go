package report

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// sweepFile is profile_export_aiperf_sweep.json: recipes' aggregate with its best
// configurations and its frontier. Two flags a row are additions of ours.
type sweepFile struct {
	sweep.Sweep
	Rows   []sweepRow      `json:"per_combination_metrics"`
	Best   map[string]best `json:"best_configurations"`
	Pareto []sweep.Params  `json:"pareto_optimal"`

	names []string // of the parameters, in the order of the columns
}

// sweepRow is one point. Feasible is its verdict at the last visit, and Pareto says
// that no other feasible point beats it.
type sweepRow struct {
	sweep.Point
	Feasible bool `json:"feasible"`
	Pareto   bool `json:"pareto_optimal"`
}

// best is an entry of best_configurations: the configuration that has most of one thing. Its keys are in the
// alphabet's order, as AIPerf writes them.
type best struct {
	Metric float64      `json:"metric"`
	Params sweep.Params `json:"parameters"`
	Unit   string       `json:"unit"`
}

// sweepFile fills in what AIPerf computes of a sweep: the configuration of most
// requests per second, the one of least p99, and those that no other beats in both.
// The p99 is that of TTFT, or of request latency if no point has a TTFT. Only points
// within the limits count; if there is none, the two best are of all points, and the
// frontier is empty.
//
// The first of equals is the best, as in AIPerf; a frontier has all of them.
//
// AIPerf drops a result when any point lacks the metric; here such a point drops
// out itself, since one that failed wholly says nothing of the others.
func (v *view) sweepFile() sweepFile {
	a := v.Sweep()
	f := sweepFile{Sweep: *a, Best: map[string]best{}, Pareto: []sweep.Params{}, Rows: []sweepRow{}}
	for k, visits := range v.Visits() {
		f.Rows = append(f.Rows, sweepRow{Point: a.Points[k], Feasible: v.probes[visits[len(visits)-1]].pass})
	}
	f.sortParameters(v.Plan.Scenarios != nil)

	latency := loadgen.TagLatency
	for i := range f.Rows {
		if _, ok := f.Rows[i].Stat(loadgen.TagTTFT, "p99"); ok {
			latency = loadgen.TagTTFT
		}
	}
	// The two axes of AIPerf's frontier.
	rate := func(r *sweepRow) (float64, bool) { return r.Stat(loadgen.TagReqRate, "avg") }
	p99 := func(r *sweepRow) (float64, bool) { return r.Stat(latency, "p99") }
	f.find("best_throughput", "requests/sec", rate, func(a, b float64) bool { return a > b })
	f.find("best_latency_p99", "ms", p99, func(a, b float64) bool { return a < b })

	// Each against each: a sweep has tens of points.
	for i := range f.Rows {
		r := &f.Rows[i]
		x, okX := rate(r)
		y, okY := p99(r)
		r.Pareto = r.Feasible && okX && okY
		for k := range f.Rows {
			s := &f.Rows[k]
			u, okU := rate(s)
			w, okW := p99(s)
			if s.Feasible && okU && okW && u >= x && w <= y && (u > x || w < y) {
				r.Pareto = false
			}
		}
		if r.Pareto {
			f.Pareto = append(f.Pareto, r.Params)
		}
	}
	slices.SortStableFunc(f.Pareto, f.compare)
	return f
}

// sortParameters puts the parameters of scenarios into AIPerf's order, which is
// the alphabet's; a grid's have the order of its axes.
func (f *sweepFile) sortParameters(sorted bool) {
	ps := f.Metadata.Parameters
	if sorted {
		slices.SortFunc(ps, func(a, b sweep.Parameter) int { return cmp.Compare(a.Name, b.Name) })
	}
	for _, p := range ps {
		f.names = append(f.names, p.Name)
	}
}

// compare orders parameters by value, the first column first, as slices.SortFunc
// wants it.
func (f *sweepFile) compare(a, b sweep.Params) int {
	for _, name := range f.names {
		x, _ := strconv.ParseFloat(parameter(a[name]), 64)
		y, _ := strconv.ParseFloat(parameter(b[name]), 64)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// parameter writes a swept value as JSON has it: a whole number without a fraction.
func parameter(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// find finds the configuration with the best value, the first of equals, among the
// feasible points or, if there is none, among all. A metric that no point has leaves
// the key out.
func (f *sweepFile) find(key, unit string, value func(*sweepRow) (float64, bool), better func(a, b float64) bool) {
	for _, infeasible := range []bool{false, true} {
		found, at := 0.0, -1
		for i := range f.Rows {
			if v, ok := value(&f.Rows[i]); ok && (f.Rows[i].Feasible || infeasible) && (at < 0 || better(v, found)) {
				found, at = v, i
			}
		}
		if at >= 0 {
			f.Best[key] = best{Metric: found, Params: f.Rows[at].Params, Unit: unit}
			return
		}
	}
}

// sweepJSON writes profile_export_aiperf_sweep.json.
func (v *view) sweepJSON(w io.Writer) error { return writeJSON(w, v.sweepFile()) }

// sweepCSV writes the same as tables: a row a point, the best configurations,
// the frontier, the metadata. An empty line parts them.
func (v *view) sweepCSV(w io.Writer) error {
	f := v.sweepFile()
	keys := map[string]bool{}
	for _, r := range f.Rows {
		for key := range r.Metrics {
			keys[key] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(keys))
	// A metric that one point lacks has empty cells there, and its columns all the same.
	columns := []struct {
		name     string
		decimals int
	}{{"mean", 2}, {"std", 2}, {"min", 2}, {"max", 2}, {"cv", 4}}

	c := newCSV(w)
	head := slices.Clone(f.names)
	for _, key := range sorted {
		for _, col := range columns {
			head = append(head, key+"_"+col.name)
		}
	}
	c.row(head...)
	for _, r := range f.Rows {
		cells := f.cells(r.Params)
		for _, key := range sorted {
			for _, col := range columns {
				cells = append(cells, fixed(r.Metrics[key][col.name], col.decimals))
			}
		}
		c.row(cells...)
	}

	c.row()
	c.row("Best Configurations")
	if len(f.Best) > 0 {
		c.row(slices.Concat([]string{"Configuration"}, f.names, []string{"Metric", "Unit"})...)
	}
	for _, b := range []struct{ key, title string }{{"best_throughput", "Best Throughput"}, {"best_latency_p99", "Best Latency P99"}} {
		if m, ok := f.Best[b.key]; ok {
			c.row(slices.Concat([]string{b.title}, f.cells(m.Params), []string{fixed(m.Metric, 2), m.Unit})...)
		}
	}

	c.row()
	c.row("Pareto Optimal Points")
	if len(f.Pareto) == 0 {
		c.row("None")
	} else {
		c.row(f.names...)
	}
	for _, at := range f.Pareto {
		c.row(f.cells(at)...)
	}

	c.row()
	c.row("Metadata")
	c.row("Field", "Value")
	c.row("Aggregation Type", f.Type)
	c.row("Sweep Parameters", strings.Join(f.names, ", "))
	c.row("Number of Combinations", strconv.Itoa(len(f.Rows)))
	c.row("Number of Profile Runs", strconv.Itoa(f.Runs))
	c.row("Number of Successful Runs", strconv.Itoa(f.SuccessfulRuns))
	return c.done()
}

// cells are the values of the parameters, in the order of the columns.
func (f *sweepFile) cells(at sweep.Params) []string {
	var out []string
	for _, name := range f.names {
		out = append(out, parameter(at[name]))
	}
	return out
}
