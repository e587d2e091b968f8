package plan

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// An answer does not fall to a point far below because no nearer one was visited: the
// histories are those of searches, of a server whose boundary is 69, that answered 55, 51
// and 54. Each goes on here on a server of boundary 69.
func TestAnswerDoesNotFall(t *testing.T) {
	const secs = time.Second
	seen := func(x float64, apart, lasted time.Duration, value, se, pass, excess float64, n int) Observation {
		o := Observation{
			At: []float64{x}, State: Cut, Requests: n, Lasted: lasted, Asked: Step{At: []float64{x}, Size: 1, Apart: apart},
			Margins: []Margin{{Estimate: Estimate{Value: value, SE: se}, Pass: pass, Excess: excess}},
		}
		if apart > 0 || n >= 149 {
			o.State = Full
		}
		return o
	}
	for name, h := range map[string][]Observation{
		"the answer is refuted by a hair": {
			seen(8, 0, 2*secs, -0.959, 0.014, 0.991, -4.6, 92),
			seen(23, 0, 2*secs, -0.660, 0.011, 0.992, -5.9, 117),
			seen(92, 0, 2*secs, 0.132, 0.021, 0, 144.8, 184),
			seen(55, 0, 2*secs, -0.232, 0.004, 0.988, -7.2, 143),
			seen(71, 0, 2*secs, 0.086, 0.201, 0.243, 4.8, 143),
			seen(74, 0, 2*secs, -0.024, 0.024, 0.520, -1.5, 148),
			seen(75, 0, 2*secs, -0.010, 0.005, 0.988, -7.5, 150),
			seen(72, 0, 2600*time.Millisecond, 0.008, 0.016, 0.134, 11, 148),
			seen(71, 2600*time.Millisecond, 3*secs, -0.004, 0.008, 0.715, -7, 300),
			seen(71, 5200*time.Millisecond, 3*secs, 0.035, 0.029, 0.172, 13, 300),
		},
		"the answer is in doubt for its scatter": {
			seen(8, 0, 2*secs, -0.971, 0.02, 0.991, -4.6, 92),
			seen(24, 0, 2*secs, -0.597, 0.016, 0.992, -6.1, 121),
			seen(96, 0, 2*secs, 0.212, 0.005, 0, 162.4, 192),
			seen(51, 0, 2*secs, -0.266, 0.007, 0.988, -7.2, 143),
			seen(70, 0, 2*secs, -0.091, 0.002, 0.988, -7.2, 143),
			seen(76, 0, 2*secs, 0.007, 0.008, 0.171, 6.4, 152),
			seen(77, 0, 2*secs, 0.063, 0.02, 0.037, 16.3, 154),
			seen(70, 2*secs, 3*secs, -0.019, 0.008, 1, -15, 300),
			seen(70, 4*secs, 3*secs, -0.044, 0.001, 1, -15, 300),
			seen(70, 8*secs, 3*secs, 0.006, 0.011, 0.118, 16, 300),
		},
		"the point below the answer is not spoken for by its own visit": {
			seen(8, 0, 2*secs, -0.954, 0.02, 0.991, -4.6, 92),
			seen(23, 0, 2*secs, -0.664, 0.004, 0.992, -5.9, 118),
			seen(92, 0, 2*secs, 0.152, 0.012, 0, 131.8, 184),
			seen(54, 0, 2*secs, -0.212, 0.023, 0.988, -7.3, 145),
			seen(70, 0, 2*secs, -0.053, 0.002, 0.988, -7.3, 145),
			seen(74, 0, 2*secs, 0, 0.006, 0.413, 0.5, 148),
			seen(70, 2*secs, 3*secs, 0.003, 0.027, 0.326, 4, 300),
			seen(70, 4*secs, 3*secs, 0, 0.030, 0.465, -0.1, 300),
			seen(68, 8*secs, 3*secs, 0.017, 0.052, 0.349, 3, 300),
		},
	} {
		t.Run(name, func(t *testing.T) {
			planner := Confirmed{Sequential{}}
			p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 400, Int: true, Log: true}}, Confidence: 0.95, Seed: 1}
			for range 20 {
				s := planner.Next(p, h)
				if s.Done {
					break
				}
				g := math.Log(s.At[0] / 69.5)
				pass := 0.98
				if g > 0 {
					pass = 0.02
				}
				h = append(h, Observation{
					At: s.At, State: Full, Requests: 300, Lasted: 3 * secs, Asked: s,
					Margins: []Margin{{Estimate: Estimate{Value: g, SE: 0.02}, Pass: pass, Excess: math.Copysign(8, g)}},
				})
			}
			answer := planner.Answers(p, h)[0]
			assert.Greater(t, answer.Safe, 60.0)
			assert.LessOrEqual(t, answer.Safe, 70.0)
			points, _ := p.Pooled(h)
			for _, o := range points {
				if o.At[0] == answer.Safe {
					assert.GreaterOrEqual(t, o.Margins[0].Pass, 0.5, "its own visits speak for it")
				}
			}
		})
	}
}

