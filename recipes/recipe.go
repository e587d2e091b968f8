package recipes

import "slices"

// Recipe is a question with a name: what to vary, what to watch, when to stop. It is
// a value without state, and may be used by several runs at once. Name, Doc and Expand
// are required; Validate checks them.
type Recipe struct {
	// Name consists of lower-case words joined by dashes. Lookup finds the recipe by
	// it, once it is in the catalogue.
	Name string
	// Doc says in one sentence what the recipe answers.
	Doc string
	// Uses lists the inputs that Expand reads. An input that is given and not listed
	// is ignored, with a warning. A name that is none of the built-in ones declares an input
	// of the recipe's own, which Expand finds in Inputs.Own.
	Uses []Input
	// Expand turns inputs into a plan. It is a pure function, and its errors are
	// *InputError.
	Expand func(Inputs) (*Plan, error)
	// Axes says what the recipe's chart plots. The zero value means no chart.
	Axes Axes
	// Plots says that AIPerf draws a plot of this recipe without being asked.
	Plots bool
}

// uses reports whether the recipe reads the input.
func (r *Recipe) uses(in Input) bool { return slices.Contains(r.Uses, in) }

// Axes says which metrics a recipe's chart plots against each other. Metrics go by
// tag. Less of x and more of y is better unless XMaximize or YMinimize says otherwise.
type Axes struct {
	XMetric, XStat string
	XMaximize      bool
	YMetric, YStat string
	YMinimize      bool
	// Series lists leaves of swept paths: there is one curve for each of their
	// values. If it is empty there is a single curve.
	Series []string
}
