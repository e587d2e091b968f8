package report

import (
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
)

// probe is one visit of a point, with its place in the run and its standing to the
// limits. It is small, and passed by value; the zero value is of no use.
type probe struct {
	*recipes.Probe

	index    int // from 0
	standing standing

	// pass and certain are Probe.Passes at the run's confidence.
	pass, certain bool
}

// probeOf returns the i-th probe, judged at a confidence.
func probeOf(of *recipes.Probe, i int, confidence float64) probe {
	p := probe{Probe: of, index: i}
	p.pass, p.certain = p.Passes(confidence)
	if s, ok := silent(p.Observed.State); ok {
		p.standing = s
	} else if len(p.Readings) == 0 {
		p.standing = measured
	} else {
		p.standing = judged(p.pass, p.certain)
	}
	return p
}

// standingTo is how the probe stands to one limit at a confidence, given its reading
// of that limit.
func (p probe) standingTo(r sla.Reading, confidence float64) standing {
	if s, ok := silent(p.Observed.State); ok {
		return s
	}
	open := !math.IsNaN(r.Pass) && r.Pass > 1-confidence && r.Pass < confidence
	return judged(r.Holds, !open)
}

// silent reports whether the probe says nothing of the server.
func (p probe) silent() bool { return p.standing == unmeasured || p.standing == untrusted }

// word is the probe's standing in a word or two, with the limits that it missed.
func (p probe) word() string {
	switch p.standing {
	case unmeasured:
		return "not measured"
	case untrusted:
		return "not trusted"
	case measured:
		return "measured"
	case met:
		return "met"
	case likely:
		return "open (likely met)"
	case missed:
		if _, _, behind := p.Behind(); behind {
			return "missed (overload)"
		}
		if limits := p.missedLimits(false); limits != "" {
			return "missed (" + limits + ")"
		}
		return "missed (the server sheds load)" // of what it took, every limit holds
	}
	return "open (likely missed: " + p.missedLimits(false) + ")"
}

// verdict is the probe's standing in files: met, missed, open, untrusted or
// unmeasured. Without limits a probe is met by being measured, and missed when
// every request failed.
func (p probe) verdict() string {
	switch {
	case p.silent():
		return p.State()
	case !p.certain:
		return "open"
	case p.pass:
		return "met"
	}
	return "missed"
}

// stat is recipes.Probe.Stat for those who have a use for NaN: a statistic of a metric at the probe, in the metric's display unit; NaN
// where it was not measured.
func (p probe) stat(metric, stat string) float64 {
	v, _ := p.Stat(metric, stat)
	return v
}

// goal is the first objective's value at the probe; NaN where there is none.
func (p probe) goal() float64 {
	if len(p.Observed.Goals) == 0 {
		return math.NaN()
	}
	return p.Observed.Goals[0].Value
}

// certainty is the probability of the verdict that is believed, as if the limits were
// independent; NaN where no limit knows its own.
func (p probe) certainty() float64 {
	joint, known := 1.0, false
	for _, r := range p.Readings {
		if !math.IsNaN(r.Pass) {
			joint, known = joint*r.Pass, true
		}
	}
	if !known {
		return math.NaN()
	}
	return max(joint, 1-joint)
}

// missedLimits names the limits that the probe missed, with what was seen when
// values are wanted.
func (p probe) missedLimits(values bool) string { return missedOf(p.Readings, values) }

// missedOf names the limits that readings miss, with what was seen when values are wanted;
// empty when they miss none.
func missedOf(readings []sla.Reading, values bool) string {
	var names []string
	for _, r := range readings {
		if r.Holds {
			continue
		}
		s := r.Limit.Name()
		if values {
			s += " (" + observed(r) + ")"
		}
		names = append(names, s)
	}
	return strings.Join(names, ", ")
}

// complete reports whether the probe was measured to its end, rather than
// ended once its verdict was certain.
func (p probe) complete() bool { return p.Observed.State != plan.Cut }