// Visits that refuted a higher answer do not confirm the one that took its place: the history is that of
// a search of a server which got slower by 30% in its first minute. Its answer, 106, was seen once.
func TestRefutersDoNotConfirm(t *testing.T) {
	var h []Observation
	for _, v := range []struct{ x, apart, lasted, value, se, pass, excess, n float64 }{
		{8, 0, 3.3, -2.592, 0.154, 0.9905, -5, 92},
		{32, 0, 2, -1.443, 0.060, 0.9911, -7, 133},
		{128, 0, 2.5, 0.060, 0.062, 0.1588, 4, 256},
		{90, 0, 1.9, -0.214, 0.059, 0.9975, -7, 180},
		{116, 0, 2.3, -0.086, 0.050, 0.9468, -6, 232},
		{118, 0, 2.3, -0.024, 0.069, 0.5776, -1, 236},
		{119, 0, 2.4, -0.031, 0.074, 0.5891, -1, 238},
		{120, 0, 2.3, -0.035, 0.051, 0.6005, -1, 240},
		{121, 0, 2.4, 0.133, 0.096, 0.0292, 8, 242},
		{123, 0, 2.3, 0.016, 0.082, 0.2372, 3, 246},
		{112, 4, 2.8, 0.006, 0.109, 0.4096, 1, 300},
		{109, 8, 2.7, -0.072, 0.058, 0.6837, -2, 300},
		{109, 16, 2.7, 0.114, 0.113, 0.1511, 4, 300},
		{106, 16, 2.7, -0.015, 0.087, 0.5793, -1, 300},
	} {
		o := Observation{
			At: []float64{v.x}, State: Cut, Requests: int(v.n), Lasted: time.Duration(v.lasted * float64(time.Second)),
			Asked:   Step{At: []float64{v.x}, Size: 1, Apart: time.Duration(v.apart) * time.Second},
			Margins: []Margin{{Estimate: Estimate{Value: v.value, SE: v.se}, Pass: v.pass, Excess: v.excess, Allowed: 0.05}},
		}
		if v.apart > 0 {
			o.State = Full
		}
		h = append(h, o)
	}
	p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 400, Int: true, Log: true}}, Confidence: 0.95, Seed: 1}
	planner := Confirmed{Sequential{}}
	assert.Equal(t, 106.0, planner.Answers(p, h)[0].Safe)
	step := planner.Next(p, h)
	assert.False(t, step.Done)
	assert.Equal(t, []float64{106}, step.At)
}

