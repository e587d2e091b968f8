package plot

import (
	"fmt"
	"math"
	"strings"
	"unicode"

	gonum "gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// spot is a place of the finished picture that has something to tell.
type spot struct {
	at  vg.Rectangle
	tip string
}

// drawing is a chart on its way to a canvas.
type drawing struct {
	*Chart
	spots []spot
	taken []vg.Rectangle // by labels and marks
}

// draw draws the whole chart. The library panics on what it cannot draw; a
// caller gets an error.
func (c *Chart) draw(on vg.CanvasSizer) (spots []spot, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("draw chart %s: %v", c.Name, r)
		}
	}()
	d := &drawing{Chart: c}
	da := draw.New(on)
	da.SetColor(paper.rgba())
	da.Fill(da.Rectangle.Path())
	da = draw.Crop(da, margin, -margin, margin, -margin)
	da = d.head(da)
	p := d.axes()
	da = d.names(da)
	if n := len(p.ticks); n > 0 {
		// Half of the last label stands beyond the axis.
		da.Max.X -= style(textSize, Ink).Width(p.ticks[n-1].Label) / 2
	}
	if d.Heat != nil {
		p.Add(layer(d.heat))
	} else {
		p.Add(layer(d.grid), layer(d.bands), layer(d.rules), layer(d.lines), layer(d.marks), layer(d.labels))
	}
	p.Draw(da)
	return d.spots, nil
}

// layer is a plotter of the library.
type layer func(draw.Canvas, *gonum.Plot)

func (l layer) Plot(c draw.Canvas, p *gonum.Plot) { l(c, p) }

// axes is the library's plot with our ranges, ticks and fonts.
type axes struct {
	*gonum.Plot
	ticks fixed // of the x axis
}

func (d *drawing) axes() axes {
	p := gonum.New()
	p.BackgroundColor = nil
	x, y := d.spans()
	x, y = x.widen(d.X), y.widen(d.Y)
	ax, ay := d.X, d.Y
	if h := d.Heat; h != nil {
		x, y = span{-0.5, float64(len(h.X)) - 0.5}, span{-0.5, float64(len(h.Y)) - 0.5}
		ax, ay = categories(ax, h.X), categories(ay, h.Y)
	}
	xt := ax.ticks(x.lo, x.hi)
	set(&p.X, ax, x, xt)
	set(&p.Y, ay, y, ay.ticks(y.lo, y.hi))
	return axes{p, xt}
}

// names writes the axes' names and returns what is left of the canvas. The
// library would make room for them where the middle of a linear axis is, and
// leave a gap on a logarithmic one.
func (d *drawing) names(c draw.Canvas) draw.Canvas {
	sty := style(labelSize, Ink)
	sty.XAlign, sty.YAlign = draw.XCenter, draw.YTop
	if text := shorten(clean(d.Y.Label), sty.Width, c.Size().Y); text != "" {
		up := sty
		up.Rotation = math.Pi / 2
		c.FillText(up, vg.Point{X: c.Min.X - 1, Y: c.Center().Y}, text)
		c.Min.X += sty.Height(text) + 4
	}
	if text := shorten(clean(d.X.Label), sty.Width, c.Size().X); text != "" {
		sty.YAlign = draw.YBottom
		c.FillText(sty, vg.Point{X: c.Center().X, Y: c.Min.Y}, text)
		c.Min.Y += sty.Height(text) + 4
	}
	return c
}

func set(to *gonum.Axis, a Axis, s span, t fixed) {
	to.Min, to.Max = s.lo, s.hi
	to.Tick.Marker = t
	to.Padding = 0
	if a.Log {
		to.Scale = gonum.LogScale{}
	}
	tick := style(textSize, Ink)
	tick.XAlign, tick.YAlign = to.Tick.Label.XAlign, to.Tick.Label.YAlign
	to.Tick.Label = tick
	to.Color, to.Tick.Color = Quiet.rgba(), Quiet.rgba()
	to.Width, to.Tick.Width, to.Tick.Length = 0.8, 0.8, 5
}

func categories(a Axis, names []string) Axis {
	a.Log, a.Ticks = false, []Tick{}
	for i, n := range names {
		a.Ticks = append(a.Ticks, Tick{float64(i), n})
	}
	return a
}

