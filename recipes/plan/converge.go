package plan

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// Reasons of AIPerf's that a model-based search ends with: its three signals,
// in the order they are asked, and its terminator. A search in one dimension
// still settles its boundary after one of them.
const (
	ReasonMaxIterations = "max_iterations"         // the budget is spent
	ReasonPatience      = "improvement_patience"   // too long without a feasible improvement
	ReasonPlateau       = "plateau_cv"             // the last feasible objectives hardly differ
	ReasonRegretBound   = "posterior_regret_bound" // no point can be better than the best by more than noise
	ReasonEMMR          = "emmr"                   // the expected minimum simple regret has all but stopped falling
)

// The terminators of [Optuna], by AIPerf's names.
const (
	TerminatorRegret = "regret"
	TerminatorEMMR   = "emmr"
)

// signals are the three stop rules' settings.
type signals struct {
	Max       int     // iterations
	Patience  int     // iterations without improvement
	Window    int     // objectives the plateau rule looks at
	Threshold float64 // sample deviation over |mean| below which they are a plateau
}

// reason returns which signal fires first, "" for none, after iterations of
// which the last stale brought no improvement. values are the objectives in
// order; one that is not finite inside the window is no plateau, nor is a mean
// too near zero to divide by.
func (s signals) reason(values []float64, iterations, stale int) string {
	switch {
	case iterations >= s.Max:
		return ReasonMaxIterations
	case stale >= s.Patience:
		return ReasonPatience
	case s.Window < 2 || len(values) < s.Window:
		return ""
	}
	window := values[len(values)-s.Window:]
	if !allFinite(window) {
		return ""
	}
	mean, deviation := stat.MeanStdDev(window, nil)
	if math.Abs(mean) >= 1e-9 && deviation/math.Abs(mean) < s.Threshold {
		return ReasonPlateau
	}
	return ""
}
