package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/perf/benchfmt"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report/bench"
)

// Path returns the file of a history: path itself or, if that is a directory or ends like
// one, the file history.txt in it.
func Path(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasSuffix(path, "/") ||
		strings.HasSuffix(path, string(filepath.Separator)) {
		return filepath.Join(path, "history.txt")
	}
	return path
}

// Append adds a run's record to the end of a file, and makes the file and the folders to it
// if need be. A run that has nothing to keep is not added, and that is no error.
//
// The record is written at once, to the end of wherever the file is then: records of tests and
// processes that end at the same time do not mix. A file system that cannot do so (NFS) needs
// a file each. What a crash or a full disk leaves of a record is skipped by ReadFile, and does
// not spoil the next, which begins on a line of its own.
//
// Note: a lock file was tried. It outlives a killed process, and takes a clock to tell so.
func Append(path string, o *recipes.Outcome, mark Mark) error {
	block := record(o, mark)
	if block == nil {
		return nil
	}
	if err := appendTo(path, block); err != nil {
		return fmt.Errorf("add the run to history %s: %w", path, err)
	}
	return nil
}

// appendTo writes a block to the end of a file.
func appendTo(path string, block []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte("\n"), block...)) // one call, whose end nobody else's comes before
	return errors.Join(err, f.Sync(), f.Close())
}

// ReadFile reads a file of runs, in the order of their times. Problems name each line that is
// no part of a record, and each record without an end, by file and line; both are skipped. A
// file that does not exist has no runs.
func ReadFile(path string) (runs []Run, problems []error, err error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	defer f.Close()
	runs, problems = Parse(f, path)
	return runs, problems, nil
}

// Parse is ReadFile of what was opened; path is for messages.
func Parse(from io.Reader, path string) (runs []Run, problems []error) {
	p := parser{path: path}
	r := bufio.NewReader(from)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil && line == "" {
			if !errors.Is(err, io.EOF) {
				p.problems = append(p.problems, fmt.Errorf("read history %s:%d: %w", path, n, err))
			}
			break
		}
		p.line(n, strings.TrimRight(line, "\r\n"))
	}
	p.torn()
	slices.SortStableFunc(p.runs, func(a, b Run) int { return a.Time.Compare(b.Time) })
	return p.runs, p.problems
}

// parser reads a history line by line.
type parser struct {
	path     string
	runs     []Run
	problems []error

	// begun is the line on which the open record begins; 0 when none is open.
	begun int
	block strings.Builder
}

// problem notes what is wrong with a line.
func (p *parser) problem(n int, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("history %s:%d: "+format+"; skipped", append([]any{p.path, n}, args...)...))
}

// line takes the n-th line.
func (p *parser) line(n int, text string) {
	key, value, pair := strings.Cut(text, ":")
	pair = pair && isKey(key) && (value == "" || value[0] == ' ' || value[0] == '\t')
	switch {
	case pair && key == keyDate && strings.TrimSpace(value) != "":
		p.torn()
		p.begun = n
		p.block.WriteString(text + "\n")
	case pair && key == keyDate && p.begun > 0:
		p.end()
	case strings.TrimSpace(text) == "":
	case p.begun == 0, !pair && !strings.HasPrefix(text, "Benchmark") && !strings.HasPrefix(text, "Unit "):
		p.problem(n, "%q is no line of a record", cut(text))
	case strings.HasPrefix(text, "Benchmark") && !wellFormed(text):
		p.problem(n, "%q is no benchmark line", cut(text))
	case pair && value == "": // the keys' ends; within a record they would undo its keys
	default:
		p.block.WriteString(text + "\n")
	}
}

// torn ends a record that has no end.
func (p *parser) torn() {
	if p.begun > 0 {
		p.problem(p.begun, "the record that begins here has no end, as one that was cut off while it was written")
	}
	p.begun = 0
	p.block.Reset()
}

// end ends a record.
func (p *parser) end() {
	defer func() { p.begun = 0; p.block.Reset() }()
	f, err := bench.Read(strings.NewReader(p.block.String()), p.path)
	if err != nil {
		p.problem(p.begun, "the record that begins here cannot be read (%v)", err)
		return
	}
	keys := f.Config()
	at, err := time.Parse(time.RFC3339, keys[keyDate])
	if err != nil {
		p.problem(p.begun, "%q is no time", keys[keyDate])
		return
	}
	r := Run{Line: p.begun, Time: at.UTC(), Recipe: keys["recipe"], Label: keys["label"], Verdict: keys["verdict"],
		Mark: Mark(keys["history"]), Facts: map[string]string{}}
	var same []string
	for _, k := range []string{"model", "isl", "osl", "workload", "sla"} {
		if keys[k] != "" {
			same = append(same, k+" "+keys[k])
		}
	}
	r.Same = strings.Join(same, ", ")
	for k, v := range keys {
		if !slices.Contains(own, k) {
			r.Facts[k] = v
		}
	}
	if r.Series, err = f.For(r.Recipe); err != nil {
		p.problem(p.begun, "the record that begins here cannot be read (%v)", err)
		return
	}
	p.runs = append(p.runs, r)
}

// isKey reports whether benchfmt takes a text for a key.
func isKey(s string) bool {
	for i, r := range s {
		if i == 0 && !unicode.IsLower(r) || unicode.IsSpace(r) || unicode.IsUpper(r) {
			return false
		}
	}
	return s != ""
}

// wellFormed reports whether benchfmt reads a benchmark line.
func wellFormed(line string) bool {
	r := benchfmt.NewReader(strings.NewReader(line+"\n"), "")
	if !r.Scan() {
		return false
	}
	_, ok := r.Result().(*benchfmt.Result)
	return ok
}

// cut shortens a line for a message.
func cut(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Describe returns the facts of a run in one line, by the order of their keys, for example
// "commit 9c25bd3, driver 570.86".
func (r Run) Describe() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(r.Facts)) {
		parts = append(parts, k+" "+r.Facts[k])
	}
	return strings.Join(parts, ", ")
}
