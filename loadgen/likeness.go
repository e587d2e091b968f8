package loadgen

import "bytes"

// likeness recognizes an event that differs from one already parsed in its text alone, or in
// its text and its number in the stream. Nearly all events of a stream do, and decoding JSON is
// half of what reading them costs. The zero likeness fits nothing.
//
// It is exact and not a guess: if all bytes around a string value are the same, and the
// string has no quote, escape or control character, the event decodes to the same value
// except for that string. The number is a JSON number that no codec with likeness reads.
type likeness struct {
	// head and tail are the bytes around the text.
	head, tail []byte
	// The number stands between head and text, with more between it and the text, if
	// before; and behind tail, with more behind it, if behind.
	before, behind bool
	more           []byte
}

// textKeys are the spellings of the key before a text, as servers write them, and numberKeys
// those of the key before a number.
var (
	textKeys = [][]byte{[]byte(`"content":"`), []byte(`"text":"`), []byte(`"content": "`), []byte(`"text": "`),
		[]byte(`"delta":"`), []byte(`"delta": "`)}
	numberKeys = [][]byte{[]byte(`"sequence_number":`), []byte(`"sequence_number": `)}
)

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
		l = likeness{head: data[:i], tail: data[i+end:]}
		if head, more, ok := cutNumber(l.head); ok {
			l.head, l.more, l.before = head, more, true
		} else if tail, more, ok := cutNumber(l.tail); ok {
			l.tail, l.more, l.behind = tail, more, true
		}
		return l, true
	}
	return l, false
}

// cutNumber divides JSON at the number of an event: what is before it, up to its key, and what
// is behind it.
func cutNumber(data []byte) (before, behind []byte, ok bool) {
	for _, key := range numberKeys {
		if i := bytes.LastIndex(data, key); i >= 0 {
			i += len(key)
			if behind, ok = skipNumber(data[i:]); ok {
				return data[:i], behind, true
			}
		}
	}
	return nil, nil, false
}

// skipNumber returns what stands behind a number that is not negative and has no fraction.
func skipNumber(data []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(data) && data[n] >= '0' && data[n] <= '9' {
		n++
	}
	if n == 0 || n > 1 && data[0] == '0' || n < len(data) && (data[n] == '.' || data[n] == 'e' || data[n] == 'E') {
		return data, false
	}
	return data[n:], true
}

// Note: the number could be left out of head and tail by decoding the event's shape once. That
// takes a parser of its own for a gain of one comparison an event.

// fits returns the length of the text if data is such an event, and 0 if it is not or its
// text is empty.
func (l likeness) fits(data []byte) (size int) {
	rest, ok := bytes.CutPrefix(data, l.head)
	if l.head == nil || !ok {
		return 0
	}
	if l.before {
		if rest, ok = skipNumber(rest); !ok {
			return 0
		}
		if rest, ok = bytes.CutPrefix(rest, l.more); !ok {
			return 0
		}
	}
	for size < len(rest) && rest[size] != '"' {
		if rest[size] == '\\' || rest[size] < ' ' {
			return 0
		}
		size++
	}
	rest = rest[size:]
	if !l.behind {
		if !bytes.Equal(rest, l.tail) {
			return 0
		}
		return size
	}
	if rest, ok = bytes.CutPrefix(rest, l.tail); !ok {
		return 0
	}
	if rest, ok = skipNumber(rest); !ok || !bytes.Equal(rest, l.more) {
		return 0
	}
	return size
}
