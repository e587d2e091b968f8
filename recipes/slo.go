package recipes

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/aiperf-go/aiperf/loadgen"
)

// A limit on a statistic judges a run, and a limit on a single request judges that request:
// it is good or not, whatever the others are. What is limited then is the share of good
// requests, or their number a second, which is goodput.

// checkSLO checks the limits on single requests: each is an upper limit on a latency or
// on a length, positive and finite.
func checkSLO(slo map[loadgen.Tag]float64) error {
	for _, tag := range slices.Sorted(maps.Keys(slo)) {
		m, ok := loadgen.LookupMetric(tag)
		switch v := slo[tag]; {
		case !ok || !m.PerRequest || m.Higher:
			return wrong(inputSLO, "%s is no latency or length of a single request, of which there could be an upper limit", tag)
		case !(v > 0) || math.IsInf(v, 0):
			return wrong(inputSLO, "the threshold of %s is %s; it must be positive and finite", m.Name(), number(v))
		}
	}
	return nil
}

// withSLO adds what the user says of a good request to what the recipe says. The two must
// not say different things of one metric.
func (p *Plan) withSLO(slo map[loadgen.Tag]float64) error {
	if len(slo) == 0 {
		return nil
	}
	all := maps.Clone(slo)
	for tag, v := range p.SLO {
		if mine, ok := slo[tag]; ok && mine != v {
			m, _ := loadgen.LookupMetric(tag)
			return wrong(inputSLO, "it limits %s to %s, and the recipe's own limit is %s; give only one of them", m.Name(), number(mine), number(v))
		}
		all[tag] = v
	}
	p.SLO = all
	return nil
}

// written lists the limits on single requests in the order of their tags, for a message.
func written(slo map[loadgen.Tag]float64) []string {
	var out []string
	for _, tag := range slices.Sorted(maps.Keys(slo)) {
		out = append(out, fmt.Sprintf("%s %s", tag, number(slo[tag])))
	}
	return out
}

// slo returns the limits of a recipe whose question is about good requests: those that
// have an input of their own, of which none is required.
func (in Inputs) slo() map[loadgen.Tag]float64 {
	slo := map[loadgen.Tag]float64{}
	for tag, ms := range map[loadgen.Tag]*float64{loadgen.TagTTFT: in.TTFT, loadgen.TagITL: in.itl(), loadgen.TagLatency: in.E2E} {
		if ms != nil {
			slo[tag] = *ms
		}
	}
	return slo
}
