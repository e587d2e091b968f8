package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchunit"
)

// unknown stands for a value that was not measured.
const unknown = "–"

// value writes v with three significant digits and its unit: 412ms, 2.91s, 0.4%,
// 2190 tok/s. The unit is a metric's display unit (see loadgen.MetricInfo), and v
// is in it; units that nobody writes behind a number, such as tokens and ratio,
// are left out. NaN is an en dash.
func value(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return unknown
	case unit == "ms":
		return duration(v)
	case unit == "%" || unit == "/s":
		return digits(v) + unit
	case slices.Contains([]string{"tok/s", "req/s", "W", "J", "GB", "J/tok"}, unit):
		return digits(v) + " " + unit
	}
	return digits(v)
}

// duration writes milliseconds at the scale that suits them, from nanoseconds to
// seconds: 1.2µs, 412ms, 2.91s.
func duration(ms float64) string {
	if ms == 0 {
		return "0ms"
	}
	s := benchunit.CommonScale([]float64{rounded(ms / 1000)}, benchunit.Decimal)
	if s.Factor > 1 { // kiloseconds are nobody's unit
		s = benchunit.Scaler{Factor: 1}
	}
	return digits(ms/1000/s.Factor) + s.Prefix + "s"
}

// rounded keeps three significant digits.
func rounded(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return r
}

// digits writes v with three significant digits, four for whole numbers of that
// size, without trailing zeros: 0.00412, 2.9, 84.5, 2190. More digits would pretend to
// a precision that no measurement of a server has.
func digits(v float64) string {
	if a := math.Abs(v); v == 0 || a >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	v = rounded(v)
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	s := strconv.FormatFloat(v, 'f', max(decimals, 0), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// digitsOf writes several values, separated by commas.
func digitsOf(vs []float64) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = digits(v)
	}
	return strings.Join(out, ", ")
}

// exact writes a coordinate with all its digits: two points never share a name.
func exact(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// coefficient writes small numbers in powers of ten: 1.25e-07 is easier to copy
// than to count the zeros of.
func coefficient(c float64) string {
	if c != 0 && c < 1e-4 {
		return fmt.Sprintf("%.3g", c)
	}
	return digits(c)
}

// Counts and shares are written in one way everywhere: counts grouped by thousands,
// shares of 1 in percent, with the sign right behind the number.

// count writes a whole number with a comma between thousands: 1,840.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a count and what is counted: 1 probe, 12 probes.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// percent writes a share of 1 that was measured: 20%, 0.4%.
func percent(share float64) string {
	if math.Abs(share) < 0.0005 {
		return "0%"
	}
	if math.Abs(share) < 0.1 {
		return fmt.Sprintf("%.1f%%", 100*share)
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

// part writes a share of 1 that a user gave, with the digits it was given with.
func part(share float64) string { return fmt.Sprintf("%.4g%%", 100*share) }

// probability writes P, a number from 0 to 1, without rounding it to certainty.
func probability(p float64) string {
	switch {
	case p > 0.999:
		return "> 99.9%"
	case p < 0.001:
		return "< 0.1%"
	}
	return "= " + digits(100*p) + "%"
}

// pvalue writes the P of a test as benchstat does: three decimals.
func pvalue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// elapsed writes a run's duration, to the second from ten seconds on and to the tenth
// of one below: 4m12s, 9.3s.
func elapsed(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// ms is a duration in milliseconds, the unit that files have latencies in.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// finite reports whether v is a number: neither NaN nor infinite.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
