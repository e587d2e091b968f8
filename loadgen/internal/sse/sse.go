// Package sse splits a received text/event-stream body into its events.
//
// It works on a complete body in memory, since the load engine parses only
// after a request has ended, and it reports where in the body each event ended:
// that offset, looked up in the list of reads, gives the event its time.
package sse

import (
	"bytes"
	"encoding/json"
)

// Event is one dispatched event of a stream.
type Event struct {
	// Data is the data lines, joined by \n. It aliases the body if there is one line.
	Data []byte
	// Name is the event field, empty if there is none.
	Name string
	// End is the offset in the body just behind the blank line that dispatched the
	// event.
	End int
}

// bom is the byte order mark that a stream may begin with.
var bom = []byte("\xef\xbb\xbf")

// Next returns the first event of body at or after pos, and the position to go on from.
// ok is false if no complete event is left. An event without data is passed over, and so
// is one that the body's end cuts off, as the HTML standard (section 9.2.6, "Interpreting
// an event stream") requires. Lines end in LF, CRLF or CR.
//
// Next reads more than the standard allows, where servers are known to send it:
//
//   - A data line behind a complete JSON object ends the event of that object, since some
//     servers leave the blank lines out.
//   - At the end of the body, an event without its blank line counts if its data is a
//     complete JSON object or [DONE].
//   - A line that is itself the start of a JSON object is the data of an event. Gateways
//     write their errors so into a stream.
//   - So is a line [DONE].
//   - A field named error, as llama.cpp sent it, is the data of an event of that name.
func Next(body []byte, pos int) (ev Event, next int, ok bool) {
	if pos == 0 && bytes.HasPrefix(body, bom) {
		pos = len(bom)
	}
	lines, last := 0, 0 // the data lines, and where the last of them ends
	for pos < len(body) {
		line, after, complete := cutLine(body, pos)
		if len(line) > 0 && line[0] == '{' && lines == 0 {
			if data, end := bare(body[pos:], line); end > 0 {
				_, after, _ = cutLine(body, pos+end) // what follows it on its last line is dropped
				return Event{Data: data, Name: ev.Name, End: after}, after, true
			}
		}
		if lines == 0 && Done(line) {
			return Event{Data: line, Name: ev.Name, End: after}, after, true
		}
		if !complete {
			if Done(body[pos:]) && lines == 0 {
				return Event{Data: body[pos:], Name: ev.Name, End: len(body)}, len(body), true
			}
			if name, value := cutField(body[pos:]); lines == 0 && string(name) == "data" && whole(value) {
				return Event{Data: value, Name: ev.Name, End: len(body)}, len(body), true
			}
			break
		}
		if len(line) == 0 {
			pos = after
			if lines > 0 {
				ev.End = pos
				return ev, pos, true
			}
			ev = Event{}
			continue
		}
		field, value := cutField(line)
		switch string(field) { // makes no copy
		case "data":
			switch {
			case lines == 0:
				ev.Data = value
			case whole(ev.Data):
				ev.End = last
				return ev, pos, true
			case lines == 1: // from the second line on, the event owns its bytes
				ev.Data = append(append(append([]byte(nil), ev.Data...), '\n'), value...)
			default:
				ev.Data = append(append(ev.Data, '\n'), value...)
			}
			lines++
			last = after
		case "error":
			if lines == 0 {
				ev.Data, ev.Name = value, "error"
				lines, last = 1, after
			}
		case "event":
			if lines > 0 && whole(ev.Data) { // it begins the next event
				ev.End = last
				return ev, pos, true
			}
			ev.Name = string(value)
		}
		pos = after
	}
	if lines > 0 && whole(ev.Data) {
		ev.End = len(body)
		return ev, len(body), true
	}
	return Event{}, len(body), false
}

// widest is the length of the longest bare object that may span lines. Without a bound, a
// body of nested objects that never end would be read once for each of its lines.
const widest = 1 << 10

// bare returns the JSON object at the start of text, without line ends, and where it ends;
// end is 0 if there is none. line is the first line.
func bare(text, line []byte) (data []byte, end int) {
	if json.Valid(line) {
		return line, len(line)
	}
	var object json.RawMessage
	d := json.NewDecoder(bytes.NewReader(text[:min(len(text), widest)]))
	if len(bytes.TrimSpace(line)) > 1 || d.Decode(&object) != nil {
		return nil, 0
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, object) // it is valid
	return compact.Bytes(), int(d.InputOffset())
}

// Done reports whether data is that of the event behind which nothing counts: [DONE], which
// some servers write in small letters or in quotation marks.
func Done(data []byte) bool {
	data = bytes.Trim(data, " \t\r\n\"")
	return len(data) == len("[DONE]") && bytes.EqualFold(data, []byte("[DONE]"))
}

// whole reports whether data needs no further line: a complete JSON object, or [DONE].
func whole(data []byte) bool {
	data = bytes.TrimSpace(data)
	return Done(data) || len(data) > 1 && data[0] == '{' && data[len(data)-1] == '}' && json.Valid(data)
}

// HasEvents reports whether a body that begins with a JSON object has events behind it.
func HasEvents(body []byte) bool {
	for _, field := range []string{"\ndata:", "\rdata:", "\nevent:", "\revent:"} {
		if bytes.Contains(body, []byte(field)) {
			return true
		}
	}
	return false
}

// Loose returns the text of a body behind pos that belongs to no event: the page or the
// words that a gateway writes when it breaks a stream off. An event that is cut off is not
// among it.
func Loose(body []byte, pos int) []byte {
	var text []byte
	for pos < len(body) {
		line, next, complete := cutLine(body, pos)
		if !complete {
			line = body[pos:]
		}
		name, _ := cutField(line)
		switch string(name) { // makes no copy
		case "data", "event", "id", "retry", "":
		default:
			text = append(append(text, line...), '\n')
		}
		pos = next
	}
	return bytes.TrimSpace(text)
}

// Rest reports whether body holds an unfinished event behind pos, that is, field text that
// no blank line dispatched.
func Rest(body []byte, pos int) bool {
	return len(bytes.Trim(body[min(pos, len(body)):], "\r\n")) > 0
}

// cutLine returns the line at pos without its ending, and where the next begins. A CR that
// is the body's last byte ends its line, since no LF can follow it any more.
func cutLine(body []byte, pos int) (line []byte, next int, complete bool) {
	i := bytes.IndexAny(body[pos:], "\r\n")
	if i < 0 {
		return nil, len(body), false
	}
	end := pos + i
	next = end + 1
	if body[end] == '\r' && next < len(body) && body[next] == '\n' {
		next++
	}
	return body[pos:end], next, true
}

// cutField splits "name: value". A line that starts with a colon is a comment and has an
// empty name.
func cutField(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, nil
	}
	value = line[i+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return line[:i], value
}
