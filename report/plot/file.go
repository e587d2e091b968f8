package plot

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// PNG writes the chart as a PNG image of 1333 by 792 pixels.
func (c *Chart) PNG(w io.Writer) error {
	const dpi = 150
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
	if _, err := c.draw(canvas); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// SVG writes the chart as an SVG file in fixed colours on white.
func (c *Chart) SVG(w io.Writer) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%[1]g" height="%[2]g" viewBox="0 0 %[1]g %[2]g">
<title>%[3]s</title>
%[4]s</svg>
`, width.Points(), height.Points(), html.EscapeString(clean(c.Title)), body)
	return err
}

// Inline writes the chart as an svg element for an HTML page. Its colours are the
// custom properties --plot-ink, --plot-paper, --plot-good …, with those on white as
// defaults (see Palette); every point with a tip is an element of class tip that
// carries it as its title. All text is escaped.
func (c *Chart) Inline(w io.Writer) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	body = painted.ReplaceAllStringFunc(body, func(s string) string {
		property, value, _ := strings.Cut(s, ":")
		if name := paletteName(value); name != "" {
			return property + ":var(--plot-" + name + "," + value + ")"
		}
		return s
	})
	_, err = fmt.Fprintf(w, `<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %g %g">
%s</svg>
`, html.EscapeString(clean(c.Title)), width.Points(), height.Points(), body)
	return err
}

// Palette returns the names of the colours that an inlined chart asks a page for.
func Palette() []string {
	var names []string
	for _, p := range palette {
		names = append(names, p.name)
	}
	return names
}

// painted matches a colour in a style.
var painted = regexp.MustCompile(`(?:fill|stroke):#[0-9A-F]{6}`)

// paletteName finds the entry of a colour. The library rounds down, and more so
// where the colour is let through, so neighbours count.
func paletteName(value string) string {
	v, err := strconv.ParseUint(strings.TrimPrefix(value, "#"), 16, 32)
	if err != nil {
		return ""
	}
	got := rgb(uint32(v))
	for _, p := range palette {
		if near(got, p.rgb) {
			return p.name
		}
	}
	return ""
}

func near(a, b color.RGBA) bool {
	const slack = 3
	for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
		if d < -slack || d > slack {
			return false
		}
	}
	return true
}

// body is what stands inside the svg element.
func (c *Chart) body() (string, error) {
	canvas := vgsvg.NewWith(vgsvg.UseWH(width, height))
	spots, err := c.draw(canvas)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	// The library's svg element gives sizes in points, which a page cannot make
	// fit; its child is all that is wanted.
	s := b.String()
	from, to := strings.Index(s, "<g "), strings.LastIndex(s, "</svg>")
	if from < 0 || to < from {
		return "", fmt.Errorf("draw chart %s: no group in what was drawn", c.Name)
	}
	s = strings.ReplaceAll(s[from:to], "font-family:Liberation Sans;font-variant:normal;",
		"font-family:'Liberation Sans',Arial,Helvetica,sans-serif;")
	return s + tips(spots), nil
}

// tips are unseen shapes above the drawing that carry the tips.
func tips(spots []spot) string {
	var b strings.Builder
	for _, s := range spots {
		size := s.at.Size()
		fmt.Fprintf(&b, `<rect class="tip" x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill-opacity="0"><title>%s</title></rect>`+"\n",
			s.at.Min.X.Points(), (height - s.at.Max.Y).Points(), size.X.Points(), size.Y.Points(), html.EscapeString(tipText(s.tip)))
	}
	return b.String()
}

// tipText keeps the line breaks of a tip.
func tipText(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}
