package sla

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseLimit reads a limit from text, in either form:
//
//	metric [stat] op value[unit]     ttft p95 < 200ms, errors <= 1%, goodput > 3 req/s
//	tag:stat:op:threshold            AIPerf's: time_to_first_token:p95:lt:200
//
// A metric is named by its tag or its short name (ttft, itl, tpot, e2e, errors,
// goodput, good, throughput …). Operators are <, <=, > and >=; units are ms, s, us,
// %, tok/s, req/s, W, kW, J, GB and J/tok. A number without a unit is in the metric's display unit, except
// that a latency must say ms or s, and a share of errors %: one reader takes 0.2 for
// 0.2 ms and another for 0.2 s. Errors are *LimitError and show the column. AIPerf's form
// has no units, and its latencies are in ms.
func ParseLimit(text string) (Limit, error) {
	p := limitParser{text: text}
	if strings.Count(text, ":") == 3 && !strings.ContainsAny(text, "<>") {
		return p.colons()
	}
	return p.words()
}

// LimitError reports a limit that cannot be read.
type LimitError struct {
	// Text is the whole text.
	Text string
	// Column is the byte at which the offending part begins, counted from 0.
	Column int
	// Problem says what is wrong and what to write instead.
	Problem string
}

// Error returns the problem, then the text with a caret below the offending part.
func (e *LimitError) Error() string {
	return fmt.Sprintf("parse SLA %q: %s\n\t%s\n\t%s^", e.Text, e.Problem, e.Text, strings.Repeat(" ", e.Column))
}

// limitParser reads one text from left to right.
type limitParser struct {
	text string
	pos  int // the byte that is read next
	// single says that the limit is one on a single request, which has no statistic.
	single bool
}

// fail returns a *LimitError at the column.
func (p *limitParser) fail(column int, format string, args ...any) (Limit, error) {
	return Limit{}, &LimitError{Text: p.text, Column: column, Problem: fmt.Sprintf(format, args...)}
}

// word returns the next run of characters that keep accepts, and its column.
func (p *limitParser) word(keep func(byte) bool) (string, int) {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
	from := p.pos
	for p.pos < len(p.text) && keep(p.text[p.pos]) {
		p.pos++
	}
	return p.text[from:p.pos], from
}

// isOp and isName are the characters of operators and of names, so that
// "errors<=1%" needs no spaces.
func isOp(c byte) bool { return c == '<' || c == '>' || c == '=' }
func isName(c byte) bool {
	return c != ' ' && c != '\t' && !isOp(c)
}

// words reads the form "metric [stat] op value[unit]".
func (p *limitParser) words() (Limit, error) {
	name, at := p.word(isName)
	m, ok := metricOf(name)
	if !ok {
		if swapped := p.swapped(name); swapped != "" {
			return p.fail(at, "the metric comes first; write %s", swapped)
		}
		return p.unknownMetric(name, at)
	}
	l := Limit{Metric: m.Tag}
	if !m.PerRequest {
		l.Stat = "avg"
	} else if p.single {
		l.Stat = "max"
	}
	if stat, at := p.word(isName); stat != "" {
		if p.single {
			return p.fail(at, "a single request has no %s; write, for example, %s < 200ms", stat, name)
		}
		if !slices.Contains(stats, stat) {
			return p.fail(at, "statistic %q is unknown; use %s%s", stat, strings.Join(stats, ", "), Suggest(stat, stats))
		}
		l.Stat = stat
	}
	if l.Stat == "" {
		return p.fail(p.pos, "the statistic is missing; write, for example, %s p95", name)
	}
	sign, at := p.word(isOp)
	for op, s := range opSigns {
		if s == sign {
			l.Op = op
		}
	}
	if l.Op == "" {
		return p.fail(at, "expected <, <=, > or >= and found %q", sign)
	}
	value, at := p.word(func(c byte) bool {
		return c >= '0' && c <= '9' || strings.IndexByte("+-.eExXnNaAiIfF_", c) >= 0
	})
	unit, unitAt := p.word(func(c byte) bool { return c != ' ' })
	if rest, at := p.word(func(byte) bool { return true }); rest != "" {
		return p.fail(at, "unexpected %q after the value", rest)
	}
	// ParseFloat takes hexadecimal digits and underscores, which are more likely
	// slips here than meant.
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || strings.ContainsAny(value, "xX_") {
		return p.fail(at, "expected a number and found %q", value+unit)
	}
	factor, ok := unitFactor(m.Unit, unit)
	if !ok {
		return p.fail(unitAt, "unit %q does not fit %s, which is in %s", unit, name, m.Unit)
	}
	l.Threshold = v * factor
	if factor == percent {
		l.Threshold = v / 100 // 95% is 0.95 then, and not the number next to it
	}
	if m.Unit == "ms" && unit == "" && v != 0 {
		return p.fail(at, "a bare %s is ambiguous for %s; write %sms or %ss", value, name, value, value)
	}
	if m.Unit == "%" && unit == "" && v != 0 {
		return p.fail(at, "a bare %s is ambiguous for %s; write %s%% or %s%%", value, name, number(v), number(v*100))
	}
	return p.checked(l, at)
}

