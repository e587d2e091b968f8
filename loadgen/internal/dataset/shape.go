package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Read reads requests from r. name is that of the file, of which the extension matters.
// Errors are those of r or *FormError.
func Read(r io.Reader, name string, options ...Option) (*File, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if bom, _ := b.Peek(3); string(bom) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	head, err := b.Peek(b.Size())
	if err != nil && err != io.EOF {
		return nil, err
	}
	f := &File{}
	for _, option := range options {
		option(f)
	}
	switch ext := strings.ToLower(path.Ext(name)); {
	case bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(head[:max(0, len(head)-utf8.UTFMax)]):
		return nil, &FormError{Err: errors.New("it is not a text file")}
	case ext == ".csv" || ext == ".tsv":
		err = f.table(b)
	case slices.Contains([]string{".json", ".jsonl", ".ndjson"}, ext) || beginsJSON(head):
		err = f.values(b)
	default:
		err = f.lines(b)
	}
	if err == nil && len(f.Entries) == 0 {
		err = &FormError{Err: errNone}
		if len(f.Unread) > 0 {
			err = f.Unread[0]
		}
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// beginsJSON reports whether a text begins with a JSON string, list or object behind
// which the line ends. A value that is longer than the text is one if it begins as one:
// a line of text begins with a brace or a bracket by chance only.
func beginsJSON(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 || !strings.ContainsRune(`{["`, rune(head[0])) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(head))
	var v json.RawMessage
	if err := d.Decode(&v); err != nil {
		return errors.Is(err, io.ErrUnexpectedEOF) && head[0] != '"'
	}
	rest, _, _ := bytes.Cut(head[d.InputOffset():], []byte("\n"))
	return len(bytes.TrimSpace(rest)) == 0
}

// lines reads a file of text in which each line that is not blank is a prompt.
func (f *File) lines(b *bufio.Reader) error {
	for {
		line, err := b.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if line := strings.TrimSpace(strings.ToValidUTF8(line, "\uFFFD")); line != "" {
			f.Entries = append(f.Entries, Entry{Text: line})
		}
		if err == io.EOF {
			return nil
		}
	}
}

// values reads a file of JSON values. They may stand one a line, be spread over lines,
// or be the elements of one list. Behind JSON that is broken, a lenient reader takes up what
// stands on a line by itself.
func (f *File) values(r io.Reader) error {
	if !f.lenient {
		return f.decode(r)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	err = f.decode(bytes.NewReader(text))
	broken := (*FormError)(nil)
	if !errors.As(err, &broken) {
		return err
	}
	f.Unread = append(f.Unread, broken)
	number := 0
	for line := range bytes.Lines(text) {
		if number++; number <= broken.Line {
			continue
		}
		line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte(","))
		if len(line) == 0 || len(line) == 1 && line[0] == ']' {
			continue
		}
		err := errors.New("it is not a JSON object, and stands behind a line that is not JSON")
		if line[0] == '{' && json.Valid(line) {
			err = f.take(line)
		}
		if err != nil {
			f.Unread = append(f.Unread, &FormError{Line: number, Err: err})
		}
	}
	return nil
}

// decode reads JSON values. The error of a value that is no request is noted if the file is
// read leniently; one of broken JSON is returned.
func (f *File) decode(r io.Reader) error {
	at := &lineIndex{r: r}
	d := json.NewDecoder(at)
	last := 0 // the line on which the last value ended
	for {
		var v json.RawMessage
		begun := at.next(d)
		if begun == '[' {
			d.Token()
			if err := f.list(d, at); err != nil {
				return err
			}
			last = at.line(d.InputOffset())
			continue
		}
		line := at.line(at.begin)
		err := d.Decode(&v)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return at.broken(err)
		case line == last:
			if err := f.bad(line, errors.New("there is more than one JSON value in it")); err != nil {
				return err
			}
			continue
		}
		last = at.line(d.InputOffset())
		if err := f.take(v); err != nil {
			if err := f.bad(line, err); err != nil {
				return err
			}
		}
	}
}

// list reads the rest of a list whose bracket has been read. A list of messages is one
// request, and any other list holds requests.
func (f *File) list(d *json.Decoder, at *lineIndex) error {
	var messages []json.RawMessage
	first := 0
	for d.More() {
		var v json.RawMessage
		at.next(d)
		line := at.line(at.begin)
		if err := d.Decode(&v); err != nil {
			return at.broken(err)
		}
		if messages != nil || isMessage(v) {
			if first == 0 {
				first = line
			}
			messages = append(messages, v)
			continue
		}
		if err := f.take(v); err != nil {
			if err := f.bad(line, err); err != nil {
				return err
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return at.broken(err)
	}
	if messages == nil {
		return nil
	}
	e := Entry{}
	if err := e.converse(messages); err != nil {
		return &FormError{Line: first, Err: err}
	}
	f.Entries = append(f.Entries, e)
	return nil
}

// lineIndex is a reader that remembers where lines begin.
type lineIndex struct {
	r        io.Reader
	size     int64
	newlines []int64 // the offsets of the line ends that were read
	begin    int64   // the offset of the value that next found
}

// Read reads on.
func (l *lineIndex) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.newlines = append(l.newlines, l.size+int64(i))
		}
	}
	l.size += int64(n)
	return n, err
}

// line returns the number of the line in which an offset lies.
func (l *lineIndex) line(offset int64) int {
	i, _ := slices.BinarySearch(l.newlines, offset)
	return i + 1
}

// next passes over white space, notes where the next value begins, and returns its first
// byte, 0 at the end.
func (l *lineIndex) next(d *json.Decoder) byte {
	d.More() // fills the decoder's buffer as far as the next value
	l.begin = d.InputOffset()
	b := bufio.NewReader(d.Buffered())
	for {
		c, err := b.ReadByte()
		switch {
		case err != nil:
			return 0
		case strings.IndexByte(" \t\r\n,", c) < 0:
			return c
		}
		l.begin++
	}
}

// broken says where JSON is broken: at the value that could not be read, which is the
// place to mend if a bracket is missing. The decoder notices it a line later.
func (l *lineIndex) broken(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		err = fmt.Errorf("it is not JSON (%w)", err)
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		err = errors.New("it is not JSON (the file ends within a value)")
	default:
		return err
	}
	return &FormError{Line: l.line(l.begin), Err: err}
}
