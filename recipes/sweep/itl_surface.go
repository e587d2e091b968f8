package sweep

import (
	"cmp"
	"fmt"
	"slices"
)

// ITLRule lays a metric out over concurrency and answer length. It gives the result
// of decode-itl-curve.
type ITLRule struct {
	// Metric, by tag, and Stat name what is laid out.
	Metric string `json:"metric_tag"`
	Stat   string `json:"stat"`
	// Concurrency and OSL are the swept paths.
	Concurrency string `json:"concurrency_param"`
	OSL         string `json:"osl_param"`
}

// ITLSurface is inter-token latency over two axes, as measured.
type ITLSurface struct {
	// Concurrency, in requests in flight, and OSL, in tokens, are the axes. Both
	// ascend.
	Concurrency, OSL []float64
	// ITL is in ms, indexed by concurrency and then by OSL. It is NaN where nothing
	// was measured.
	ITL [][]float64
	// Problem says why there is no surface. It is empty when there is one.
	Problem string

	rule   ITLRule
	points []itlPoint
}

// itlPoint is one measured combination in the form of AIPerf's file.
type itlPoint struct {
	Concurrency num `json:"concurrency"`
	OSL         num `json:"osl"`
	ITL         num `json:"itl_ms"`
}

// Name returns AIPerf's name of the handler.
func (ITLRule) Name() string { return "itl_surface_fit" }

// File returns AIPerf's name of the file.
func (ITLRule) File() string { return "decode_itl_surface.json" }

// Derive returns an ITLSurface. A combination that was not measured stays empty:
// nothing is interpolated, since nothing says what it would have been. Values that
// are negative or not finite do not count as measured, and of several values at one
// combination the last counts. It is an error if no point has the metric; a single
// point gives a surface with a Problem.
func (r ITLRule) Derive(sw *Sweep) (Result, error) {
	if err := need(r.Name(), quantity{r.Metric, r.Stat}); err != nil {
		return nil, err
	}
	if err := needPaths(r.Name(), r.Concurrency, r.OSL); err != nil {
		return nil, err
	}
	s := ITLSurface{rule: r}
	rows, infinite, negative := 0, 0, 0
	for i := range sw.Points {
		p := &sw.Points[i]
		c, ok1 := p.Param(r.Concurrency)
		o, ok2 := p.Param(r.OSL)
		v, ok3 := p.Stat(r.Metric, r.Stat)
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		rows++
		switch {
		case !finite(v):
			infinite++
		case v < 0:
			negative++
		default:
			s.points = append(s.points, itlPoint{num(c), num(o), num(v)})
		}
	}
	if rows == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has %s, %s and %s %s; did every request fail, or were the answers not streamed?",
			r.Name(), Leaf(r.Concurrency), Leaf(r.OSL), r.Metric, r.Stat)
	}
	// The sort is stable, so that the last of several values is the last here too.
	slices.SortStableFunc(s.points, func(p, q itlPoint) int {
		return cmp.Or(cmp.Compare(p.Concurrency, q.Concurrency), cmp.Compare(p.OSL, q.OSL))
	})
	if len(s.points) < 2 {
		s.Problem = fmt.Sprintf("%d of %d points have a usable value (%d not finite, %d negative); a surface needs at least two",
			len(s.points), rows, infinite, negative)
		return s, nil
	}
	s.layOut()
	return s, nil
}

// layOut fills in the axes and the grid from the points.
func (s *ITLSurface) layOut() {
	cells := map[[2]float64]float64{}
	for _, p := range s.points {
		c, o := float64(p.Concurrency), float64(p.OSL)
		cells[[2]float64{c, o}] = float64(p.ITL)
		s.Concurrency = append(s.Concurrency, c)
		s.OSL = append(s.OSL, o)
	}
	s.Concurrency = slices.Compact(s.Concurrency)
	slices.Sort(s.OSL)
	s.OSL = slices.Compact(s.OSL)
	for _, c := range s.Concurrency {
		var line []float64
		for _, o := range s.OSL {
			v, ok := cells[[2]float64{c, o}]
			if !ok {
				v = nan
			}
			line = append(line, v)
		}
		s.ITL = append(s.ITL, line)
	}
}

// MarshalJSON writes decode_itl_surface.json.
func (s ITLSurface) MarshalJSON() ([]byte, error) {
	grid := [][]num{}
	for _, line := range s.ITL {
		grid = append(grid, nums(line))
	}
	points := s.points
	if points == nil {
		points = []itlPoint{}
	}
	o := object{
		{"swept_metric", s.rule.Metric}, {"stat", s.rule.Stat}, {"swept_params", []string{s.rule.Concurrency, s.rule.OSL}},
		{"raw_points", points},
		{"surface", object{{"concurrency_axis", nums(s.Concurrency)}, {"osl_axis", nums(s.OSL)}, {"itl_grid", grid}}},
		{"surface_fit_failed", s.Problem != ""},
	}
	if s.Problem != "" {
		o = append(o, field{"error_reason", s.Problem})
	}
	return o.MarshalJSON()
}