// colons reads AIPerf's form "tag:stat:op:threshold".
func (p *limitParser) colons() (Limit, error) {
	part := strings.Split(p.text, ":")
	at := [4]int{0, len(part[0]) + 1, len(part[0]) + len(part[1]) + 2, len(part[0]) + len(part[1]) + len(part[2]) + 3}
	for i := range part {
		part[i] = strings.TrimSpace(part[i])
	}
	m, ok := metricOf(part[0])
	if !ok {
		return p.unknownMetric(part[0], 0)
	}
	if !slices.Contains(stats, part[1]) {
		return p.fail(at[1], "statistic %q is unknown; use %s%s", part[1], strings.Join(stats, ", "), Suggest(part[1], stats))
	}
	op := Op(part[2])
	if opSigns[op] == "" {
		return p.fail(at[2], "operator %q is unknown; use lt, le, gt or ge", part[2])
	}
	v, err := strconv.ParseFloat(part[3], 64)
	if err != nil || strings.ContainsAny(part[3], "xX_") {
		return p.fail(at[3], "expected a number and found %q", part[3])
	}
	return p.checked(Limit{Metric: m.Tag, Stat: part[1], Op: op, Threshold: v}, at[3])
}

// unknownMetric reports a metric that is missing or unknown, with the nearest name.
func (p *limitParser) unknownMetric(name string, at int) (Limit, error) {
	if name == "" {
		return p.fail(at, "the metric is missing; write, for example, ttft p95 < 200ms")
	}
	return p.fail(at, "metric %q is unknown%s; metrics are %s", name, Suggest(name, metricNames()), strings.Join(shortNames(), ", "))
}

// swapped is the text with its first two words in the order that limits have; empty where
// they are not a statistic and a metric.
func (p *limitParser) swapped(stat string) string {
	from := p.pos
	name, _ := p.word(isName)
	rest := p.text[p.pos:]
	p.pos = from
	if _, ok := metricOf(name); !ok || !slices.Contains(stats, stat) {
		return ""
	}
	if p.single {
		return name + rest
	}
	return name + " " + stat + rest
}

// checked returns the limit if it is valid; at is the column of the threshold.
func (p *limitParser) checked(l Limit, at int) (Limit, error) {
	if err := l.Validate(); err != nil {
		return p.fail(at, "%v", err)
	}
	if p.single {
		return p.one(l, at)
	}
	return l, nil
}

// percent is a hundredth.
const percent = 0.01

// unitFactor returns the factor that converts from unit to the display unit; ok is
// false when the two do not fit each other.
func unitFactor(display, unit string) (factor float64, ok bool) {
	switch {
	case unit == "" || unit == display:
		return 1, true
	case display == "ms" && unit == "s":
		return 1000, true
	case display == "ms" && (unit == "us" || unit == "µs"):
		return 1e-3, true
	case display == "ratio" && unit == "%":
		return percent, true
	case display == "W" && unit == "kW", display == "J" && unit == "kJ":
		return 1000, true
	case display == "J/tok" && unit == "J":
		return 1, true
	case display == "tok/s" && unit == "tokens/sec", display == "req/s" && unit == "requests/sec":
		return 1, true
	}
	return 0, false
}
