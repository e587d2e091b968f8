package recipes_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/report/plot"
)

// publish writes a table into docs/accuracy.md, between the markers of its name,
// when AIPERF_SURFACES_DOC names the folder of the documents.
func publish(t *testing.T, name, table string) {
	t.Helper()
	dir := os.Getenv("AIPERF_SURFACES_DOC")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, "accuracy.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	open, end := fmt.Appendf(nil, "<!-- %s -->\n", name), fmt.Appendf(nil, "<!-- end of %s -->", name)
	before, rest, ok := bytes.Cut(page, open)
	require.True(t, ok, "%s has no place for %s", path, name)
	_, after, ok := bytes.Cut(rest, end)
	require.True(t, ok, "%s has no end of %s", path, name)
	page = bytes.Join([][]byte{before, open, []byte(table), end, after}, nil)
	require.NoError(t, os.WriteFile(path, page, 0o666))
}

// spot is one style's place in the picture.
type spot struct {
	name             string
	requests         float64 // a search
	errPct, violates float64 // in percent
}

// aiperfSpots are AIPerf's rows on the public surfaces, a probe being 1 000
// requests.
var aiperfSpots = []spot{
	{"grid", 8000, 33, 1.9},
	{"monotonic", 17900, 20.3, 2.5},
	{"smooth_isotonic", 12500, 1.5, 18.2},
	{"bo = optuna TPE", 19800, 15.3, 2.5},
	{"optuna GP", 20500, 6.4, 23.8},
}

// publishPicture draws the styles' error and violations against the requests of
// a search.
func publishPicture(t *testing.T, ours []spot) {
	t.Helper()
	dir := os.Getenv("AIPERF_SURFACES_DOC")
	if dir == "" {
		return
	}
	for _, c := range []struct {
		name, title, unit string
		of                func(spot) float64
	}{
		{"accuracy-error", "How far an answer is off, and what it costs", "mean error, % of the true boundary", func(s spot) float64 { return s.errPct }},
		{"accuracy-violations", "How often an answer violates its SLA, and what it costs", "answers that violate the SLA, %", func(s spot) float64 { return s.violates }},
	} {
		series := func(name string, color plot.Color, mark plot.Mark, spots []spot) plot.Series {
			s := plot.Series{Name: name, Color: color, Mark: mark}
			for _, p := range spots {
				s.Points = append(s.Points, plot.Point{X: p.requests, Y: c.of(p), Label: p.name})
			}
			return s
		}
		chart := plot.Chart{
			Name: c.name, Title: c.title,
			X:      plot.Axis{Label: "requests a search", Log: true},
			Y:      plot.Axis{Label: c.unit, Zero: true},
			Series: []plot.Series{series("AIPerf 0.13", plot.Bad, plot.Ring, aiperfSpots), series("this library", plot.Good, plot.Disc, ours)},
		}
		var b bytes.Buffer
		require.NoError(t, chart.SVG(&b))
		require.NoError(t, os.WriteFile(filepath.Join(dir, c.name+".svg"), b.Bytes(), 0o666))
		b.Reset()
		require.NoError(t, chart.PNG(&b))
		require.NoError(t, os.WriteFile(filepath.Join(os.TempDir(), c.name+".png"), b.Bytes(), 0o666))
	}
}
