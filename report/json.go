package report

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
)

// num is a number in a file. JSON has no NaN and no infinity: both are null.
type num float64

func (n num) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (n *num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = num(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = num(v)
	return err
}

// whole is a number that is written without a fraction when it has none.
type whole float64

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

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
