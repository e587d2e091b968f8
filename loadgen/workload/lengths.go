package workload

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// Law names a distribution of lengths.
type Law string

// The laws.
const (
	LawConstant  Law = "constant"   // always Mean
	LawNormal    Law = "normal"     // with Mean and Stddev
	LawLogNormal Law = "log-normal" // the logarithm is normal; Mean and Stddev are those of the length
	LawUniform   Law = "uniform"    // each length from Min to Max alike
	LawMixture   Law = "mixture"    // one of Parts
	LawTable     Law = "table"      // one of Values
)

// MostTokens is the largest length of a prompt or an answer.
const MostTokens = 1 << 22

// Lengths is a distribution of lengths in tokens. Those of [Turns] count turns and
// milliseconds in their place. The zero Lengths says nothing: the
// lengths are then those of the load.
type Lengths struct {
	// Law names the distribution.
	Law Law `json:"law,omitempty"`
	// Mean and Stddev are the mean and the standard deviation of a law without bounds, in
	// tokens.
	Mean   float64 `json:"mean,omitempty"`
	Stddev float64 `json:"stddev,omitempty"`
	// Min and Max bound the lengths. What would lie outside is drawn again, so that the
	// law within the bounds keeps its form, and its mean can move; see Moments. 0 stands
	// for 1 and for MostTokens.
	Min int `json:"min,omitempty"`
	Max int `json:"max,omitempty"`
	// Parts are the laws of a mixture, each with its Weight.
	Parts []Lengths `json:"parts,omitempty"`
	// Weight is how often this law is drawn in a mixture, in proportion to the others. 0
	// stands for 1.
	Weight float64 `json:"weight,omitempty"`
	// Values are the lengths of a table, and Weights how often each was seen. Without
	// weights, each counts once.
	Values  []int     `json:"values,omitempty"`
	Weights []float64 `json:"weights,omitempty"`
}

// Constant returns the law of one length.
func Constant(tokens int) Lengths { return Lengths{Law: LawConstant, Mean: float64(tokens)} }

// Normal returns a normal law. Without bounds, lengths below 1 are drawn again.
func Normal(mean, stddev float64) Lengths {
	return Lengths{Law: LawNormal, Mean: mean, Stddev: stddev}
}

// LogNormal returns the log-normal law whose lengths, not their logarithms, have this mean
// and this standard deviation.
func LogNormal(mean, stddev float64) Lengths {
	return Lengths{Law: LawLogNormal, Mean: mean, Stddev: stddev}
}

// Uniform returns the law of each length from least to most alike.
func Uniform(least, most int) Lengths { return Lengths{Law: LawUniform, Min: least, Max: most} }

// Mixture returns the law that draws from one of several laws; see Weighing.
func Mixture(parts ...Lengths) Lengths { return Lengths{Law: LawMixture, Parts: parts} }

// Table returns the law of lengths that were counted. weights may be nil.
func Table(values []int, weights []float64) Lengths {
	return Lengths{Law: LawTable, Values: values, Weights: weights}
}

// Between returns the law within the bounds, both of which belong to it.
func (l Lengths) Between(least, most int) Lengths {
	l.Min, l.Max = least, most
	return l
}

// Weighing returns the law with a weight for a mixture.
func (l Lengths) Weighing(weight float64) Lengths {
	l.Weight = weight
	return l
}

// IsZero reports whether l says nothing.
func (l Lengths) IsZero() bool { return l.Law == "" }

// Validate reports what is wrong with the law, as a sentence that continues one about a
// length. It returns nil for the zero Lengths.
func (l Lengths) Validate() error { return l.validate("tokens", MostTokens) }