// Visits of a server that works in steps differ by more than their requests know. A bisection does
// not take that for a reason to look far below what its visits have reached: of these searches of a
// boundary of 69 half answered less than 60.
func TestBisectionDoesNotFall(t *testing.T) {
	p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 400, Int: true, Log: true}}, Budget: 20, Confidence: 0.95, Seed: 1}
	planner := Confirmed{Monotonic{}}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var h []Observation
		for {
			s := planner.Next(p, h)
			if s.Done {
				break
			}
			const se, pattern = 0.012, 0.04
			g := math.Log(s.At[0]/69.5) + pattern*rng.NormFloat64() + se*rng.NormFloat64()
			o := Observation{At: s.At, State: Full, Requests: 300, Lasted: 3 * time.Second, Asked: s}
			pass := normal.CDF(-g / se)
			if !s.Full && (pass > 0.99 || pass < 0.01) {
				o.State, o.Requests, o.Lasted = Cut, 150, 2*time.Second
			}
			o.Margins = []Margin{{Estimate: Estimate{Value: g, SE: se}, Pass: pass, Excess: math.Copysign(8, g), Allowed: 0.05}}
			h = append(h, o)
		}
		answer := planner.Answers(p, h)[0].Safe
		assert.InDelta(t, 67, answer, 7, "seed %d", seed)
		assert.LessOrEqual(t, len(h), 50, "seed %d", seed)
	}
}

// Where a server's batch is full its latency jumps from a fifth below the limit to a fifth above within
// 4% of the load. The two sides are no visits that scatter: the history is that of a search which
// took them for such, and answered 32.
func TestCliffIsNoScatter(t *testing.T) {
	p := Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 400, Int: true, Log: true}}, Confidence: 0.95, Seed: 1}
	var h []Observation
	ended := 0.0
	for _, v := range []struct {
		x        float64
		requests int
		at       float64
		g, se, p float64
	}{
		{1, 92, 7.2, -1.721, 0.298, 0.99},
		{2, 92, 11.5, -1.569, 0.037, 0.99},
		{4, 92, 14.0, -1.360, 0.027, 0.99},
		{8, 92, 15.8, -1.380, 0.029, 0.99},
		{16, 99, 17.8, -0.972, 0.020, 0.99},
		{32, 133, 20.1, -0.752, 0.019, 0.99},
		{64, 197, 24.0, -0.435, 0.003, 0.99},
		{128, 256, 28.0, 1.257, 0.007, 0.00},
		{96, 222, 32.4, -0.238, 0.007, 0.99},
		{112, 225, 35.9, 0.678, 0.005, 0.00},
		{104, 209, 39.2, 0.178, 0.011, 0.00},
		{100, 231, 43.6, -0.216, 0.009, 0.99},
		{104, 210, 46.8, 0.166, 0.002, 0.00},
		{100, 300, 55.4, -0.229, 0.010, 1.00},
	} {
		o := Observation{
			At: []float64{v.x}, Asked: Step{At: []float64{v.x}, Size: 1}, State: Cut, Requests: v.requests,
			Lasted:  time.Duration((v.at - ended) * 1e9),
			Margins: []Margin{{Estimate: Estimate{Value: v.g, SE: v.se}, Pass: v.p, Excess: math.Copysign(8, v.g), Allowed: 0.05}},
		}
		if v.requests == 300 {
			o.State, o.Asked.Apart, o.Lasted = Full, 4*time.Second, o.Lasted-4*time.Second
		}
		h, ended = append(h, o), v.at
	}
	assert.Equal(t, 100.0, Confirmed{Monotonic{}}.Answers(p, h)[0].Safe)
	assert.Equal(t, []float64{100}, Confirmed{Monotonic{}}.Next(p, h).At)
}

