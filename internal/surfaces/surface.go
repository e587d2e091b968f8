// Package surfaces measures searches on analytic response surfaces: synthetic
// servers whose metrics are formulas of the concurrency, so that the true boundary
// of an SLA is known. It is for tests and for the commands of internal/experiments.
//
//   - A [Surface] is read from testdata/surfaces by [Load], or drawn by [Random].
//   - [Style.Run] searches one of them, a probe being one draw of its metrics; a
//     [Server] gives every request of a probe, for searches through recipes.Run.
//   - [Surface.ScoreOf] compares an answer with the truth, and [Summarise] makes
//     the [Figures] of a style out of its scores.
//   - [GateRates] and [FixedGateRates] count a gate's wrong verdicts.
package surfaces

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Surface is one synthetic server: its metrics without noise as a function of the
// concurrency, a law of noise, and the truth about its boundary.
type Surface struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Lo          int       `json:"lo"`
	Hi          int       `json:"hi"`
	Filters     []Filter  `json:"filters"`
	Objective   Objective `json:"objective"`
	Model       Model     `json:"model"`
	Noise       Noise     `json:"noise"`
	Truth       Truth     `json:"truth"`
}

// Filter is one limit of a surface: a metric, its statistic and the threshold.
type Filter struct {
	Tag       string  `json:"metric_tag"`
	Stat      string  `json:"stat"`
	Op        string  `json:"op"`
	Threshold float64 `json:"threshold"`
}

// Key names the metric and its statistic, as in "request_latency.p99".
func (f Filter) Key() string { return f.Tag + "." + f.Stat }

// Objective is what a surface has a best point of.
type Objective struct {
	Metric    string `json:"metric"`
	Stat      string `json:"stat"`
	Direction string `json:"direction"`
}

// Model holds the parameters of the formulas by their JSON keys. A nil pointer
// switches its term off.
type Model struct {
	MaxNumSeqs   float64  `json:"max_num_seqs"`
	ITL0         float64  `json:"itl0_ms"`
	ITL1         float64  `json:"itl1_ms"`
	ITLPow       float64  `json:"itl_pow"`
	KVLimit      *float64 `json:"kv_limit"`
	KVGain       float64  `json:"kv_gain"`
	KVWidth      float64  `json:"kv_width"`
	TTFT0        float64  `json:"ttft0_ms"`
	TTFT1        float64  `json:"ttft1_ms"`
	TTFTPow      float64  `json:"ttft_pow"`
	Bump         float64  `json:"bump_ms"`
	BumpC        float64  `json:"bump_c"`
	BumpW        float64  `json:"bump_w"`
	KneeC        *float64 `json:"knee_c"`
	Knee         float64  `json:"knee_ms"`
	KneePow      float64  `json:"knee_pow"`
	Wave         float64  `json:"wave_ms"`
	StepFrac     float64  `json:"step_frac"`
	TTFTThrash   bool     `json:"ttft_thrash"`
	OSL          float64  `json:"osl"`
	TputCap      *float64 `json:"tput_cap"`
	TputCapSharp float64  `json:"tput_cap_sharp"`
	CollapseC    *float64 `json:"collapse_c"`
	CollapsePow  float64  `json:"collapse_pow"`
	ErrMid       *float64 `json:"err_mid"`
	ErrWidth     float64  `json:"err_width"`
	ErrMaxPct    float64  `json:"err_max_pct"`
	GoodShape    float64  `json:"good_shape"`
	SLOTTFT      *float64 `json:"slo_ttft_ms"`
	SLOITL       *float64 `json:"slo_itl_ms"`
	SLOE2E       *float64 `json:"slo_e2e_ms"`

	TTFTTail float64 `json:"ttft_tail"`
	ITLTail  float64 `json:"itl_tail"`
	E2ETail  float64 `json:"e2e_tail"`

	// capacity is the share of the capacity that is left, in (0, 1]: at
	// concurrency c the server behaves as the whole one does at c/capacity. Zero
	// means all of it.
	capacity float64
}

// Noise is the law by which a probe's metrics scatter: the standard deviations of
// the logarithms of latencies and rates, and of fractions, and how often and by how
// much a whole probe is off.
type Noise struct {
	Sigma         float64 `json:"sigma"`
	SigmaFraction float64 `json:"sigma_fraction"`
	OutlierProb   float64 `json:"outlier_prob"`
	OutlierMult   float64 `json:"outlier_mult"`
}

// Truth is what a brute-force search without noise finds. Boundary is the largest
// concurrency that passes, PrefixBoundary the largest below which all pass; nil
// means that there is none.
type Truth struct {
	Boundary       *int     `json:"boundary"`
	PrefixBoundary *int     `json:"prefix_boundary"`
	NPassing       int      `json:"n_passing"`
	BestC          *int     `json:"best_concurrency"`
	BestObjective  *float64 `json:"best_objective"`
}

// Keys of the reported metrics, each with the one statistic that a surface has.
const (
	KeyTTFT    = loadgen.TagTTFT + ".p95"
	KeyITL     = loadgen.TagITL + ".p95"
	KeyE2E     = loadgen.TagLatency + ".p99"
	KeyTput    = loadgen.TagTokenRate + ".avg"
	KeyErr     = loadgen.TagErrorRate + ".avg"
	KeyGood    = loadgen.TagGoodShare + ".avg"
	KeyGoodput = loadgen.TagGoodput + ".avg"
)