// validate is Validate of lengths in another unit, of which the largest is given.
func (l Lengths) validate(unit string, largest int) error {
	least, most := l.bounds()
	if l.Max == 0 {
		most = largest
	}
	switch {
	case l.Min < 0 || l.Max < 0 || least > most:
		return fmt.Errorf("has bounds from %d to %d %s; give bounds from 1 on, the smaller first", l.Min, l.Max, unit)
	case most > largest:
		return fmt.Errorf("reaches to %d %s; the largest length is %d", most, unit, largest)
	case l.Weight != 0 && !weighs(l.Weight):
		return fmt.Errorf("has a weight of %v; give a positive number", l.Weight)
	}
	switch l.Law {
	case "":
		if !(l.Mean == 0 && l.Stddev == 0 && l.Min == 0 && l.Max == 0 && l.Parts == nil && l.Values == nil) {
			return fmt.Errorf("has figures and no law; name one, for example %q", LawNormal)
		}
	case LawConstant:
		if n := l.Mean; !(n >= 1 && n <= float64(largest)) || n != math.Trunc(n) {
			return fmt.Errorf("is %v %s; give a positive integer up to %d", n, unit, largest)
		}
	case LawNormal, LawLogNormal:
		switch {
		case !(l.Mean >= 1 && l.Mean <= float64(largest)):
			return fmt.Errorf("has a mean of %v %s; give a number from 1 to %d", l.Mean, unit, largest)
		case !(l.Stddev > 0) || math.IsInf(l.Stddev, 0):
			return fmt.Errorf("has a standard deviation of %v %s; give a positive number, or use a constant length", l.Stddev, unit)
		case l.inside() < leastInside:
			return fmt.Errorf("has bounds from %d to %d %s, which hold next to nothing of %s; move the bounds or the mean",
				least, most, unit, l.form())
		}
	case LawUniform:
		if l.Max == 0 {
			return fmt.Errorf("is uniform up to no end; give the largest length")
		}
	case LawMixture:
		if len(l.Parts) == 0 {
			return fmt.Errorf("is a mixture of nothing; give its parts")
		}
		for i, p := range l.Parts {
			if p.IsZero() {
				return fmt.Errorf("has a part %d without a law", i+1)
			}
			if err := p.validate(unit, largest); err != nil {
				return fmt.Errorf("has a part %d that %w", i+1, err)
			}
		}
	case LawTable:
		return l.validateTable(unit)
	default:
		return fmt.Errorf("has the unknown law %q; use %s", l.Law, strings.Join([]string{string(LawConstant), string(LawNormal),
			string(LawLogNormal), string(LawUniform), string(LawMixture), string(LawTable)}, ", "))
	}
	return nil
}

// validateTable checks the values and the weights of a table.
func (l Lengths) validateTable(unit string) error {
	if len(l.Values) == 0 || l.Weights != nil && len(l.Weights) != len(l.Values) {
		return fmt.Errorf("is a table of %d lengths with %d weights; give a weight for each length, or none", len(l.Values), len(l.Weights))
	}
	sum := 0.0
	for i, n := range l.Values {
		if least, most := l.bounds(); n < least || n > most {
			return fmt.Errorf("is a table with a length of %d %s; give lengths from %d to %d", n, unit, least, most)
		}
		if l.Weights != nil {
			if w := l.Weights[i]; w != 0 && !weighs(w) {
				return fmt.Errorf("is a table with a weight of %v; give numbers that are not negative", w)
			}
			sum += l.Weights[i]
		}
	}
	if l.Weights != nil && sum == 0 {
		return fmt.Errorf("is a table whose weights are all zero")
	}
	return nil
}

// weighs reports whether a number can be a weight: positive, and neither so large nor so
// small that a sum of weights loses it.
func weighs(w float64) bool { return w >= 1e-12 && w <= 1e12 }

// leastInside is the least share of a law that must lie within its bounds.
const leastInside = 1e-6

// bounds returns the bounds with their defaults.
func (l Lengths) bounds() (least, most int) { return cmp.Or(l.Min, 1), cmp.Or(l.Max, MostTokens) }

// continuous returns the law of a normal or log-normal length before it is rounded, and
// the numbers that the bounds cut from it: those that round to a length within them.
func (l Lengths) continuous() (law interface {
	CDF(float64) float64
	Quantile(float64) float64
}, from, to float64) {
	least, most := l.bounds()
	from, to = float64(least)-0.5, float64(most)+0.5
	if l.Law == LawNormal {
		return distuv.Normal{Mu: l.Mean, Sigma: l.Stddev}, from, to
	}
	// The mean is exp(μ + σ²/2), and the variance (exp(σ²) − 1)·mean².
	variance := math.Log1p(l.Stddev * l.Stddev / (l.Mean * l.Mean))
	return distuv.LogNormal{Mu: math.Log(l.Mean) - variance/2, Sigma: math.Sqrt(variance)}, from, to
}

// inside returns the share of a normal or log-normal law that lies within the bounds.
func (l Lengths) inside() float64 {
	law, from, to := l.continuous()
	return law.CDF(to) - law.CDF(from)
}

// At returns the length below which the share u of the law lies, u in [0, 1): the inverse
// of its distribution. The law must be valid and not zero. Mixtures go from part to part,
// so that they are not ordered by length.
func (l Lengths) At(u float64) int {
	least, most := l.bounds()
	switch l.Law {
	case LawConstant:
		return min(max(int(l.Mean), least), most)
	case LawUniform:
		return least + int(u*float64(most-least+1))
	case LawMixture:
		k, within := pick(u, l.weights())
		return min(max(l.Parts[k].At(within), least), most)
	case LawTable:
		k, _ := pick(u, l.weights())
		return l.Values[k]
	}
	law, from, to := l.continuous()
	below := law.CDF(from)
	x := law.Quantile(below + u*(law.CDF(to)-below))
	return int(math.Round(min(max(x, float64(least)), float64(most))))
}

