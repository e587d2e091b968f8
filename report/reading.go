package report

import (
	"fmt"
	"math"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// A reading is written in four parts, which every table of limits has in this
// order: what was seen, what that rests on, how far it is from the threshold, and
// whether the limit holds. The last is the table's own:
//
//	limit      want      got       evidence                  margin
//	ttft p95   < 200ms   197ms     95% CI [189ms, 205ms]     1% headroom
//	errors     <= 1%     0.4%      1 of 250                  60% headroom

// observed writes what a reading got: the value of the successful requests, and
// the one with failures counted as infinitely slow where that differs.
func observed(r sla.Reading) string {
	s := value(r.Value, r.Limit.Unit())
	if math.IsInf(r.Adjusted, 1) {
		return s + " (too many failed)"
	}
	if adjusted := value(r.Adjusted, r.Limit.Unit()); !math.IsNaN(r.Adjusted) && adjusted != s {
		s += " (" + adjusted + " counting failures)"
	}
	return s
}

// evidence is what the reading rests on: the requests of a share that was
// counted, or the confidence interval of a statistic; empty when it has neither.
func evidence(r sla.Reading) string {
	switch {
	case r.Limit.Name() == "errors" && r.Of > 0:
		return fmt.Sprintf("%s of %s", count(r.Exceeded), count(r.Of))
	case r.Limit.Name() == "good" && r.Of > 0:
		return fmt.Sprintf("%s of %s", count(r.Of-r.Exceeded), count(r.Of))
	case math.IsNaN(r.Lo):
		return ""
	}
	return interval(r)
}

// interval writes a reading's confidence interval, which is that of the successful
// requests.
func interval(r sla.Reading) string {
	return fmt.Sprintf("95%% CI [%s, %s]", value(r.Lo, r.Limit.Unit()), value(r.Hi, r.Limit.Unit()))
}

// distance is how far the reading is from its threshold, as a share of the
// threshold; empty where there is no such share.
func distance(r sla.Reading) string {
	v, t := r.Adjusted, r.Limit.Threshold
	if math.IsNaN(v) || math.IsInf(v, 0) || t <= 0 || v == 0 {
		return ""
	}
	d := (v - t) / t
	if d > 9.99 {
		return fmt.Sprintf("%s times the limit", digits(v/t))
	}
	if !r.Limit.Op.Upper() {
		d = -d
	}
	switch {
	case r.Holds && d <= -0.005:
		return fmt.Sprintf("%.0f%% headroom", -100*d)
	case r.Holds:
		return "no headroom"
	case d >= 0.005 && r.Limit.Op.Upper():
		return fmt.Sprintf("%.0f%% over", 100*d)
	case d >= 0.005:
		return fmt.Sprintf("%.0f%% under", 100*d)
	}
	return ""
}
