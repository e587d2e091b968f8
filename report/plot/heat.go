package plot

import (
	"image/color"
	"math"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// viridis runs from dark to light in even steps of lightness, so that it reads in
// grey too (Smith and van der Walt 2015).
var viridis = []color.RGBA{
	rgb(0x440154), rgb(0x482475), rgb(0x414487), rgb(0x355f8d), rgb(0x2a788e), rgb(0x21918c),
	rgb(0x22a884), rgb(0x44bf70), rgb(0x7ad151), rgb(0xbddf26), rgb(0xfde725),
}

// shade is viridis at t in [0, 1].
func shade(t float64) color.RGBA {
	at := min(max(t, 0), 1) * float64(len(viridis)-1)
	i := min(int(at), len(viridis)-2)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + (float64(b)-float64(a))*(at-float64(i)))) }
	a, b := viridis[i], viridis[i+1]
	return color.RGBA{R: mix(a.R, b.R), G: mix(a.G, b.G), B: mix(a.B, b.B), A: 0xff}
}

// onShade is what can be read on it. Neither is a colour of the palette: a dark
// page changes those.
func onShade(v color.RGBA) color.RGBA {
	if 0.299*float64(v.R)+0.587*float64(v.G)+0.114*float64(v.B) > 130 {
		return rgb(0x0a0a0a)
	}
	return rgb(0xf5f5f5)
}

// scaled returns the least and the greatest value, and where one lies between
// them: by ratio where they are far apart.
func (h *Heat) scaled() (lo, hi float64, at func(float64) float64) {
	s := empty()
	for _, line := range h.Z {
		s.add(Axis{}, line...)
	}
	if s.lo > 0 && s.hi/s.lo > 20 {
		return s.lo, s.hi, func(v float64) float64 { return math.Log(v/s.lo) / math.Log(s.hi/s.lo) }
	}
	return s.lo, s.hi, func(v float64) float64 {
		if s.hi == s.lo {
			return 0.5
		}
		return (v - s.lo) / (s.hi - s.lo)
	}
}

func (h *Heat) format(v float64) string {
	if h.Format != nil {
		return h.Format(v)
	}
	return number(v)
}

func (d *drawing) heat(c draw.Canvas, p *gonum.Plot) {
	h := d.Heat
	x, y := p.Transforms(&c)
	_, _, at := h.scaled()
	sty := style(textSize, Ink)
	sty.XAlign, sty.YAlign = draw.XCenter, draw.YCenter
	for j := range h.Z {
		for i, v := range h.Z[j] {
			cell := vg.Rectangle{
				Min: vg.Point{X: x(float64(i)-0.5) + 1, Y: y(float64(j)-0.5) + 1},
				Max: vg.Point{X: x(float64(i)+0.5) - 1, Y: y(float64(j)+0.5) - 1},
			}
			text := "–"
			if finite(v) {
				text = h.format(v)
				tone := shade(at(v))
				c.SetColor(tone)
				c.Fill(cell.Path())
				sty.Color = onShade(tone)
			} else {
				hatch(c, cell)
				sty.Color = Ink.rgba()
			}
			if w := sty.Width(text); w <= cell.Size().X {
				c.FillText(sty, vg.Point{X: (cell.Min.X + cell.Max.X) / 2, Y: (cell.Min.Y + cell.Max.Y) / 2}, text)
			}
			if h.Tip != nil {
				d.spots = append(d.spots, spot{cell, h.Tip(j, i)})
			}
		}
	}
}

// hatch marks a cell of which nothing is known.
func hatch(c draw.Canvas, r vg.Rectangle) {
	pen := draw.LineStyle{Color: Quiet.faded(0.5), Width: 0.7}
	inner := draw.Canvas{Canvas: c.Canvas, Rectangle: r}
	for x := r.Min.X - r.Size().Y; x < r.Max.X; x += 8 {
		c.StrokeLines(pen, inner.ClipLinesXY([]vg.Point{{X: x, Y: r.Min.Y}, {X: x + r.Size().Y, Y: r.Max.Y}})...)
	}
}

// scale is the legend of a heat map: its tones, from the least to the greatest value.
func (d *drawing) scale() []entry {
	lo, hi, _ := d.Heat.scaled()
	if lo > hi {
		return nil
	}
	ramp := func(c draw.Canvas, r vg.Rectangle) {
		const parts = 64
		w := r.Size().X / parts
		for i := range parts {
			c.SetColor(shade(float64(i) / (parts - 1)))
			x := r.Min.X + vg.Length(i)*w
			// A little of each lies under the next, or a seam would show.
			c.Fill(vg.Rectangle{Min: vg.Point{X: x, Y: r.Min.Y + 3}, Max: vg.Point{X: min(x+2*w, r.Max.X), Y: r.Max.Y - 3}}.Path())
		}
	}
	unit := " " + d.Heat.Unit
	if lo == hi {
		return []entry{{"all " + d.Heat.format(lo) + unit, 0, func(draw.Canvas, vg.Rectangle) {}}}
	}
	return []entry{{"from " + d.Heat.format(lo) + " to " + d.Heat.format(hi) + unit, 120, ramp}}
}
