package plot

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// head draws title and legend above the axes, so that neither covers data, and
// returns what is left of the canvas.
func (d *drawing) head(c draw.Canvas) draw.Canvas {
	top := c.Max.Y
	sty := bold(titleSize, Ink)
	if title := shorten(clean(d.Title), sty.Width, c.Size().X); title != "" {
		// Text stands on its baseline, with all of its ascent below the edge.
		top -= sty.FontExtents().Ascent
		c.FillText(sty, vg.Point{X: c.Min.X, Y: top}, title)
		top -= sty.FontExtents().Descent + 6
	}
	small := style(textSize, Ink)
	const gap, space = vg.Length(5), vg.Length(16)
	x, line := c.Min.X, small.Height("x")+4
	for _, e := range d.entries() {
		name := shorten(clean(e.name), small.Width, c.Size().X-e.width-gap)
		w := e.width + gap + small.Width(name)
		if x > c.Min.X && x+w > c.Max.X {
			x, top = c.Min.X, top-line
		}
		e.draw(c, vg.Rectangle{Min: vg.Point{X: x, Y: top - line}, Max: vg.Point{X: x + e.width, Y: top}})
		c.FillText(small, vg.Point{X: x + e.width + gap, Y: top - line/2 - small.FontExtents().Ascent/2 + 1.5}, name)
		x += w + space
	}
	if x > c.Min.X {
		top -= line
	}
	c.Max.Y = top - 8
	return c
}

// entry is one line of the legend: a sample of what it names.
type entry struct {
	name  string
	width vg.Length // of the sample
	draw  func(draw.Canvas, vg.Rectangle)
}

const sample = vg.Length(22)

func (d *drawing) entries() []entry {
	if d.Heat != nil {
		return d.scale()
	}
	var out []entry
	for _, s := range d.Series {
		if s.Name == "" || len(s.Points) == 0 {
			continue
		}
		w := sample
		if s.Line == NoLine {
			w = 4 * markSize
		}
		out = append(out, entry{s.Name, w, func(c draw.Canvas, r vg.Rectangle) {
			mid := vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: (r.Min.Y + r.Max.Y) / 2}
			if s.Line != NoLine {
				c.StrokeLine2(s.pen(), r.Min.X, mid.Y, r.Max.X, mid.Y)
			}
			s.Mark.draw(c, s.Color, mid)
		}})
	}
	for _, r := range d.Rules {
		if r.Name == "" {
			continue
		}
		out = append(out, entry{r.Name, sample, func(c draw.Canvas, box vg.Rectangle) {
			mid := (box.Min.Y + box.Max.Y) / 2
			c.StrokeLine2(dashed(r.Color), box.Min.X, mid, box.Max.X, mid)
		}})
	}
	for _, b := range d.Bands {
		if b.Name == "" || len(b.Area) < 2 {
			continue
		}
		out = append(out, entry{b.Name, sample, func(c draw.Canvas, r vg.Rectangle) {
			r.Min.Y, r.Max.Y = r.Min.Y+3, r.Max.Y-3
			c.SetColor(b.Color.faded(2 * bandShare))
			c.Fill(r.Path())
		}})
	}
	return out
}

// shorten cuts a text that is too wide, with an ellipsis.
func shorten(s string, width func(string) vg.Length, room vg.Length) string {
	if width(s) <= room {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && width(string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
