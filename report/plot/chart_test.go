package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/report/plot"
)

func line(ys ...float64) plot.Series {
	s := plot.Series{Name: "measured", Mark: plot.Disc, Line: plot.Solid}
	for i, y := range ys {
		s.Points = append(s.Points, plot.Point{X: math.Pow(10, float64(i)), Y: y, Tip: "tip " + strconv.Itoa(i)})
	}
	return s
}

// picture is what an SVG shows, as far as a reader of it can tell.
type picture struct {
	texts []text
	tips  []string
	paths int
}

type text struct {
	s    string
	x, y float64 // of the start of its baseline, in the group's own coordinates
	font string
}

// look parses an SVG; one that is no XML fails the test.
func look(t *testing.T, svg string) picture {
	t.Helper()
	var p picture
	d := xml.NewDecoder(strings.NewReader(svg))
	var open []string
	var at text
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		require.NoError(t, err)
		switch e := tok.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			if e.Name.Local == "path" {
				p.paths++
			}
			at = text{}
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "x":
					at.x, _ = strconv.ParseFloat(a.Value, 64)
				case "y":
					at.y, _ = strconv.ParseFloat(a.Value, 64)
				case "style":
					at.font = a.Value
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if s := strings.TrimSpace(string(e)); s != "" && len(open) > 0 {
				switch at.s = s; {
				case open[len(open)-1] == "text":
					p.texts = append(p.texts, at)
				case len(open) > 2 && open[len(open)-1] == "title":
					p.tips = append(p.tips, s)
				}
			}
		}
	}
}

func (p picture) has(s string) bool {
	for _, t := range p.texts {
		if t.s == s {
			return true
		}
	}
	return false
}

func svg(t *testing.T, c plot.Chart) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.SVG(&b))
	return b.String()
}

// TestSVG: the labels that were given, the ticks that a reader wants, a tip a
// point, in a sans-serif font.
func TestSVG(t *testing.T) {
	c := plot.Chart{
		Title: "TTFT over concurrency", X: plot.Axis{Label: "concurrency", Log: true, Whole: true}, Y: plot.Axis{Label: "TTFT (ms)", Zero: true},
		Series: []plot.Series{line(20, 40, 180, 900)}, Rules: []plot.Rule{{Name: "SLA < 200ms", At: 200}},
		Bands: []plot.Band{{Name: "95% confidence", Area: []plot.Range{{X: 1, Lo: 18, Hi: 22}, {X: 1000, Lo: 800, Hi: 1000}}}},
	}
	p := look(t, svg(t, c))
	for _, s := range []string{"TTFT over concurrency", "concurrency", "TTFT (ms)", "measured", "SLA < 200ms", "95% confidence",
		"1", "10", "100", "1000", "0", "200", "400", "600", "800"} {
		assert.True(t, p.has(s), "text %q", s)
	}
	assert.Equal(t, []string{"tip 0", "tip 1", "tip 2", "tip 3"}, p.tips)
	for _, text := range p.texts {
		assert.Contains(t, text.font, "sans-serif", text.s)
		assert.NotContains(t, text.font, "Serif;", text.s)
	}
}

// TestInside: no text is cut off by the picture's edge: neither the title at the
// top, nor the last label at the right, which the library cuts off.
func TestInside(t *testing.T) {
	for _, tt := range []struct {
		why string
		c   plot.Chart
	}{
		{"the last label of a long axis", plot.Chart{Title: "t", X: plot.Axis{Label: "x"},
			Series: []plot.Series{{Mark: plot.Disc, Points: []plot.Point{{X: 0, Y: 1}, {X: 10_000_000, Y: 2}}}}}},
		{"a logarithmic axis, whose name the library makes room for at the wrong place",
			plot.Chart{Title: "t", X: plot.Axis{Label: "a rather long name of an axis", Log: true}, Series: []plot.Series{line(1, 2, 3)}}},
		{"a title that is too long", plot.Chart{Title: strings.Repeat("too long ", 40), Series: []plot.Series{line(1, 2)}}},
		{"a legend that takes several rows", plot.Chart{Series: []plot.Series{
			{Name: strings.Repeat("a", 60), Mark: plot.Disc, Points: []plot.Point{{X: 1, Y: 1}}},
			{Name: strings.Repeat("b", 60), Mark: plot.Cross, Points: []plot.Point{{X: 2, Y: 1}}},
			{Name: strings.Repeat("c", 600), Mark: plot.Ring, Points: []plot.Point{{X: 3, Y: 1}}},
		}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, tt.c.PNG(&b))
			img, err := png.Decode(&b)
			require.NoError(t, err)
			const edge = 10
			ink := 0
			for x := range img.Bounds().Dx() {
				for y := range img.Bounds().Dy() {
					if r, g, b, _ := img.At(x, y).RGBA(); r&g&b == 0xffff {
						continue
					}
					ink++
					if x < edge || y < edge || x >= img.Bounds().Dx()-edge || y >= img.Bounds().Dy()-edge {
						require.Fail(t, "ink at the edge", "at %d, %d", x, y)
					}
				}
			}
			assert.Greater(t, ink, 1000)
		})
	}
}

