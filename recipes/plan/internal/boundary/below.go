package boundary

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// probeNoise are the values of τ tried: those of the posterior, and beyond them up to a
// machine so busy that probes disagree by a factor of two.
var probeNoise = noisesTo(4.5)

// belowReach is the error that the margins tried reach four times beyond those seen, in
// addition to a probe's own.
const belowReach = 0.2

// Below is P(true margin < 0) by several visits of one point, values[i] being the margin
// of a visit and ses[i] its standard error (NaN when unknown); 0.5 without visits. The
// margin has a flat prior, and errors are Student's t, so that one stalled visit does not
// outweigh the others, with variance SE² + τ². τ is what moves whole probes; its prior is
// the planner's for noise, and the visits themselves soon overrule it.
func Below(values, ses []float64) float64 {
	if len(values) == 0 {
		return 0.5
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == hi && ses[0] == 0 { // exact
		if lo <= 0 {
			return 1
		}
		return 0
	}
	var reach float64
	for _, se := range ses {
		if !math.IsNaN(se) {
			reach = max(reach, se)
		}
	}
	reach = 4 * math.Hypot(reach, belowReach)
	lo, hi = min(lo-reach, -reach/8), max(hi+reach, reach/8)
	const cells = 600 // a cell is then a small part of any error
	step := (hi - lo) / cells
	logs := make([]float64, cells)
	var at []float64
	for i := range logs {
		at = append(at, lo+(float64(i)+0.5)*step)
	}
	for i, g := range at {
		scores := make([]float64, 0, len(probeNoise))
		for _, noise := range probeNoise {
			q := math.Log(noise/noiseMedian) / noiseSpread
			score := -q * q / 2
			for k, se := range ses {
				v := noise * noise
				if !math.IsNaN(se) {
					v += se * se
				}
				d := values[k] - g
				score -= (errorDOF+1)/2*math.Log1p(d*d/(errorDOF*v)) + math.Log(v)/2
			}
			scores = append(scores, score)
		}
		logs[i] = floats.LogSumExp(scores)
	}
	total := floats.LogSumExp(logs)
	p := 0.0
	for i, l := range logs {
		switch share := math.Exp(l - total); {
		case at[i]+step/2 <= 0:
			p += share
		case at[i]-step/2 < 0:
			p += share * (0 - (at[i] - step/2)) / step
		}
	}
	return min(1, p)
}
