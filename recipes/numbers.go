package recipes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// The numbers of a workload are reached by the keys of its JSON, which is what a run writes
// of it, so that each number that a file shows can be varied.

// withNumber returns the workload with the number at the keys, which are joined by dots, set
// to x. A key of an object that is left out is put in; an element of a list must be there. The
// error says which key there is none of, or what the workload cannot have.
func withNumber(w loadgen.Workload, keys string, x float64) (loadgen.Workload, error) {
	// The value of the caller stays as it is: a search sets the number of the same workload again
	// and again, and what is shared by two copies of it, such as a list, would be shared by all.
	text, err := json.Marshal(w)
	if err != nil {
		return w, err
	}
	var top any
	if err := json.Unmarshal(text, &top); err != nil {
		return w, err
	}
	parts := strings.Split(keys, ".")
	at := top
	for i, key := range parts {
		last := i == len(parts)-1
		switch node := at.(type) {
		case map[string]any:
			if last {
				node[key] = x
			} else if at = node[key]; at == nil {
				at = map[string]any{}
				node[key] = at
			}
		case []any:
			k, err := strconv.Atoi(key)
			if err != nil || k < 0 || k >= len(node) {
				return w, fmt.Errorf("%s has no element %s", strings.Join(parts[:i], "."), key)
			}
			if last {
				node[k] = x
			} else {
				at = node[k]
			}
		default:
			return w, fmt.Errorf("%s has no parts", strings.Join(parts[:i], "."))
		}
	}
	if text, err = json.Marshal(top); err != nil {
		return w, err
	}
	var out loadgen.Workload
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return w, err
	}
	return out, out.Validate()
}

// numbered is withNumber for a path, which the error names; other paths change nothing.
func numbered(w loadgen.Workload, path Path, x float64) (loadgen.Workload, error) {
	keys, ok := strings.CutPrefix(path, PathWorkload)
	if !ok {
		return w, nil
	}
	out, err := withNumber(w, keys, x)
	if err != nil {
		return w, fmt.Errorf("%s cannot be %s: %s", path, number(x), strings.TrimPrefix(err.Error(), "json: "))
	}
	return out, nil
}

// settable checks the dimensions of a search at their ends and, unless they are whole, at a
// number between them, and what all of its points have. A number that must be whole is found
// so, before a planner asks for half of it.
func (s *Search) settable(w loadgen.Workload) error {
	for _, v := range s.With {
		if _, err := numbered(w, v.Path, v.Value); err != nil {
			return err
		}
	}
	for _, d := range s.Space {
		between := d.Lo + (d.Hi-d.Lo)/math.Pi
		if d.Int {
			between = d.Lo
		}
		for _, x := range []float64{d.Lo, between, d.Hi} {
			if _, err := numbered(w, d.Path, x); err != nil {
				return fmt.Errorf("dimension %w", err)
			}
		}
	}
	return nil
}

// settable reports what a point of the plan asks of the workload that it cannot have, all of
// the point's numbers together: two shares may each be right alone and too large together.
// Of a search the corners of its space are looked at.
func (p *Plan) settable(w loadgen.Workload) error {
	points := p.points()
	var with []Value
	if s := p.Search; s != nil {
		// What all points share comes first: it decides which numbers there are, for example of
		// how many prefixes.
		with = s.With
		// All corners of the space: of two shares, each large alone, only one may be too much.
		points = [][]float64{nil}
		for _, d := range s.Space {
			var more [][]float64
			for _, at := range points {
				more = append(more, append(slices.Clone(at), d.Lo), append(slices.Clone(at), d.Hi))
			}
			points = more
		}
	}
	for _, at := range points {
		values := slices.Clone(with)
		for i, path := range p.Paths() {
			values = append(values, Value{path, at[i]})
		}
		all := w
		for _, v := range values {
			var err error
			if all, err = numbered(all, v.Path, v.Value); err != nil {
				return inputError(nil, "cannot measure a point: %v", err)
			}
		}
	}
	return nil
}
