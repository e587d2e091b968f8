package recipes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aiperf-go/aiperf/recipes/sla"
)

// catalogue holds the recipes that go by name: the built-in ones, then those
// registered.
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
}}

// All returns every recipe of the catalogue, built-in ones first.
func All() []*Recipe {
	catalogue.RLock()
	defer catalogue.RUnlock()
	return slices.Clone(catalogue.recipes)
}

// Lookup returns the recipe of that name. The error is an *UnknownRecipeError
// that names the nearest one.
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

// Register adds a recipe to the catalogue, so that it can be run by name. A
// name that is taken, and a recipe that Validate refuses, are errors.
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

var validName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Validate checks that a recipe can be run: a name of lower-case words joined by
// dashes, a sentence of documentation, a function that expands it.
func Validate(r *Recipe) error {
	switch {
	case r == nil:
		return fmt.Errorf("validate recipe: it is nil")
	case !validName.MatchString(r.Name):
		return fmt.Errorf("validate recipe %q: a name is lower-case words joined by dashes", r.Name)
	case strings.TrimSpace(r.Doc) == "":
		return fmt.Errorf("validate recipe %q: Doc is empty; say in one sentence what it answers", r.Name)
	case r.Expand == nil:
		return fmt.Errorf("validate recipe %q: Expand is nil", r.Name)
	}
	return nil
}
