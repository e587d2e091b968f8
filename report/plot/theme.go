package plot

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Color is an entry of the palette: a role first, then colours to tell curves
// apart.
type Color uint8

const (
	Ink   Color = iota // text and axes
	Good               // passes
	Bad                // does not, and limits
	Doubt              // nobody knows
	Quiet              // what stands behind the data
	First              // curves …
	Second
	Third
	Fourth
	Fifth
	Sixth
	paper // the background
)

// Curve returns the colour of the i-th of several curves.
func Curve(i int) Color { return First + Color(i%6) }

// palette holds what is drawn on white, and the name a page may give another
// value to. Colours are Okabe and Ito's (Color Universal Design, 2008), with
// the yellow left out: it is not legible on white.
var palette = [...]struct {
	rgb  color.RGBA
	name string
}{
	Ink:    {rgb(0x1f2328), "ink"},
	Good:   {rgb(0x0072b2), "good"},
	Bad:    {rgb(0xd55e00), "bad"},
	Doubt:  {rgb(0x8a5a83), "doubt"},
	Quiet:  {rgb(0x8c959f), "quiet"},
	First:  {rgb(0x0072b2), "c1"},
	Second: {rgb(0xd55e00), "c2"},
	Third:  {rgb(0x009e73), "c3"},
	Fourth: {rgb(0xcc79a7), "c4"},
	Fifth:  {rgb(0x56b4e9), "c5"},
	Sixth:  {rgb(0xb07d00), "c6"},
	paper:  {rgb(0xffffff), "paper"},
}

func rgb(v uint32) color.RGBA {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 0xff}
}

// rgba is the colour, unknown entries being ink.
func (c Color) rgba() color.RGBA {
	if int(c) >= len(palette) {
		c = Ink
	}
	return palette[c].rgb
}

// faded is the colour let through by the share that is left of it.
func (c Color) faded(share float64) color.Color {
	v := c.rgba()
	return color.NRGBA{R: v.R, G: v.G, B: v.B, A: uint8(255 * share)}
}

func hex(v color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", v.R, v.G, v.B) }

// Sizes of a chart, in points.
const (
	width, height = vg.Length(640), vg.Length(380)
	margin        = vg.Length(12)
	titleSize     = vg.Length(14)
	labelSize     = vg.Length(12)
	textSize      = vg.Length(11)
	markSize      = vg.Length(4.5)
)

// style is a text style in Liberation Sans, which has the widths of Arial: a page
// that lacks the font shows the other, and everything stays in its place.
func style(size vg.Length, c Color) text.Style {
	return text.Style{
		Color:   c.rgba(),
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		Handler: text.Plain{Fonts: font.DefaultCache},
		XAlign:  draw.XLeft,
		YAlign:  draw.YBottom,
	}
}

func bold(size vg.Length, c Color) text.Style {
	s := style(size, c)
	s.Font.Weight = 3 // golang.org/x/image/font.WeightBold
	return s
}
