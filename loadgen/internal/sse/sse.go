// Package sse splits a received text/event-stream body into its events.
//
// It works on a complete body in memory, since the load engine parses only
// after a request has ended, and it reports where in the body each event ended:
// that offset, looked up in the list of reads, gives the event its time.
package sse

import "bytes"

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
func Next(body []byte, pos int) (ev Event, next int, ok bool) {
	if pos == 0 && bytes.HasPrefix(body, bom) {
		pos = len(bom)
	}
	lines := 0
	for pos < len(body) {
		line, after, complete := cutLine(body, pos)
		if !complete {
			break
		}
		pos = after
		if len(line) == 0 {
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
			switch lines {
			case 0:
				ev.Data = value
			case 1: // from the second line on, the event owns its bytes
				ev.Data = append(append(append([]byte(nil), ev.Data...), '\n'), value...)
			default:
				ev.Data = append(append(ev.Data, '\n'), value...)
			}
			lines++
		case "event":
			ev.Name = string(value)
		}
	}
	return Event{}, len(body), false
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
