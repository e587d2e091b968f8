package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sweep"
	"github.com/aiperf-go/aiperf/report/plot"
)

// look is how a kind of point is drawn: what the legend calls it, its shape and its
// colour. What differs in verdict differs in shape, for readers who see no colours
// and for printers that have none.
type look struct {
	name  string
	mark  plot.Mark
	color plot.Color
}

// doubtful is the look of a probe that says nothing of the server.
var doubtful = look{"not to be trusted", plot.Triangle, plot.Quiet}

// looks are those of the standings.
var looks = map[standing]look{
	unmeasured: doubtful,
	untrusted:  doubtful,
	measured:   {"measured", plot.Disc, plot.Good},
	met:        {"meets the SLA", plot.Disc, plot.Good},
	likely:     {"likely meets it", plot.Ring, plot.Good},
	unlikely:   {"likely misses it", plot.CrossRing, plot.Bad},
	missed:     {"misses the SLA", plot.Cross, plot.Bad},
}

// legend is the order of the standings in a legend: from good to bad.
var legend = []standing{met, likely, unlikely, missed, untrusted, measured}

// classed are points by how they look. It makes a series of each, so that the
// legend explains the shapes.
type classed map[look][]plot.Point

// add adds a point of a standing.
func (c classed) add(s standing, p plot.Point) { c[looks[s]] = append(c[looks[s]], p) }

// series are the points, a series a look.
func (c classed) series() []plot.Series {
	var out []plot.Series
	for _, s := range legend {
		if k := looks[s]; len(c[k]) > 0 {
			out = append(out, plot.Series{Name: k.name, Mark: k.mark, Color: k.color, Points: c[k]})
		}
	}
	return out
}

// tip is what a point says when it is pointed at: where it is, how it stands to the
// limits, what was seen. Lines are separated by line feeds.
func (v *view) tip(p probe) string {
	lines := []string{fmt.Sprintf("probe %d: %s", p.index+1, v.place(p)), p.word()}
	for _, r := range p.Readings {
		line := r.Limit.Name() + " " + observed(r)
		if !math.IsNaN(r.Lo) && !math.IsNaN(r.Hi) {
			line += ", " + interval(r)
		}
		lines = append(lines, line)
	}
	if x, ok := p.Stat("throughput", "avg"); ok {
		lines = append(lines, value(x, "tok/s"))
	}
	return strings.Join(append(lines, plural(p.Requests(), "request")), "\n")
}

// axisOf is the axis of a swept path. Counts go in doublings, so that their axes are
// logarithmic.
func axisOf(path string) plot.Axis {
	switch path {
	case recipes.PathConcurrency:
		return plot.Axis{Label: "concurrency (requests in flight)", Log: true, Whole: true}
	case recipes.PathISL:
		return plot.Axis{Label: "prompt length, ISL (tokens)", Log: true, Whole: true}
	case recipes.PathOSL:
		return plot.Axis{Label: "answer length, OSL (tokens)", Log: true, Whole: true}
	case recipes.PathRate:
		return plot.Axis{Label: "request rate (req/s)", Log: true}
	}
	return plot.Axis{Label: sweep.Leaf(path)}
}

// wide reports whether values are too far apart for a linear axis: by more than a
// factor of 20, zero and below left out.
func wide(vs []float64) bool {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range vs {
		if v > 0 && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	return hi/lo > 20 && lo > 0 && !math.IsInf(lo, 0)
}

// inSeconds turns an axis of milliseconds into one of seconds where that reads
// better, from ten seconds on. Tips keep their texts, which have units of their own.
func inSeconds(c *plot.Chart) {
	// The axis changes as a whole, with all that is drawn against it: a chart with both
	// units would be misread.
	const from = 10_000
	x, y := 0.0, 0.0
	for _, s := range c.Series {
		for _, p := range s.Points {
			x, y = max(x, p.X), max(y, p.Y)
		}
	}
	label, onX := strings.CutSuffix(c.X.Label, "(ms)")
	if onX = onX && x >= from; onX {
		c.X.Label = label + "(s)"
	}
	label, onY := strings.CutSuffix(c.Y.Label, "(ms)")
	if onY = onY && y >= from; onY {
		c.Y.Label = label + "(s)"
	}
	scale := func(on bool, vs ...*float64) {
		for _, v := range vs {
			if on {
				*v /= 1000
			}
		}
	}
	for _, s := range c.Series {
		for i := range s.Points {
			p := &s.Points[i]
			scale(onX, &p.X)
			scale(onY, &p.Y, &p.Lo, &p.Hi)
		}
	}
	for _, b := range c.Bands {
		for i := range b.Area {
			scale(onX, &b.Area[i].X)
			scale(onY, &b.Area[i].Lo, &b.Area[i].Hi)
		}
	}
	for i := range c.Rules {
		scale(c.Rules[i].Vertical && onX || !c.Rules[i].Vertical && onY, &c.Rules[i].At)
	}
}

// sentence makes a text begin like one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
