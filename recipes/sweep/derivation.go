package sweep

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Derivation reads a result off a finished sweep. The rules of this package are
// AIPerf's five; a recipe of one's own may bring another.
type Derivation interface {
	// Name is what texts and files call the derivation: AIPerf's name of the
	// post-process handler.
	Name() string
	// File is the plain name, below sweep_aggregate, of the file that the result is
	// written to.
	File() string
	// Derive returns the result. It is called once, with what was measured; an error
	// or a panic spoils nothing but the result.
	Derive(*Sweep) (Result, error)
}

// Result is what a sweep says in the end. It marshals itself to the JSON object of
// its file.
type Result interface{ json.Marshaler }

// Custom is a derivation of one's own, for a recipe that is written as a value.
type Custom struct {
	// Handler is what texts and files call it, and Output the plain name of its file.
	Handler, Output string
	// Rule returns the result, which must encode to a JSON object.
	Rule func(*Sweep) (any, error)
}

// Name is Handler.
func (c Custom) Name() string { return c.Handler }

// File is Output.
func (c Custom) File() string { return c.Output }

// Derive calls Rule.
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

// CheckStat reports a statistic that no rule reads.
func CheckStat(stat string) error {
	if !slices.Contains(stats, stat) {
		return fmt.Errorf("statistic %q is not one that sweeps are compared by; use %s and %s", stat,
			strings.Join(stats[:len(stats)-1], ", "), stats[len(stats)-1])
	}
	return nil
}

// need reports a rule that lacks a name or a statistic.
func need(rule string, quantities ...quantity) error {
	for _, q := range quantities {
		if q.metric == "" {
			return fmt.Errorf("%s: a metric is missing", rule)
		}
		if !slices.Contains(stats, q.stat) {
			return fmt.Errorf("%s: statistic %q is not one that sweeps are compared by; use %s", rule, q.stat, strings.Join(stats, ", "))
		}
	}
	return nil
}

// needPaths reports a rule that lacks a swept path.
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

// at is one point of a curve.
type at struct{ x, y float64 }

// curve reads a metric over one swept value, in its order. Points that lack either
// are left out, and to have none at all is an error.
func (s *Sweep) curve(rule, path, tag, stat string) ([]at, error) {
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
		return nil, fmt.Errorf("%s: no point of the sweep has both %s and %s %s; were all its requests failed, or not streamed?", rule, Leaf(path), tag, stat)
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
