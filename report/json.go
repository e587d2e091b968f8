package report

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
)

// object is a JSON object whose keys are AIPerf's, not ours.
type object = map[string]any

// num is a number in a file. JSON has no NaN and no infinity: both are null.
type num float64

// MarshalJSON writes the number, or null.
func (n num) MarshalJSON() ([]byte, error) {
	if !finite(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// number is num for values of any type, where there are many: the encoder writes a float64 without
// calling a method, which marshals once more and whose text is checked again.
func number(x float64) any {
	if !finite(x) {
		return nil
	}
	return x
}

// UnmarshalJSON reads a number; null is NaN.
func (n *num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = num(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = num(v)
	return err
}

// whole is a number that is written without a fraction when it has none: AIPerf's
// files have integers as integers.
type whole float64

// MarshalJSON writes the number, or null.
func (n whole) MarshalJSON() ([]byte, error) {
	if v := float64(n); v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendInt(nil, int64(v), 10), nil
	}
	return num(n).MarshalJSON()
}

// writeJSON writes v indented, as AIPerf's files are.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// stamp is how AIPerf writes a time: local, to the microsecond, without a zone.
const stamp = "2006-01-02T15:04:05.000000"
