package sla

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
// the metric's display unit. The zero Limit is not valid. Limits are comparable
// with ==.
type Limit struct {
	// Metric is AIPerf's tag of the metric, for example time_to_first_token.
	Metric string
	// Stat is avg, min, max or a percentile, for example p95.
	Stat string
	// Op is the operator between the observed value and the threshold.
	Op Op
	// Threshold is in the metric's display unit: ms, tokens/sec, requests/sec, % or
	// a ratio.
	Threshold float64
}

// Op compares an observed value, on its left, with a threshold on its right. The
// values are AIPerf's names of the operators.
type Op string

// The operators <, <=, > and >=.
const (
	LT Op = "lt"
	LE Op = "le"
	GT Op = "gt"
	GE Op = "ge"
)

var opSigns = map[Op]string{LT: "<", LE: "<=", GT: ">", GE: ">="}

// Valid reports whether o is one of the four operators.
func (o Op) Valid() bool { return opSigns[o] != "" }

// Upper reports whether the operator makes an upper limit, for which larger values
// are worse.
func (o Op) Upper() bool { return o == LT || o == LE }

// Holds compares a value with a threshold in the same unit. It is false when
// either is NaN, and for an operator that is not valid.
func (o Op) Holds(v, threshold float64) bool {
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

// stats lists the statistics that a limit may name.
var stats = loadgen.Stats()

// metricOf finds the metric that a limit names, by tag or short name.
func metricOf(name string) (m loadgen.MetricInfo, ok bool) { return loadgen.LookupMetric(name) }

// metricNames lists the names that a limit may use for a metric: short names, tags
// and aliases.
func metricNames() []string {
	var names []string
	for _, m := range loadgen.Metrics() {
		for _, name := range []string{m.Short, m.Tag, m.Alias} {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// shortNames lists the short names of the metrics that a limit may be on.
func shortNames() []string {
	var names []string
	for _, m := range loadgen.Metrics() {
		if m.Short != "" {
			names = append(names, m.Short)
		}
	}
	return names
}

// Quantity looks up a metric, by tag or short name, and checks the name of a
// statistic. The error names the nearest metric or statistic.
func Quantity(metric, stat string) (loadgen.MetricInfo, error) {
	m, ok := metricOf(metric)
	switch {
	case !ok:
		return m, fmt.Errorf("metric %q is unknown%s", metric, Suggest(metric, metricNames()))
	case !slices.Contains(stats, stat):
		return m, fmt.Errorf("statistic %q is unknown%s", stat, Suggest(stat, stats))
	}
	return m, nil
}

// Streamed reports whether the limit's metric has a value only for streamed
// answers, as TTFT has.
func (l Limit) Streamed() bool { m, _ := metricOf(l.Metric); return m.Streamed }

// Unit returns the display unit of the limit's metric: ms, tok/s, req/s, %,
// ratio or tokens. It is empty for a metric that the table does not have.
func (l Limit) Unit() string { m, _ := metricOf(l.Metric); return m.Unit }

// Name returns metric and statistic as people write them, for example "ttft p95"
// or "errors".
func (l Limit) Name() string {
	m, ok := metricOf(l.Metric)
	switch {
	case !ok:
		return l.Metric + " " + l.Stat
	case !m.PerRequest && l.Stat == "avg":
		return m.Name()
	}
	return m.Name() + " " + l.Stat
}

// Want returns the operator and the threshold with its unit, for example "< 200ms".
func (l Limit) Want() string {
	return opSigns[l.Op] + " " + l.Format(l.Threshold)
}

// String returns the limit as ParseLimit reads it, for example "ttft p95 < 200ms".
func (l Limit) String() string { return l.Name() + " " + l.Want() }

// Format writes a value of the limit's metric exactly, with its unit, in the form
// that ParseLimit reads, for example "200ms", "1.5%" or "3 req/s".
func (l Limit) Format(v float64) string { return formatValue(v, l.Unit()) }

// formatValue writes a value in a display unit. Milliseconds become seconds from
// 1s on, when that loses no digit.
func formatValue(v float64, unit string) string {
	switch unit {
	case "ms":
		if d := time.Duration(math.Round(v * 1e6)); v >= 1000 && float64(d)/1e6 == v && d%(10*time.Millisecond) == 0 {
			return number(v/1000) + "s"
		}
		return number(v) + "ms"
	case "%", "/s":
		return number(v) + unit
	case "tok/s", "req/s", "W", "J", "GB", "J/tok":
		return number(v) + " " + unit
	}
	return number(v)
}

// number writes a value with as many digits as it needs, and no exponent.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Validate checks a limit that was not read from text. It needs a known statistic
// and operator, and a threshold that is positive, finite and within what the metric
// can reach; a threshold of 0 makes sense for errors <= 0 and for counts of requests. A metric that is
// not in the table is accepted, since a caller's own Prober may report it.
func (l Limit) Validate() error {
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
		return nil // no error at all is allowed, which is decided by counting
	case l.Threshold == 0 && m.Count && l.Op == LE:
		return nil
	case l.Threshold <= 0:
		return fmt.Errorf("the threshold is %s; it must be positive", number(l.Threshold))
	case ok && !m.PerRequest && !m.Sampled && l.Stat != "avg":
		return fmt.Errorf("%s is a single number per run and has no %s; use avg or leave the statistic out", m.Name(), l.Stat)
	case ok && m.Unit == "%" && m.Tag != loadgen.TagOSLDiff && l.Threshold > 100, ok && m.Unit == "ratio" && l.Threshold > 1:
		return fmt.Errorf("%s cannot reach %s", m.Name(), formatValue(l.Threshold, m.Unit))
	}
	return nil
}
