package plot

import "math"

// span is what an axis has to cover.
type span struct{ lo, hi float64 }

func empty() span { return span{math.Inf(1), math.Inf(-1)} }

func (s *span) add(a Axis, vs ...float64) {
	for _, v := range vs {
		if a.shows(v) {
			s.lo, s.hi = min(s.lo, v), max(s.hi, v)
		}
	}
}

// spans returns what the chart's data cover.
func (c *Chart) spans() (x, y span) {
	x, y = empty(), empty()
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !c.X.shows(p.X) || !c.Y.shows(p.Y) {
				continue
			}
			x.add(c.X, p.X)
			y.add(c.Y, p.Y)
			if p.interval() {
				y.add(c.Y, p.Lo, p.Hi)
			}
		}
	}
	for _, b := range c.Bands {
		for _, r := range b.Area {
			x.add(c.X, r.X)
			y.add(c.Y, r.Lo, r.Hi)
		}
	}
	for _, r := range c.Rules {
		if r.Vertical {
			x.add(c.X, r.At)
		} else {
			y.add(c.Y, r.At)
		}
	}
	return x, y
}

// widen gives the data room: 5% at either end, and something to stand on where
// there is one value or none.
func (s span) widen(a Axis) span {
	const room = 0.05
	switch {
	case s.lo > s.hi:
		if a.Log {
			return span{1, 10}
		}
		return span{0, 1}
	case a.Log:
		f := math.Pow(s.hi/s.lo, room)
		if s.hi/s.lo < 1.05 {
			f = 1.5
		}
		return span{s.lo / f, s.hi * f}
	}
	d := room * (s.hi - s.lo)
	if d <= 1e-9*math.Abs(s.hi) {
		d = max(math.Abs(s.hi)/2, 0.5)
	}
	w := span{s.lo - d, s.hi + d}
	if a.Ticks != nil {
		return w // places, not amounts
	}
	if a.Zero && s.lo >= 0 || s.lo >= 0 && w.lo < 0 {
		w.lo = 0
	}
	return w
}