// Over a request rate a server goes from all good to none within a few percent. A point that
// its visits refute then gives way to one a few percent below, and not to one a third below:
// the history is that of a search whose boundary is 490 requests a second, and which
// answered 367.
func TestAnswerDoesNotFallOffACliff(t *testing.T) {
	var h []Observation
	for _, v := range []struct {
		x, size, lasted float64
		bad, of         int
	}{
		{49.04, 1, 18.3, 0, 887}, {196.2, 1, 10.1, 0, 1962}, {784.6, 1, 4.2, 1873, 1944}, {486.6, 1, 12.5, 0, 4866},
		{660, 1, 4.3, 1930, 1982}, {567, 1, 5.7, 1645, 1939}, {526.4, 1, 5.4, 1555, 2292}, {526.4, 2, 21.8, 9515, 10528},
		{506.3, 1, 11.5, 2438, 5063}, {506.3, 2, 20.8, 8104, 10126}, {494.4, 1, 11, 1334, 4945}, {494.4, 2, 20.5, 13, 9890},
		{492.2, 1, 10.2, 1345, 4923}, {492.2, 2, 20.3, 3338, 9846},
	} {
		bad, of := max(float64(v.bad), 0.5), float64(v.of) // half a request stands for none
		m := Margin{Estimate: Estimate{Value: math.Log(bad / of / 0.05), SE: 1}, Pass: 0.999, Excess: float64(v.bad) - of/20}
		if m.Excess > 0 {
			m.Pass = 0.001
		}
		if v.bad > 0 { // they come in bursts
			m.SE = 15 / math.Sqrt(bad)
		}
		state := Full
		if v.lasted < 10 {
			state = Cut
		}
		h = append(h, Observation{
			At: []float64{v.x}, State: state, Requests: v.of, Lasted: time.Duration(v.lasted * float64(time.Second)),
			Asked: Step{At: []float64{v.x}, Size: v.size}, Margins: []Margin{m},
		})
	}
	p := Problem{Dims: []Dim{{Path: "rate", Lo: 49.04, Hi: 1962}}, Time: 330 * time.Second, Confidence: 0.95, Seed: 1}
	planner := Confirmed{SmoothIsotonic{}}
	if s := planner.Next(p, h); !s.Done {
		assert.Greater(t, s.At[0], 450.0, s.Reason)
	}
	answer := planner.Answers(p, h)[0]
	assert.Greater(t, answer.Safe, 450.0)
	assert.Less(t, answer.Safe, 493.0)
}

// Near the end of what a server sustains a percentile scatters by a fifth from one ten seconds
// to the next, so that certain verdicts speak against each other. The history is that of a
// search whose boundary is 70.7 requests a second, and which answered 63.7.
func TestAnswerAmongContradictions(t *testing.T) {
	var h []Observation
	for _, v := range []struct {
		x, size, p95, bad, of, lasted float64
		apart                         time.Duration
	}{
		{17.67, 1, 17.4, 0, 320, 18.2, 0}, {70.66, 1, 43.4, 30, 1000, 14.3, 0}, {141.3, 1, 869, 455, 455, 14.6, 0},
		{75.04, 1, 61.4, 132, 1000, 14.2, 0}, {75.04, 2, 52.2, 135, 2000, 25.8, 0}, {71.77, 1, 53, 74, 1000, 13.6, 0},
		{70.73, 1, 46.8, 48, 1000, 14.1, 0}, {70.97, 1, 40.2, 23, 1000, 14.3, 0}, {70.97, 1, 43.8, 30, 1000, 13.8, 4},
		{70.97, 1, 48.7, 53, 1000, 13.7, 8}, {70.57, 1, 40.8, 18, 1000, 14.9, 0}, {70.97, 1, 54, 81, 1000, 13.7, 10},
		{70.45, 1, 51.8, 63, 1000, 14.4, 0}, {67.16, 1, 41.5, 23, 1000, 15.3, 0}, {69.98, 1, 59.9, 90, 1000, 14.3, 0},
		{69.98, 2, 47.7, 97, 2000, 28.8, 0}, {63.67, 1, 36.1, 10, 1000, 15.5, 0}, {68.77, 1, 41.1, 24, 1000, 14.5, 0},
	} {
		excess := v.bad - v.of/20
		sd := math.Sqrt(v.of * 0.05 * 0.95 * 6) // six times the variance of independent requests
		h = append(h, Observation{
			At: []float64{v.x}, State: Full, Requests: int(v.of), Lasted: time.Duration(v.lasted * float64(time.Second)),
			Asked:   Step{At: []float64{v.x}, Size: v.size, Apart: v.apart * time.Second},
			Margins: []Margin{{Estimate: Estimate{Value: math.Log(v.p95 / 48), SE: 0.1}, Pass: normal.CDF(-excess / sd), Excess: excess}},
		})
	}
	p := Problem{Dims: []Dim{{Path: "rate", Lo: 17.67, Hi: 282}}, Time: 330 * time.Second, Confidence: 0.95, Seed: 1}
	answer := Confirmed{SmoothIsotonic{}}.Answers(p, h)[0]
	assert.InEpsilon(t, 70.7, answer.Safe, 0.051)
	assert.InEpsilon(t, 70.7, answer.Estimate, 0.02)
	assert.Less(t, answer.Lo, 70.7)
	assert.Greater(t, answer.Hi, 70.7)
}

