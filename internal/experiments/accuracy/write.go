package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aiperf-go/aiperf/report/plot"
)

// writeTable puts a table into accuracy.md, between the markers of its name.
func writeTable(dir, name, table string) error {
	path := filepath.Join(dir, "accuracy.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	open, end := fmt.Appendf(nil, "<!-- %s -->\n", name), fmt.Appendf(nil, "<!-- end of %s -->", name)
	before, rest, ok := bytes.Cut(page, open)
	_, after, closed := bytes.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the table %s", path, name)
	}
	return os.WriteFile(path, bytes.Join([][]byte{before, open, []byte(table), end, after}, nil), 0o666)
}

// spot is one style's place in the pictures.
type spot struct {
	name             string
	requests         float64 // a search
	errPct, violates float64 // in percent
}

// aiperfSpots are AIPerf's rows on the public surfaces, a probe being 1,000 requests.
var aiperfSpots = []spot{
	{"grid", 8000, 33, 1.9},
	{"monotonic", 17900, 20.3, 2.5},
	{"smooth_isotonic", 12500, 1.5, 18.2},
	{"bo = optuna TPE", 19800, 15.3, 2.5},
	{"optuna GP", 20500, 6.4, 23.8},
}

// writePictures draws the styles' error and violations against the requests of a
// search.
func writePictures(dir string, ours []spot) error {
	for _, c := range []struct {
		name, title, unit string
		of                func(spot) float64
	}{
		{"accuracy-error", "How far an answer is off, and what it costs", "mean error, % of the true boundary",
			func(s spot) float64 { return s.errPct }},
		{"accuracy-violations", "How often an answer violates its SLA, and what it costs", "answers that violate the SLA, %",
			func(s spot) float64 { return s.violates }},
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
			X: plot.Axis{Label: "requests a search", Log: true},
			Y: plot.Axis{Label: c.unit, Zero: true},
			Series: []plot.Series{
				series("AIPerf 0.13", plot.Bad, plot.Ring, aiperfSpots),
				series("this library", plot.Good, plot.Disc, ours),
			},
		}
		var b bytes.Buffer
		if err := chart.SVG(&b); err != nil {
			return fmt.Errorf("drawing %s: %w", c.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, c.name+".svg"), b.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}
