package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
	"github.com/aiperf-go/aiperf/report/bench"
	"github.com/aiperf-go/aiperf/report/history"
	"github.com/aiperf-go/aiperf/report/llmd"
)

// nights are n runs before the outcome, whose level is 10% lower after the fortieth, and the
// outcome among them. The facts of one have what a page must not take for its own text.
func nights(t testing.TB, o *recipes.Outcome, n int) *history.Trend {
	t.Helper()
	now, ok := history.Of(o)
	require.True(t, ok)
	rng := rand.New(rand.NewPCG(1, 1))
	var earlier []history.Run
	for i := range n {
		r := now
		r.Time = now.Time.AddDate(0, 0, i-n)
		r.Facts = map[string]string{"commit": fmt.Sprintf("%07x", rng.Uint32()>>4), "driver": "570.86"}
		if i == 3 {
			r.Facts["args"] = `--chat-template=</script><script>alert(1)</script>`
		}
		day := math.Exp(0.03 * rng.NormFloat64())
		if i >= 40 {
			day *= 0.9
		}
		r.Series = nil
		for _, s := range now.Series {
			s.Values = []float64{s.Values[0] * day * math.Exp(0.01*rng.NormFloat64())}
			r.Series = append(r.Series, s)
		}
		earlier = append(earlier, r)
	}
	trend := history.Among("testdata/history.txt", earlier, now)
	history.Rule{}.Judge(trend, bench.Limited(o))
	return trend
}

// trended is an outcome with a history of n nights.
func trended(t testing.TB, name string, n int) *recipes.Outcome {
	o := *outcome(t.(*testing.T), name)
	o.Trend = nights(t, &o, n)
	o.Verdict = o.Trend.(*history.Trend).Join(o.Verdict)
	return &o
}

// TestHistoryPage writes the page and the charts of runs with and without a history: they are
// whole files, with every run, every change of level, and text for text.
func TestHistoryPage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{runs[0].name, "one fixed load", "decode-itl-curve"} {
		for _, n := range []int{0, 1, 70} {
			t.Run(fmt.Sprintf("%s after %d", name, n), func(t *testing.T) {
				o := trended(t, name, n)
				dir := t.TempDir()
				charted := n == 70 || n == 0 && name == runs[0].name // drawing takes most of the time
				d := report.Dir{Path: dir, NoCharts: !charted}
				require.NoError(t, d.Update(o))
				b, err := os.ReadFile(filepath.Join(dir, "history.html"))
				require.NoError(t, err)
				page := string(b)
				for text, want := range map[string]bool{"this run": true, "<script>alert": false, "NaN": false, `id="changes"`: n == 70} {
					assert.Equal(t, want, strings.Contains(page, text), text) // the page itself is too long to print
				}
				assert.Equal(t, min(n+1, 60), strings.Count(page[strings.Index(page, `id="runs"`):], `<th scope="row">`))
				charts, err := filepath.Glob(filepath.Join(dir, "plots", "history-*.svg"))
				require.NoError(t, err)
				assert.Equal(t, charted, len(charts) > 0)
				if n == 70 { // the level changed after the fortieth run
					assert.True(t, regexp.MustCompile(`>-(9|10|11)\.\d%<`).MatchString(page[strings.Index(page, `id="changes"`):]))
				}
				for _, name := range charts {
					b, err := os.ReadFile(name)
					require.NoError(t, err)
					for d := xml.NewDecoder(bytes.NewReader(b)); ; {
						if _, err := d.Token(); errors.Is(err, io.EOF) {
							break
						} else if !assert.NoError(t, err, name) {
							break
						}
					}
				}
			})
		}
	}
	o := *outcome(t, runs[0].name)
	dir := t.TempDir()
	require.NoError(t, (&report.Dir{Path: dir, NoCharts: true}).Update(&o))
	assert.NoFileExists(t, filepath.Join(dir, "history.html"), "a run without a history has no page of one")
	b, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.False(t, strings.Contains(string(b), "history.html"))
}