// Metrics returns the values without noise at concurrency n, by their keys.
// Latencies are in milliseconds, the error rate is in percent, and the share of
// good requests a fraction.
func (m Model) Metrics(n int) map[string]float64 {
	c, left := float64(n), 1.0
	if m.capacity > 0 {
		c, left = c/m.capacity, m.capacity
	}
	b := m.MaxNumSeqs
	r := min(c, b)
	thrash := 1.0
	if m.KVLimit != nil {
		over := max(0, (c-*m.KVLimit) / *m.KVLimit)
		thrash = 1 + m.KVGain*(1-math.Exp(-over/m.KVWidth))
	}
	itl := (m.ITL0 + m.ITL1*math.Pow(r, m.ITLPow)) * thrash

	ttft := m.TTFT0 + m.TTFT1*math.Pow(c, m.TTFTPow)
	if m.Bump != 0 {
		ttft += m.Bump * math.Exp(-math.Pow((math.Log(c)-math.Log(m.BumpC))/m.BumpW, 2))
	}
	if m.KneeC != nil {
		ttft += m.Knee * math.Pow(max(0, c / *m.KneeC - 1), m.KneePow)
	}
	waves := math.Ceil(c/b) - 1
	frac := max(0, c-b) / b
	ttft += m.Wave * (m.StepFrac*waves + (1-m.StepFrac)*frac)
	if m.TTFTThrash {
		ttft *= thrash
	}
	e2e := ttft + (m.OSL-1)*itl

	tput := 1000 * c * m.OSL / e2e
	if m.TputCap != nil {
		k := m.TputCapSharp
		tput /= math.Pow(1+math.Pow(tput / *m.TputCap, k), 1/k)
	}
	if m.CollapseC != nil {
		tput /= 1 + math.Pow(c / *m.CollapseC, m.CollapsePow)
	}
	tput *= left // Little's law at n, not at c
	errPct := 0.0
	if m.ErrMid != nil {
		errPct = m.ErrMaxPct / (1 + math.Exp(-(c-*m.ErrMid)/m.ErrWidth))
	}
	good := 1 - errPct/100
	for _, pair := range []struct {
		value float64
		slo   *float64
	}{{ttft, m.SLOTTFT}, {itl, m.SLOITL}, {e2e, m.SLOE2E}} {
		if pair.slo != nil {
			good *= 1 / (1 + math.Pow(pair.value / *pair.slo, m.GoodShape))
		}
	}
	return map[string]float64{
		KeyTTFT: ttft * m.TTFTTail, KeyITL: itl * m.ITLTail, KeyE2E: e2e * m.E2ETail,
		KeyTput: tput, KeyErr: errPct, KeyGood: good, KeyGoodput: tput / m.OSL * good,
	}
}

// Noisy draws the metrics of one probe at concurrency n.
func (s Surface) Noisy(n int, rng *rand.Rand) map[string]float64 {
	outlier := s.Noise.OutlierProb > 0 && rng.Float64() < s.Noise.OutlierProb
	mult := 1.0
	if outlier {
		mult = s.Noise.OutlierMult
	}
	v := s.Model.Metrics(n)
	for _, k := range []string{KeyTTFT, KeyITL, KeyE2E, KeyTput, KeyErr, KeyGood, KeyGoodput} {
		z := rng.NormFloat64()
		switch k {
		case KeyTput, KeyGoodput:
			v[k] *= math.Exp(s.Noise.Sigma*z) / mult
		case KeyGood:
			v[k] = 1 - min(1, (1-v[k])*math.Exp(s.Noise.SigmaFraction*z)*mult)
		case KeyErr:
			v[k] = min(100, v[k]*math.Exp(s.Noise.SigmaFraction*z))
		default:
			v[k] *= math.Exp(s.Noise.Sigma*z) * mult
		}
	}
	return v
}

// holds compares a value with the threshold as AIPerf does: lt and gt are strict.
func (f Filter) holds(v float64) bool {
	switch f.Op {
	case "lt":
		return v < f.Threshold
	case "le":
		return v <= f.Threshold
	case "gt":
		return v > f.Threshold
	}
	return v >= f.Threshold
}

// Margin returns g = ln(value/threshold), which is positive when the limit is
// violated. For a lower limit on a fraction it compares the bad fractions. A value
// on the threshold of a strict limit violates it, so g is then the smallest number
// above zero.
func (f Filter) Margin(v float64) float64 {
	var g float64
	switch {
	case f.Op == "lt" || f.Op == "le":
		g = math.Log(v / f.Threshold)
	case strings.Contains(f.Tag, "fraction"):
		g = math.Log((1 - v) / (1 - f.Threshold))
	default:
		g = math.Log(f.Threshold / v)
	}
	switch {
	case f.holds(v) && g > 0:
		return 0
	case !f.holds(v) && !(g > 0):
		return math.SmallestNonzeroFloat64
	}
	return g
}

// Passes reports whether every filter holds at concurrency n without noise.
func (s Surface) Passes(n int) bool {
	v := s.Model.Metrics(n)
	return !slices.ContainsFunc(s.Filters, func(f Filter) bool { return !f.holds(v[f.Key()]) })
}

// FindTruth asks every concurrency.
func (s Surface) FindTruth() Truth {
	var t Truth
	prefix := true
	for c := s.Lo; c <= s.Hi; c++ {
		if !s.Passes(c) {
			prefix = false
			continue
		}
		t.NPassing++
		t.Boundary = new(c)
		if prefix {
			t.PrefixBoundary = new(c)
		}
		if v := s.ObjectiveAt(c); t.BestObjective == nil || s.better(v, *t.BestObjective) {
			t.BestC, t.BestObjective = new(c), new(v)
		}
	}
	return t
}

// ObjectiveAt returns the objective at concurrency c without noise.
func (s Surface) ObjectiveAt(c int) float64 {
	return s.Model.Metrics(c)[s.Objective.Metric+"."+s.Objective.Stat]
}

func (s Surface) better(a, b float64) bool {
	if strings.EqualFold(s.Objective.Direction, "minimize") {
		return a < b
	}
	return a > b
}
