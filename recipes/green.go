package recipes

import (
	"fmt"
	"math"
	"strings"
)

// What is green is decided here and nowhere else: a ruling is a pure function of facts, plain
// data about a run. The table of docs/verdicts.md is generated from the cases of its test.
//
// The rules are asked in this order, and the first that applies decides:
//
//  1. a fault makes the run an error: a limit without a value, a point without a request
//     that succeeded, too many failures that no limit is on;
//  2. a run that its planner did not end knows only what it has seen, which is enough if
//     that is what AtLeast asked for;
//  3. the answer is met when it is certain and reaches AtLeast, and missed when it is
//     certain that it cannot;
//  4. everything else is inconclusive.

// facts are what the verdict of a run rests on.
type facts struct {
	// search says that a planner chose the points. Otherwise wanted points were listed.
	search bool
	wanted int
	// limits says that there are SLA limits, and counted that one of them is on failures.
	limits, counted bool
	// line says that one value is varied, so that points have an order. lowest is then the
	// least value that may be probed.
	line   bool
	lowest float64
	// cut is what ended the run before its planner did, in words; empty when nothing did.
	cut string
	// confidence is the probability from which something is certain, and least the load
	// that the answer has to reach; 0 when any will do.
	confidence, least float64
	// ceiling is the largest load that the planner answers with, safe the largest below it
	// at which everything holds, and best the load of the point to deploy at, in requests
	// in flight. Each is NaN when there is none.
	ceiling, safe, best float64
	// tiers has what each tier answers; nil unless there are several.
	tiers []tierFacts
	// knee is the first load at which a ramp's metric has risen too far; 0 when it never
	// did, and NaN for a run that is no ramp.
	knee float64
	// underived says that the result of a curve or a ramp could not be read off its points.
	// A rule of the user's own is not meant: without its result the points still stand.
	underived bool
	// points are what all visits of each point say together.
	points []pointFacts
}

// tierFacts is the answer of one tier: the largest load at which its limits hold, or NaN,
// and whether any point passed.
type tierFacts struct {
	safe   float64
	passed bool
}

// pointFacts is what all visits of one point say together.
type pointFacts struct {
	// name says where it is, for example "concurrency 64", and at its first coordinate.
	name string
	at   float64
	// load is the requests in flight there; 0 for a rate.
	load float64
	// requests were measured, of which failed ones failed; why says of what.
	requests, failed int
	why              string
	// lacks names a limit that has no value at the point though requests succeeded, and
	// the reason; empty when there is none.
	lacks string
	// silent says that no visit says anything about the server.
	silent bool
	// pass is the probability that every limit holds there, by all visits and by what
	// neighbours lend. floors is that of the limits that hold from some load up.
	pass, floors float64
}

// ruling is what becomes of a run.
type ruling struct {
	verdict Verdict
	// err is why the run is an error and no verdict at all.
	err error
	// warnings are to be read with the numbers.
	warnings []error
}

// The shares of failed requests that are told, and that make a run without limits an error.
const failuresTold, failuresTooMany = 0.01, 0.5

// rule decides what a run is. An error goes before a verdict: a point at which nothing
// could be measured is neither met nor missed.
func (f facts) rule() ruling {
	if err := f.fault(true); err != nil {
		return ruling{err: err}
	}
	r := ruling{warnings: f.told()}
	switch {
	case len(f.points) == 0:
	case f.search:
		r.verdict = f.searched()
	default:
		r.verdict = f.swept()
	}
	return r
}

// fault returns why the points measured so far make the run an error; nil when they do
// not. over says that no further point will be measured.
func (f facts) fault(over bool) error {
	var dead []string
	for _, p := range f.points {
		switch {
		case p.lacks != "":
			return fmt.Errorf("%s has no value at %s", p.lacks, p.name)
		case p.requests > 0 && p.failed == p.requests:
			dead = append(dead, p.name)
		}
	}
	if !over {
		return nil
	}
	for _, p := range f.points {
		share := p.share()
		switch {
		case len(dead) > 0 && p.name == dead[0] && (!f.search || len(dead) == len(f.points)):
			advice := "look for the cause in the server's log"
			if tooLong.MatchString(p.why) {
				advice = "ask for shorter prompts or answers"
			}
			return fmt.Errorf("no request succeeded at %s, so that nothing was measured there: %s; %s",
				strings.Join(dead, " and "), p.why, advice)
		case !f.limits && share >= failuresTooMany:
			return fmt.Errorf("%s of the requests at %s failed: %s; its numbers are those of the others: "+
				"lower the load, or give a limit on errors if that is expected", percent(share), p.name, p.why)
		}
	}
	return nil
}

// share is the share of the point's requests that failed; 0 when none is known of.
func (p pointFacts) share() float64 { return float64(p.failed) / float64(max(p.requests, 1)) }

