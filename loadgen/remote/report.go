package remote

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// Reports are most of what a worker says. All but the last of a probe, which has an End, go in a
// form of their own between the messages of encoding/gob:
//
//	reportMark  size  probe  run  at  marks  lead  used  tickets  tempo  requests
//
// The size is that of what follows it. Numbers are varints; marks and tickets have their number
// before them, and a ticket is the distance from the one before it, the first from at. Requests,
// as loadgen writes them, take what is left.
//
// Note: gob was tried for these, too. A report then costs the test twice as much, since gob
// looks at each of some twenty fields, and a ticket has six bytes there.

// reportMark begins a report. No message of gob begins with this byte: a length below 128 is
// itself, and another one has the number of its bytes, negated, before it.
const reportMark = 0x80

// largest is how many bytes a report may have, as in gob.
const largest = 1 << 30

// appendReport appends what follows the size.
func appendReport(b []byte, r *report) []byte {
	b = binary.AppendUvarint(b, r.Probe)
	b = binary.AppendUvarint(b, r.Run)
	b = binary.AppendVarint(b, int64(r.At))
	b = binary.AppendUvarint(b, uint64(len(r.Marks)))
	for _, m := range r.Marks {
		b = binary.AppendVarint(append(b, byte(m.State)), int64(m.At))
	}
	b = binary.AppendVarint(b, int64(r.Lead))
	b = binary.AppendUvarint(b, r.Used)
	b = binary.AppendUvarint(b, uint64(len(r.Tickets)))
	before := r.At
	for _, at := range r.Tickets {
		b = binary.AppendVarint(b, int64(at-before))
		before = at
	}
	sheds := int64(0)
	if r.Tempo.Sheds {
		sheds = 1
	}
	for _, n := range []int64{int64(r.Tempo.Sum), int64(r.Tempo.N), int64(r.Tempo.Moved), int64(r.Tempo.Pairs), sheds} {
		b = binary.AppendVarint(b, n)
	}
	return append(b, r.Requests...)
}

// errReport reports bytes that are no report.
var errReport = errors.New("what a worker sent is no report")

// readReport reads what appendReport wrote. Its requests are part of b.
func readReport(b []byte) (*report, error) {
	in := share.Reader{Rest: b}
	r := &report{Probe: in.Uint()}
	r.Run, r.At = in.Uint(), in.Time()
	if n := in.Count(in.Uint(), 2); n > 0 {
		r.Marks = make([]share.Mark, n)
		for i := range r.Marks {
			if state := in.Bytes(1); state != nil {
				r.Marks[i].State = share.State(state[0])
			}
			r.Marks[i].At = in.Time()
		}
	}
	r.Lead, r.Used = int(in.Num()), in.Uint()
	if n := in.Count(in.Uint(), 1); n > 0 {
		r.Tickets = make([]time.Duration, n)
		in.Times(r.Tickets, r.At)
	}
	r.Tempo = share.Tempo{Sum: in.Time(), N: int(in.Num()), Moved: in.Time(), Pairs: int(in.Num()), Sheds: in.Num() != 0}
	if in.Bad {
		return r, errReport
	}
	if len(in.Rest) > 0 {
		r.Requests = in.Rest
	}
	return r, nil
}

// report sends a report.
func (l *link) report(r *report) error {
	if r.End != nil {
		return l.send(up{Report: r})
	}
	return l.write(func() error {
		l.out = appendReport(l.out[:0], r)
		if len(l.out) > largest {
			return errReport
		}
		_, _ = l.buf.Write(binary.AppendUvarint([]byte{reportMark}, uint64(len(l.out)))) // Flush has the error
		_, _ = l.buf.Write(l.out)
		return nil
	})
}

// receive reads what a worker says. The requests of a report are valid until the next call.
func (l *link) receive() (u up, err error) {
	first, err := l.in.Peek(1)
	if err != nil {
		return u, err
	}
	if first[0] != reportMark {
		err = l.dec.Decode(&u)
		return u, err
	}
	_, _ = l.in.Discard(1)
	size, err := binary.ReadUvarint(l.in)
	if err == nil && size > largest {
		err = errReport
	}
	if err != nil {
		return u, err
	}
	l.body.Reset() // it grows with what comes, and not with what was said to come
	if _, err := io.CopyN(&l.body, l.in, int64(size)); err != nil {
		return u, err
	}
	u.Report, err = readReport(l.body.Bytes())
	return u, err
}
