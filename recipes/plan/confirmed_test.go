package plan

import (
	"math"
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
