package sweep

import (
	"encoding/json"
	"math"
)

// nan stands for what was not measured.
var nan = math.NaN()

// object is a JSON object whose keys keep their order and may be computed.
type object []field

// field is one key of an object.
type field struct {
	key   string
	value any
}

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(f.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// num is a number in a derived file. JSON has neither NaN nor infinity, so both are
// written as null.
type num float64

// MarshalJSON writes null for what is not finite.
func (n num) MarshalJSON() ([]byte, error) {
	if !finite(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// nums returns numbers for a derived file. An empty list is written as [], not null.
func nums(vs []float64) []num {
	out := make([]num, len(vs))
	for i, v := range vs {
		out[i] = num(v)
	}
	return out
}
