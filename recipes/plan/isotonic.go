package plan

import (
	"math"
	"slices"
)

// block is a run of equal fitted values: y[start:next block's start].
type block struct {
	start  int
	value  float64
	weight float64
}

// pava returns the least-squares isotonic (non-decreasing) fit of y with
// weights w as blocks, by pooling adjacent violators; nil weights are ones.
// Equal neighbours pool. (Best & Chakravarti 1990; the single pass forward with
// repair backwards is Busing 2022, J. Stat. Softw. 102 c1.)
func pava(y, w []float64) []block {
	var bs []block
	for i := 0; i < len(y); {
		b := block{start: i, value: y[i], weight: weightAt(w, i)}
		i++
		if n := len(bs); n > 0 && bs[n-1].value >= b.value {
			// The order of the sums is Busing's: where values tie but for
			// rounding, it decides which blocks pool.
			sum := 0.0
			join := func(c block) {
				sum += float64(c.weight * c.value) // the conversion keeps it from being fused
				b.weight += c.weight
				b.value = sum / b.weight
			}
			last := bs[n-1]
			bs = bs[:n-1]
			sum = float64(b.weight * b.value)
			b.start = last.start
			join(last)
			for ; i < len(y) && b.value >= y[i]; i++ {
				join(block{value: y[i], weight: weightAt(w, i)})
			}
			for len(bs) > 0 && bs[len(bs)-1].value >= b.value {
				last := bs[len(bs)-1]
				bs = bs[:len(bs)-1]
				b.start = last.start
				join(last)
			}
		}
		bs = append(bs, b)
	}
	return bs
}

func weightAt(w []float64, i int) float64 {
	if w == nil {
		return 1
	}
	return w[i]
}

// spread writes the blocks' values out over n points.
func spread(bs []block, n int) []float64 {
	out := make([]float64, n)
	for k, b := range bs {
		end := n
		if k+1 < len(bs) {
			end = bs[k+1].start
		}
		for i := b.start; i < end; i++ {
			out[i] = b.value
		}
	}
	return out
}

// isotonic returns the non-decreasing fit of y, or with falling the
// non-increasing one.
func isotonic(y, w []float64, falling bool) []float64 {
	if !falling {
		return spread(pava(y, w), len(y))
	}
	y = reversed(y)
	if w != nil {
		w = reversed(w)
	}
	return reversed(spread(pava(y, w), len(y)))
}

func reversed(v []float64) []float64 {
	r := slices.Clone(v)
	slices.Reverse(r)
	return r
}

// strictify adds to a non-decreasing fit a ramp of a billionth of its span a
// point, so that flat blocks have one root and not an interval of them. A
// constant fit gets a ramp of 1e-9 a point. (AIPerf's smooth_isotonic.)
func strictify(fit []float64) []float64 {
	if len(fit) == 0 {
		return nil
	}
	span := slices.Max(fit) - slices.Min(fit)
	if span == 0 || math.IsNaN(span) {
		span = 1
	}
	out := slices.Clone(fit)
	for i := range out {
		out[i] += float64(i) * 1e-9 * span
	}
	return out
}
