package plot

import (
	"math"
	"strconv"

	gonum "gonum.org/v1/plot"
)

// fixed is a set of ticks as gonum wants it.
type fixed []gonum.Tick

func (f fixed) Ticks(_, _ float64) []gonum.Tick { return f }

// ticks chooses where an axis from lo to hi is labelled: at the round numbers
// that make four labels or more, which the library's own choice does not.
func (a Axis) ticks(lo, hi float64) fixed {
	var out fixed
	switch {
	case a.Ticks != nil:
		for _, t := range a.Ticks {
			if t.At >= lo && t.At <= hi {
				out = append(out, gonum.Tick{Value: t.At, Label: clean(t.Label)})
			}
		}
		return out
	case a.Log:
		out = logTicks(lo, hi, a.Whole)
	}
	if labelled(out) < 3 {
		out = linearTicks(lo, hi, a.Whole)
	}
	return out
}

func labelled(f fixed) int {
	n := 0
	for _, t := range f {
		if t.Label != "" {
			n++
		}
	}
	return n
}

// linearTicks labels multiples of 1, 2, 2.5 or 5 times a power of ten: with 1, 2 and 5 alone
// some ranges would have two labels.
func linearTicks(lo, hi float64, whole bool) fixed {
	most := 7.0
	if whole {
		most = 15
	}
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/most)))
	for _, f := range []float64{1, 2, 2.5, 5, 10, 20} {
		if f == 2.5 && whole && step < 10 {
			continue
		}
		if step*f >= (hi-lo)/most {
			step *= f
			break
		}
	}
	if whole {
		step = max(1, step)
	}
	var out fixed
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+1e-9*step && len(out) < 40; k++ {
		if whole && k*step < 1 {
			continue
		}
		out = append(out, gonum.Tick{Value: k * step, Label: number(k * step)})
	}
	return out
}

// logTicks labels 1, 2 and 5 times the powers of ten, over more than four
// decades the powers alone, over more than ten some of them; the other digits get
// a tick without a label.
func logTicks(lo, hi float64, whole bool) fixed {
	decades := math.Log10(hi / lo)
	every := max(1, math.Ceil(decades/10))
	var out fixed
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for d := 1.0; d < 10 && (d == 1 || decades <= 10); d++ {
			v := d * math.Pow(10, e)
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) || whole && v < 1 {
				continue
			}
			t := gonum.Tick{Value: v}
			if d == 1 && math.Mod(e, every) == 0 || decades <= 4 && (d == 2 || d == 5) || decades < 1 {
				t.Label = number(v)
			}
			out = append(out, t)
		}
	}
	return out
}

// number writes a tick: no trailing zeros, and no exponent where people would
// not write one.
func number(v float64) string {
	if a := math.Abs(v); a >= 1e9 || a > 0 && a < 1e-6 {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	s, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	return strconv.FormatFloat(s+0, 'f', -1, 64)
}