// TestLog: a logarithmic axis' picture fills its height; the library leaves a
// gap as wide as a label for the axis' name.
func TestLog(t *testing.T) {
	c := plot.Chart{Title: "t", X: plot.Axis{Label: "x"}, Y: plot.Axis{Label: "a rather long name of an axis", Log: true},
		Series: []plot.Series{line(1, 10, 1000)}}
	top := math.Inf(-1)
	for _, text := range look(t, svg(t, c)).texts {
		if text.s == "1000" && text.x < 60 {
			top = -text.y
		}
	}
	assert.Greater(t, top, 300.0, "the label of the largest value stands near the top")
}

// TestOdd: what cannot be drawn is left out, and nothing of it ends in a panic or
// in a file that is none.
func TestOdd(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		why string
		c   plot.Chart
	}{
		{"nothing at all", plot.Chart{}},
		{"nothing on a logarithmic axis", plot.Chart{X: plot.Axis{Log: true}, Y: plot.Axis{Log: true}}},
		{"one point", plot.Chart{Series: []plot.Series{line(5)}}},
		{"one point at zero", plot.Chart{Series: []plot.Series{{Mark: plot.Disc, Points: []plot.Point{{}}}}}},
		{"one value throughout", plot.Chart{Series: []plot.Series{line(5, 5, 5)}}},
		{"not numbers", plot.Chart{Series: []plot.Series{line(nan, inf, -inf, 3, 4)}}},
		{"only not numbers", plot.Chart{Series: []plot.Series{line(nan, inf)}}},
		{"zero on a logarithmic axis", plot.Chart{Y: plot.Axis{Log: true}, Series: []plot.Series{line(0, -1, 10, 100)}}},
		{"an interval down to zero on one", plot.Chart{Y: plot.Axis{Log: true},
			Series: []plot.Series{{Mark: plot.Disc, Points: []plot.Point{{X: 1, Y: 1, Lo: 0, Hi: 2}, {X: 2, Y: 10}}}}}},
		{"a rule at zero on one", plot.Chart{Y: plot.Axis{Log: true}, Rules: []plot.Rule{{At: 0}, {At: nan, Vertical: true}},
			Series: []plot.Series{line(1, 2)}}},
		{"far apart", plot.Chart{Series: []plot.Series{line(1e-300, 1e300)}}},
		{"far apart on a logarithmic axis", plot.Chart{Y: plot.Axis{Log: true}, Series: []plot.Series{line(1e-300, 1e300)}}},
		{"too near to tell", plot.Chart{Series: []plot.Series{line(1, math.Nextafter(1, 2))}}},
		{"an empty map", plot.Chart{Heat: &plot.Heat{}}},
		{"a map with a hole", plot.Chart{Heat: &plot.Heat{X: []string{"1", "2"}, Y: []string{"a"}, Z: [][]float64{{nan, 2}}}}},
		{"a map of holes", plot.Chart{Heat: &plot.Heat{X: []string{"1"}, Y: []string{"a"}, Z: [][]float64{{nan}}}}},
		{"a colour and a mark that do not exist", plot.Chart{Series: []plot.Series{{Color: 200, Mark: 200, Line: 200,
			Points: line(1, 2).Points}}}},
		{"control characters", plot.Chart{Title: "a\x00b\x1b[31m\nc\xff", X: plot.Axis{Label: "\x07"},
			Series: []plot.Series{{Name: "\x00", Mark: plot.Disc, Points: []plot.Point{{X: 1, Y: 1, Tip: "\x01\nx", Label: "\x02"}}}}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			look(t, svg(t, tt.c))
			var inline bytes.Buffer
			require.NoError(t, tt.c.Inline(&inline))
			look(t, inline.String())
			assert.NotContains(t, inline.String(), "NaN")
			assert.NotContains(t, inline.String(), "Inf")
			var b bytes.Buffer
			require.NoError(t, tt.c.PNG(&b))
			img, err := png.Decode(&b)
			require.NoError(t, err)
			assert.Equal(t, 1333, img.Bounds().Dx())
		})
	}
}

