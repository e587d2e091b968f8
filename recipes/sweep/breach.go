package sweep

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// BreachRule finds where limits break along one swept value. It gives the result of
// style grid.
type BreachRule struct {
	// Limits are those that the points are held against, in their order.
	Limits []sla.Limit
	// Path is the swept value.
	Path string
}

// filter is a limit in the form of AIPerf's files.
type filter struct {
	Metric    string `json:"metric_tag"`
	Stat      string `json:"stat"`
	Op        sla.Op `json:"op"`
	Threshold num    `json:"threshold"`
}

// filters returns the limits of the rule in the form of AIPerf's files.
func (r BreachRule) filters() []filter {
	out := []filter{}
	for _, l := range r.Limits {
		out = append(out, filterOf(l))
	}
	return out
}

// filterOf returns a limit in the form of AIPerf's files.
func filterOf(l sla.Limit) filter { return filter{l.Metric, l.Stat, l.Op, num(l.Threshold)} }

// MarshalJSON writes the rule with the keys of AIPerf's handler parameters.
func (r BreachRule) MarshalJSON() ([]byte, error) {
	return json.Marshal(object{{"sla_filters", r.filters()}, {"swept_param", r.Path}})
}

// Breach is where the limits break along a grid of concurrencies.
type Breach struct {
	// MaxPassing is the largest value at which all limits hold, even if one below it
	// fails. It is NaN when there is none.
	MaxPassing float64
	// FirstFailing is the smallest value at which a limit does not hold. It is NaN
	// when there is none.
	FirstFailing float64
	// Limit is the first limit that breaks at FirstFailing, and Observed what was
	// measured of it, in the limit's unit. Observed is NaN when nothing was.
	Limit    sla.Limit
	Observed float64
	// Monotone says that no value passes above one that fails.
	Monotone bool

	rule   BreachRule
	points []*breachPoint
}

// breachPoint is one swept value and the limits that break there.
type breachPoint struct {
	x float64
	// raw is x in the form that the sweep has it.
	raw      any
	breaches []brokenFilter
}

// brokenFilter is a limit that does not hold. Observed is what was measured; it is
// null in JSON when nothing was, or when it is not a finite number.
type brokenFilter struct {
	filter
	Observed *num `json:"observed"`
}

// Name returns AIPerf's name of the handler.
func (BreachRule) Name() string { return "sla_breach_knee" }

// File returns AIPerf's name of the file.
func (BreachRule) File() string { return "sla_breach.json" }

// Derive returns a Breach. It holds every point against the limits and reports the
// largest swept value at which all hold, wherever it lies, and the smallest at
// which one does not. When several points have one value they must all pass, and a
// limit on what was not measured does not hold. An unknown operator and a swept
// value that is not a number are errors.
func (r BreachRule) Derive(s *Sweep) (Result, error) {
	if err := needPaths(r.Name(), r.Path); err != nil {
		return nil, err
	}
	for _, l := range r.Limits {
		if !l.Op.Valid() {
			return nil, fmt.Errorf("%s: operator %q is unknown; use lt, le, gt or ge", r.Name(), l.Op)
		}
	}
	b := Breach{MaxPassing: nan, FirstFailing: nan, Observed: nan, Monotone: true, rule: r}
	for i := range s.Points {
		raw, ok := s.Points[i].param(r.Path)
		if !ok {
			continue
		}
		x, ok := numeric(raw)
		if !ok {
			return nil, fmt.Errorf("%s: %s %v is not a number", r.Name(), Leaf(r.Path), raw)
		}
		if f, ok := raw.(float64); ok {
			raw = shown(f)
		}
		p := &breachPoint{x, raw, []brokenFilter{}}
		if k := slices.IndexFunc(b.points, func(q *breachPoint) bool { return q.x == x }); k >= 0 {
			p = b.points[k]
		} else {
			b.points = append(b.points, p)
		}
		p.breaches = append(p.breaches, broken(&s.Points[i], r.Limits)...)
	}
	slices.SortStableFunc(b.points, func(p, q *breachPoint) int { return cmp.Compare(p.x, q.x) })
	for _, p := range b.points {
		switch {
		case len(p.breaches) == 0:
			b.MaxPassing = p.x
			b.Monotone = b.Monotone && b.first() == nil
		case b.first() == nil:
			f := p.breaches[0]
			b.FirstFailing, b.Limit = p.x, sla.Limit{Metric: f.Metric, Stat: f.Stat, Op: f.Op, Threshold: float64(f.Threshold)}
			if f.Observed != nil {
				b.Observed = float64(*f.Observed)
			}
		}
	}
	return b, nil
}

// first returns the point of FirstFailing, or nil when none has been found yet.
func (b *Breach) first() *breachPoint {
	i := slices.IndexFunc(b.points, func(p *breachPoint) bool { return p.x == b.FirstFailing })
	if i < 0 {
		return nil
	}
	return b.points[i]
}

// broken lists the limits that a point does not meet, in their order.
func broken(p *Point, limits []sla.Limit) []brokenFilter {
	var out []brokenFilter
	for _, l := range limits {
		v, ok := p.Stat(l.Metric, l.Stat)
		holds := ok && l.Op.Holds(v, l.Threshold)
		if k := slices.IndexFunc(p.readings, func(r sla.Reading) bool { return r.Limit == l }); k >= 0 {
			holds, v = p.readings[k].Holds, p.readings[k].Value
			ok = finite(v)
		}
		if holds {
			continue
		}
		b := brokenFilter{filter: filterOf(l)}
		if ok {
			b.Observed = (*num)(&v)
		}
		out = append(out, b)
	}
	return out
}

// MarshalJSON writes sla_breach.json.
func (b Breach) MarshalJSON() ([]byte, error) {
	var passing, failing, first any
	all := []object{}
	for _, p := range b.points {
		feasible := len(p.breaches) == 0
		all = append(all, object{{Leaf(b.rule.Path), p.raw}, {"feasible", feasible}, {"breaches", p.breaches}})
		if feasible {
			passing = p.raw
		}
	}
	if p := b.first(); p != nil {
		failing, first = p.raw, p.breaches[0]
	}
	leaf := Leaf(b.rule.Path)
	return object{
		{"swept_param", b.rule.Path}, {"max_passing_" + leaf, passing}, {"first_failing_" + leaf, failing},
		{"first_failing_breach", first}, {"all_points", all}, {"monotonicity_check", b.Monotone}, {"filters", b.rule.filters()},
	}.MarshalJSON()
}
