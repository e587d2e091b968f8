package matchers

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
)

// HaveMetric succeeds when a metric's statistic satisfies the matcher:
//
//	Expect(out).To(HaveMetric("ttft p95", BeNumerically("<", 180)))
//
// The metric goes by its short name (ttft, itl, e2e, throughput …) or AIPerf's
// tag; where it has only one number a run ("errors", "throughput"), the
// statistic is left out. The matcher gets a float64 in the metric's display unit
// (ms, tok/s, req/s, %, ratio) at the point to deploy at, or, when none was
// found, at the point that the finding shows. It is the printed number, of
// successful requests; an SLA counts failed ones, too.
func HaveMetric(metric string, matcher types.GomegaMatcher) types.GomegaMatcher {
	return &haveMetric{metric, matcher}
}

type haveMetric struct {
	metric  string
	matcher types.GomegaMatcher
}

func (m *haveMetric) Match(actual any) (bool, error) {
	o, err := outcomeOf("HaveMetric", actual)
	if err != nil {
		return false, err
	}
	if m.matcher == nil {
		return false, fmt.Errorf("HaveMetric(%q, …) needs a matcher for the value, for example BeNumerically(\"<\", 180)", m.metric)
	}
	v, err := m.value(o)
	if err != nil {
		return false, err
	}
	return m.matcher.Match(v)
}

func (m *haveMetric) FailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	v, _ := m.value(o)
	return message(o, m.line(o, v), m.matcher.FailureMessage(v))
}

func (m *haveMetric) NegatedFailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	v, _ := m.value(o)
	return message(o, m.line(o, v), m.matcher.NegatedFailureMessage(v))
}

// value reads the metric at the probe that the finding shows.
func (m *haveMetric) value(o *recipes.Outcome) (float64, error) {
	p := report.Shown(o)
	words := strings.Fields(m.metric)
	if len(words) == 2 {
		// A server's own metric is in no table of names.
		if v, ok := p.Stat(words[0], words[1]); ok {
			return v, nil
		}
	}
	l, err := m.parse(words)
	if err != nil {
		return 0, err
	}
	if v, ok := p.Stat(l.Metric, l.Stat); ok {
		return v, nil
	}
	return 0, fmt.Errorf("HaveMetric(%q, …): %s was not measured at %s; "+
		"TTFT and ITL need streamed answers, goodput needs per-request limits", m.metric, l.Name(), where(p))
}

// parse reads metric and statistic by the rules of an SLA limit.
func (m *haveMetric) parse(words []string) (sla.Limit, error) {
	var l sla.Limit
	if len(words) != 1 && len(words) != 2 {
		return l, fmt.Errorf("HaveMetric(%q, …): expected a metric and a statistic, for example \"ttft p95\"", m.metric)
	}
	stat := "avg"
	if len(words) == 2 {
		stat = words[1]
	}
	l, err := sla.ParseLimit(words[0] + ":" + stat + ":le:1")
	if bad := (*sla.LimitError)(nil); errors.As(err, &bad) {
		return l, fmt.Errorf("HaveMetric(%q, …): %s", m.metric, bad.Problem)
	}
	if len(words) == 1 && strings.HasSuffix(l.Name(), " avg") {
		return l, fmt.Errorf("HaveMetric(%q, …): the statistic is missing; for example, write %q", m.metric, words[0]+" p95")
	}
	return l, err
}

// line states the value with four digits; the matcher's own message has them all.
func (m *haveMetric) line(o *recipes.Outcome, v float64) string {
	name := m.metric
	l, err := m.parse(strings.Fields(m.metric))
	if err == nil { // a metric of the server's own has no unit
		name = l.Name()
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return fmt.Sprintf("%s is %s at %s", name, l.Format(short), where(report.Shown(o)))
}

// where names the point of a probe.
func where(p *recipes.Probe) string {
	if p.Load.Concurrency == 0 {
		return fmt.Sprintf("%g requests per second", p.Load.Rate)
	}
	return fmt.Sprintf("concurrency %d", p.Load.Concurrency)
}
