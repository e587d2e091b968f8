package plan

import "math"

// Boundary types of AIPerf's boundary_summary.
const (
	Smooth = "smooth"
	Cliff  = "cliff"
)

// Summary is what smooth_isotonic adds to AIPerf's boundary_summary.
type Summary struct {
	Type    string  // Smooth or Cliff; empty while there is no bracket
	Binding int     // index into Observation.Limits of the limit nearest to breaking at the boundary; −1: none known
	CILow   float64 // 95 % interval of the binding margin g at the answer, in AIPerf's sense; NaN without two visits that differ
	CIHigh  float64

	// Identifiable is false when noise over slope leaves the boundary wider
	// than ±10 %: the interval is the answer then, not the estimate.
	Identifiable bool
	// Factor is how many times as long the probes would have to be to settle
	// the boundary to ±10 %; 1 when it is settled.
	Factor float64
}

// Summary reads the boundary summary of the first tier off a history.
func (SmoothIsotonic) Summary(p Problem, h []Observation) Summary {
	none := Summary{Binding: -1, CILow: math.NaN(), CIHigh: math.NaN(), Identifiable: true, Factor: 1}
	a, ok := only(p)
	if !ok {
		return none
	}
	s := newSmooth(p, h, a, tiers(p, h)[0])
	out := none
	if s.end == 0 || s.end == len(s.points) && s.view == nil {
		return out
	}
	out.Type = Smooth
	if s.cliff() {
		out.Type = Cliff
	}
	out.Binding = s.binding()
	out.CILow, out.CIHigh = s.marginCI(out.Binding)
	if s.view != nil {
		answer := s.answer()
		out.Identifiable, out.Factor = s.identifies(answer.Lo, answer.Hi)
	}
	return out
}

// binding is the limit nearest to breaking at the upper end of the bracket, in
// units of its scatter: the last place where the limits can be told apart by
// measurement.
func (s *smooth) binding() int {
	b := s.points[min(s.end, len(s.points)-1)]
	var margins, sigmas []float64
	for j := range s.tier {
		g := b.margins[j]
		if math.IsNaN(g) { // what was not measured there broke there
			g = math.Inf(1)
		}
		margins = append(margins, g)
		sigmas = append(sigmas, s.noise[j].sd)
	}
	j, _ := binding(margins, sigmas, nil)
	if j < 0 {
		return -1
	}
	return s.tier[j]
}

// marginCI is the bootstrap interval of the binding margin over the visits of
// the safe point.
func (s *smooth) marginCI(limit int) (lo, hi float64) {
	i := s.safeIndex()
	for j, k := range s.tier {
		if k != limit || i < 0 || len(s.points[i].values[j]) < 2 {
			continue
		}
		var gs []float64
		for _, e := range s.points[i].values[j] {
			gs = append(gs, e.Value)
		}
		return bootstrapCI(gs, s.p.Seed)
	}
	return math.NaN(), math.NaN()
}
