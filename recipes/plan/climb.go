package plan

import "math"

const (
	goldenShare = 0.381966011250105 // 2 − φ
	climbWidth  = 0.35              // in ln x; an optimum is flat
	climbProbes = 6
)

// climb searches the best first goal at or below the answer by golden section
// (Kiefer 1953) in ln x. Where the best point is the answer itself the goal still
// rises there, and nothing is left to search.
func (s *sequence) climb() (Step, bool) {
	last := s.safeIndex()
	if last < 1 || s.Lo <= 0 {
		return Step{}, false
	}
	values := make([]float64, last+1)
	for i := range values {
		values[i] = s.goal(s.points[i])
	}
	if math.IsNaN(values[last]) {
		return s.measure(s.points[last].x)
	}
	best := last
	for i, v := range values {
		if !math.IsNaN(v) && (v > values[best]) == s.p.Goals[0].Maximize && v != values[best] {
			best = i
		}
	}
	if best == last {
		return Step{}, false
	}
	at := math.Log(s.points[best].x)
	below, above := math.Log(s.Lo), math.Log(s.points[best+1].x)
	if best > 0 {
		below = math.Log(s.points[best-1].x)
	}
	if above-below < climbWidth || s.climbed() >= climbProbes {
		return Step{}, false
	}
	x := at + goldenShare*(above-at)
	if at-below > above-at {
		x = at - goldenShare*(at-below)
	}
	y := s.clamp(math.Exp(x))
	for _, b := range s.points {
		if b.x == y {
			return Step{}, false
		}
	}
	return s.measure(y)
}

const climbing = "golden section on the objective"

func (s *sequence) measure(x float64) (Step, bool) {
	for _, b := range s.points {
		if b.x == x && len(b.visits) >= maxVisits {
			return Step{}, false
		}
	}
	return Step{At: []float64{x}, Size: 1, Full: true, Reason: climbing}, true
}

// climbed counts the probes of the climb: those after the boundary was known.
// The history does not say why a point was asked; those below the answer that
// came after it do.
func (s *sequence) climbed() int {
	n, seen := 0, false
	safe := s.points[s.safeIndex()].x
	for _, o := range s.h {
		if len(o.At) != 1 {
			continue
		}
		if seen && o.At[0] < safe*0.9 {
			n++
		}
		seen = seen || o.At[0] == safe
	}
	return n
}

// goal is the mean of the first goal over a point's visits; of whole ones where
// there are some. NaN: never measured.
func (s *sequence) goal(b belief) float64 {
	for _, cut := range []bool{false, true} {
		sum, n := 0.0, 0.0
		for _, v := range b.visits {
			o := s.h[v]
			if o.State == Full || cut && o.State == Cut {
				if len(o.Goals) > 0 && !math.IsNaN(o.Goals[0].Value) {
					sum, n = sum+o.Goals[0].Value, n+1
				}
			}
		}
		if n > 0 {
			return sum / n
		}
	}
	return math.NaN()
}
