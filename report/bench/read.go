package bench

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/recipes"
)

// Measured returns what a run measured as bench.txt has it: for each point and unit
// the values of its trials. Of a search it is the answer, once. Probes that cannot be
// trusted have no values.
func Measured(o *recipes.Outcome) []Series {
	var out []Series
	for _, r := range results(o) {
		point := pointOf(r.Name)
		for _, v := range r.Values {
			out = addTo(out, Series{Point: point, Unit: v.Unit, Higher: higher(v.Unit), Values: []float64{v.Value}})
		}
	}
	return out
}

// addTo adds the values of s to the series of the same point and unit, or s itself
// when there is none.
func addTo(all []Series, s Series) []Series {
	i := slices.IndexFunc(all, func(o Series) bool { return o.Point == s.Point && o.Unit == s.Unit })
	if i < 0 {
		return append(all, s)
	}
	all[i].Values = append(all[i].Values, s.Values...)
	return all
}

// pointOf is the part of a benchmark's name that says at which load: its
// key=value segments. The base name is the recipe's or the user's, and the same
// load may go by either.
func pointOf(name benchfmt.Name) string {
	_, parts := name.Parts()
	var at []string
	for _, p := range parts {
		if part := strings.TrimPrefix(string(p), "/"); strings.Contains(part, "=") {
			at = append(at, part)
		}
	}
	return strings.Join(at, "/")
}

// File is a file of benchmark lines, read to be compared with.
type File struct {
	// Path is where it was read from.
	Path string

	// names are the benchmarks in the order of the file, and series what each measured.
	names  []string
	series map[string][]Series
	// config are the file's key: value lines, the last of a key.
	config map[string]string
}

// ReadFile reads the benchmark lines at path: a run's bench.txt, or what go
// test -bench printed. A line that looks like one and is not is an error, and so is
// a file without any. If there is no file, the error wraps fs.ErrNotExist.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read benchmarks: %w", err)
	}
	defer f.Close()
	return Read(f, path)
}

// Read is ReadFile of what was opened; path is for messages.
func Read(from io.Reader, path string) (*File, error) {
	b := &File{Path: path, series: map[string][]Series{}, config: map[string]string{}}
	r := benchfmt.NewReader(from, path)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("read benchmarks: %w", rec)
		case *benchfmt.Result:
			name := rec.Name.String()
			if !slices.Contains(b.names, name) {
				b.names = append(b.names, name)
			}
			for _, c := range rec.Config {
				if c.File {
					b.config[c.Key] = string(c.Value)
				}
			}
			for _, v := range rec.Values {
				unit, value := v.Unit, v.Value
				if v.OrigUnit != "" { // the reader makes seconds of -ns
					unit, value = v.OrigUnit, v.OrigValue
				}
				// The file's own word on what is better stands; it is rarely there.
				up := higher(inFile(unit))
				if way := r.Units().GetBetter(v.Unit); way != 0 {
					up = way > 0
				}
				b.series[name] = addTo(b.series[name], Series{Point: pointOf(rec.Name), Unit: inFile(unit), Higher: up, Values: []float64{value}})
			}
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("read benchmarks %s: %w", path, err)
	}
	if len(b.names) == 0 {
		return nil, fmt.Errorf("read benchmarks %s: it has no benchmark line", path)
	}
	return b, nil
}

// For returns the file's series that a run of the recipe of that name can be compared
// with: those of the recipe's own lines; if there are none, all, provided that every
// point stands under one name. It is an error when a point stands under two.
func (b *File) For(name string) ([]Series, error) {
	var out []Series
	base := "Recipe/" + name
	for _, n := range b.names {
		if plain := strings.TrimSuffix(n, lastDash(n)); plain == base || strings.HasPrefix(n, base+"/") {
			out = append(out, b.series[n]...)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	at := map[string]string{}
	for _, n := range b.names {
		point := b.series[n][0].Point
		if other, taken := at[point]; taken {
			return nil, fmt.Errorf("compare with benchmarks %s: both %s and %s may be recipe %s; "+
				"name the lines Benchmark%s/…, or keep one of them in the file", b.Path, other, n, name, base)
		}
		at[point] = n
		out = append(out, b.series[n]...)
	}
	return out, nil
}

// lastDash is a name's -GOMAXPROCS, empty when it has none.
func lastDash(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || strings.Trim(name[i+1:], "0123456789") != "" {
		return ""
	}
	return name[i:]
}

// Differs names the first thing in which the file's server or workload is not
// the run's: its model, or the length of prompts or answers. It is empty when the run
// asks the same question, or the file does not say.
func (b *File) Differs(o *recipes.Outcome) string {
	now := ""
	for _, c := range configOf(o) {
		switch c.Key {
		case workloadKey:
			now = string(c.Value)
		case "model", "isl", "osl":
			if was, ok := b.config[c.Key]; ok && was != string(c.Value) {
				return fmt.Sprintf("its %s was %s and is %s now", c.Key, was, c.Value)
			}
		}
	}
	_, isl := b.config["isl"]
	if was := b.config[workloadKey]; was != now && (was != "" || isl) {
		const fixed = "of fixed lengths"
		return fmt.Sprintf("its workload was %s and is %s now", cmp.Or(was, fixed), cmp.Or(now, fixed))
	}
	return ""
}
