package surfaces

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// RandomCount is how many surfaces one draw has.
const RandomCount = 60

// Kinds are the seven shapes of a random boundary.
var Kinds = []string{"ttft", "itl", "e2e", "knee", "cliff", "err", "good"}

// Random draws RandomCount surfaces: a boundary that is log-uniform in [3, 980], one of
// the kinds, and parameters around those of the public surfaces. Draws that are not
// monotone, or whose boundary is not in [2, 990], are drawn again.
func Random(seed uint64) []Surface {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	var out []Surface
	for len(out) < RandomCount {
		if s, ok := randomSurface(rng); ok {
			s.Name = fmt.Sprintf("r%02d_%s", len(out)+1, s.Name)
			out = append(out, s)
		}
	}
	return out
}

// baseModel are the parameters of p01, without its knee.
func baseModel() Model {
	return Model{
		MaxNumSeqs: 256, ITL0: 8, ITL1: 0.06, ITLPow: 1, KVWidth: 0.02,
		TTFT0: 40, TTFT1: 0.5, TTFTPow: 1.1, BumpC: 1, BumpW: 1,
		Knee: 80, KneePow: 2, Wave: 2000, OSL: 128, TputCapSharp: 4, CollapsePow: 2,
		ErrWidth: 4, ErrMaxPct: 60, GoodShape: 8, TTFTTail: 1.6, ITLTail: 1.25, E2ETail: 1.5,
	}
}

func uniform(rng *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }

func oneOf[T any](rng *rand.Rand, vs ...T) T { return vs[rng.IntN(len(vs))] }

func randomSurface(rng *rand.Rand) (Surface, bool) {
	b := math.Exp(uniform(rng, math.Log(3), math.Log(980)))
	c := int(b)
	m := baseModel()
	m.MaxNumSeqs = oneOf(rng, 32.0, 64, 128, 256, 512, 1024)
	m.ITL0 = uniform(rng, 4, 20)
	m.ITL1 = math.Pow(10, uniform(rng, -2, -0.7))
	m.TTFT0 = uniform(rng, 15, 120)
	m.TTFT1 = math.Pow(10, uniform(rng, -1.3, 0.5))
	m.TTFTPow = uniform(rng, 0.8, 1.4)
	m.Wave = uniform(rng, 300, 4000)
	m.StepFrac = oneOf(rng, 0, 0, 0.5, 0.95)
	noise := Noise{
		Sigma: oneOf(rng, 0.01, 0.02, 0.05, 0.1), SigmaFraction: oneOf(rng, 0.1, 0.2, 0.3),
		OutlierProb: oneOf(rng, 0, 0, 0.03), OutlierMult: 2.5,
	}
	kind := Kinds[rng.IntN(len(Kinds))]
	f := Filter{Tag: loadgen.TagTTFT, Stat: "p95", Op: "lt"}
	objectiveMetric := loadgen.TagTokenRate
	between := func() float64 { return (m.Metrics(c)[f.Key()] + m.Metrics(c + 1)[f.Key()]) / 2 }
	switch kind {
	case "ttft":
		f.Threshold = between()
	case "itl":
		f.Tag = loadgen.TagITL
		f.Threshold = between()
	case "e2e":
		f.Tag, f.Stat = loadgen.TagLatency, "p99"
		f.Threshold = between()
	case "knee":
		m.KneeC = new(b * uniform(rng, 0.4, 0.9))
		m.Knee = uniform(rng, 50, 2000)
		m.KneePow = oneOf(rng, 1.0, 2, 3)
		f.Threshold = between()
	case "cliff":
		m.KVLimit = new(b)
		m.KVGain = uniform(rng, 2, 8)
		m.KVWidth = math.Pow(10, uniform(rng, -2.5, -1.3))
		m.TTFTThrash = true
		f.Tag = loadgen.TagITL
		f.Threshold = 1.5 * m.Metrics(c)[KeyITL]
	case "err":
		m.ErrMid = new(1.05*b + 4)
		m.ErrWidth = uniform(rng, 1, 0.05*b+1.5)
		f = Filter{Tag: loadgen.TagErrorRate, Stat: "avg", Op: "lt", Threshold: oneOf(rng, 0.5, 1.0, 2)}
	case "good":
		m.SLOTTFT = new(math.Pow(10, uniform(rng, 2, 3.5)))
		m.SLOITL = new(uniform(rng, 15, 80))
		m.GoodShape = uniform(rng, 4, 10)
		f = Filter{Tag: loadgen.TagGoodShare, Stat: "avg", Op: "ge", Threshold: oneOf(rng, 0.9, 0.95, 0.99)}
		objectiveMetric = loadgen.TagGoodput
	}
	s := Surface{
		Name: kind, Lo: 1, Hi: 1000, Filters: []Filter{f}, Model: m, Noise: noise,
		Objective: Objective{Metric: objectiveMetric, Stat: "avg", Direction: "maximize"},
	}
	s.Truth = s.FindTruth()
	ok := s.Truth.Boundary != nil && *s.Truth.Boundary == *s.Truth.PrefixBoundary &&
		*s.Truth.Boundary >= 2 && *s.Truth.Boundary <= 990
	return s, ok
}

// Conditioning is the noise over the slope of ln(value) in ln c around the boundary:
// the share of the boundary by which the noise of one probe moves it. Of several
// filters the first that fails above the boundary counts.
func (s Surface) Conditioning() float64 {
	b := float64(*s.Truth.Boundary)
	lo := max(s.Lo, int(0.9*b))
	hi := min(s.Hi, max(lo+1, int(math.Ceil(1.1*b))))
	above := s.Model.Metrics(min(s.Hi, *s.Truth.Boundary+1))
	for _, f := range s.Filters {
		if f.holds(above[f.Key()]) {
			continue
		}
		sigma := s.Noise.Sigma
		if strings.Contains(f.Tag, "fraction") || strings.Contains(f.Tag, "error_rate") {
			sigma = s.Noise.SigmaFraction
		}
		g, h := f.Margin(s.Model.Metrics(lo)[f.Key()]), f.Margin(s.Model.Metrics(hi)[f.Key()])
		return sigma / ((h - g) / math.Log(float64(hi)/float64(lo)))
	}
	return math.NaN()
}

// WellConditioned bounds the conditioning of the surfaces that a search is judged on.
const WellConditioned = 0.03

// HeldOut is the draw that the table is printed for. The constants of
// smooth_isotonic were chosen with the public surfaces and draw 1 in view.
const HeldOut = 2

// RandomTable runs the styles on random surfaces and returns the Markdown table of
// three rows a style: the well-conditioned surfaces, the others, and all.
func RandomTable(styles []Style, all []Surface, seeds int) (string, error) {
	table := TableHead
	for _, st := range styles {
		var well, ill []Score
		for _, s := range all {
			for seed := range seeds {
				sc, err := st.Run(s, seed)
				if err != nil {
					return "", err
				}
				if s.Conditioning() <= WellConditioned {
					well = append(well, sc)
				} else {
					ill = append(ill, sc)
				}
			}
		}
		table += Summarise(well).Row(st.Name+", well-conditioned") + Summarise(ill).Row(st.Name+", ill-conditioned") +
			Summarise(slices.Concat(well, ill)).Row(st.Name+", all")
	}
	return table, nil
}
