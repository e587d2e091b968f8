package recipes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// catalogue holds the recipes that have a name: first the built-in ones, then those
// that were registered.
var catalogue = struct {
	sync.RWMutex
	recipes []*Recipe
}{recipes: []*Recipe{
	maxThroughputTTFT,
	maxThroughputITL,
	maxConcurrency,
	maxGoodput,
	concurrencyRamp,
	prefillCurve,
	decodeCurve,
	paretoSweep,
	replay,
	maxRequestRate,
	maxGoodputRate,
	soak,
}}

// All returns every recipe of the catalogue: first the built-in ones, then those that
// were registered, in that order.
func All() []*Recipe {
	catalogue.RLock()
	defer catalogue.RUnlock()
	return slices.Clone(catalogue.recipes)
}

// Lookup returns the recipe with the given name. The error is an *UnknownRecipeError,
// which suggests the nearest name.
func Lookup(name string) (*Recipe, error) {
	var known []string
	for _, r := range All() {
		if r.Name == name {
			return r, nil
		}
		known = append(known, r.Name)
	}
	return nil, &UnknownRecipeError{Name: name, Known: known, Nearest: sla.Suggest(name, known)}
}

// Register adds a recipe to the catalogue, so that Lookup finds it. It returns an error
// if the name is taken, or if Validate refuses the recipe.
func Register(r *Recipe) error {
	if err := Validate(r); err != nil {
		return err
	}
	catalogue.Lock()
	defer catalogue.Unlock()
	for _, other := range catalogue.recipes {
		if other.Name == r.Name {
			return fmt.Errorf("register recipe %q: the name is taken; choose another or run the recipe by value", r.Name)
		}
	}
	catalogue.recipes = append(catalogue.recipes, r)
	return nil
}

// validName matches lower-case words joined by dashes, which are safe in file names.
var validName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate checks that a recipe can be run: that its name consists of lower-case words
// joined by dashes, and that Doc and Expand are set.
func Validate(r *Recipe) error {
	switch {
	case r == nil:
		return fmt.Errorf("validate recipe: the recipe is nil")
	case !validName.MatchString(r.Name):
		return fmt.Errorf("validate recipe %q: the name must consist of lower-case words joined by dashes", r.Name)
	case strings.TrimSpace(r.Doc) == "":
		return fmt.Errorf("validate recipe %q: Doc is empty; say in one sentence what it answers", r.Name)
	case r.Expand == nil:
		return fmt.Errorf("validate recipe %q: Expand is nil", r.Name)
	}
	return nil
}
