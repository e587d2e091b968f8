package recipes

// Style is how an adaptive recipe searches. The values are AIPerf's names, and
// sequential, which AIPerf does not have.
type Style string

const (
	// SmoothIsotonic doubles the value until a limit breaks, and then looks for the
	// root of the margins, fitted by isotonic regression and PCHIP.
	SmoothIsotonic Style = "smooth_isotonic"
	// Monotonic doubles the value until a limit breaks, and then bisects.
	Monotonic Style = "monotonic"
	// BO is Bayesian optimization of the objective within the limits.
	BO Style = "bo"
	// Optuna optimizes like BO, with the samplers of Optuna.
	Optuna Style = "optuna"
	// Grid measures log-spaced points, each in full; concurrencies in two passes of half the size.
	Grid Style = "grid"
	// Sequential ends probes once their verdict is certain, and puts points where
	// they tell most about the boundary.
	Sequential Style = "sequential"
)

// styles lists every style, in the order in which messages name them.
var styles = []Style{SmoothIsotonic, Monotonic, BO, Optuna, Grid, Sequential}

// styleNames returns the styles as text.
func styleNames() []string {
	names := make([]string, len(styles))
	for i, s := range styles {
		names[i] = string(s)
	}
	return names
}

// verdicts reports whether the search can use probes that end once their verdict is
// certain, and asks for whole ones by Step.Full where it wants more than a verdict.
// Monotonic can only when the answer is the boundary: where the answer is the best
// objective, its probes measure that, too. The other styles fit curves through all
// their points. Smooth_isotonic was tried with short probes: its answers on real
// servers came out 10% to 20% low when the probes of its bracket were cut short.
func (s *Search) verdicts() bool {
	return s.Style == Sequential || s.Style == Monotonic && s.Boundary
}
