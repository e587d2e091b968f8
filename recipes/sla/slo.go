package sla

import (
	"strconv"
	"strings"
)

// ParseSLO reads what makes a single request good from text, an upper limit in either
// form:
//
//	metric op value[unit]     ttft < 200ms, e2e <= 2s
//	tag:threshold             AIPerf's --goodput: time_to_first_token:200
//
// A single request has no statistic. Names and units are those of ParseLimit, and a
// number without a unit is in the metric's display unit. It returns the metric's tag and
// the threshold in that unit. Errors are *LimitError and show the column.
func ParseSLO(text string) (metric string, threshold float64, err error) {
	p := limitParser{text: text, single: true}
	var l Limit
	if strings.Count(text, ":") == 1 && !strings.ContainsAny(text, "<>") {
		l, err = p.pair()
	} else {
		l, err = p.words()
	}
	return l.Metric, l.Threshold, err
}

// pair reads AIPerf's form "tag:threshold".
func (p *limitParser) pair() (Limit, error) {
	name, value, _ := strings.Cut(p.text, ":")
	at := len(name) + 1
	m, ok := metricOf(strings.TrimSpace(name))
	if !ok {
		return p.unknownMetric(strings.TrimSpace(name), 0)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || strings.ContainsAny(value, "xX_") {
		return p.fail(at, "expected a number and found %q", value)
	}
	return p.checked(Limit{Metric: m.Tag, Stat: "max", Op: LE, Threshold: v}, at)
}

// one checks that a limit can be one on a single request.
func (p *limitParser) one(l Limit, at int) (Limit, error) {
	switch m, _ := metricOf(l.Metric); {
	case !m.PerRequest:
		return p.fail(0, "%s is a number of a whole run and not of a single request", m.Name())
	case !l.Op.Upper() || m.Higher:
		return p.fail(at, "a good request has upper limits alone, on latencies and lengths")
	}
	return l, nil
}
