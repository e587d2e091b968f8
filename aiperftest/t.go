package aiperftest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// T is the part of a test that a run needs. *testing.T, *testing.B, *testing.F, testing.TB,
// Ginkgo's GinkgoT() and GinkgoTB(), and small fakes satisfy it. What else a test
// may have (Context, Deadline, ArtifactDir) is found by assertion.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
	Skipf(format string, args ...any)
	Cleanup(func())
	TempDir() string
}

// fatal reports why there is no result, and ends the test.
func fatal(t T, format string, args ...any) {
	t.Helper()
	t.Errorf("%s", fold(fmt.Sprintf(format, args...), talkTo(t).columns))
	t.FailNow()
}

// fold breaks lines that are too long for a log of so many columns at spaces; 0 columns are
// 100. The first line has less room, since t.Log puts the caller before it.
func fold(text string, columns int) string {
	if columns == 0 {
		columns = 100
	}
	const logged, caller = 8, 24
	columns = max(columns, 60)
	var out []string
	for _, line := range strings.Split(text, "\n") {
		for {
			width := columns - logged
			if len(out) == 0 {
				width = columns - caller
			}
			if len([]rune(line)) <= width {
				break
			}
			at := strings.LastIndexByte(string([]rune(line)[:width]), ' ')
			if at <= len("        ") {
				break
			}
			out = append(out, line[:at])
			line = "        " + line[at+1:]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// reserve is what is kept of a test's time to conclude and report: 5% of it,
// but at least a few seconds.
func reserve(left time.Duration) time.Duration { return max(left/20, 3*time.Second) }

// contextOf returns the context of a run: the given one or, if it is nil, the test's own,
// with a deadline before the test binary's, which would end in a panic and lose
// everything.
func contextOf(t T, given context.Context) (context.Context, context.CancelFunc) {
	ctx := given
	if ctx == nil {
		ctx = context.Background()
		if c, ok := t.(interface{ Context() context.Context }); ok {
			ctx = c.Context()
		}
	}
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			return context.WithDeadline(ctx, at.Add(-reserve(time.Until(at))))
		}
	}
	return context.WithCancel(ctx)
}
