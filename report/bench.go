package report

import (
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/recipes"
)

// benchUnit is one column of bench.txt: a statistic, the factor from its display
// unit, and which way is better.
type benchUnit struct {
	unit, better, metric, stat string
	factor                     float64
}

// benchUnits names latencies in -ns: benchstat rescales those, and prints seconds,
// and leaves ms alone.
var benchUnits = []benchUnit{
	{"ttft-p50-ns", "lower", "time_to_first_token", "p50", 1e6},
	{"ttft-p95-ns", "lower", "time_to_first_token", "p95", 1e6},
	{"ttft-p99-ns", "lower", "time_to_first_token", "p99", 1e6},
	{"itl-avg-ns", "lower", "inter_token_latency", "avg", 1e6},
	{"itl-p95-ns", "lower", "inter_token_latency", "p95", 1e6},
	{"e2e-p50-ns", "lower", "request_latency", "p50", 1e6},
	{"e2e-p95-ns", "lower", "request_latency", "p95", 1e6},
	{"e2e-p99-ns", "lower", "request_latency", "p99", 1e6},
	{"tok/s", "higher", "output_token_throughput", "avg", 1},
	{"req/s", "higher", "request_throughput", "avg", 1},
	{"good-req/s", "higher", "goodput", "avg", 1},
	{"errors-%", "lower", "request_error_rate", "avg", 1},
}

// scale turns a value in its display unit into the column's; part of a
// nanosecond is nothing that was measured.
func (u benchUnit) scale(v float64) float64 {
	if u.factor != 1 {
		return math.Round(v * u.factor)
	}
	return v
}

// capacityUnit is what the answer of a search over one dimension is in.
func capacityUnit(o *recipes.Outcome) (string, bool) {
	if s := o.Plan.Search; s != nil && len(s.Space) == 1 {
		return leaf(s.Space[0].Path), true
	}
	return "", false
}

// Bench writes bench.txt, which benchstat reads: a line a trial for fixed loads
// and sweeps, named BenchmarkRecipe/<recipe>/concurrency=N; one line for a search,
// named BenchmarkRecipe/<recipe>/capacity, since a search ends at another load each
// time and what can be compared is how far it came. A search without a certain
// answer, and probes that cannot be trusted, have no line.
//
// What differs from run to run (date, seed, commit, URL, the server's version) is
// not in the file's configuration: it would split benchstat's table.
func Bench(w io.Writer, o *recipes.Outcome) error {
	b := benchfmt.NewWriter(w)
	meta := func(unit, better string) error {
		return b.Write(&benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}, OrigUnit: unit, Value: better})
	}
	results := benchResults(o)
	used := map[string]bool{}
	for _, r := range results {
		for _, v := range r.Values {
			used[v.Unit] = true
		}
	}
	if unit, ok := capacityUnit(o); ok && used[unit] {
		if err := meta(unit, "higher"); err != nil {
			return err
		}
	}
	for _, u := range benchUnits {
		if !used[u.unit] {
			continue
		}
		if err := meta(u.unit, u.better); err != nil {
			return err
		}
	}
	for _, r := range results {
		r.Config = benchConfig(o)
		if err := b.Write(r); err != nil {
			return err
		}
	}
	return nil
}

// benchResults are the lines.
func benchResults(o *recipes.Outcome) []*benchfmt.Result {
	name := "Recipe/" + Safe(o.Recipe.Name)
	var out []*benchfmt.Result
	if o.Plan.Search != nil {
		if r := capacityResult(o, name+"/capacity"); r != nil {
			out = append(out, r)
		}
		return out
	}
	for i := range o.Probes {
		p := &o.Probes[i]
		if p.State() == "untrusted" || p.State() == "unmeasured" {
			continue
		}
		at := name
		for k, path := range o.Plan.Paths() {
			at += "/" + leaf(path) + "=" + exact(p.Step.At[k])
		}
		for _, m := range p.Trials {
			if r := benchResult(at, m); len(r.Values) > 0 {
				out = append(out, r)
			}
		}
	}
	return out
}

// capacityResult is the answer of a search with the rates at its best point; nil
// when there is no answer. That nothing passes is an answer: capacity 0.
func capacityResult(o *recipes.Outcome, name string) *benchfmt.Result {
	unit, one := capacityUnit(o)
	if !o.Best.Found {
		if o.Verdict != recipes.Missed || !one {
			return nil
		}
		return &benchfmt.Result{Name: benchfmt.Name(name), Iters: len(o.Probes), Values: []benchfmt.Value{{Unit: unit}}}
	}
	p := &o.Probes[o.Best.Probe]
	r := &benchfmt.Result{Name: benchfmt.Name(name), Iters: max(p.Requests(), 1)}
	if one {
		r.Values = append(r.Values, benchfmt.Value{Value: p.Step.At[0], Unit: unit})
	}
	for _, u := range benchUnits {
		if v, ok := p.Stat(u.metric, u.stat); ok && finite(v) && strings.HasSuffix(u.unit, "/s") {
			r.Values = append(r.Values, benchfmt.Value{Value: u.scale(v), Unit: u.unit})
		}
	}
	if len(r.Values) == 0 {
		return nil
	}
	return r
}

// benchResult is one trial's line. benchstat accepts NaN and infinities, and its
// table is then spoilt without a word: they are left out.
func benchResult(name string, m *recipes.Measurement) *benchfmt.Result {
	n, _ := m.Stat("completed_request_count", "avg")
	r := &benchfmt.Result{Name: benchfmt.Name(name), Iters: max(int(n), 1)}
	for _, u := range benchUnits {
		if v, ok := m.Stat(u.metric, u.stat); ok && finite(v) {
			r.Values = append(r.Values, benchfmt.Value{Value: u.scale(v), Unit: u.unit})
		}
	}
	return r
}

// benchConfig is what must be the same for two files to be comparable.
func benchConfig(o *recipes.Outcome) []benchfmt.Config {
	var out []benchfmt.Config
	add := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			out = append(out, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	add("goos", runtime.GOOS)
	add("goarch", runtime.GOARCH)
	add("model", Redact(o, o.Server.Model))
	swept := map[string]bool{}
	for _, path := range o.Plan.Paths() {
		swept[path] = true
	}
	if !swept[recipes.PathISL] {
		add("isl", strconv.Itoa(o.Spec.Workload.ISL))
	}
	if !swept[recipes.PathOSL] {
		add("osl", strconv.Itoa(o.Spec.Workload.OSL))
	}
	return out
}
