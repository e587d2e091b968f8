package unrest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

var prior = Prior{Steep: 0.8, Memory: 10}

// visits are n visits, 6 s apart, of loads around a boundary, with errors of 5%; moved is what
// moves the one at time t.
func visits(seed uint64, n int, moved func(t float64) float64) (vs []Visit) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		u, t := 0.1*rng.NormFloat64(), 6*float64(i)
		vs = append(vs, Visit{U: u, G: u + moved(t) + 0.05*rng.NormFloat64(), SE: 0.05, At: t})
	}
	return vs
}

// TestRead: of a hundred histories of twelve visits each, few of a steady server look otherwise,
// and
// few of one that scatters by 25% from visit to visit, or gets slower by a quarter in a minute, look calm.
func TestRead(t *testing.T) {
	kinds := func(moved func(seed uint64) func(t float64) float64) (n [3]int) {
		for seed := range uint64(100) {
			n[Read(visits(seed, 12, moved(seed)), prior).Kind]++
		}
		return n
	}
	calm := kinds(func(uint64) func(float64) float64 { return func(float64) float64 { return 0 } })
	assert.GreaterOrEqual(t, calm[Calm], 85, "steady")
	scattered := kinds(func(seed uint64) func(float64) float64 {
		rng := rand.New(rand.NewPCG(seed, 2))
		return func(float64) float64 { return 0.25 * rng.NormFloat64() }
	})
	assert.GreaterOrEqual(t, scattered[Scattered], 90, "scattered")
	drifting := kinds(func(uint64) func(float64) float64 { return func(t float64) float64 { return 0.25 * t / 60 } })
	assert.GreaterOrEqual(t, drifting[Drifting], 80, "drifting")
}

// TestReadScatter: the scatter is that of the visits, known the better the more they are.
func TestReadScatter(t *testing.T) {
	var sum, free [2]float64
	for i, n := range []int{6, 30} {
		for seed := range uint64(50) {
			rng := rand.New(rand.NewPCG(seed, 3))
			s := Read(visits(seed, n, func(float64) float64 { return 0.25 * rng.NormFloat64() }), Prior{Steep: 0.8, Memory: 1})
			sum[i], free[i] = sum[i]+s.SD/50, free[i]+s.Free/50
		}
	}
	assert.InDelta(t, 0.25, sum[1], 0.03)
	assert.InDelta(t, 0.25, sum[0], 0.05)
	assert.Greater(t, free[1], 2*free[0])
}

// TestReadLasts: what moves each visit for itself is told from what moves those around it, too.
func TestReadLasts(t *testing.T) {
	var own, shared float64
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		own += Read(visits(seed, 24, func(float64) float64 { return 0.25 * rng.NormFloat64() }), prior).Lasts / 50
		state, keeps := rng.NormFloat64(), math.Exp(-6/prior.Memory)
		shared += Read(visits(seed, 24, func(float64) float64 {
			state = keeps*state + math.Sqrt(1-keeps*keeps)*rng.NormFloat64()
			return 0.25 * state
		}), prior).Lasts / 50
	}
	assert.Less(t, own, 0.3)
	assert.Greater(t, shared, 0.7)
}

// TestReadDrift: a drift that comes to rest is told with its rate and with the time when it ended.
func TestReadDrift(t *testing.T) {
	vs := visits(4, 20, func(t float64) float64 { return 0.3 * math.Min(t/60, 1) })
	s := Read(vs, prior)
	assert.Equal(t, Drifting, s.Kind)
	assert.InDelta(t, 0.3/60, s.Rate, 3*s.RateSE)
	assert.InDelta(t, 60, s.End, 21)
	assert.Less(t, s.End, s.Last)
}

// TestReadCliff: the two sides of a cliff are no scatter where the visits of each load agree, and no
// jump explains visits of one load that do not. What is no number has no explanation, and does not panic.
func TestReadCliff(t *testing.T) {
	var cliff, wander []Visit
	for i, u := range []float64{4.5, 4.56, 4.6, 4.64, 4.72, 4.6, 4.64, 4.6} {
		g := -0.22 + (u-4.6)/2
		if u > 4.62 {
			g = 0.18 + 5*(u-4.64)
		}
		cliff = append(cliff, Visit{U: u, G: g, SE: 0.01, At: 4 * float64(i)})
		wander = append(wander, Visit{U: u, G: []float64{-0.2, 0.2}[i%2], SE: 0.01, At: 4 * float64(i)})
	}
	s := Read(cliff, prior)
	assert.NotEqual(t, Scattered, s.Kind)
	assert.Less(t, s.Scatters, 0.2, "less likely than before anything was seen")
	assert.Equal(t, Scattered, Read(wander, prior).Kind)
	cliff[3].G = math.NaN()
	assert.NotPanics(t, func() { Read(cliff, prior) })
}

// TestReadFew: two visits tell nothing.
func TestReadFew(t *testing.T) {
	assert.Equal(t, Seen{Free: 1}, Read(visits(1, 2, func(float64) float64 { return 1 }), prior))
}

// BenchmarkRead is what a search pays for each look at its visits.
func BenchmarkRead(b *testing.B) {
	vs := visits(4, 20, func(t float64) float64 { return 0.3 * math.Min(t/60, 1) })
	for b.Loop() {
		Read(vs, prior)
	}
}

// TestRepeated: points that are visited twice show how visits scatter, whatever line goes through them,
// and one whose first visit was amiss does not. It is known the better the farther in time the visits
// are apart.
func TestRepeated(t *testing.T) {
	points := func(seed uint64, gap, sd float64) (ps [][]Visit) {
		rng := rand.New(rand.NewPCG(seed, 4))
		for i := range 7 {
			var visits []Visit
			for pass := range 2 {
				g := math.Pow(float64(i), 3) + sd*rng.NormFloat64() + 0.05*rng.NormFloat64()
				visits = append(visits, Visit{G: g, SE: 0.05, At: gap * float64(i+7*pass)})
			}
			ps = append(ps, visits)
		}
		return ps
	}
	seen := func(ps [][]Visit) float64 {
		if s := Repeated(ps, 10); s.Kind == Scattered {
			return s.SD
		}
		return 0
	}
	steady, cold, scattered, sum := 0, 0, 0, 0.0
	for seed := range uint64(100) {
		ps := points(seed, 20, 0)
		if seen(ps) < 0.06 { // which no one minds beside errors of 5%
			steady++
		}
		ps[0][0].G += 1.5
		if seen(ps) < 0.06 {
			cold++
		}
		if sd := seen(points(seed, 20, 0.25)); sd > 0 {
			scattered, sum = scattered+1, sum+sd
		}
	}
	assert.GreaterOrEqual(t, steady, 90)
	assert.GreaterOrEqual(t, cold, 85, "a cold start is no scatter")
	assert.GreaterOrEqual(t, scattered, 95)
	assert.InDelta(t, 0.25, sum/float64(scattered), 0.03)
	assert.InDelta(t, 7, Repeated(points(1, 1000, 0), 10).Free, 1e-9, "one for each second visit")
	assert.InDelta(t, 2, Repeated(points(1, 0.01, 0), 10).Free, 1e-9, "at one time")
}
