package plot

import "math"

// Chart is one picture: curves and points over two axes, or a heat map.
type Chart struct {
	Name    string // of its files, without extension
	Title   string // what the reader is to see, in one line
	Caption string // how to read it, in a sentence or two; for the page around it
	X, Y    Axis
	Bands   []Band   // behind all else
	Rules   []Rule   // lines across, as of an SLA
	Series  []Series // in drawing order
	Heat    *Heat    // a heat map in place of the three; nil: none
}

// Axis is one axis. The zero value is linear, without a name, as long as its data.
type Axis struct {
	Label string // with the unit
	Log   bool   // logarithmic; values up to 0 are left out
	Whole bool   // ticks at whole numbers only
	Zero  bool   // reaches down to 0 (linear axes)
	Ticks []Tick // nil: chosen from the data
}

// Tick is a labelled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// Series is a curve, a set of points, or both.
type Series struct {
	Name   string // for the legend; empty: it is not listed
	Color  Color
	Mark   Mark // of its points
	Line   Line // between them, in their order
	Points []Point
}

// Point is one value.
type Point struct {
	X, Y   float64
	Lo, Hi float64 // interval of Y, drawn as a bar; none where both are 0 or one is NaN
	Label  string  // written beside it where there is room
	Tip    string  // shown by a page when the point is hovered or focused
}

// interval reports whether the point has one.
func (p Point) interval() bool {
	return (p.Lo != 0 || p.Hi != 0) && finite(p.Lo) && finite(p.Hi)
}

// Band is an area between two curves.
type Band struct {
	Name  string
	Color Color
	Steps bool // each range holds until the next
	Area  []Range
}

// Range is a band at one place.
type Range struct{ X, Lo, Hi float64 }

// Rule is a straight line across the chart.
type Rule struct {
	Name     string
	Color    Color
	At       float64
	Vertical bool // at an X; else at a Y
}

// Heat is a map of values over two lists of categories, each cell with its value
// written in it.
type Heat struct {
	X, Y   []string
	Z      [][]float64 // [y][x]; NaN: there is none
	Unit   string
	Format func(float64) string // of a cell
	Tip    func(y, x int) string
}

// Line is how the points of a series are joined.
type Line uint8

const (
	NoLine Line = iota
	Solid
	Dashed
	Stairs // each value holds until the next point
)

func finite(vs ...float64) bool {
	for _, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// shows reports whether the axis has a place for v. No measurement is as far out
// as what it leaves out, and sums of such values are not finite.
func (a Axis) shows(v float64) bool {
	const far = 1e100
	return math.Abs(v) <= far && (!a.Log || v >= 1/far)
}
