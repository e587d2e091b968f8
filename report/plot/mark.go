package plot

import (
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Mark is the shape of a point.
type Mark uint8

const (
	NoMark Mark = iota
	Disc
	Cross
	Ring
	Triangle // hollow
	Square
	Diamond
	CrossRing
	Halo // a wide ring around another mark
)

// Shape returns the mark of the i-th of several curves.
func Shape(i int) Mark { return [...]Mark{Disc, Square, Diamond, Triangle, Ring, Cross}[i%6] }

// radius is how far the mark reaches.
func (m Mark) radius() vg.Length {
	if m == Halo {
		return 1.9 * markSize
	}
	return markSize
}

// draw puts the mark at a place of the canvas.
func (m Mark) draw(c draw.Canvas, color Color, at vg.Point) {
	pen := draw.LineStyle{Color: color.rgba(), Width: 2}
	r := markSize
	polygon := func(corners int, turn float64, r vg.Length) vg.Path {
		var p vg.Path
		for i := range corners {
			sin, cos := math.Sincos(turn + 2*math.Pi*float64(i)/float64(corners))
			pt := vg.Point{X: at.X + r*vg.Length(cos), Y: at.Y + r*vg.Length(sin)}
			if i == 0 {
				p.Move(pt)
			} else {
				p.Line(pt)
			}
		}
		p.Close()
		return p
	}
	circle := func(r vg.Length) vg.Path {
		var p vg.Path
		p.Move(vg.Point{X: at.X + r, Y: at.Y})
		p.Arc(at, r, 0, 2*math.Pi)
		p.Close()
		return p
	}
	fill := func(p vg.Path, with Color) { c.SetColor(with.rgba()); c.Fill(p) }
	stroke := func(p vg.Path) { c.SetLineStyle(pen); c.Stroke(p) }
	switch m {
	case Disc:
		fill(circle(r), color)
	case Square:
		fill(polygon(4, math.Pi/4, r*1.25), color)
	case Diamond:
		fill(polygon(4, 0, r*1.35), color)
	case Ring:
		fill(circle(r), paper)
		stroke(circle(r))
	case CrossRing:
		fill(circle(r*1.2), paper)
		stroke(circle(r * 1.2))
		for _, d := range []vg.Length{1, -1} {
			c.StrokeLine2(draw.LineStyle{Color: color.rgba(), Width: 1.3}, at.X-r*0.75, at.Y-d*r*0.75, at.X+r*0.75, at.Y+d*r*0.75)
		}
	case Triangle:
		fill(polygon(3, math.Pi/2, r*1.3), paper)
		stroke(polygon(3, math.Pi/2, r*1.3))
	case Halo:
		pen.Width = 1.5
		stroke(circle(m.radius()))
	case Cross:
		for _, d := range []vg.Length{1, -1} {
			c.StrokeLine2(pen, at.X-r, at.Y-d*r, at.X+r, at.Y+d*r)
		}
	}
}
