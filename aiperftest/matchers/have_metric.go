package matchers

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

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
//
// A latency can also be compared with a time.Duration, and is one itself then:
//
//	Expect(out).To(HaveMetric("ttft p95", BeNumerically("<", 180*time.Millisecond)))
//
// A matcher that has both a Duration and a plain number to compare with is refused, as is
// a Duration for what is no latency: one of the two would be off by a million.
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
	x, err := m.compared(v)
	if err != nil {
		return false, err
	}
	return m.matcher.Match(x)
}

func (m *haveMetric) FailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	v, _ := m.value(o)
	x, _ := m.compared(v)
	return message(o, m.line(o, v), m.matcher.FailureMessage(x))
}

func (m *haveMetric) NegatedFailureMessage(actual any) string {
	o := actual.(*recipes.Outcome)
	v, _ := m.value(o)
	x, _ := m.compared(v)
	return message(o, m.line(o, v), m.matcher.NegatedFailureMessage(x))
}

// compared is what the matcher gets: a Duration if it compares with durations, and otherwise
// the number.
func (m *haveMetric) compared(v float64) (any, error) {
	w := wants{}
	w.walk(reflect.ValueOf(m.matcher), 0)
	if !w.durations {
		return v, nil
	}
	l, err := m.parse(strings.Fields(m.metric))
	switch {
	case err != nil || l.Unit() != "ms":
		return nil, fmt.Errorf("HaveMetric(%q, …) compares with a time.Duration what is no latency; give a number", m.metric)
	case w.numbers:
		return nil, fmt.Errorf("HaveMetric(%q, …) compares with a time.Duration and with a number; give durations alone, "+
			"for example 180*time.Millisecond", m.metric)
	}
	return time.Duration(math.Round(v * float64(time.Millisecond))), nil
}

// wants says what a matcher compares with.
type wants struct{ durations, numbers bool }

// walk looks for numbers and durations in what a matcher holds: the operands of BeNumerically,
// Equal and their kin, also within And, Or, Not and WithTransform. A matcher of the user's own
// may hide its operands in a function, and then gets a number.
func (w *wants) walk(v reflect.Value, depth int) {
	const deep = 8
	if depth > deep || !v.IsValid() {
		return
	}
	duration := reflect.TypeFor[time.Duration]()
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.Kind() == reflect.Interface && !v.IsNil() && depth > 0 {
			w.operand(v.Elem(), duration)
		}
		w.walk(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			w.walk(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.walk(v.Field(i), depth+1)
			}
		}
	case reflect.Func: // of a WithTransform
		if t := v.Type(); t.NumIn() == 1 && t.In(0) == duration {
			w.durations = true
		}
	}
}

// operand notes one value that a matcher compares with.
func (w *wants) operand(v reflect.Value, duration reflect.Type) {
	switch {
	case v.Type() == duration:
		w.durations = true
	case v.CanInt() || v.CanUint() || v.CanFloat():
		w.numbers = true
	}
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