// TestHistoryHeadline: a run that is worse than those before it says so first, unless its own
// limits, or its baseline, say no already.
func TestHistoryHeadline(t *testing.T) {
	o := *outcome(t, runs[0].name)
	trend := nights(t, &o, 30)
	require.NotEmpty(t, trend.Moves)
	move := &trend.Moves[0]
	move.Worse, move.Fails, move.N = 0.123, true, 20
	o.Trend = trend
	name, _, _ := bench.Describe(move.Unit)
	trend.Own, o.Verdict = recipes.Met, recipes.Missed
	assert.Equal(t, name+" 12% worse than the last 20 runs", report.Headline(&o))
	move.Two = true
	trend.Moves = append(trend.Moves, *move)
	assert.Equal(t, name+" 12% worse than the last 20 runs, with the run before it (and 1 more)", report.Headline(&o))
	trend.Own = recipes.Missed
	assert.NotContains(t, report.Headline(&o), "worse than the last")
	trend.Own, trend.Moves = recipes.Met, trend.Moves[:1]
	trend.Moves[0].Fails = false
	assert.NotContains(t, report.Headline(&o), "worse than the last")
}

// TestBrowserHistory opens history.html in headless Chromium, as TestBrowser does report.html.
func TestBrowserHistory(t *testing.T) {
	if os.Getenv(envBrowser) == "" {
		t.Skipf("set %s=1 to open history.html in headless Chromium (Debian: apt-get install chromium)", envBrowser)
	}
	b := startBrowser(t)
	for _, n := range []int{1, 70} {
		o := trended(t, runs[0].name, n)
		o.Began = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
		dir := t.TempDir()
		d := report.Dir{Path: dir}
		require.NoError(t, d.Update(o))
		file := filepath.Join(dir, "history.html")
		charts, err := filepath.Glob(filepath.Join(dir, "plots", "history-*.svg"))
		require.NoError(t, err)
		for _, look := range []struct {
			name     string
			width    int
			scheme   string
			noScript bool
		}{{"wide", 1280, "light", false}, {"dark", 1280, "dark", false}, {"narrow", 360, "dark", false}, {"no-script", 1280, "light", true}} {
			t.Run(fmt.Sprintf("%d/%s", n, look.name), func(t *testing.T) {
				p := b.open(t, file, look.width, 900, look.scheme, look.noScript)
				defer p.close(t)
				assert.Empty(t, p.console, "console")
				assert.Equal(t, []string{(&url.URL{Scheme: "file", Path: file}).String()}, p.requests, "nothing is fetched")
				var seen struct {
					Charts   []struct{ W, H, Marks, Tips int }
					Overflow int
					Heading  string
					Bubble   string
					Dim      []string
				}
				p.eval(t, inspect, &seen)
				require.Len(t, seen.Charts, len(charts))
				for i, c := range seen.Charts {
					assert.GreaterOrEqual(t, c.W, 315, "chart %d", i)
					assert.Greater(t, c.Marks, 10, "chart %d", i)
					assert.Positive(t, c.Tips, "chart %d", i)
				}
				assert.LessOrEqual(t, seen.Overflow, 0, "the page is not wider than its window")
				assert.Contains(t, seen.Heading, report.Headline(o))
				assert.Equal(t, !look.noScript, seen.Bubble != "")
				assert.Empty(t, seen.Dim, "contrast of at least 4.5:1")
				if shots := os.Getenv(envShots); shots != "" {
					require.NoError(t, os.MkdirAll(shots, 0o777))
					p.shot(t, filepath.Join(shots, fmt.Sprintf("history-%d-%s.png", n, look.name)))
				}
			})
		}
	}
}

// TestLLMD: llm-d's report stands beside the profile of each trial if it is asked for, and
// nowhere else.
func TestLLMD(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		dir := t.TempDir()
		require.NoError(t, (&report.Dir{Path: dir, NoCharts: true, LLMD: on}).Update(outcome(t, runs[0].name)))
		profiles, reports := 0, 0
		require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if e.Name() == "profile_export_aiperf.json" {
				profiles++
			}
			if e.Name() != llmd.Name {
				return err
			}
			reports++
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var doc struct{ Run struct{ UID string } }
			require.NoError(t, json.Unmarshal(b, &doc), path)
			profile, err := os.ReadFile(filepath.Join(filepath.Dir(path), "profile_export_aiperf.json"))
			require.NoError(t, err)
			assert.True(t, strings.Contains(string(profile), `"benchmark_id": "`+doc.Run.UID+`"`), doc.Run.UID)
			return nil
		}))
		require.NotZero(t, profiles)
		assert.Equal(t, map[bool]int{true: profiles}[on], reports)
	}
}
