// Package dataset reads files of requests as they are written for other load
// generators, and makes plain data of them. It knows no protocol and sends nothing.
//
// [ReadFile] takes a file in three steps:
//
//  1. Shape (shape.go, csv.go). A file is JSON values, one a line or in one list, a
//     table with a line of column names, or lines of text.
//  2. Form (form.go). A JSON value is a prompt, or holds some: a request body, a
//     conversation, the line of a trace.
//  3. Keys (keys.go). One table says what each key of a prompt means. Whatever is in no
//     row of it is refused, since it might change what is measured.
//
// Note: a choice of the format by name, as AIPerf's --custom-dataset-type, was rejected.
// The keys tell the forms apart, and files that mix them are read as well.
package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// File is what a file of requests holds.
type File struct {
	// Entries holds its requests in their order. There is at least one.
	Entries []Entry
	// Skipped counts recorded conversations in which nobody asks anything. Collections
	// of them have such entries.
	Skipped int
	// Unread holds what could not be read, in the order of the file. It is empty unless
	// Lenient was given.
	Unread []*FormError

	lenient bool
}

// Option changes how a file is read.
type Option func(*File)

// Lenient leaves out what cannot be read, and notes it in Unread, where Read otherwise
// gives the file up. Whatever is read of the rest is the same. A file of which nothing can
// be read, or whose shape is none, is still given up.
func Lenient(f *File) { f.lenient = true }

// bad gives the file up because of a line or, if it is read leniently, notes the line and
// returns nil.
func (f *File) bad(line int, err error) error {
	e := &FormError{Line: line, Err: err}
	if !f.lenient {
		return e
	}
	f.Unread = append(f.Unread, e)
	return nil
}

// Entry is one request. Exactly one of Text, Messages, Length and Raw is set.
type Entry struct {
	// Text is the prompt.
	Text string
	// Messages is a list of messages in OpenAI's form, as JSON, and Said the texts in
	// it whose tokens are counted.
	Messages json.RawMessage
	Said     []string
	// Length is the number of tokens of a prompt that is to be made up. Blocks then
	// names the parts of it: prompts that begin with the same blocks begin with the
	// same text.
	Length int
	Blocks []uint64

	// Raw says that Fields has the prompt, too: the body is one of an API that has its own
	// words for it, such as a query with documents. Said has the texts in it.
	Raw bool
	// Route is where the file says that the request goes, for example /v1/embeddings. It is
	// empty if it does not say.
	Route string

	// Outputs is the number of output tokens, 0 if the file does not say.
	Outputs int
	// Reply is the answer that was recorded, empty if there is none. Its length is the
	// number of output tokens if Outputs is 0.
	Reply string
	// Fields holds further fields of the request's body.
	Fields map[string]json.RawMessage

	// Session names the conversation that the request is part of. It may be empty.
	Session string
	// At is when the request was sent in the recorded traffic, if Timed, and Delay how
	// long it waited for the one before it.
	At    time.Duration
	Timed bool
	Delay time.Duration
	// Later holds the turns of the conversation that follow.
	Later []Entry
}

// Forms lists what is accepted, for messages.
const Forms = `accepted are {"text": …}, {"prompt": …}, {"messages": […]}, request bodies, conversations ({"turns": […]}, ` +
	`ShareGPT), traces ({"input_length": …}), a CSV file with a column "text" or "prompt", and lines of text in a .txt file`

// FormError reports a file that cannot be read.
type FormError struct {
	// Line is where the trouble is, counted from 1. It is 0 if it is the whole file's.
	Line int
	// Err says what is wrong.
	Err error
}

// Error names the line, the trouble, and the forms that are accepted.
func (e *FormError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%v; %s", e.Err, Forms)
	}
	return fmt.Sprintf("line %d: %v; %s", e.Line, e.Err, Forms)
}

// At names the line as file:line, and the trouble.
func (e *FormError) At(file string) string { return fmt.Sprintf("%s:%d: %v", file, e.Line, e.Err) }

// Unwrap returns Err.
func (e *FormError) Unwrap() error { return e.Err }

// ReadFile reads the file at path. Its extension decides only between tables (.csv,
// .tsv), JSON (.json, .jsonl, .ndjson), and what the first line looks like (all others).
// Errors are those of the system or *FormError.
func ReadFile(path string, options ...Option) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, path, options...)
}

// errNone reports a file without requests.
var errNone = errors.New("it has no prompts")