// weights returns those of a mixture's parts or of a table's values.
func (l Lengths) weights() []float64 {
	if l.Law == LawTable {
		if l.Weights != nil {
			return l.Weights
		}
		return slices.Repeat([]float64{1}, len(l.Values))
	}
	ws := make([]float64, len(l.Parts))
	for i, p := range l.Parts {
		ws[i] = cmp.Or(p.Weight, 1)
	}
	return ws
}

// Moments returns the mean and the standard deviation of the lengths as they are drawn,
// within the bounds and rounded, in tokens. They are exact for constants, uniform laws and
// tables; those of the others come from 20,000 evenly spaced quantiles, which is a tenth
// of a percent off for a tail as long as that of LogNormal(550, 1500).
func (l Lengths) Moments() (mean, stddev float64) {
	var values, weights []float64
	switch least, most := l.bounds(); l.Law {
	case LawConstant:
		return float64(l.At(0)), 0
	case LawUniform:
		n := float64(most - least + 1)
		return float64(least+most) / 2, math.Sqrt((n*n - 1) / 12)
	case LawTable:
		for _, n := range l.Values {
			values = append(values, float64(n))
		}
		weights = l.weights()
	case LawMixture:
		if l.Min == 0 && l.Max == 0 {
			return l.mixed()
		}
	}
	if values == nil {
		const points = 20_000
		for k := range points {
			values, weights = append(values, float64(l.At((float64(k)+0.5)/points))), append(weights, 1)
		}
	}
	var sum, square, total float64
	for i, v := range values {
		sum, total = sum+weights[i]*v, total+weights[i]
	}
	mean = sum / total
	for i, v := range values {
		square += weights[i] * (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(square / total)
}

// mixed returns the moments of a mixture from those of its parts.
func (l Lengths) mixed() (mean, stddev float64) {
	var square, total float64
	for i, w := range l.weights() {
		m, s := l.Parts[i].Moments()
		mean, square, total = mean+w*m, square+w*(s*s+m*m), total+w
	}
	mean /= total
	return mean, math.Sqrt(max(square/total-mean*mean, 0))
}

// Most returns the largest length that is drawn, or the one that next to no request
// exceeds.
func (l Lengths) Most() int {
	most := 0
	switch l.Law {
	case LawMixture:
		for _, p := range l.Parts {
			most = max(most, p.Most())
		}
		_, bound := l.bounds()
		return min(most, bound)
	case LawTable:
		return slices.Max(l.Values)
	}
	return l.At(1 - 1e-6)
}

// String names the law and all its figures, for example "log-normal 550±300 in [16, 4096]".
// A constant is its number alone. A table is named by its mean, standard deviation and size.
func (l Lengths) String() string {
	if l.IsZero() {
		return "as the load says"
	}
	text := l.form()
	if l.Law != LawUniform && l.Law != LawTable && (l.Min != 0 || l.Max != 0) {
		least, most := l.bounds()
		if l.Max == 0 {
			text += fmt.Sprintf(" from %d", least)
		} else {
			text += fmt.Sprintf(" in [%d, %d]", least, most)
		}
	}
	return text
}

// form is the law without its bounds.
func (l Lengths) form() string {
	switch l.Law {
	case LawConstant:
		return strconv.Itoa(int(l.Mean))
	case LawUniform:
		least, most := l.bounds()
		return fmt.Sprintf("uniform %d to %d", least, most)
	case LawMixture:
		var parts []string
		for i, share := range shares(l.weights()) {
			parts = append(parts, share+" "+l.Parts[i].String())
		}
		return "mixture (" + strings.Join(parts, ", ") + ")"
	case LawTable:
		mean, stddev := l.Moments()
		return fmt.Sprintf("table of %d lengths %s±%s", len(l.Values), figure(mean), figure(stddev))
	}
	return fmt.Sprintf("%s %s±%s", l.Law, figure(l.Mean), figure(l.Stddev))
}

// shares writes weights as shares of their sum.
func shares(weights []float64) (out []string) {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	for _, w := range weights {
		out = append(out, percent(w/sum))
	}
	return out
}

// percent writes a share, for example "30%".
func percent(share float64) string { return figure(100*share) + "%" }

// figure writes a number with one decimal at most.
func figure(v float64) string { return strconv.FormatFloat(math.Round(10*v)/10, 'f', -1, 64) }
