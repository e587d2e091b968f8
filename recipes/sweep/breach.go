package sweep

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// BreachRule finds where limits break along one swept value: the result of style
// grid.
type BreachRule struct {
	Filters []Filter `json:"sla_filters"`
	// Path is the swept value.
	Path string `json:"swept_param"`
}

// Filter is a limit as AIPerf's files have it.
type Filter struct {
	Metric    string `json:"metric_tag"`
	Stat      string `json:"stat"`
	Op        sla.Op `json:"op"`
	Threshold num    `json:"threshold"`
}

// Filters writes limits as AIPerf's files have them.
func Filters(limits []sla.Limit) []Filter {
	out := []Filter{}
	for _, l := range limits {
		out = append(out, Filter{l.Metric, l.Stat, l.Op, num(l.Threshold)})
	}
	return out
}

// Breach is where the limits break along a grid of concurrencies.
type Breach struct {
	MaxPassing   float64   // the largest at which all hold, even if one below it fails; NaN when there is none
	FirstFailing float64   // the smallest at which one does not; NaN when there is none
	Limit        sla.Limit // the first limit that breaks there
	Observed     float64   // what was seen of it; NaN when nothing was
	Monotone     bool      // no concurrency passes above one that fails

	rule   BreachRule
	points []*breachPoint
}

// breachPoint is one swept value and the limits that break there.
type breachPoint struct {
	x        float64
	raw      any // as the sweep has it
	breaches []brokenFilter
}

// brokenFilter is a limit that does not hold, and what was seen; null when nothing
// was, or no number.
type brokenFilter struct {
	Filter
	Observed *num `json:"observed"`
}

// Name is AIPerf's.
func (BreachRule) Name() string { return "sla_breach_knee" }

// File is AIPerf's.
func (BreachRule) File() string { return "sla_breach.json" }

// Derive returns a Breach. It holds every point against the limits and reports the
// largest swept value at which all hold, wherever it lies, and the smallest at
// which one does not. Points of one value must all pass; what was not measured does
// not.
func (r BreachRule) Derive(s *Sweep) (Result, error) {
	if err := needPaths(r.Name(), r.Path); err != nil {
		return nil, err
	}
	for _, f := range r.Filters {
		if !f.Op.Valid() {
			return nil, fmt.Errorf("%s: operator %q is unknown; use lt, le, gt or ge", r.Name(), f.Op)
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
			raw = Number(f)
		}
		p := &breachPoint{x, raw, []brokenFilter{}}
		if k := slices.IndexFunc(b.points, func(q *breachPoint) bool { return q.x == x }); k >= 0 {
			p = b.points[k]
		} else {
			b.points = append(b.points, p)
		}
		p.breaches = append(p.breaches, broken(&s.Points[i], r.Filters)...)
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

// first returns the lowest point at which a limit breaks, of those up to
// FirstFailing; nil when none has been found yet.
func (b *Breach) first() *breachPoint {
	i := slices.IndexFunc(b.points, func(p *breachPoint) bool { return p.x == b.FirstFailing })
	if i < 0 {
		return nil
	}
	return b.points[i]
}

// broken lists the limits that a point does not meet, in their order.
func broken(p *Point, limits []Filter) []brokenFilter {
	var out []brokenFilter
	for _, f := range limits {
		v, ok := p.Stat(f.Metric, f.Stat)
		if ok && f.Op.Holds(v, float64(f.Threshold)) {
			continue
		}
		b := brokenFilter{Filter: f}
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
	filters := b.rule.Filters
	if filters == nil {
		filters = []Filter{}
	}
	leaf := Leaf(b.rule.Path)
	return object{
		{"swept_param", b.rule.Path}, {"max_passing_" + leaf, passing}, {"first_failing_" + leaf, failing},
		{"first_failing_breach", first}, {"all_points", all}, {"monotonicity_check", b.Monotone}, {"filters", filters},
	}.MarshalJSON()
}
