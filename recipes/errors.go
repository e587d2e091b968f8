package recipes

import (
	"errors"
	"fmt"
	"strings"
)

// UnknownRecipeError reports a name that is not in the catalogue.
type UnknownRecipeError struct {
	Name string
	// Nearest says what was probably meant, in the form `; did you mean "x"?`. It is
	// empty when no name is near.
	Nearest string
	// Known lists the names in the catalogue.
	Known []string
}

// Error names the nearest recipe and lists all that are known.
func (e *UnknownRecipeError) Error() string {
	return fmt.Sprintf("recipe %q is unknown%s; known are %s", e.Name, e.Nearest, strings.Join(e.Known, ", "))
}

// DeadlineError is the warning of a run that its deadline ended, after a number of
// probes.
type DeadlineError struct{ Probes int }

// Error says what the answer is worth, and to give the run more time.
func (e *DeadlineError) Error() string {
	return e.Text("the run more time")
}

// Text returns the error with what to give more of in a front door's own words,
// for example "the test more time (go test -timeout)".
func (e *DeadlineError) Text(more string) string {
	return fmt.Sprintf("the deadline came after %d probes; the answer is what was certain by then: give %s or shorter probes", e.Probes, more)
}

// ErrNonMonotone warns that the limits hold at a higher load than one at which they
// do not.
var ErrNonMonotone = errors.New("not monotone")

// list joins names as in "a, b and c".
func list(names []string) string {
	s := ""
	for i, n := range names {
		switch {
		case i > 0 && i == len(names)-1:
			s += " and "
		case i > 0:
			s += ", "
		}
		s += n
	}
	return s
}
