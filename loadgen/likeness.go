package loadgen

import "bytes"

// likeness recognizes an event that differs from one already parsed in its text alone.
// Nearly all events of a stream do, and decoding JSON is half of what reading them
// costs. head and tail are the bytes around the text; the zero likeness fits nothing.
//
// It is exact and not a guess: if all bytes around a string value are the same, and the
// string has no quote, escape or control character, the event decodes to the same value
// except for that string.
type likeness struct{ head, tail []byte }

// textKeys are the spellings of the key before a text, as servers write them.
var textKeys = [][]byte{[]byte(`"content":"`), []byte(`"text":"`), []byte(`"content": "`), []byte(`"text": "`)}

// likenessOf returns what the likes of an event have in common. The caller makes sure
// that the event carries nothing but text: no usage, no finish reason, no error. ok is
// false if no text without escapes is found in it.
func likenessOf(data []byte) (l likeness, ok bool) {
	for _, key := range textKeys {
		i := bytes.LastIndex(data, key)
		if i < 0 {
			continue
		}
		i += len(key)
		end := bytes.IndexAny(data[i:], `"\`)
		if end <= 0 || data[i+end] != '"' {
			return l, false
		}
		return likeness{head: data[:i], tail: data[i+end:]}, true
	}
	return l, false
}

// fits reports whether data is such an event, with a text that is not empty.
func (l likeness) fits(data []byte) bool {
	if l.head == nil || len(data) <= len(l.head)+len(l.tail) ||
		!bytes.HasPrefix(data, l.head) || !bytes.HasSuffix(data, l.tail) {
		return false
	}
	for _, c := range data[len(l.head) : len(data)-len(l.tail)] {
		if c == '"' || c == '\\' || c < ' ' {
			return false
		}
	}
	return true
}
