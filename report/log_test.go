package report_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// TestLog checks what a finding looks like where it stands alone, in logs of three widths: its
// first line is the headline, a met run takes six lines at most and a line for each warning,
// and no line but that of a table that cannot be made narrower is wider than the log.
func TestLog(t *testing.T) {
	t.Parallel()
	for _, r := range runs {
		o := outcome(t, r.name)
		o.Warnings = append(o.Warnings, errors.New("the probe was not steady: one half of the window was 40% slower than the other, which "+
			"happens while workers join, while a cache fills, or while the machine has other work to do"))
		for _, columns := range []int{0, 60, 80, 100, 200} {
			t.Run(fmt.Sprintf("%s in %d", r.name, columns), func(t *testing.T) {
				var b strings.Builder
				require.NoError(t, report.Log{Columns: columns, Alone: true}.Finding(&b, o))
				text := b.String()
				lines := strings.Split(strings.TrimSpace(text), "\n")
				assert.True(t, strings.HasPrefix(strings.Join(strings.Fields(text), " "),
					"recipe "+o.Recipe.Name+": "+strings.Join(strings.Fields(report.Headline(o)), " ")), text)
				room := max(columns, 60) - 8
				if columns == 0 {
					room = 92
				}
				for _, line := range lines {
					if table := strings.Contains(line, "   "+" "); !table {
						assert.LessOrEqual(t, utf8.RuneCountInString(line), room, line)
					}
				}
				if o.Verdict != recipes.Met {
					assert.Contains(t, strings.Join(strings.Fields(text), " "), " a probe in at most ", "a finding that stands alone has what was asked")
					return
				}
				for len(lines) > 1 && strings.HasPrefix(lines[1], "    ") && !strings.Contains(lines[1], ":") && columns < 100 && columns > 0 {
					lines = append(lines[:1], lines[2:]...) // a narrow log folds the first line
				}
				main, warnings := 0, 0
				for _, line := range lines {
					if strings.HasPrefix(line, "    warning: ") {
						warnings++
						assert.Contains(t, line, "docs/troubleshooting.md#")
					} else {
						main++
					}
				}
				assert.LessOrEqual(t, main, 6, text)
				assert.GreaterOrEqual(t, warnings, 1)
				assert.Contains(t, text, " → docs/troubleshooting.md#the-probe-was-not-steady\n")
			})
		}
	}
}

// TestNarrow holds a finding in 80 columns to what fits: the table of limits without its
// evidence, that of the probes without what the limits are not on.
func TestNarrow(t *testing.T) {
	o := outcome(t, "missed everywhere")
	var b strings.Builder
	require.NoError(t, report.Log{Columns: 80}.Finding(&b, o))
	for _, line := range strings.Split(b.String(), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 72, b.String())
	}
	assert.NotContains(t, b.String(), "95% CI")
	assert.Contains(t, b.String(), "<-- missed")
	assert.NotContains(t, b.String(), "itl p95")
	b.Reset()
	require.NoError(t, report.Finding(&b, o))
	assert.Contains(t, b.String(), "95% CI")
}

// TestRangeEnds checks that a search says so where it never met its boundary.
func TestRangeEnds(t *testing.T) {
	at := func(name string, in recipes.Inputs, lo, hi int) string {
		in.Concurrency = recipes.Bounds{Min: &lo, Max: &hi}
		r, err := recipes.Lookup(name)
		require.NoError(t, err)
		o, err := recipes.Run(t.Context(), r, recipes.Spec{Inputs: in, Prober: &model{}})
		require.NoError(t, err)
		return report.Headline(o)
	}
	const name = "max-concurrency-under-sla"
	assert.Equal(t, "every concurrency up to 8 meets the SLA; the range ends there: raise Concurrency's maximum",
		at(name, recipes.Inputs{TTFT: new(2000.0)}, 1, 8))
	assert.Regexp(t, `^no concurrency from 4 up meets the SLA: ttft p95 [\d.]+ms, wanted < 10ms; `+
		`the range begins there: lower Concurrency's minimum$`, at(name, recipes.Inputs{TTFT: new(10.0)}, 4, 64))
	assert.Regexp(t, `^no concurrency from 1 up meets the SLA: ttft p95 [\d.]+ms, wanted < 10ms$`,
		at(name, recipes.Inputs{TTFT: new(10.0)}, 1, 64))
}

// TestEntries checks that every anchor that a warning is sent to is on the page, once, in the
// entry that has the warning's words.
func TestEntries(t *testing.T) {
	b, err := os.ReadFile("../docs/troubleshooting.md")
	require.NoError(t, err)
	pageText := string(b)
	for _, e := range report.Entries() {
		anchor := `<a id="` + e[1] + `"></a>`
		require.Equal(t, 1, strings.Count(pageText, anchor), e[1])
		before, _, _ := strings.Cut(pageText, anchor)
		entry := before[strings.LastIndex(before, "\n- "):]
		assert.Contains(t, entry, e[0])
	}
	assert.Contains(t, pageText, "\n## It measured, but read this\n")
}
