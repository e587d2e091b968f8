package aiperftest

import (
	"flag"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/aiperf-go/aiperf/report"
)

// talk is how a run speaks to its test. What a test shows first is all that many readers see:
// go test without -v, a CI job's annotations, a JUnit file and a Ginkgo summary all begin with
// the first line of the log. So that line is the finding's, and what happened on the way to it
// is told where it cannot come before:
//
//	go test -v        progress by T.Output, without file and line, as it comes; the finding
//	                  has file and line
//	go test           the finding alone, with what was asked; the live line on a terminal
//	go test -json     the same, then attributes (gotestsum, JUnit)
//	Ginkgo            the finding's first line as the failure, the rest as a report entry;
//	                  progress with -v, and in progress reports
//	any other T       everything by Logf, as it comes
type talk struct {
	t T
	// told says that progress is told as it comes.
	told bool
	// json says that a program reads the output.
	json bool
	// columns is the width of the terminal, 0 where none is known.
	columns int
	// out takes progress without file and line; nil for Logf.
	out io.Writer
	// ginkgo is the spec; nil outside of Ginkgo.
	ginkgo ginkgoT
}

// ginkgoT is the part of Ginkgo's T that other test frameworks do not have.
type ginkgoT interface {
	AddReportEntryVisibilityFailureOrVerbose(name string, args ...any)
	AttachProgressReporter(func() string) func()
}

// ginkgoOf finds Ginkgo's T in GinkgoT(), in GinkgoTB(), which hides it in a field, and in
// what embeds the former.
func ginkgoOf(t T) ginkgoT {
	if g, ok := t.(ginkgoT); ok {
		return g
	}
	v := reflect.Indirect(reflect.ValueOf(t))
	if v.Kind() != reflect.Struct {
		return nil
	}
	if f := v.FieldByName("GinkgoT"); f.IsValid() && f.CanInterface() {
		g, _ := f.Interface().(ginkgoT)
		return g
	}
	return nil
}

// talkTo returns how a run speaks to t.
func talkTo(t T) talk {
	s := talk{t: t, told: true}
	if s.ginkgo = ginkgoOf(t); s.ginkgo != nil {
		s.told = set("ginkgo.v") || set("ginkgo.vv")
		return s
	}
	switch t.(type) {
	case *testing.T, *testing.B, *testing.F:
	default:
		return s
	}
	if !testing.Testing() {
		return s
	}
	s.json = value("test.v") == "test2json"
	s.told = testing.Verbose() && !s.json
	if !s.json {
		s.columns = columns(os.Getenv, terminal)
	}
	if o, ok := t.(interface{ Output() io.Writer }); ok && s.told {
		s.out = o.Output()
	}
	return s
}

// value is that of a flag of the test binary; empty if there is no such flag.
func value(name string) string {
	if f := flag.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// set reports whether a flag of the test binary is true.
func set(name string) bool { return value(name) == "true" }

// columns is the width that messages are made for: what COLUMNS says or, outside of CI, the
// terminal; 0 where neither does.
func columns(env func(string) string, terminal func() (screen, bool)) int {
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if env("CI") != "" || env("TERM") == "" {
		return 0
	}
	s, ok := terminal()
	if !ok {
		return 0
	}
	if c, ok := s.Writer.(io.Closer); ok {
		defer c.Close()
	}
	return s.columns()
}

// progress tells what happened on the way.
func (s talk) progress(line string) {
	s.t.Helper()
	switch {
	case !s.told:
	case s.out != nil:
		_, _ = io.WriteString(s.out, line+"\n") // a log that takes nothing is no reason to fail
	default:
		s.t.Logf("%s", line)
	}
}

// log is how reports write for the test.
func (s talk) log() report.Log { return report.Log{Columns: s.columns, Alone: !s.told} }

// fails fails the test with a finding. In Ginkgo its first line is the failure, which lists
// and JUnit files show in one line, and the rest is an entry of the spec's report.
func (s talk) fails(finding string) {
	s.t.Helper()
	first, rest, more := strings.Cut(finding, "\n")
	if s.ginkgo == nil || !more {
		s.t.Errorf("%s", finding)
		return
	}
	s.ginkgo.AddReportEntryVisibilityFailureOrVerbose("what was measured", rest)
	s.t.Errorf("%s", first)
}

// attributes are for programs that read the output of go test -json. They stand behind the
// finding, since gotestsum shows their lines, too.
func (s talk) attributes(pairs ...[2]string) {
	a, ok := s.t.(interface{ Attr(key, value string) })
	if !ok || !s.json {
		return
	}
	for _, p := range pairs {
		if p[1] != "" {
			a.Attr("aiperf."+p[0], strings.Join(strings.Fields(p[1]), " "))
		}
	}
}
