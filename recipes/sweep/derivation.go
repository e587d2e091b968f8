package sweep

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Derivation derives a result from a finished sweep. The five rules of this package
// are AIPerf's; a recipe of your own can use Custom or its own type.
type Derivation interface {
	// Name returns what texts and files call the derivation, for a rule of this
	// package AIPerf's name of the post-process handler.
	Name() string
	// File returns the name of the file, below sweep_aggregate, that the result is
	// written to. It has no directory.
	File() string
	// Derive returns the result. It is called once, after the last point. An error
	// or a panic costs the result and nothing else of the run.
	Derive(*Sweep) (Result, error)
}

// Result is the result of a derivation. It marshals itself to the JSON object of its
// file.
type Result interface{ json.Marshaler }

// Custom is a derivation made of a function, for a recipe that is written as a value.
type Custom struct {
	// Handler is what texts and files call the derivation.
	Handler string
	// Output is the name of its file, without a directory.
	Output string
	// Rule returns the result, which must encode to a JSON object.
	Rule func(*Sweep) (any, error)
}

// Name returns Handler.
func (c Custom) Name() string { return c.Handler }

// File returns Output.
func (c Custom) File() string { return c.Output }

// Derive calls Rule, and returns its error as it is.
func (c Custom) Derive(s *Sweep) (Result, error) {
	v, err := c.Rule(s)
	if err != nil {
		return nil, err
	}
	return encoded{v}, nil
}

// encoded is a value that encoding/json knows how to write.
type encoded struct{ value any }

// MarshalJSON writes the value.
func (e encoded) MarshalJSON() ([]byte, error) { return json.Marshal(e.value) }

// stats are the statistics that AIPerf's handlers accept.
var stats = []string{"avg", "p50", "p90", "p95", "p99"}

// checkStat reports a statistic that the rules do not read.
func checkStat(stat string) error {
	if !slices.Contains(stats, stat) {
		return fmt.Errorf("statistic %q cannot compare the points of a sweep; use %s or %s", stat,
			strings.Join(stats[:len(stats)-1], ", "), stats[len(stats)-1])
	}
	return nil
}

// need reports a quantity that lacks its metric or has an unknown statistic.
func need(rule string, quantities ...quantity) error {
	for _, q := range quantities {
		if q.metric == "" {
			return fmt.Errorf("%s: a metric is missing", rule)
		}
		if err := checkStat(q.stat); err != nil {
			return fmt.Errorf("%s: %w", rule, err)
		}
	}
	return nil
}

// needPaths reports a swept path that is missing.
func needPaths(rule string, paths ...string) error {
	if slices.Contains(paths, "") {
		return fmt.Errorf("%s: a swept path is missing", rule)
	}
	return nil
}

// quantity is one statistic of one metric, by tag.
type quantity struct {
	metric loadgen.Tag
	stat   string
}

// at is one point of a curve, y over x.
type at struct{ x, y float64 }

// curve returns a metric over one swept value, in ascending order of the value.
// Points that lack either are left out; it is an error if that leaves no point, or if
// the rule does not say what to read.
func (s *Sweep) curve(rule, path, tag, stat string) ([]at, error) {
	if err := need(rule, quantity{tag, stat}); err != nil {
		return nil, err
	}
	if err := needPaths(rule, path); err != nil {
		return nil, err
	}
	var points []at
	for i := range s.Points {
		x, ok := s.Points[i].Param(path)
		if !ok {
			continue
		}
		if y, ok := s.Points[i].Stat(tag, stat); ok {
			points = append(points, at{x, y})
		}
	}
	if len(points) == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has both %s and %s %s; did every request fail, or were the answers not streamed?",
			rule, Leaf(path), tag, stat)
	}
	slices.SortStableFunc(points, func(p, q at) int {
		switch {
		case p.x < q.x:
			return -1
		case p.x > q.x:
			return 1
		}
		return 0
	})
	return points, nil
}
