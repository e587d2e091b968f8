package sweep

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// TTFTRule fits a curve through a metric over prompt length. It gives the result of
// prefill-ttft-curve.
type TTFTRule struct {
	// Metric, by tag, and Stat name what is fitted.
	Metric string `json:"metric_tag"`
	Stat   string `json:"stat"`
	// Path is the swept prompt length.
	Path string `json:"swept_param"`
	// LeastR2 is the r² below which the line is not relied on. 0 means 0.85, which is
	// AIPerf's.
	LeastR2 float64 `json:"r_squared_floor,omitempty"`
}

// defaultLeastR2 is AIPerf's r_squared_floor.
const defaultLeastR2 = 0.85

// TTFTFit is TTFT in ms as a polynomial of the prompt's length in tokens, fitted by
// least squares: a line, or a parabola when r² of the line is below LeastR2.
type TTFTFit struct {
	// Coefficients are ordered from the highest power down: two for a line, three
	// for a parabola. They are empty when there was nothing to fit.
	Coefficients []float64
	// RSquared is the share of the variance that the fit explains; 0 without a fit.
	RSquared float64
	// LeastR2 is the r² below which the fit is not to be relied on, and Confident
	// says that RSquared reaches it.
	LeastR2   float64
	Confident bool
	// From and To are the shortest and the longest prompt that was measured, in
	// tokens.
	From, To float64
	// Problem says why there is no fit. It is empty when there is one.
	Problem string

	rule TTFTRule
	// form is linear or quadratic.
	form   string
	points []at
}

// At returns the fitted TTFT in ms at a prompt length in tokens. It is NaN when
// there is no fit.
func (f TTFTFit) At(isl float64) float64 {
	if len(f.Coefficients) == 0 {
		return nan
	}
	return evaluate(f.Coefficients, isl)
}

// Name returns AIPerf's name of the handler.
func (TTFTRule) Name() string { return "ttft_curve_fit" }

// File returns AIPerf's name of the file.
func (TTFTRule) File() string { return "prefill_curve.json" }

// Derive returns a TTFTFit: a line through TTFT over prompt length by least squares,
// or a parabola when r² of the line is below LeastR2 and the parabola's is better.
// Fewer than two points are an error. Fewer than two finite values give a fit with a
// Problem.
func (r TTFTRule) Derive(s *Sweep) (Result, error) {
	points, err := s.curve(r.Name(), r.Path, r.Metric, r.Stat)
	if err != nil {
		return nil, err
	}
	if len(points) < 2 {
		return nil, fmt.Errorf("%s: a curve needs at least two points; sweep two prompt lengths or more", r.Name())
	}
	f := TTFTFit{LeastR2: r.LeastR2, From: points[0].x, To: points[len(points)-1].x, rule: r, form: "linear", points: points}
	if f.LeastR2 == 0 {
		f.LeastR2 = defaultLeastR2
	}
	var xs, ys []float64
	for _, p := range points {
		if finite(p.x) && finite(p.y) {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) < 2 {
		f.Problem = fmt.Sprintf("%d of %d points have a finite value; a curve needs at least two", len(xs), len(points))
		return f, nil
	}
	coefficients, r2 := polynomial(xs, ys, 1)
	if r2 < f.LeastR2 && len(xs) >= 3 {
		if c, better := polynomial(xs, ys, 2); better > r2 {
			f.form, coefficients, r2 = "quadratic", c, better
		}
	}
	f.RSquared, f.Coefficients = r2, coefficients
	f.Confident = r2 >= f.LeastR2
	for _, c := range coefficients {
		f.Confident = f.Confident && finite(c)
	}
	return f, nil
}

// MarshalJSON writes prefill_curve.json.
func (f TTFTFit) MarshalJSON() ([]byte, error) {
	points := []object{}
	for _, p := range f.points {
		points = append(points, object{{"isl", num(p.x)}, {"ttft_ms", num(p.y)}})
	}
	o := object{
		{"fit_form", f.form}, {"coefficients", nums(f.Coefficients)}, {"r_squared", num(f.RSquared)},
		{"below_floor", !f.Confident}, {"r_squared_floor", f.LeastR2},
	}
	if f.Problem != "" {
		o = append(o, field{"error_reason", f.Problem})
	}
	return append(o, object{
		{"raw_points", points}, {"swept_metric", f.rule.Metric}, {"stat", f.rule.Stat}, {"swept_param", f.rule.Path},
	}...).MarshalJSON()
}

// polynomial fits a polynomial of the given degree by least squares. It returns the
// coefficients from the highest power down, and r², which is 0 when the values do not
// vary. Columns are scaled to length 1, and singular values below n·2⁻⁵² of the
// largest are dropped, as NumPy's polyfit does; equal lengths then give the solution
// of least norm instead of an error.
func polynomial(xs, ys []float64, degree int) (coefficients []float64, r2 float64) {
	n := len(xs)
	v := mat.NewDense(n, degree+1, nil)
	scale := make([]float64, degree+1)
	for k := range scale {
		for i, x := range xs {
			p := math.Pow(x, float64(degree-k))
			v.Set(i, k, p)
			scale[k] += p * p
		}
		scale[k] = math.Sqrt(scale[k])
		if scale[k] == 0 {
			scale[k] = 1
		}
		for i := range xs {
			v.Set(i, k, v.At(i, k)/scale[k])
		}
	}
	coefficients = make([]float64, degree+1)
	var svd mat.SVD
	if !svd.Factorize(v, mat.SVDThin) {
		for k := range coefficients {
			coefficients[k] = math.NaN()
		}
		return coefficients, math.NaN()
	}
	values := svd.Values(nil)
	var u, w mat.Dense
	svd.UTo(&u)
	svd.VTo(&w)
	for j, s := range values {
		if s <= values[0]*float64(n)*0x1p-52 {
			continue
		}
		dot := 0.0
		for i := range ys {
			dot += u.At(i, j) * ys[i]
		}
		for k := range coefficients {
			coefficients[k] += w.At(k, j) * dot / s
		}
	}
	for k := range coefficients {
		coefficients[k] /= scale[k]
	}
	mean := stat.Mean(ys, nil)
	rest, total := 0.0, 0.0
	for i, x := range xs {
		d := ys[i] - evaluate(coefficients, x)
		rest += d * d
		total += (ys[i] - mean) * (ys[i] - mean)
	}
	if total == 0 {
		return coefficients, 0
	}
	return coefficients, 1 - rest/total
}

// evaluate returns the value of a polynomial, coefficients from the highest power
// down, by Horner's rule.
func evaluate(coefficients []float64, x float64) float64 {
	y := 0.0
	for _, c := range coefficients {
		y = y*x + c
	}
	return y
}
