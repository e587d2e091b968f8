package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/bootstrap"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/isotonic"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/pchip"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/root"
)

func TestGoldenPAVA(t *testing.T) {
	type golden struct {
		Kind       string   `json:"kind"`
		Y          []vector `json:"y"`
		Weights    []vector `json:"weights"`
		Increasing []vector `json:"increasing"`
		Starts     []int    `json:"block_starts"`
		BlockW     []vector `json:"block_weights"`
		Decreasing []vector `json:"decreasing"`
	}
	for i, c := range readVectors[golden](t, "pava.json") {
		t.Run(fmt.Sprintf("%s %d", c.Kind, i), func(t *testing.T) {
			y, w := numbers(c.Y), numbers(c.Weights)
			if c.Weights == nil {
				w = nil
			}
			nearAll(t, numbers(c.Increasing), isotonic.Fit(y, w), 1e-12)
			nearAll(t, numbers(c.Decreasing), falling(y, w), 1e-12)
			starts, weights := []int{}, []float64{}
			for _, b := range isotonic.Pool(y, w) {
				starts, weights = append(starts, b.Start), append(weights, b.Weight)
			}
			assert.Equal(t, c.Starts, append(starts, len(y)))
			nearAll(t, numbers(c.BlockW), weights, 1e-12)
		})
	}
}

// falling is the non-increasing fit, which the planners do not need.
func falling(y, w []float64) []float64 {
	y, w = slices.Clone(y), slices.Clone(w)
	slices.Reverse(y)
	slices.Reverse(w)
	fit := isotonic.Fit(y, w)
	slices.Reverse(fit)
	return fit
}

func nearAll(t *testing.T, want, got []float64, relative float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		near(t, want[i], got[i], relative, "index %d", i)
	}
}

// extended is a curve's value, beyond the ends that of the last cubic, as SciPy has it;
// the planners look for roots between the points only, and the curve stops there.
func extended(c *pchip.Curve, xs []float64, x float64) float64 {
	i, n := 0, len(xs)
	switch {
	case x >= xs[0] && x <= xs[n-1]:
		return c.Predict(x)
	case x > xs[n-1]:
		i = n - 2
	}
	h := xs[i+1] - xs[i]
	t := (x - xs[i]) / h
	return (1+2*t)*(1-t)*(1-t)*c.Predict(xs[i]) + t*(1-t)*(1-t)*h*c.PredictDerivative(xs[i]) +
		t*t*(3-2*t)*c.Predict(xs[i+1]) + t*t*(t-1)*h*c.PredictDerivative(xs[i+1])
}

func TestGoldenPCHIP(t *testing.T) {
	type golden struct {
		X            []vector `json:"x"`
		Y            []vector `json:"y"`
		Grid         []vector `json:"grid"`
		Values       []vector `json:"values"`
		Slopes       []vector `json:"knot_derivatives"`
		Extrapolated struct {
			X []vector `json:"x"`
			Y []vector `json:"y"`
		} `json:"extrapolated"`
		Roots []vector `json:"roots_at_zero"`
	}
	for i, c := range readVectors[golden](t, "pchip.json") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			curve, err := pchip.New(numbers(c.X), numbers(c.Y))
			require.NoError(t, err)
			for k, x := range numbers(c.Grid) {
				near(t, float64(c.Values[k]), curve.Predict(x), 1e-10, "at %v", x)
			}
			for k, x := range numbers(c.X) {
				near(t, float64(c.Slopes[k]), curve.PredictDerivative(x), 1e-10, "slope at %v", x)
			}
			for k, x := range numbers(c.Extrapolated.X) {
				near(t, float64(c.Extrapolated.Y[k]), extended(curve, numbers(c.X), x), 1e-10, "beyond, at %v", x)
			}
			nearAll(t, numbers(c.Roots), curve.Roots(), 1e-10)
		})
	}
}