// TestEscaped: text stays text, wherever it stands.
func TestEscaped(t *testing.T) {
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(1)>`
	c := plot.Chart{
		Name: evil, Title: evil, X: plot.Axis{Label: evil, Ticks: []plot.Tick{{1, evil}}}, Y: plot.Axis{Label: evil},
		Series: []plot.Series{{Name: evil, Mark: plot.Disc, Points: []plot.Point{{X: 1, Y: 1, Label: evil, Tip: evil}}}},
		Rules:  []plot.Rule{{Name: evil, At: 1}}, Bands: []plot.Band{{Name: evil,
			Area: []plot.Range{{X: 1, Lo: 0, Hi: 1}, {X: 2, Lo: 0, Hi: 1}}}},
	}
	var inline bytes.Buffer
	require.NoError(t, c.Inline(&inline))
	for _, s := range []string{svg(t, c), inline.String()} {
		look(t, s)
		assert.NotContains(t, s, "<script")
		assert.NotContains(t, s, "<img")
		assert.NotContains(t, s, `"><`+"img")
	}
}

// TestInline: an inlined chart takes every colour from the page, and has no size
// of its own.
func TestInline(t *testing.T) {
	c := plot.Chart{Title: "t", Series: []plot.Series{line(1, 2, 3)}, Rules: []plot.Rule{{Name: "SLA", Color: plot.Bad, At: 2}},
		Bands: []plot.Band{{Name: "band", Color: plot.Good, Area: []plot.Range{{X: 1, Lo: 0, Hi: 1}, {X: 2, Lo: 0, Hi: 1}}}}}
	var b bytes.Buffer
	require.NoError(t, c.Inline(&b))
	s := b.String()
	assert.NotRegexp(t, `(fill|stroke):#`, s, "no fixed colour is left")
	for _, name := range []string{"ink", "paper", "good", "bad", "quiet"} {
		assert.Contains(t, s, "var(--plot-"+name+",#")
	}
	assert.NotContains(t, s, "pt\"")
	assert.NotContains(t, s, "http", "no namespace of another host is needed in a page")
}

// TestShapes: every mark draws something else, so that what differs in kind can
// be told apart without colour.
func TestShapes(t *testing.T) {
	seen := map[string]plot.Mark{}
	for m := plot.NoMark; m <= plot.Halo; m++ {
		c := plot.Chart{Series: []plot.Series{{Color: plot.Good, Mark: m, Points: []plot.Point{{X: 1, Y: 1}}}}}
		s := svg(t, c)
		before, twice := seen[s]
		assert.False(t, twice, "mark %d looks like mark %d", m, before)
		seen[s] = m
	}
}

// TestHeat: every cell has its value written in it, in a tone of its own, and the
// legend says from where to where.
func TestHeat(t *testing.T) {
	c := plot.Chart{Title: "ITL", X: plot.Axis{Label: "concurrency"}, Y: plot.Axis{Label: "OSL"}, Heat: &plot.Heat{
		X: []string{"1", "8"}, Y: []string{"64", "256"}, Z: [][]float64{{10, 11.5}, {12, math.NaN()}}, Unit: "ms",
		Tip: func(y, x int) string { return "cell " + strconv.Itoa(y) + strconv.Itoa(x) },
	}}
	p := look(t, svg(t, c))
	for _, s := range []string{"ITL", "concurrency", "OSL", "1", "8", "64", "256", "10", "11.5", "12", "–", "from 10 to 12 ms"} {
		assert.True(t, p.has(s), "text %q", s)
	}
	assert.Equal(t, []string{"cell 00", "cell 01", "cell 10", "cell 11"}, p.tips)
}