// looked is one visit of a search over concurrency, with a limit on a p95.
type looked struct {
	x, apart, lasted, value, se, pass, excess float64
	n                                         int
	state                                     State
}

// historyOf is a history of visits.
func historyOf(vs []looked) (h []Observation) {
	for _, v := range vs {
		h = append(h, Observation{
			At: []float64{v.x}, State: v.state, Requests: v.n, Lasted: time.Duration(v.lasted * float64(time.Second)),
			Asked:   Step{At: []float64{v.x}, Size: 1, Apart: time.Duration(v.apart * float64(time.Second))},
			Margins: []Margin{{Estimate: Estimate{Value: v.value, SE: v.se}, Pass: v.pass, Excess: v.excess, Allowed: 0.05}},
		})
	}
	return h
}

// upTo400 is the problem of such a search.
var upTo400 = Problem{Dims: []Dim{{Path: "c", Lo: 1, Hi: 400, Int: true, Log: true}}, Time: 235 * time.Second, Seed: 1}

// A single visit far below the limit, among others near it, confirms nothing: the history is that
// of a search whose server's latencies wander by 30%, and which ended after this.
func TestFarVisitAmongNearOnes(t *testing.T) {
	h := historyOf([]looked{
		{8, 0, 3.3, -2.759, 0.077, 0.9905, -4.6, 92, Cut}, {32, 0, 2.0, -1.406, 0.046, 0.9911, -6.6, 133, Cut},
		{128, 0, 2.5, 0.262, 0.067, 0.0001, 23, 256, Cut}, {73, 0, 1.8, -0.121, 0.094, 0.9892, -5, 146, Cut},
		{91, 0, 2.0, 0.264, 0.141, 0.0138, 10, 182, Cut}, {79, 0, 1.9, -0.173, 0.072, 0.9337, -4, 158, Cut},
		{84, 0, 1.9, -0.190, 0.035, 0.9521, -4, 168, Cut}, {87, 0, 2.1, 0.070, 0.127, 0.2060, 2, 174, Cut},
		{82, 0, 2.8, -0.181, 0.047, 0.9870, -8, 293, Cut}, {87, 0, 2.2, 0.108, 0.103, 0.0282, 6, 181, Cut},
		{85, 2.2, 2.6, -0.709, 0.044, 1, -13, 300, Full},
	})
	s := Confirmed{Sequential{}}.Next(upTo400, h)
	assert.False(t, s.Done, s.Reason)
}

