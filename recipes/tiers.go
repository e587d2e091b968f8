package recipes

import (
	"fmt"
	"slices"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// Tier is one of several sets of SLA limits that a single search answers, each with its
// own boundary (AIPerf: --search-sla-tier).
type Tier struct {
	// Label is the name of the tier in reports. If it is empty, that is tier_1,
	// tier_2 and so on.
	Label string
	// Limits has at least one limit. The limits outside of all tiers hold in each.
	Limits []sla.Limit
}

// PlanTier is a tier in a plan.
type PlanTier struct {
	Label string
	// Limits are indexes into Plan.Limits: first the limits that hold in every tier,
	// then the tier's own.
	Limits []int
}

// withTiers adds the limits of the tiers to a plan. The limits that the plan already
// has hold in every tier.
func (p *Plan) withTiers(tiers []Tier) error {
	if len(tiers) == 0 {
		return nil
	}
	bad := func(format string, args ...any) error { return wrong(inputTier, format, args...) }
	switch {
	case p.Search == nil || len(p.Search.Space) != 1:
		return bad("tiers need a search over one dimension")
	case len(tiers) < 2 || len(tiers) > 10:
		return bad("got %d tiers; give 2 to 10", len(tiers))
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
