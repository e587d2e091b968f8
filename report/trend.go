package report

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
	past "github.com/aiperf-go/aiperf/report/history"
)

// A run may be one of many: a history has what each of them measured, and a rule says whether
// the newest is worse than those before it. That is a verdict of its own beside that of the
// limits and of a baseline, and where it says no it is the headline: a limit that still holds
// with half of its headroom gone is no news beside that.

// trendHeadline says that the run is worse than those before it, in one clause; empty where it
// is not, or where it missed something by itself: whoever has a limit that is broken mends
// that first. The worst metric comes first, as in comparedHeadline.
func (v *view) trendHeadline() string {
	if v.trend == nil || v.trend.Own == recipes.Missed {
		return ""
	}
	failed := v.trend.Failed()
	if len(failed) == 0 {
		return ""
	}
	m := failed[0]
	s := fmt.Sprintf("%s %s worse than the last %s", v.moved(m), worse(m.Worse), plural(m.N, "run"))
	if m.Two {
		s += ", with the run before it"
	}
	if n := len(failed) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// moved names a metric of a trend, and its point where several are judged: a sweep measures the
// same metric at each of its points, and a search, or a fixed load, at one.
func (v *view) moved(m past.Move) string {
	name, _, _ := bench.Describe(m.Unit)
	for _, other := range v.trend.Moves {
		if other.Point != m.Point {
			return name + " at " + m.Point
		}
	}
	return name
}

// among says how the run stands to those of its history:
//
//	metric     runs before   now     change   scatter   p
//	ttft p95   201ms         222ms   +10.6%   2.8%      0.002   <-- worse
//	history: 34 runs since 2 November 2026 in history.txt; a metric fails if this run, or this
//	    run and the one before it together, is worse than the last 20 by more than 5% and …
func (v *view) among(t *text) {
	if v.trend != nil && len(v.trend.Moves) > 0 {
		rows := &table{}
		rows.add("metric", "runs before", "now", "change", "scatter", "p", "")
		for _, m := range v.trend.Moves {
			mark := ""
			if m.Fails {
				mark = "<-- worse"
			}
			rows.add(append(v.moveCells(m), mark)...)
		}
		t.table(rows, indent)
	}
	v.amongWhich(t)
}

// amongWhich says which runs those of the history are, and what a comparison with them is worth:
// how often it is wrong, and how large a loss it finds. A run that was only added to the history
// says how many it has, and one with fewer than three before it what it waits for: a reader of
// the first nights must not take "no worse" for an answer.
func (v *view) amongWhich(t *text) {
	h := v.trend
	if h == nil {
		return
	}
	runs := fmt.Sprintf("history: %s since %s in %s", plural(len(h.Runs), "run"), h.Runs[0].Time.Format("2 January 2006"), h.Path)
	switch {
	case !h.Asked:
		t.paragraph("%s", runs)
		return
	case len(h.Moves) == 0:
		t.paragraph("%s; nothing was compared, which takes 3 runs before this one of the same recipe, label, model and lengths", runs)
		return
	}
	least := 0.0
	for _, m := range h.Moves {
		least = max(least, m.Finds)
	}
	t.paragraph("%s; a metric fails if this run, or this run and the one before it together, is worse than the last %d by more than %s "+
		"and by more than runs differ; for an unchanged server that happens in %s of the runs at most%s",
		runs, h.Rule.Last, part(h.Rule.Tolerance), part(h.Rule.FalseAlarm), overAll(len(h.Moves)))
	t.paragraph("%s", v.foundBy(least))
}

// overAll says of how many metrics a chance of a false alarm is.
func overAll(metrics int) string {
	if metrics == 1 {
		return ""
	}
	return fmt.Sprintf(", over all %d metrics", metrics)
}

// A user who reads that nothing is worse wants to know what would have been seen. It differs
// from one history to the next, by its scatter and its length, and no page of rates knows those.

// foundBy says how large a loss must be for the history to show it, and what to do where that
// is more than two and a half times what is tolerated.
func (v *view) foundBy(loss float64) string {
	s := fmt.Sprintf("with these runs a loss of %s is found within two of them, 95%% of the time", percent(loss))
	if math.IsInf(loss, 1) || loss > 10 {
		s = "with these runs only a loss of many times is found"
	}
	if loss <= 2.5*v.trend.Rule.Tolerance {
		return s
	}
	n := v.trend.Moves[0].N
	for _, m := range v.trend.Moves {
		n = min(n, m.N)
	}
	if n < v.trend.Rule.Last {
		return s + "; with more runs it is less"
	}
	return s + "; longer measurements scatter less, and so do those of a quiet machine"
}

// moveCells are a metric of a trend as the cells of a row: its name, the level before, the value
// now with its change, how far runs scatter, as a share, and P. Where two runs are judged
// together the value is their mean, which says so.
func (v *view) moveCells(m past.Move) []string {
	_, unit, divisor := bench.Describe(m.Unit)
	now := value(m.Now/divisor, unit)
	if m.Two {
		now += " (2 runs)"
	}
	p := pvalue(m.P)
	if m.P >= 1 {
		p = "1"
	}
	return []string{v.moved(m), value(m.Level/divisor, unit), now, fmt.Sprintf("%+.1f%%", 100*(m.Now/m.Level-1)), percent(m.Scatter), p}
}

// factsOf are the facts that a user gave of a run, by their names.
func factsOf(facts map[string]string) string { return past.Run{Facts: facts}.Describe() }

// runFacts are the facts of a run in one line, its label first.
func runFacts(r past.Run) string {
	return strings.Trim(r.Label+", "+r.Describe(), ", ")
}

// markWord is what a run of a history is called: what it is to the runs after it, where it is
// anything but one of them, and otherwise its own verdict, by its limits.
func markWord(r past.Run) string {
	switch r.Mark {
	case past.Worse:
		return "worse than before"
	case past.Accepted:
		return "accepted as a new level"
	}
	return cmp.Or(r.Verdict, unknown)
}
