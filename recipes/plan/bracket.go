package plan

import (
	"math"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/boundary"
)

// bracket is a track whose boundary is looked for between the last point that is believed
// to pass and the first that is not, with a posterior of where it lies. The styles that
// narrow a bracket embed it and differ in where they probe.
type bracket struct {
	track
	// exact says that margins come without error.
	exact bool
	// end is the number of lowest points that are believed to pass.
	end int
	// post is the posterior of the boundary; nil while there is no bracket, and where
	// margins are exact.
	post *boundary.Posterior
}

// bracketOf reads the view of a style. The caller sets end and then sees.
func bracketOf(v view) bracket {
	return bracket{track: v.read(noiseEstimate), exact: v.exact()}
}

// A range where the boundary is looked for starts and ends this much outside of the
// points around it, so that neither of them is its edge.
const spanBelow, spanAbove = 0.9, 1.1

// span is the range in which the boundary is looked for; ok is false while there is no
// bracket. An upper bound that passes, but not for certain, closes one as well: it may
// itself be the boundary.
func (t *bracket) span() (lo, hi float64, ok bool) {
	n := len(t.points)
	if t.end == 0 || t.points[0].x <= 0 {
		return 0, 0, false
	}
	if t.end == n {
		top := t.points[n-1]
		if top.x < t.Hi || t.certainPass(top) {
			return 0, 0, false
		}
		hi = t.Hi
	} else {
		hi = min(t.points[min(n-1, t.end+1)].x, 2*t.points[t.end].x)
	}
	lo = max(t.points[max(0, t.end-2)].x, t.points[t.end-1].x/2)
	return spanBelow * lo, spanAbove * hi, true
}

// see looks for the boundary within the span, where there is a bracket and margins are
// not exact, and reports whether there is a posterior now.
func (t *bracket) see(look func(lo, hi float64) boundary.Posterior) bool {
	if lo, hi, ok := t.span(); ok && !t.exact {
		post := look(lo, hi)
		t.post = &post
	}
	return t.post != nil
}

const (
	// edgeMass is how much of the posterior may lie at an edge of the range; with more,
	// the range is too narrow.
	edgeMass = 0.01
	// widening is the factor by which a range grows at an edge, and widenings how often
	// it does at most: 1.5⁸ is a factor of 25.
	widening  = 1.5
	widenings = 8
)

// honest is the posterior that is reported, looked for again in wider ranges for as long
// as the evidence leaves room for the boundary beyond their ends: where noise has turned
// a verdict its neighbours do not bound the boundary, and an interval between them would
// be too narrow. (Of 60 searches with noise of 50% a probe it held the truth in 19, this
// one in 51.) The search itself keeps to the narrow range: it is finer, and in the wide
// one it is drawn to where the curve is not straight.
func (t *bracket) honest(look func(lo, hi float64) boundary.Posterior) boundary.Posterior {
	post := *t.post
	for range widenings {
		lo, hi, below, above := post.Edges()
		lower := below > edgeMass && lo > spanBelow*t.Lo
		upper := above > edgeMass && hi < spanAbove*t.Hi
		if !lower && !upper {
			break
		}
		if lower {
			lo = max(spanBelow*t.Lo, lo/widening)
		}
		if upper {
			hi = min(spanAbove*t.Hi, hi*widening)
		}
		post = look(lo, hi)
	}
	return post
}

// intervalLevel is the level of the intervals that a posterior gives, and tailMass what
// it leaves on either side.
const (
	intervalLevel = 0.95
	tailMass      = (1 - intervalLevel) / 2
)

// credible returns the interval of a posterior at intervalLevel and its median.
func credible(post boundary.Posterior) (lo, median, hi float64) {
	return post.Quantile(1 - tailMass), post.Quantile(0.5), post.Quantile(tailMass)
}

// first replays the history to the first bracket: the points around it, and how many
// observations were made since. ok is false while there was none.
func (t *bracket) first() (pass, fail float64, since int, ok bool) {
	for i := range t.history {
		then := t.until(i + 1).read(noiseEstimate)
		if n := then.prefix(); n > 0 && n < len(then.points) {
			return then.points[n-1].x, then.points[n].x, len(t.history) - i - 1, true
		}
	}
	return 0, 0, 0, false
}

// near returns how many visits lie within the window around x, in ln x.
func (t *bracket) near(x, window float64) (visits int) {
	for _, b := range t.points {
		if math.Abs(math.Log(b.x/x)) < window {
			visits += len(b.visits)
		}
	}
	return visits
}

// spent reports whether x was visited as often as a point may be.
func (t *bracket) spent(x float64) bool {
	for _, b := range t.points {
		if b.x == x && len(b.visits) >= maxVisits {
			return true
		}
	}
	return false
}

// slope is the slope of the worst margin in ln x between two points; NaN where one has no
// margin.
func (t *bracket) slope(i, j int) float64 {
	a, b := t.points[i], t.points[j]
	return (b.worst() - a.worst()) / math.Log(b.x/a.x)
}

// valueAt returns the value of point i, NaN for −1.
func (t *bracket) valueAt(i int) float64 {
	if i < 0 {
		return math.NaN()
	}
	return t.points[i].x
}
