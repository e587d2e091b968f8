package recipes

import (
	"cmp"
	"fmt"
	"slices"
)

// itlSurface is decode_itl_surface.json.
type itlSurface struct {
	Metric  string     `json:"swept_metric"`
	Stat    string     `json:"stat"`
	Paths   []string   `json:"swept_params"` // concurrency, osl
	Points  []itlPoint `json:"raw_points"`
	Surface struct {
		Concurrency []num   `json:"concurrency_axis"`
		OSL         []num   `json:"osl_axis"`
		ITL         [][]num `json:"itl_grid"` // [concurrency][osl]; null: not measured
	} `json:"surface"`
	Failed  bool   `json:"surface_fit_failed"`
	Problem string `json:"error_reason,omitempty"`
}

type itlPoint struct {
	Concurrency num `json:"concurrency"`
	OSL         num `json:"osl"`
	ITL         num `json:"itl_ms"`
}

// surfaceITL lays ITL out over concurrency and answer length, as measured: a
// combination that was not measured stays empty, since nothing says what it
// would have been. Values that are negative or not finite are no measurements;
// of several at one combination the last counts.
func surfaceITL(a *Aggregate, from map[string]any) (any, error) {
	var s itlSurface
	var concurrency, osl string
	if err := texts(handlerITL, from, map[string]*string{
		"metric_tag": &s.Metric, "stat": &s.Stat, "concurrency_param": &concurrency, "osl_param": &osl,
	}); err != nil {
		return nil, err
	}
	s.Paths = []string{concurrency, osl}
	s.Points = []itlPoint{}
	s.Surface.Concurrency, s.Surface.OSL, s.Surface.ITL = []num{}, []num{}, [][]num{}
	rows, infinite, negative := 0, 0, 0
	for i := range a.Rows {
		c, ok1 := a.Rows[i].Param(concurrency)
		o, ok2 := a.Rows[i].Param(osl)
		v, ok3 := a.Rows[i].Stat(s.Metric, s.Stat)
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
			s.Points = append(s.Points, itlPoint{num(c), num(o), num(v)})
		}
	}
	if rows == 0 {
		return nil, fmt.Errorf("%s: no point of the sweep has %s, %s and %s %s; were all its requests failed, or not streamed?",
			handlerITL, leaf(concurrency), leaf(osl), s.Metric, s.Stat)
	}
	slices.SortStableFunc(s.Points, func(p, q itlPoint) int {
		return cmp.Or(cmp.Compare(p.Concurrency, q.Concurrency), cmp.Compare(p.OSL, q.OSL))
	})
	if len(s.Points) < 2 {
		s.Failed = true
		s.Problem = fmt.Sprintf("%d of %d points have a usable value (%d not finite, %d negative), and a surface takes two", len(s.Points), rows, infinite, negative)
		return s, nil
	}
	cells := map[[2]num]num{}
	for _, p := range s.Points {
		cells[[2]num{p.Concurrency, p.OSL}] = p.ITL
		s.Surface.Concurrency = append(s.Surface.Concurrency, p.Concurrency)
		s.Surface.OSL = append(s.Surface.OSL, p.OSL)
	}
	s.Surface.Concurrency = slices.Compact(s.Surface.Concurrency)
	slices.Sort(s.Surface.OSL)
	s.Surface.OSL = slices.Compact(s.Surface.OSL)
	for _, c := range s.Surface.Concurrency {
		var line []num
		for _, o := range s.Surface.OSL {
			v, ok := cells[[2]num{c, o}]
			if !ok {
				v = num(nan)
			}
			line = append(line, v)
		}
		s.Surface.ITL = append(s.Surface.ITL, line)
	}
	return s, nil
}