// grid draws a faint line at each labelled tick.
func (d *drawing) grid(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	pen := draw.LineStyle{Color: Quiet.faded(0.25), Width: 0.7}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !t.IsMinor() {
			c.StrokeLine2(pen, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
		}
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if !t.IsMinor() {
			c.StrokeLine2(pen, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
}

func (d *drawing) bands(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	for _, b := range d.Bands {
		var up, down []vg.Point
		add := func(at float64, r Range) {
			up = append(up, vg.Point{X: x(at), Y: y(r.Hi)})
			down = append(down, vg.Point{X: x(at), Y: y(r.Lo)})
		}
		var last *Range
		for _, r := range b.Area {
			if !d.X.shows(r.X) || !d.Y.shows(r.Lo) || !d.Y.shows(r.Hi) {
				continue
			}
			if last != nil && b.Steps {
				add(r.X, *last)
			}
			add(r.X, r)
			last = &r
		}
		if len(up) < 2 {
			continue
		}
		path := vg.Path{}
		path.Move(up[0])
		for _, pt := range up[1:] {
			path.Line(pt)
		}
		for i := len(down) - 1; i >= 0; i-- {
			path.Line(down[i])
		}
		path.Close()
		c.SetColor(b.Color.faded(bandShare))
		c.Fill(path)
	}
}

const bandShare = 0.18

func (d *drawing) rules(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	for _, r := range d.Rules {
		switch {
		case r.Vertical && d.X.shows(r.At):
			c.StrokeLine2(dashed(r.Color), x(r.At), c.Min.Y, x(r.At), c.Max.Y)
			d.taken = append(d.taken, vg.Rectangle{Min: vg.Point{X: x(r.At) - 1, Y: c.Min.Y}, Max: vg.Point{X: x(r.At) + 1, Y: c.Max.Y}})
		case !r.Vertical && d.Y.shows(r.At):
			c.StrokeLine2(dashed(r.Color), c.Min.X, y(r.At), c.Max.X, y(r.At))
			d.taken = append(d.taken, vg.Rectangle{Min: vg.Point{X: c.Min.X, Y: y(r.At) - 1}, Max: vg.Point{X: c.Max.X, Y: y(r.At) + 1}})
		}
	}
}

func dashed(color Color) draw.LineStyle {
	return draw.LineStyle{Color: color.rgba(), Width: 1.6, Dashes: []vg.Length{6, 4}}
}

func (d *drawing) lines(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	for _, s := range d.Series {
		pen := s.pen()
		var path []vg.Point
		for _, pt := range s.Points {
			if !d.X.shows(pt.X) || !d.Y.shows(pt.Y) {
				continue
			}
			at := vg.Point{X: x(pt.X), Y: y(pt.Y)}
			if s.Line == Stairs && len(path) > 0 {
				path = append(path, vg.Point{X: at.X, Y: path[len(path)-1].Y})
			}
			path = append(path, at)
			if pt.interval() && d.Y.shows(pt.Lo) {
				bar := draw.LineStyle{Color: s.Color.rgba(), Width: 1.1}
				for _, end := range []float64{pt.Lo, pt.Hi} {
					c.StrokeLine2(bar, at.X-3, y(end), at.X+3, y(end))
				}
				c.StrokeLine2(bar, at.X, y(pt.Lo), at.X, y(pt.Hi))
			}
		}
		if s.Line != NoLine && len(path) > 1 {
			c.StrokeLines(pen, path)
		}
	}
}

func (s Series) pen() draw.LineStyle {
	pen := draw.LineStyle{Color: s.Color.rgba(), Width: 1.6}
	if s.Line == Dashed {
		pen.Dashes = []vg.Length{3, 3}
	}
	return pen
}

// marks draws the points, and notes what a page may say of each.
func (d *drawing) marks(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	for _, s := range d.Series {
		for _, pt := range s.Points {
			if !d.X.shows(pt.X) || !d.Y.shows(pt.Y) {
				continue
			}
			at := vg.Point{X: x(pt.X), Y: y(pt.Y)}
			s.Mark.draw(c, s.Color, at)
			if s.Mark != NoMark {
				d.taken = append(d.taken, around(at, s.Mark.radius()+1))
			}
			if pt.Tip != "" {
				d.spots = append(d.spots, spot{around(at, markSize+4), pt.Tip})
			}
		}
	}
}

func around(at vg.Point, r vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: at.X - r, Y: at.Y - r}, Max: vg.Point{X: at.X + r, Y: at.Y + r}}
}

// labels writes the points' labels beside them, where there is room: one that
// would cover another, or a mark, is left out, since the tip says it too.
func (d *drawing) labels(c draw.Canvas, p *gonum.Plot) {
	x, y := p.Transforms(&c)
	sty := style(textSize-1, Ink)
	written := map[string]vg.Point{}
	for _, s := range d.Series {
		for _, pt := range s.Points {
			if pt.Label == "" || !d.X.shows(pt.X) || !d.Y.shows(pt.Y) {
				continue
			}
			text := clean(pt.Label)
			w, h := sty.Width(text), sty.Height(text)
			at, gap, far := vg.Point{X: x(pt.X), Y: y(pt.Y)}, markSize+2, Halo.radius()+3
			if before, ok := written[text]; ok && math.Hypot(float64(at.X-before.X), float64(at.Y-before.Y)) < 24 {
				continue // said already, of another visit
			}
			for _, corner := range []vg.Point{
				{X: at.X + gap, Y: at.Y + 1}, {X: at.X - gap - w, Y: at.Y + 1},
				{X: at.X + gap, Y: at.Y - h - 1}, {X: at.X - gap - w, Y: at.Y - h - 1},
				{X: at.X - w/2, Y: at.Y + gap}, {X: at.X - w/2, Y: at.Y - gap - h},
				{X: at.X + far, Y: at.Y}, {X: at.X + far, Y: at.Y - h}, {X: at.X - far - w, Y: at.Y}, {X: at.X - w/2, Y: at.Y - far - h},
			} {
				box := vg.Rectangle{Min: corner, Max: vg.Point{X: corner.X + w, Y: corner.Y + h}}
				if d.free(c, box) {
					d.taken = append(d.taken, box)
					written[text] = at
					c.SetColor(paper.faded(0.75))
					c.Fill(box.Path())
					c.FillText(sty, vg.Point{X: corner.X, Y: corner.Y + sty.FontExtents().Descent}, text)
					break
				}
			}
		}
	}
}

func (d *drawing) free(c draw.Canvas, box vg.Rectangle) bool {
	if !c.Contains(box.Min) || !c.Contains(box.Max) {
		return false
	}
	for _, t := range d.taken {
		if box.Min.X < t.Max.X && t.Min.X < box.Max.X && box.Min.Y < t.Max.Y && t.Min.Y < box.Max.Y {
			return false
		}
	}
	return true
}

// clean makes one line of a text that may come from anywhere: control characters
// have no picture, and are no XML.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, s)
}