func TestGoldenSmoothIsotonicFit(t *testing.T) {
	type golden struct {
		X           []vector `json:"xs"`
		Y           []vector `json:"ys"`
		Fit         []vector `json:"y_hat"`
		Strictified []vector `json:"strictified"`
		Brackets    []struct {
			Lo   float64  `json:"lo"`
			Hi   float64  `json:"hi"`
			Root *float64 `json:"root"`
		} `json:"brackets"`
		Evals []struct {
			X float64 `json:"x"`
			Y vector  `json:"y"`
		} `json:"evals"`
		Error string `json:"error"`
	}
	for i, c := range readVectors[golden](t, "smooth_isotonic_fit.json") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			xs, ys := numbers(c.X), numbers(c.Y)
			curve, err := isotonic.Smooth(xs, ys, nil)
			if c.Error != "" { // the words are AIPerf's; that it refuses is the rule
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			fit := isotonic.Fit(ys, nil)
			nearAll(t, numbers(c.Fit), fit, 1e-9)
			nearAll(t, numbers(c.Strictified), isotonic.Strictify(fit), 1e-9)
			for _, e := range c.Evals {
				near(t, float64(e.Y), extended(curve, xs, e.X), 1e-9, "at %v", e.X)
			}
			for _, b := range c.Brackets {
				root, ok := curve.RootIn(b.Lo, b.Hi)
				if b.Root == nil {
					assert.False(t, ok, "a root %v in [%v, %v]", root, b.Lo, b.Hi)
					continue
				}
				require.True(t, ok, "no root in [%v, %v]", b.Lo, b.Hi)
				assert.InDelta(t, *b.Root, root, 1e-6*(b.Hi-b.Lo))
			}
		})
	}
}

func TestGoldenBrent(t *testing.T) {
	functions := map[string]func(float64) float64{
		"atan(x-7)":         func(x float64) float64 { return math.Atan(x - 7) },
		"exp(x)-10":         func(x float64) float64 { return math.Exp(x) - 10 },
		"x^9-1e5":           func(x float64) float64 { return math.Pow(x, 9) - 1e5 },
		"x (root at lo)":    func(x float64) float64 { return x },
		"x^3-2x-5":          func(x float64) float64 { return x*x*x - 2*x - 5 },
		"x-10 (root at hi)": func(x float64) float64 { return x - 10 },
		"x-100":             func(x float64) float64 { return x - 100 },
		"log(x)-3":          func(x float64) float64 { return math.Log(x) - 3 },
		"sign-step(x<42 ? -1 : 1)": func(x float64) float64 {
			if x < 42 {
				return -1
			}
			return 1
		},
		"tanh(50(x-0.3))":       func(x float64) float64 { return math.Tanh(50 * (x - 0.3)) },
		"(x-2)^2 (no crossing)": func(x float64) float64 { return (x - 2) * (x - 2) },
	}
	type golden struct {
		F    string   `json:"f"`
		Lo   float64  `json:"lo"`
		Hi   float64  `json:"hi"`
		Root *float64 `json:"root"`
	}
	for _, c := range readVectors[golden](t, "brentq.json") {
		t.Run(fmt.Sprintf("%s in %v..%v", c.F, c.Lo, c.Hi), func(t *testing.T) {
			f, ok := functions[c.F]
			require.True(t, ok, "the test knows no function %q", c.F)
			x, ok := root.Brent(f, c.Lo, c.Hi)
			if c.Root == nil {
				assert.False(t, ok, "a root %v", x)
				return
			}
			require.True(t, ok)
			near(t, *c.Root, x, 1e-9)
		})
	}
}

func TestGoldenBootstrapCI(t *testing.T) {
	type golden struct {
		Margins []vector `json:"margins"`
		Low     vector   `json:"ci_low"`
		High    vector   `json:"ci_high"`
		TolLow  vector   `json:"tol_low"`
		TolHigh vector   `json:"tol_high"`
		NaN     bool     `json:"nan"`
	}
	for i, c := range readVectors[golden](t, "bootstrap_ci.json") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			lo, hi := bootstrap.MeanInterval(numbers(c.Margins), uint64(i))
			if c.NaN {
				assert.True(t, math.IsNaN(lo) && math.IsNaN(hi), "[%v, %v]", lo, hi)
				return
			}
			assert.InDelta(t, float64(c.Low), lo, float64(c.TolLow))
			assert.InDelta(t, float64(c.High), hi, float64(c.TolHigh))
		})
	}
}

