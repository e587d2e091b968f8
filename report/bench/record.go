package bench

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// Record returns a run as a block of benchmark lines for a file of many runs: the given keys
// and those of bench.txt as configuration, the lines, and at the end each key once more,
// without a value, so that no key of this run is read as one of the next. Keys and values must
// be such as benchfmt takes; a key without a value is left out. It returns nil for a run
// without numbers to keep.
//
// The lines are those of bench.txt, but for a gate on a search: its answer is the floor that it
// was told to ask, whatever the server does. What is kept of it is what each visit of the floor
// measured, under the name …/floor/concurrency=N.
func Record(o *recipes.Outcome, keys [][2]string) []byte {
	lines := results(o)
	if o.Spec.Gate != nil {
		lines = visits(o)
	}
	if len(lines) == 0 {
		return nil
	}
	config := configOf(o)
	for _, k := range keys {
		if value := oneLine(k[1]); value != "" {
			config = append(config, benchfmt.Config{Key: k[0], Value: []byte(value), File: true})
		}
	}
	// The first key is the caller's: it is what a reader finds the beginning by.
	slices.SortStableFunc(config, func(a, b benchfmt.Config) int { return place(a.Key, keys) - place(b.Key, keys) })
	var b bytes.Buffer
	for _, c := range config {
		b.WriteString(c.Key + ": " + string(c.Value) + "\n")
	}
	w := benchfmt.NewWriter(&b)
	used := map[string]bool{}
	for _, r := range lines {
		for _, v := range r.Values {
			used[v.Unit] = true
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(used)) {
		better := "lower"
		if higher(unit) {
			better = "higher"
		}
		key := benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}
		_ = w.Write(&benchfmt.UnitMetadata{UnitMetadataKey: key, OrigUnit: unit, Value: better}) // into memory
	}
	for _, r := range lines {
		_ = w.Write(r)
	}
	for _, c := range slices.Backward(config) { // the first key last: without it the block is torn
		b.WriteString(c.Key + ":\n")
	}
	return b.Bytes()
}

// place is the place of a key among keys, or behind all of them.
func place(key string, keys [][2]string) int {
	if i := slices.IndexFunc(keys, func(k [2]string) bool { return k[0] == key }); i >= 0 {
		return i
	}
	return len(keys)
}

// oneLine is a value as a key of a file can have it.
func oneLine(value string) string { return strings.Join(strings.Fields(value), " ") }

// visits are the lines of a gate on a search: a trial each of what it measured at the floor.
func visits(o *recipes.Outcome) []*benchfmt.Result {
	var out []*benchfmt.Result
	for i := range o.Probes {
		p := &o.Probes[i]
		if p.State() == "untrusted" || p.State() == "unmeasured" {
			continue
		}
		for _, m := range p.Trials {
			if r := result(pointName(o, p, "Recipe/"+o.Recipe.Name+"/floor"), m); len(r.Values) > 0 {
				out = append(out, r)
			}
		}
	}
	return out
}

// Config returns the key: value lines of the file, the last value of each key.
func (b *File) Config() map[string]string { return maps.Clone(b.config) }

// Limited returns the units of bench.txt whose metrics the run has limits on, in the order of
// the limits. A limit on a statistic that has no unit there has none, and the share of errors
// is left out: it is 0 more often than not.
func Limited(o *recipes.Outcome) []string {
	if o.Plan == nil {
		return nil
	}
	var out []string
	for _, l := range o.Plan.Limits {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.metric == l.Metric && c.stat == l.Stat })
		if i >= 0 && columns[i].metric != loadgen.TagErrorRate && !slices.Contains(out, columns[i].Unit) {
			out = append(out, columns[i].Unit)
		}
	}
	return out
}

// Answers reports whether the unit is that of a search's answer: the load, in requests in
// flight or requests a second.
func Answers(unit string) bool { return unit == capacity || unit == lineRate }

// UnitOf returns the unit of bench.txt that is called so, by its own name or by that of
// Describe, for example "ttft p95". If there is none it is empty, and known has all names.
func UnitOf(name string) (unit string, known []string) {
	units := []string{capacity, lineRate}
	for _, c := range columns {
		units = append(units, c.Unit)
	}
	for _, u := range units {
		called, _, _ := Describe(u)
		if name == u || name == called {
			return u, nil
		}
		known = append(known, called)
	}
	return "", known
}
