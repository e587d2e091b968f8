// Package isotonic fits non-decreasing curves to points: least squares by pooling
// adjacent violators, made strictly increasing, and smooth.
package isotonic

import (
	"math"
	"slices"
)

// Block is a run of equal fitted values. It reaches from index Start to the next block's
// Start, or to the end.
type Block struct {
	Start int
	// Value is the weighted mean of the block's points, and Weight the sum of their
	// weights.
	Value, Weight float64
}

// Pool returns the least-squares isotonic (non-decreasing) fit of y with weights w as
// blocks, by pooling adjacent violators; nil weights are ones. Equal neighbours pool.
// (Best & Chakravarti 1990; the single pass forward with repair backwards is Busing 2022,
// J. Stat. Softw. 102 c1.)
func Pool(y, w []float64) []Block {
	var bs []Block
	for i := 0; i < len(y); {
		b := Block{Start: i, Value: y[i], Weight: weightAt(w, i)}
		i++
		if n := len(bs); n > 0 && bs[n-1].Value >= b.Value {
			// The order of the sums is Busing's: where values tie but for rounding, it
			// decides which blocks pool.
			sum := 0.0
			join := func(c Block) {
				// The conversion keeps the product from being fused with the sum.
				sum += float64(c.Weight * c.Value)
				b.Weight += c.Weight
				b.Value = sum / b.Weight
			}
			last := bs[n-1]
			bs = bs[:n-1]
			sum = float64(b.Weight * b.Value)
			b.Start = last.Start
			join(last)
			// Forward over what the block now exceeds, then back over what exceeds it.
			for ; i < len(y) && b.Value >= y[i]; i++ {
				join(Block{Value: y[i], Weight: weightAt(w, i)})
			}
			for len(bs) > 0 && bs[len(bs)-1].Value >= b.Value {
				last := bs[len(bs)-1]
				bs = bs[:len(bs)-1]
				b.Start = last.Start
				join(last)
			}
		}
		bs = append(bs, b)
	}
	return bs
}

// weightAt returns weight i, which is one where there are no weights.
func weightAt(w []float64, i int) float64 {
	if w == nil {
		return 1
	}
	return w[i]
}

// spread writes the blocks' values out over n points.
func spread(bs []Block, n int) []float64 {
	out := make([]float64, n)
	for k, b := range bs {
		end := n
		if k+1 < len(bs) {
			end = bs[k+1].Start
		}
		for i := b.Start; i < end; i++ {
			out[i] = b.Value
		}
	}
	return out
}

// Fit returns the non-decreasing least-squares fit of y with weights w; nil weights are
// ones.
func Fit(y, w []float64) []float64 { return spread(Pool(y, w), len(y)) }

// ramp is what Strictify adds a point, as a share of the span. (AIPerf's value: far below
// what a measurement can show, far above rounding.)
const ramp = 1e-9

// Strictify adds to a non-decreasing fit a ramp of a billionth of its span a point, so
// that flat blocks have one root and not an interval of them. A constant fit, and one
// with a value that is not a number, gets a ramp of 1e-9 a point. (AIPerf's
// smooth_isotonic.)
func Strictify(fit []float64) []float64 {
	if len(fit) == 0 {
		return nil
	}
	span := slices.Max(fit) - slices.Min(fit)
	if span == 0 || math.IsNaN(span) {
		span = 1
	}
	out := slices.Clone(fit)
	for i := range out {
		out[i] += float64(i) * ramp * span
	}
	return out
}
