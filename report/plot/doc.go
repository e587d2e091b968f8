// Package plot draws charts as SVG and PNG. It knows nothing of what they show:
//
//	c := plot.Chart{
//		Name: "trace", Title: "TTFT over concurrency",
//		X: plot.Axis{Label: "concurrency", Log: true}, Y: plot.Axis{Label: "TTFT p95 (ms)"},
//		Series: []plot.Series{{Name: "measured", Mark: plot.Disc, Points: points}},
//		Rules:  []plot.Rule{{Name: "SLA", At: 200}},
//	}
//	err := c.SVG(w)
//
// A [Chart] is plain data; [Chart.SVG] and [Chart.PNG] make files of it, on white,
// and [Chart.Inline] an element for an HTML page, which takes its colours from the
// page and carries a title element for each point that has a tip.
//
// What differs in kind differs in shape: a [Mark] says whether a point passed,
// colour only repeats it (the palette is Okabe and Ito's, made for colour-blind
// readers). Values that are not finite, and those that a logarithmic axis cannot
// show, are left out.
package plot
