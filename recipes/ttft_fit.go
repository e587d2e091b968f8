package recipes

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// ttftFit is prefill_curve.json.
type ttftFit struct {
	Form         string      `json:"fit_form"`     // linear or quadratic
	Coefficients []num       `json:"coefficients"` // highest power first; empty: there is no fit
	RSquared     num         `json:"r_squared"`
	BelowFloor   bool        `json:"below_floor"`
	Floor        float64     `json:"r_squared_floor"`
	Problem      string      `json:"error_reason,omitempty"`
	Points       []ttftPoint `json:"raw_points"`
	Metric       string      `json:"swept_metric"`
	Stat         string      `json:"stat"`
	Path         string      `json:"swept_param"`
}

type ttftPoint struct {
	ISL  num `json:"isl"`
	TTFT num `json:"ttft_ms"`
}

// fitTTFT fits a line through TTFT over prompt length by least squares, and a
// parabola where r² of the line is below the floor (0.85 when not given) and the
// parabola's is better.
func fitTTFT(a *Aggregate, from map[string]any) (any, error) {
	f := ttftFit{Form: "linear", Floor: 0.85, Coefficients: []num{}}
	if err := texts(handlerTTFT, from, map[string]*string{"metric_tag": &f.Metric, "stat": &f.Stat, "swept_param": &f.Path}); err != nil {
		return nil, err
	}
	if v, given := from["r_squared_floor"]; given {
		floor, ok := numeric(v)
		if !ok {
			return nil, fmt.Errorf("%s: r_squared_floor %v is no number", handlerTTFT, v)
		}
		f.Floor = floor
	}
	points, err := a.curve(handlerTTFT, f.Path, f.Metric, f.Stat)
	if err != nil {
		return nil, err
	}
	if len(points) < 2 {
		return nil, fmt.Errorf("%s: one point makes no curve; sweep two prompt lengths or more", handlerTTFT)
	}
	var xs, ys []float64
	for _, p := range points {
		f.Points = append(f.Points, ttftPoint{num(p.x), num(p.y)})
		if finite(p.x) && finite(p.y) {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) < 2 {
		f.BelowFloor = true
		f.Problem = fmt.Sprintf("%d of %d points have a finite value, and a curve takes two", len(xs), len(points))
		return f, nil
	}
	coefficients, r2 := polynomial(xs, ys, 1)
	if r2 < f.Floor && len(xs) >= 3 {
		if c, better := polynomial(xs, ys, 2); better > r2 {
			f.Form, coefficients, r2 = "quadratic", c, better
		}
	}
	f.RSquared = num(r2)
	f.BelowFloor = !(r2 >= f.Floor)
	for _, c := range coefficients {
		f.Coefficients = append(f.Coefficients, num(c))
		f.BelowFloor = f.BelowFloor || !finite(c)
	}
	return f, nil
}

// polynomial fits by least squares, highest power first, and returns r², which
// is 0 where the values do not vary. Columns are scaled to length 1 and small
// singular values dropped, as NumPy's polyfit does: equal lengths then give the
// solution of least norm and not an error.
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

// evaluate is Horner's rule, highest power first.
func evaluate(coefficients []float64, x float64) float64 {
	y := 0.0
	for _, c := range coefficients {
		y = y*x + c
	}
	return y
}
