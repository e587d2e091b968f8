// Package lenient reads the values of servers' JSON that have many forms. Reading one never
// fails: what cannot be read is taken as not said, since a field that is of no use to a
// measurement must not spoil an answer.
package lenient

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// Text is a string, or the texts of a list of parts. A part is a string or an object such
// as {"type": "text", "text": "…"} or {"type": "thinking", "thinking": [{"text": "…"}]}.
// null and values of other types are no text.
type Text string

// UnmarshalJSON never fails.
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) < 2:
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0: // nearly every text
		*t = Text(b[1 : len(b)-1])
	case b[0] == '"':
		var s string
		_ = json.Unmarshal(b, &s) // it is a string, so this cannot fail
		*t = Text(s)
	case b[0] == '[':
		var parts []Text
		_ = json.Unmarshal(b, &parts)
		for _, p := range parts {
			*t += p
		}
	case b[0] == '{':
		var part struct{ Text, Thinking, Content, Summary, Value Text }
		_ = json.Unmarshal(b, &part)
		*t = part.Text + part.Thinking + part.Content + part.Summary + part.Value
	}
	return nil
}

// Count is a number of tokens, 0 if it is not known. Integers in any notation are read, for
// example 7.0, 2e1 and "7". A count that is negative, fractional, larger than MostTokens or
// not a number is not known.
type Count int

// MostTokens is more than any answer has, and exact in a float64.
const MostTokens = 1 << 40

// UnmarshalJSON never fails.
func (n *Count) UnmarshalJSON(b []byte) error {
	*n = 0
	if v, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64); err == nil && v > 0 && v <= MostTokens && v == math.Trunc(v) {
		*n = Count(v)
	}
	return nil
}

// Known is a count of which 0 is known to be 0.
type Known struct {
	Count Count
	Said  bool
}

// UnmarshalJSON never fails.
func (k *Known) UnmarshalJSON(b []byte) error {
	k.Said = string(b) != "null"
	return k.Count.UnmarshalJSON(b)
}

// Empty reports whether a JSON value says nothing.
func Empty(raw json.RawMessage) bool {
	switch string(raw) { // makes no copy
	case "", "null", "false", `""`, "{}", "[]":
		return true
	}
	return false
}
