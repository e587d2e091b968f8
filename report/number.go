package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/recipes/sla"
	"golang.org/x/perf/benchunit"
)

// unknown stands for a value that was not measured.
const unknown = "–"

// value writes v with three significant digits and its unit: 412ms, 2.91s,
// 0.4%, 2190 tok/s.
func value(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return unknown
	case unit == "ms":
		return duration(v)
	case unit == "%":
		return digits(v) + "%"
	case unit == "tok/s" || unit == "req/s":
		return digits(v) + " " + unit
	}
	return digits(v)
}

// duration writes milliseconds at the scale that suits them.
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
// size, without trailing zeros.
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

// count writes a whole number with a space between thousands: 1 840.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// elapsed writes a run's duration: 4m12s, 9.3s.
func elapsed(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// observed writes what a reading got: as printed, of successful requests, and
// with failures counted as infinitely slow where that differs.
func observed(r sla.Reading) string {
	s := value(r.Value, r.Limit.Unit())
	if math.IsInf(r.Adjusted, 1) {
		return s + " (too many failed)"
	}
	if adjusted := value(r.Adjusted, r.Limit.Unit()); !math.IsNaN(r.Adjusted) && adjusted != s {
		s += " (" + adjusted + " counting failures)"
	}
	return s
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}
