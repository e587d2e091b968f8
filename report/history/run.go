package history

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Mark is what a run is to those after it. The zero value is Plain.
type Mark string

const (
	// Plain is a run that counts as one of its level.
	Plain Mark = ""
	// Worse is a run that was found worse than those before it. It is part of no level.
	Worse Mark = "worse"
	// Accepted is the first run of a new level, which somebody has accepted.
	Accepted Mark = "accepted"
)

// Run is one run of a history.
type Run struct {
	// Line is where its record begins in the file, from 1; 0 if it was not read from one.
	Line int
	// Time is when it began, to the second, in UTC.
	Time time.Time
	// Recipe and Label name what was run, and Same has the rest of the question: the model, the
	// lengths and, of a search, its limits. Runs that differ in one of the three are not
	// compared. The limits of a fixed load change nothing of what it measures.
	Recipe, Label, Same string
	// Verdict is the run's own verdict, in a word.
	Verdict string
	// Mark is what it is to later runs.
	Mark Mark
	// Facts are what else is known of it, for example its commit and its driver, by key.
	Facts map[string]string
	// Series are what it measured, each with a value a trial.
	Series []bench.Series
}

// own are the keys of a record that are no facts, and cannot be names of facts.
var own = []string{keyDate, "recipe", "label", "verdict", "history", "goos", "goarch", "pkg", "model", "isl", "osl", "workload", "sla"}

// keyDate begins a record, and ends it.
const keyDate = "date"

// Key makes the key of a record of a fact's name: lower-case, with dashes for spaces, for
// example gpu-driver for "GPU driver". The error says why a name cannot be one.
func Key(name string) (string, error) {
	key := strings.ToLower(strings.Join(strings.Fields(name), "-"))
	bad := strings.ContainsFunc(key, func(r rune) bool { return r == ':' || unicode.IsUpper(r) || unicode.IsControl(r) })
	switch {
	case key == "" || bad || !unicode.IsLower([]rune(key)[0]):
		return "", fmt.Errorf("%q cannot be the name of a fact; begin it with a letter, and leave colons out", name)
	case strings.HasPrefix(key, "benchmark"), slices.Contains(own, key):
		return "", fmt.Errorf("%q is a name of the run's own; choose another", name)
	}
	return key, nil
}

// Of returns an outcome as a run of a history; ok is false if it has nothing to keep, which is
// the case if it was cut short, or has no numbers that can be trusted.
func Of(o *recipes.Outcome) (r Run, ok bool) {
	block := record(o, Plain)
	if block == nil {
		return Run{}, false
	}
	runs, _ := Parse(bytes.NewReader(block), "")
	if len(runs) == 0 {
		return Run{}, false
	}
	runs[0].Line = 0
	return runs[0], true
}

// record is the block of an outcome; nil if it has nothing to keep.
func record(o *recipes.Outcome, mark Mark) []byte {
	if o.Err != nil || o.CutShort() != "" || o.Plan == nil {
		return nil
	}
	hide := o.Spec.Target.Redact
	keys := [][2]string{
		{keyDate, o.Began.UTC().Format(time.RFC3339)}, {"recipe", o.Recipe.Name}, {"label", hide(o.Spec.Label)},
		{"verdict", o.Verdict.String()}, {"history", string(mark)},
	}
	if o.Plan.Search != nil && o.Spec.Gate == nil {
		var limits []string
		for _, l := range o.Plan.Limits {
			limits = append(limits, l.String())
		}
		keys = append(keys, [2]string{"sla", strings.Join(limits, ", ")})
	}
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Facts)) {
		if key, err := Key(name); err == nil {
			keys = append(keys, [2]string{key, hide(o.Spec.Facts[name])})
		}
	}
	return bench.Record(o, keys)
}

// value is the run's value of a metric at a point, the median of its trials; ok is false if it
// has none.
func (r *Run) value(point, unit string) (v float64, ok bool) {
	for _, s := range r.Series {
		if s.Point == point && s.Unit == unit && len(s.Values) > 0 {
			vs := slices.Sorted(slices.Values(s.Values))
			n := len(vs)
			return (vs[(n-1)/2] + vs[n/2]) / 2, true
		}
	}
	return 0, false
}

// Value returns the run's value of a metric at a point, the median of its trials; ok is false
// if it has none.
func (r Run) Value(point, unit string) (v float64, ok bool) { return r.value(point, unit) }

// like reports whether two runs asked the same question.
func (r *Run) like(other *Run) bool {
	return r.Recipe == other.Recipe && r.Label == other.Label && r.Same == other.Same
}
