package recipes

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Limit is one SLA limit: a statistic of a metric, compared with a threshold in
// the metric's display unit.
type Limit struct {
	Metric    string  // AIPerf's tag, as time_to_first_token
	Stat      string  // avg, min, max or a percentile, as p95
	Op        Op      // lt, le, gt, ge
	Threshold float64 // in the metric's display unit: ms, tokens/sec, requests/sec, %, ratio
}

// Op compares an observed value with a threshold.
type Op string

const (
	LT Op = "lt" // <
	LE Op = "le" // <=
	GT Op = "gt" // >
	GE Op = "ge" // >=
)

var opSigns = map[Op]string{LT: "<", LE: "<=", GT: ">", GE: ">="}

// Upper reports whether the limit is an upper one: larger values are worse.
func (o Op) Upper() bool { return o == LT || o == LE }

// holds compares; a NaN never holds.
func (o Op) holds(v, threshold float64) bool {
	switch o {
	case LT:
		return v < threshold
	case LE:
		return v <= threshold
	case GT:
		return v > threshold
	case GE:
		return v >= threshold
	}
	return false
}

// stats lists the statistics that a limit may name, as AIPerf does.
var stats = []string{"avg", "min", "max", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99"}

// metric is what the text of a limit needs to know of a metric.
type metric struct {
	tag, short string
	unit       string // display unit
	stat       string // the statistic where the text names none
	run        bool   // a run-level metric: avg is all it has
	streamed   bool   // has no value for answers that are not streamed
}

var metrics = []metric{
	{tag: loadgen.TagTTFT, short: "ttft", unit: "ms", streamed: true},
	{tag: loadgen.TagTTST, short: "ttst", unit: "ms", streamed: true},
	{tag: loadgen.TagITL, short: "itl", unit: "ms", streamed: true},
	{tag: loadgen.TagITL, short: "tpot", unit: "ms", streamed: true},
	{tag: loadgen.TagICL, short: "icl", unit: "ms", streamed: true},
	{tag: loadgen.TagLatency, short: "e2e", unit: "ms"},
	{tag: loadgen.TagPerUser, short: "per-user", unit: "tok/s", streamed: true},
	{tag: loadgen.TagErrorRate, short: "errors", unit: "%", stat: "avg", run: true},
	{tag: loadgen.TagGoodput, short: "goodput", unit: "req/s", stat: "avg", run: true},
	{tag: loadgen.TagGoodShare, short: "good", unit: "ratio", stat: "avg", run: true},
	{tag: loadgen.TagTokenRate, short: "throughput", unit: "tok/s", stat: "avg", run: true},
	{tag: loadgen.TagTotalRate, short: "total-throughput", unit: "tok/s", stat: "avg", run: true},
	{tag: loadgen.TagReqRate, short: "req-rate", unit: "req/s", stat: "avg", run: true},
	{tag: loadgen.TagOSL, short: "osl", unit: "tokens"},
	{tag: loadgen.TagISL, short: "isl", unit: "tokens"},
}

// metricOf finds a metric by tag or short name.
func metricOf(name string) (metric, bool) {
	for _, m := range metrics {
		if m.tag == name || m.short == name {
			return m, true
		}
	}
	return metric{}, false
}

func metricNames() []string {
	var names []string
	for _, m := range metrics {
		names = append(names, m.short, m.tag)
	}
	return names
}

// streamed reports whether the limit's metric needs a streamed answer.
func (l Limit) streamed() bool { m, _ := metricOf(l.Metric); return m.streamed }

// Unit returns the display unit of the limit's metric: ms, tok/s, req/s, %,
// ratio or tokens; empty for a metric of a server's own.
func (l Limit) Unit() string { m, _ := metricOf(l.Metric); return m.unit }

// Name returns metric and statistic as people write them: "ttft p95", "errors".
func (l Limit) Name() string {
	m, ok := metricOf(l.Metric)
	switch {
	case !ok:
		return l.Metric + " " + l.Stat
	case m.run && l.Stat == "avg":
		return m.short
	}
	return m.short + " " + l.Stat
}

// Want returns the comparison and the threshold with its unit: "< 200ms".
func (l Limit) Want() string {
	return opSigns[l.Op] + " " + l.Format(l.Threshold)
}

// String returns the limit as ParseLimit reads it: "ttft p95 < 200ms".
func (l Limit) String() string { return l.Name() + " " + l.Want() }

// Format writes a value of the limit's metric exactly, with its unit, in the form
// that ParseLimit reads: "200ms", "1.5%", "3 req/s".
func (l Limit) Format(v float64) string { return formatValue(v, l.Unit()) }

func formatValue(v float64, unit string) string {
	switch unit {
	case "ms":
		if d := time.Duration(math.Round(v * 1e6)); v >= 1000 && float64(d)/1e6 == v && d%(10*time.Millisecond) == 0 {
			return number(v/1000) + "s"
		}
		return number(v) + "ms"
	case "%":
		return number(v) + "%"
	case "tok/s", "req/s":
		return number(v) + " " + unit
	}
	return number(v)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// ParseLimit reads a limit from text, in either form:
//
//	metric [stat] op value[unit]     ttft p95 < 200ms, errors <= 1%, goodput > 3 req/s
//	tag:stat:op:threshold            AIPerf's: time_to_first_token:p95:lt:200
//
// Metrics go by tag or by short name (ttft, itl, tpot, e2e, errors, goodput,
// good, throughput …), operators are <, <=, >, >=, units ms, s, %, tok/s, req/s;
// a number without a unit is in the metric's display unit, except that a share
// of errors must say % (0.01 is a percent of a percent to one reader and 1 % to
// another). Errors are *LimitError and show the column.
func ParseLimit(text string) (Limit, error) {
	p := limitParser{text: text}
	if strings.Count(text, ":") == 3 && !strings.ContainsAny(text, "<>") {
		return p.colons()
	}
	return p.words()
}

// LimitError reports a limit that cannot be read.
type LimitError struct {
	Text    string
	Column  int // of the offending part, from 0
	Problem string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("parse SLA %q: %s\n\t%s\n\t%s^", e.Text, e.Problem, e.Text, strings.Repeat(" ", e.Column))
}

type limitParser struct {
	text string
	pos  int
}

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

func isOp(c byte) bool { return c == '<' || c == '>' || c == '=' }
func isName(c byte) bool {
	return c != ' ' && c != '\t' && !isOp(c)
}

func (p *limitParser) words() (Limit, error) {
	name, at := p.word(isName)
	m, ok := metricOf(name)
	if !ok {
		return p.unknownMetric(name, at)
	}
	l := Limit{Metric: m.tag, Stat: m.stat}
	if stat, at := p.word(isName); stat != "" {
		if !slices.Contains(stats, stat) {
			return p.fail(at, "statistic %q is unknown; use %s%s", stat, strings.Join(stats, ", "), didYouMean(stat, stats))
		}
		l.Stat = stat
	}
	if l.Stat == "" {
		return p.fail(p.pos, "the statistic is missing; write %s p95, say", name)
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
		return p.fail(at, "unexpected %q behind the value", rest)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || strings.ContainsAny(value, "xX_") {
		return p.fail(at, "expected a number and found %q", value+unit)
	}
	factor, ok := unitFactor(m.unit, unit)
	if !ok {
		return p.fail(unitAt, "unit %q does not fit %s, which is in %s", unit, name, m.unit)
	}
	l.Threshold = v * factor
	if m.unit == "%" && unit == "" && v != 0 {
		return p.fail(at, "a bare %s is ambiguous for %s; write %s%% or %s%%", value, name, number(v), number(v*100))
	}
	return p.checked(l, at)
}

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
		return p.fail(at[1], "statistic %q is unknown; use %s%s", part[1], strings.Join(stats, ", "), didYouMean(part[1], stats))
	}
	op := Op(part[2])
	if opSigns[op] == "" {
		return p.fail(at[2], "operator %q is unknown; use lt, le, gt or ge", part[2])
	}
	v, err := strconv.ParseFloat(part[3], 64)
	if err != nil || strings.ContainsAny(part[3], "xX_") {
		return p.fail(at[3], "expected a number and found %q", part[3])
	}
	return p.checked(Limit{Metric: m.tag, Stat: part[1], Op: op, Threshold: v}, at[3])
}

func (p *limitParser) unknownMetric(name string, at int) (Limit, error) {
	if name == "" {
		return p.fail(at, "the metric is missing; write it as: ttft p95 < 200ms")
	}
	return p.fail(at, "metric %q is unknown%s", name, didYouMean(name, metricNames()))
}

func (p *limitParser) checked(l Limit, at int) (Limit, error) {
	if err := l.validate(); err != nil {
		return p.fail(at, "%v", err)
	}
	return l, nil
}

// validate checks what is no matter of spelling.
func (l Limit) validate() error {
	m, ok := metricOf(l.Metric)
	switch {
	case l.Metric == "":
		return fmt.Errorf("the limit names no metric")
	case !slices.Contains(stats, l.Stat):
		return fmt.Errorf("statistic %q is unknown; use %s", l.Stat, strings.Join(stats, ", "))
	case opSigns[l.Op] == "":
		return fmt.Errorf("operator %q is unknown; use lt, le, gt or ge", l.Op)
	case math.IsNaN(l.Threshold) || math.IsInf(l.Threshold, 0):
		return fmt.Errorf("the threshold is %v; it must be finite", l.Threshold)
	case l.Threshold == 0 && l.Metric == loadgen.TagErrorRate && l.Op == LE:
		return nil // no error at all: compared by count
	case l.Threshold <= 0:
		return fmt.Errorf("the threshold is %s; it must be positive", number(l.Threshold))
	case ok && m.run && l.Stat != "avg":
		return fmt.Errorf("%s is one number a run and has no %s; use avg or leave it out", m.short, l.Stat)
	case ok && m.unit == "%" && l.Threshold > 100, ok && m.unit == "ratio" && l.Threshold > 1:
		return fmt.Errorf("%s cannot reach %s", m.short, formatValue(l.Threshold, m.unit))
	}
	return nil
}

// unitFactor returns what to multiply by to come from unit to the display unit.
func unitFactor(display, unit string) (float64, bool) {
	switch {
	case unit == "" || unit == display:
		return 1, true
	case display == "ms" && unit == "s":
		return 1000, true
	case display == "ms" && (unit == "us" || unit == "µs"):
		return 1e-3, true
	case display == "ratio" && unit == "%":
		return 0.01, true
	case display == "tok/s" && unit == "tokens/sec", display == "req/s" && unit == "requests/sec":
		return 1, true
	}
	return 0, false
}
