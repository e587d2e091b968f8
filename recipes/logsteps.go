package recipes

import (
	"fmt"
	"math"
)

// logSteps returns about steps whole numbers from lo to hi, evenly spaced in
// the logarithm: rounded to even, at least 1, ascending, duplicates dropped,
// both ends present. It is an error when steps < 2, lo ≤ 0 or hi ≤ lo.
func logSteps(lo, hi float64, steps int) ([]int, error) {
	switch {
	case steps < 2:
		return nil, fmt.Errorf("log-spaced steps: %d steps have no two ends; ask for 2 or more", steps)
	case !(lo > 0):
		return nil, fmt.Errorf("log-spaced steps: the lower end %v has no logarithm; it must be above 0", lo)
	case !(hi > lo):
		return nil, fmt.Errorf("log-spaced steps: the upper end %v must be above the lower end %v", hi, lo)
	case math.IsInf(hi, 0):
		return nil, fmt.Errorf("log-spaced steps: the upper end %v must be finite", hi)
	}
	a, b := math.Log(lo), math.Log(hi)
	var out []int
	for i := range steps {
		t := float64(i) / float64(steps-1)
		x := max(1, int(math.RoundToEven(math.Exp(a+t*(b-a)))))
		if len(out) == 0 || x > out[len(out)-1] {
			out = append(out, x)
		}
	}
	return out, nil
}
