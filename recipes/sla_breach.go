package recipes

import (
	"cmp"
	"fmt"
	"slices"
)

// slaFilter is a limit as AIPerf's files have it.
type slaFilter struct {
	Metric    string `json:"metric_tag"`
	Stat      string `json:"stat"`
	Op        Op     `json:"op"`
	Threshold num    `json:"threshold"`
}

// slaBreach is a limit that does not hold, and what was seen; null: nothing, or
// no number.
type slaBreach struct {
	slaFilter
	Observed *num `json:"observed"`
}

// findBreach holds every point against the limits and reports the largest swept
// value at which all hold, wherever it lies, and the smallest at which one does
// not. Points of one value must all pass; what was not measured does not.
func findBreach(a *Aggregate, from map[string]any) (any, error) {
	path, err := text(handlerBreach, from, "swept_param")
	if err != nil {
		return nil, err
	}
	var given struct {
		Filters []slaFilter `json:"sla_filters"`
	}
	if err := params(handlerBreach, from, &given); err != nil {
		return nil, err
	}
	if from["sla_filters"] == nil {
		return nil, fmt.Errorf("%s: params need \"sla_filters\", a list", handlerBreach)
	}
	for _, f := range given.Filters {
		if opSigns[f.Op] == "" {
			return nil, fmt.Errorf("%s: operator %q is unknown; use lt, le, gt or ge", handlerBreach, f.Op)
		}
	}
	type point struct {
		x        float64
		raw      any
		breaches []slaBreach
	}
	var points []*point
	for i := range a.Rows {
		raw, ok := a.Rows[i].param(path)
		if !ok {
			continue
		}
		x, ok := numeric(raw)
		if !ok {
			return nil, fmt.Errorf("%s: %s %v is no number", handlerBreach, leaf(path), raw)
		}
		if f, ok := raw.(float64); ok {
			raw = integral(f)
		}
		p := &point{x, raw, []slaBreach{}}
		if k := slices.IndexFunc(points, func(q *point) bool { return q.x == x }); k >= 0 {
			p = points[k]
		} else {
			points = append(points, p)
		}
		p.breaches = append(p.breaches, breaches(&a.Rows[i], given.Filters)...)
	}
	slices.SortStableFunc(points, func(p, q *point) int { return cmp.Compare(p.x, q.x) })
	var passing, failing, first any
	monotone := true
	all := []object{}
	for _, p := range points {
		feasible := len(p.breaches) == 0
		all = append(all, object{{leaf(path), p.raw}, {"feasible", feasible}, {"breaches", p.breaches}})
		switch {
		case feasible:
			passing = p.raw
			monotone = monotone && failing == nil
		case failing == nil:
			failing, first = p.raw, p.breaches[0]
		}
	}
	list := given.Filters
	if list == nil {
		list = []slaFilter{}
	}
	return object{
		{"swept_param", path}, {"max_passing_" + leaf(path), passing}, {"first_failing_" + leaf(path), failing},
		{"first_failing_breach", first}, {"all_points", all}, {"monotonicity_check", monotone}, {"filters", list},
	}, nil
}

// breaches lists the limits that a point does not meet, in their order.
func breaches(row *Combination, limits []slaFilter) []slaBreach {
	var out []slaBreach
	for _, f := range limits {
		v, ok := row.Stat(f.Metric, f.Stat)
		if ok && f.Op.holds(v, float64(f.Threshold)) {
			continue
		}
		b := slaBreach{slaFilter: f}
		if ok {
			b.Observed = (*num)(&v)
		}
		out = append(out, b)
	}
	return out
}