// percent writes a share, for example 77%.
func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

// The warnings name the point and what most of its failures were, so that the reader does
// not have to look for them in the files of the run.

// told warns of failures that no limit is on: at every point when there are no limits at
// all, and otherwise at the answer, since a load that is too high may well fail.
func (f facts) told() (warnings []error) {
	if f.counted {
		return nil
	}
	for _, p := range f.points {
		if p.share() < failuresTold || f.limits && p.load != f.best {
			continue
		}
		warnings = append(warnings, fmt.Errorf("%s of the requests at %s failed: %s; there is no limit on that: give one, "+
			"for example errors <= 1%%", percent(p.share()), p.name, p.why))
	}
	return warnings
}

// certain reports whether every limit certainly holds at a point.
func (f facts) certain(p pointFacts) bool {
	return !p.silent && p.pass >= f.confidence && p.floors >= f.confidence
}

// broken reports whether a limit certainly breaks at a point.
func (f facts) broken(p pointFacts) bool { return !p.silent && p.pass <= 1-f.confidence }

// A point must pass by itself to be reached: the planner's answer may rest on what a model
// says between points, which is no ground for the verdict of a search that was cut short.

// reached reports whether a point that certainly passes lies at the least load that is
// asked for, or above it.
func (f facts) reached() bool {
	for _, p := range f.points {
		if f.certain(p) && p.load >= f.least && (!f.line || p.at <= f.safe) {
			return true
		}
	}
	return false
}

// searched is the verdict of a search. It is met when its answer is at least what was asked
// for. One that its planner did not end has no answer: all that it knows is that what it has
// seen holds, which is enough when that was asked for and no more.
func (f facts) searched() Verdict {
	if len(f.tiers) > 0 {
		return f.tiered()
	}
	answer := f.safe
	if math.IsNaN(answer) || f.best > answer {
		answer = f.best
	}
	switch {
	case f.cut != "" && f.least > 0 && f.limits && f.reached():
		return Met
	case f.cut != "":
	case !f.limits && f.least > 0 && answer < f.least:
		return Missed
	case !math.IsNaN(answer) && answer >= f.least:
		return Met
	}
	if !f.limits {
		return Inconclusive
	}
	return f.below()
}

// below is missed when it is certain that the limits break at the least load that is asked
// for, or below it; without one, at the lowest point. Limits that hold from some load up
// must break at every point that meets the others.
func (f facts) below() Verdict {
	if !f.line {
		for _, p := range f.points {
			if f.cut != "" || !f.broken(p) {
				return Inconclusive
			}
		}
		return Missed
	}
	least, floors := max(f.least, f.lowest), f.cut == ""
	for _, p := range f.points {
		if f.broken(p) && p.at <= least {
			return Missed
		}
		floors = floors && (p.at > f.ceiling || p.floors <= 1-f.confidence)
	}
	if floors && !math.IsNaN(f.ceiling) {
		return Missed
	}
	return Inconclusive
}

// tiered is the verdict of a search with tiers: met when every tier has an answer that
// reaches what was asked for, missed when a tier has none at the planner's own end.
func (f facts) tiered() Verdict {
	for _, t := range f.tiers {
		switch {
		case t.safe >= f.least && (f.cut == "" || f.least > 0):
		case f.cut == "" && !t.passed:
			return Missed
		default:
			return Inconclusive
		}
	}
	return Met
}

// swept is the verdict of a list of points. With limits it is met when a point certainly
// passes and reaches what was asked for, and missed when none can. Without limits it is met
// when every point was measured. The knee of a ramp must lie above what was asked for.
func (f facts) swept() Verdict {
	measured, broken := 0, 0
	for _, p := range f.points {
		if p.silent {
			continue
		}
		measured++
		if f.broken(p) || p.floors <= 1-f.confidence {
			broken++
		}
	}
	whole := measured >= f.wanted && f.wanted > 0
	v := Inconclusive
	switch {
	case !f.limits && whole && !f.underived:
		v = Met
	case !f.limits:
	case f.reached() && (whole || f.least > 0):
		v = Met
	case whole && broken == measured, whole && f.least > 0 && f.line && f.below() == Missed:
		v = Missed
	}
	if math.IsNaN(f.knee) || f.least == 0 {
		return v
	}
	switch ramp := f.ramp(); {
	case v == Missed || ramp == Missed:
		return Missed
	case v == Met:
		return ramp
	}
	return v
}

// ramp is met when a load that is at least what was asked for lies below the knee, and
// missed when the knee does not lie above it.
func (f facts) ramp() Verdict {
	if f.knee > 0 && f.knee <= f.least {
		return Missed
	}
	for _, p := range f.points {
		if !p.silent && p.load >= f.least && (f.knee == 0 || p.load < f.knee) {
			return Met
		}
	}
	return Inconclusive
}
