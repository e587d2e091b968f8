package recipes

import (
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Tier is one of several sets of SLA limits that one search answers together,
// each with a boundary of its own (AIPerf: --search-sla-tier).
type Tier struct {
	Label  string // as reports call it; empty: tier_1, tier_2 …
	Limits []sla.Limit
}

// withTiers adds the tiers' limits to a plan. Limits outside of the tiers hold
// in every tier.
func (p *Plan) withTiers(tiers []Tier) error {
	if len(tiers) == 0 {
		return nil
	}
	bad := func(format string, args ...any) error { return wrong(inputTier, format, args...) }
	switch {
	case p.Search == nil || len(p.Search.Space) != 1:
		return bad("tiers go with a search of one dimension")
	case len(tiers) < 2 || len(tiers) > 10:
		return bad("%d tiers were given; give 2 to 10", len(tiers))
	}
	common := make([]int, len(p.Limits))
	for i := range common {
		common[i] = i
	}
	for i, t := range tiers {
		if t.Label == "" {
			t.Label = fmt.Sprintf("tier_%d", i+1)
		}
		if slices.ContainsFunc(p.Tiers, func(o PlanTier) bool { return o.Label == t.Label }) {
			return bad("duplicate label %q", t.Label)
		}
		if len(t.Limits) == 0 {
			return bad("tier %q has no limit", t.Label)
		}
		pt := PlanTier{Label: t.Label, Limits: slices.Clone(common)}
		for _, l := range t.Limits {
			if err := l.Validate(); err != nil {
				return bad("%s: %v", l, err)
			}
			pt.Limits = append(pt.Limits, len(p.Limits))
			p.Limits = append(p.Limits, l)
		}
		p.Tiers = append(p.Tiers, pt)
	}
	return nil
}

// PlanTier is a tier as a plan holds it: indexes into Plan.Limits.
type PlanTier struct {
	Label  string
	Limits []int
}