// AIPerf repeats a boundary candidate with gain 4 on the squared relative scatter, 3 to
// 20 times; an override above 0 wins. Style smooth_isotonic visits its answer as long as
// that can raise it instead, so that the rule is held here only for who wants it.
func TestGoldenReplicateCount(t *testing.T) {
	count := func(sigma, threshold float64, override int) int {
		if override > 0 {
			return override
		}
		r := sigma / max(math.Abs(threshold), 1e-9)
		return int(min(20, max(3, math.Ceil(4*r*r))))
	}
	type golden struct {
		Sigma     float64 `json:"sigma"`
		Threshold float64 `json:"threshold"`
		Override  int     `json:"override"`
		Count     int     `json:"count"`
	}
	for _, c := range readVectors[golden](t, "replicate_count.json") {
		assert.Equal(t, c.Count, count(c.Sigma, c.Threshold, c.Override), "%+v", c)
	}
}

// steep is AIPerf's cliff test: the last margin lies more than three standard
// deviations of the last three off the fitted curve, in a bracket wider than 5% of the
// upper bound. On monotone data it cannot fire, since the fit goes through the last
// point: the planner has a test of its own.
func steep(margins []float64, fittedAtLast, feasibleMax, infeasibleMin, hi float64) bool {
	n := len(margins)
	if n < 3 {
		return false
	}
	last := margins[n-3:]
	mean := (last[0] + last[1] + last[2]) / 3
	variance := 0.0
	for _, m := range last {
		variance += (m - mean) * (m - mean) / 3
	}
	s := math.Sqrt(variance)
	return s > 0 && math.Abs(last[2]-fittedAtLast) > 3*s && infeasibleMin-feasibleMax > 0.05*hi
}

func TestGoldenDetectCliff(t *testing.T) {
	type golden struct {
		Raw      [][2]vector `json:"raw"`
		Fitted   float64     `json:"fitted_at_last"`
		Feasible float64     `json:"feasible_max"`
		Broken   float64     `json:"infeasible_min"`
		Hi       float64     `json:"x_hi"`
		Cliff    bool        `json:"cliff"`
	}
	for _, c := range readVectors[golden](t, "detect_cliff.json") {
		slices.SortStableFunc(c.Raw, func(a, b [2]vector) int { return int(math.Copysign(1, float64(a[0]-b[0]))) })
		var margins []float64
		for _, r := range c.Raw {
			margins = append(margins, float64(r[1]))
		}
		assert.Equal(t, c.Cliff, steep(margins, c.Fitted, c.Feasible, c.Broken, c.Hi), "%+v", c)
	}
}

// ordered is a JSON object of numbers in the order of the file: ties go to the
// first key.
type ordered struct {
	keys   []string
	values map[string]float64
}

func (o *ordered) UnmarshalJSON(data []byte) error {
	o.values = map[string]float64{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token == nil { // null
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var v vector
		if err := decoder.Decode(&v); err != nil {
			return err
		}
		o.keys = append(o.keys, key.(string))
		o.values[key.(string)] = float64(v)
	}
	return nil
}

func TestGoldenNormalizeMargins(t *testing.T) {
	type golden struct {
		Margins    ordered `json:"margins"`
		Sigmas     ordered `json:"sigmas"`
		Thresholds ordered `json:"thresholds"`
		Value      vector  `json:"value"`
		Binding    string  `json:"binding"`
	}
	for i, c := range readVectors[golden](t, "normalize_margins.json") {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var margins, scales []float64
			for _, k := range c.Margins.keys {
				margins = append(margins, c.Margins.values[k])
				if len(c.Sigmas.keys) > 0 { // AIPerf's scatter is 1% of the threshold at least
					scales = append(scales, max(c.Sigmas.values[k], 0.01*math.Abs(c.Thresholds.values[k])))
				}
			}
			k, value := nearest(margins, scales)
			assert.Equal(t, c.Binding, c.Margins.keys[k])
			near(t, float64(c.Value), value, 1e-9)
		})
	}
}
