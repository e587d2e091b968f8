package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// table reads a table whose first line names the columns. A column means what the key of
// that name means, and cells that are empty are left out. The separator is the first of
// comma, semicolon and tab that the first line has outside of quotes.
func (f *File) table(b *bufio.Reader) error {
	r := csv.NewReader(b)
	r.Comma = separator(b)
	r.FieldsPerRecord = -1 // a short line is one with empty cells
	r.ReuseRecord = true
	names, err := r.Read()
	if err == io.EOF {
		return &FormError{Err: errNone}
	}
	if err != nil {
		return tableError(err)
	}
	names = append([]string(nil), names...)
	meanings := make([]meaning, len(names))
	prompt := false
	for i, name := range names {
		names[i] = canonical(name)
		meanings[i] = keys[names[i]]
		switch meanings[i] {
		case promptText, messageList, promptSize:
			prompt = true
		}
	}
	if !prompt {
		return &FormError{Line: 1, Err: errors.New("it names no column with prompts")}
	}
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			bad := tableError(err)
			if form := (*FormError)(nil); errors.As(bad, &form) && f.lenient { // the reader goes on with the next line
				f.Unread = append(f.Unread, form)
				continue
			}
			return bad
		}
		line, _ := r.FieldPos(0)
		if err := f.row(names, meanings, cells); err != nil {
			if err := f.bad(line, err); err != nil {
				return err
			}
		}
	}
}

// row adds the request of a row of a table.
func (f *File) row(names []string, meanings []meaning, cells []string) error {
	o := object{}
	for i, cell := range cells {
		switch {
		case i >= len(names) && cell != "":
			return fmt.Errorf("it has more cells than there are columns (%d)", len(names))
		case cell == "":
		case meanings[i] == unknown:
			return fmt.Errorf("unknown column %q%s", names[i], nearestKey(names[i]))
		default:
			o[names[i]] = cellValue(cell, meanings[i])
		}
	}
	if len(o) == 0 {
		return nil
	}
	return f.takeObject(o)
}

// tableError is an error of encoding/csv with its line in our form.
func tableError(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &FormError{Line: parse.Line, Err: fmt.Errorf("it is not a table (%w)", parse.Err)}
	}
	return err
}

// separator looks for what separates the columns in the first line.
func separator(b *bufio.Reader) rune {
	head, _ := b.Peek(b.Size())
	line, _, _ := bytes.Cut(head, []byte("\n"))
	quoted := false
	for _, c := range line {
		switch c {
		case '"':
			quoted = !quoted
		case ',', ';', '\t':
			if !quoted {
				return rune(c)
			}
		}
	}
	return ','
}

// cellValue is a cell as JSON: what must be a number, a list or an object is taken as it
// is, and everything else is a text.
func cellValue(cell string, m meaning) json.RawMessage {
	switch m {
	case promptText, systemText, answerText, label, sessionID:
	default:
		if json.Valid([]byte(cell)) {
			return json.RawMessage(cell)
		}
	}
	b, _ := json.Marshal(cell)
	return b
}
