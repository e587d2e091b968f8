package recipes

import (
	"maps"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// An API of vectors or of scores has no tokens. What is known of its answers is when they
// came and how many came a second, so that it is searched by rate, by concurrency and by
// request latency, and recipes that count tokens are refused by name.

// Note: such an API could have been given tokens by counting each vector as one. A limit on
// TTFT would then hold or break for the latency of a request, under a name that everybody
// takes for something else.

// Tokenless reports whether the answers of the target's API have no tokens, as those of
// embeddings. Texts then leave out output tokens, TTFT and ITL, whose columns would be empty.
// A prober of the user's own is not asked for its API, since the target says nothing of it.
func (s *Spec) Tokenless() bool {
	api := s.Target.Speaks()
	return s.Prober == nil && api.Name != "" && !api.Tokens
}

// tokens refuses a plan that counts tokens if answers have none. The objective of a search
// for a boundary only ranks points, and becomes the request rate.
func (s *Spec) tokens(p *Plan) error {
	if !s.Tokenless() {
		return nil
	}
	// A boundary is where the limits end, whatever the points are ranked by. Where the
	// objective is the question itself, another one would be another question.
	if p.Search != nil && p.Search.Boundary {
		// The recipe keeps its own: another run of the same value may be of a server with tokens.
		p.Search.Objectives = slices.Clone(p.Search.Objectives)
		for i, g := range p.Search.Objectives {
			if g.Metric == loadgen.TagTokenRate {
				p.Search.Objectives[i].Metric = loadgen.TagReqRate
			}
		}
	}
	api := s.Target.Speaks().Name
	for _, tag := range p.metrics() {
		if m, _ := loadgen.LookupMetric(tag); m.Tokens {
			return inputError([]Input{inputEndpointType},
				"cannot be asked of %s: %s has no tokens to count %s of; use max-request-rate-under-sla with a limit on the request latency, %s",
				api, api, article(m), inputE2E)
		}
	}
	if slices.Contains(p.Paths(), PathOSL) {
		return inputError([]Input{inputEndpointType}, "cannot be asked of %s: its answers have no length to sweep; leave the axis %s out",
			api, PathOSL)
	}
	return nil
}

// article returns the name of a metric with its article, for example "a TTFT".
func article(m loadgen.MetricInfo) string {
	name := m.Label
	if name == "" {
		name = m.Name()
	}
	if strings.ContainsRune("aeiouAEIO", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// A recipe of one's own that derives something by code of its own is not looked into: what it
// needs is known when it has been measured, and then it says so itself.

// metrics lists the tags of the metrics that a plan needs, in the order in which people name
// them: limits, limits on single requests, objectives, and what is derived.
func (p *Plan) metrics() (tags []loadgen.Tag) {
	for _, l := range p.Limits {
		tags = append(tags, l.Metric)
	}
	tags = append(tags, slices.Sorted(maps.Keys(p.SLO))...)
	goals := p.Objectives
	if p.Search != nil {
		goals = slices.Concat(goals, p.Search.Objectives)
	}
	for _, g := range goals {
		tags = append(tags, g.Metric)
	}
	switch d := p.Derive.(type) {
	case sweep.TTFTRule:
		tags = append(tags, d.Metric)
	case sweep.ITLRule:
		tags = append(tags, d.Metric)
	case sweep.KneeRule:
		tags = append(tags, d.Metric)
	case sweep.FrontierRule:
		tags = append(tags, d.XMetric, d.YMetric)
	}
	return tags
}