// No search ends on a visit that speaks against its answer: the history is that of a search that
// answered 111 of a server which was throttled by 30% in its first minute, to a boundary of 100.
func TestLastVisitSpeaksAgainst(t *testing.T) {
	h := historyOf([]looked{
		{8, 0, 3.4, -2.751, 0.107, 0.9905, -4.6, 92, Cut}, {32, 0, 2.0, -1.532, 0.103, 0.9911, -6.6, 133, Cut},
		{128, 0, 2.5, 0.025, 0.072, 0.3513, 1, 256, Cut}, {94, 0, 2.0, -0.323, 0.098, 0.9998, -8, 188, Cut},
		{123, 0, 2.3, -0.052, 0.052, 0.8327, -3, 246, Cut}, {111, 0, 2.2, 0.038, 0.103, 0.1177, 4, 222, Cut},
		{117, 0, 2.3, 0.028, 0.067, 0.3476, 1, 234, Cut}, {93, 0, 2.6, -0.227, 0.080, 0.9995, -11, 290, Cut},
		{108, 0, 2.7, -0.097, 0.050, 0.9093, -6, 295, Cut}, {111, 0, 2.5, -0.056, 0.037, 0.9870, -8, 293, Cut},
		{111, 4, 2.7, 0.026, 0.068, 0.3929, 1, 300, Full}, {111, 8, 2.7, -0.065, 0.040, 0.8572, -4, 300, Full},
		{111, 16, 2.8, 0.147, 0.114, 0.0069, 10, 300, Full},
	})
	s := Confirmed{Sequential{}}.Next(upTo400, h)
	assert.False(t, s.Done, s.Reason)
}

// wandering is a history of 12 visits of one load that lasted three seconds each, half a minute
// apart, whose margins go up and down by 25% around a mean.
func wandering(mean float64) (vs []looked) {
	const within = 0.24 // of ln of the value, over ln of the share beyond the limit
	vs = append(vs, looked{8, 0, 3, -2.5, 0.1, 0.99, -15, 300, Full})
	for i := range 12 {
		g := mean + 0.25*math.Sqrt2*math.Sin(2*float64(i))
		excess := 15 * (math.Exp(g/within) - 1)
		vs = append(vs, looked{100, 30, 3, g, 0.06, normal.CDF(-g / 0.06), excess, 300, Full})
	}
	return vs
}

// The slow requests of a long time are those of its slow visits: where visits scatter, a p95 lies
// above the mean of theirs, and a boundary below the load where that mean is the limit.
func TestPercentileBeyondVisits(t *testing.T) {
	h := historyOf(wandering(0))
	_, moved, _ := temper(upTo400, h)
	assert.InDelta(t, 0.25, moved[0].scatter, 0.07)
	// Of normal laws: 1.645·(√(σ²+τ²) − σ), with σ = 0.24·2.06.
	own := 0.24 * 2.06
	assert.InDelta(t, 1.645*(math.Hypot(own, moved[0].scatter)-own), moved[0].bias, 0.01)
}

// A verdict is as certain as visits at other times allow, those of its own requests' certainty,
// and not before a drift has been ruled out that would turn it.
func TestScatterTurnsCertainty(t *testing.T) {
	c := Confirmed{Sequential{}}
	h := historyOf(wandering(-0.1))
	for i, at := range upTo400.Scatter(h)[1:] {
		m := h[i+1].Margins[0]
		assert.InDelta(t, 0.5, at[0].Pass, 0.48, "visit %d, certain by itself: %.4f", i, m.Pass)
	}
	var vs []looked
	for i := range 12 { // slower by a third within a minute
		g := -0.25 + 0.03*float64(i)
		vs = append(vs, looked{100, 3, 3, g, 0.03, normal.CDF(-g / 0.03), 15 * (math.Exp(g/0.24) - 1), 300, Full})
	}
	h = historyOf(vs)
	_, moved, _ := temper(upTo400, h)
	assert.True(t, moved[0].drifting)
	assert.InDelta(t, 0.005, moved[0].rate, 0.001)
	first := upTo400.Scatter(h)[0][0]
	assert.Less(t, first.Pass, 0.5, "what certainly passed at first is believed to fail in the end")
	assert.False(t, c.Next(upTo400, h).Done, "the drift goes on")

	steady := historyOf([]looked{
		{90, 0, 3, -0.11, 0.05, 0.985, -8, 300, Full}, {110, 0, 3, 0.1, 0.05, 0.02, 9, 300, Full},
		{95, 0, 3, -0.04, 0.05, 0.8, -4, 300, Full}, {95, 8, 3, -0.06, 0.05, 0.9, -5, 300, Full}, {95, 16, 3, -0.05, 0.05, 0.85, -4, 300, Full},
	})
	tempered, _, inflation := temper(upTo400, steady)
	assert.Equal(t, steady, tempered, "where visits agree nothing changes")
	assert.Equal(t, 1.0, inflation)
}

// A visit that the others of its point contradict is not certain, whatever its own requests said.
func TestNoVisitIsMoreCertainThanItsPoint(t *testing.T) {
	alone := looked{1, 0, 18, 1.178, 0.212, 0.0049, 5, 48, Full}
	h := historyOf([]looked{alone, {1, 1, 18, 0.258, 0.808, 0.4023, 0, 55, Full}, {1, 0, 72, -0.718, 0.044, 0.8606, -4, 231, Full}})
	assert.InDelta(t, 0.0049, upTo400.Scatter(h[:1])[0][0].Pass, 1e-9)
	all := upTo400.Scatter(h)
	assert.InDelta(t, 0.43, all[0][0].Pass, 0.03, "together they do not know")
	assert.Equal(t, 0.5, all[2][0].Pass, "and what was seen keeps its side")
}

// A server whose latencies have two modes, and 4% of its requests in the slow one at every load, is
// told to hold its limit of 5% where it was seen to, and nothing is told of where it breaks: p95 jumps
// between the modes, and the shares of requests differ by chance.
func TestTwoModes(t *testing.T) {
	h := historyOf([]looked{
		{8, 0, 13.0, -0.681, 0.627, 0.7748, -3, 298, Cut}, {18, 0, 4.1, 0.952, 0.772, 0.3383, 1, 141, Cut},
		{12, 0, 4.8, -0.824, 0.782, 0.6927, -1, 149, Cut}, {15, 0, 4.1, -0.707, 0.647, 0.8027, -2, 148, Cut},
		{18, 0, 7.0, 0.000, 0.790, 0.4681, 0, 297, Cut}, {17, 0, 4.0, 0.661, 0.796, 0.3094, 1, 137, Cut},
		{16, 0, 3.8, -0.759, 0.620, 0.8152, -2, 148, Cut}, {15, 0, 7.5, -0.685, 0.089, 0.8484, -4, 297, Cut},
		{15, 0, 7.5, -0.734, 0.072, 0.9213, -5, 300, Full}, {15, 4, 7.5, -0.711, 0.089, 0.8484, -4, 300, Full},
	})
	a := Confirmed{Sequential{}}.Answers(upTo400, h)[0]
	assert.InDelta(t, 15, a.Safe, 1)
	assert.Equal(t, 400.0, a.Hi, "nothing that was seen speaks against any load")
	// The same with a clear failure next to it: at 40, twice as many as allowed.
	h = append(h, historyOf([]looked{{40, 0, 7.5, 1.6, 0.1, 0.0001, 30, 600, Full}})...)
	a = Confirmed{Sequential{}}.Answers(upTo400, h)[0]
	assert.Equal(t, 40.0, a.Hi)
}

// A client that was late twice in a row, at a search's fourth point, is given a third chance after a
// pause, and one that was late from the start is not.
func TestLateClient(t *testing.T) {
	late := Observation{At: []float64{18}, State: Untrusted}
	h := historyOf([]looked{{8, 0, 3, -0.6, 0.05, 0.999, -15, 300, Full}, {32, 0, 3, 0.5, 0.05, 0.001, 60, 300, Full}})
	c := Confirmed{Sequential{}}
	for _, pause := range []time.Duration{0, apartFor} {
		h = append(h, late)
		s := c.Next(upTo400, h)
		assert.Equal(t, late.At, s.At)
		assert.Equal(t, pause, s.Apart)
	}
	assert.True(t, c.Next(upTo400, append(h, late)).Done)
	assert.True(t, c.Next(upTo400, []Observation{late, late}).Done)
}
