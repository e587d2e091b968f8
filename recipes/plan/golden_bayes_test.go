package plan

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes/plan/internal/gp"
	"github.com/aiperf-go/aiperf/recipes/plan/internal/normal"
)

// vectorFolder holds the golden vectors: AIPERF_GOLDEN, else the project's own.
func vectorFolder() string {
	if folder := os.Getenv("AIPERF_GOLDEN"); folder != "" {
		return folder
	}
	return filepath.Join("..", "..", "testdata", "golden")
}

// vector is a float64 whose non-finite values are written as strings and whose
// null means missing.
type vector float64

func (v *vector) UnmarshalJSON(data []byte) error {
	var x float64
	switch string(data) {
	case "null", `"NaN"`:
		x = math.NaN()
	case `"Infinity"`:
		x = math.Inf(1)
	case `"-Infinity"`:
		x = math.Inf(-1)
	default:
		if err := json.Unmarshal(data, &x); err != nil {
			return err
		}
	}
	*v = vector(x)
	return nil
}

func numbers(vs []vector) []float64 {
	out := make([]float64, len(vs))
	for i, v := range vs {
		out[i] = float64(v)
	}
	return out
}

func rows(vs [][]vector) [][]float64 {
	out := make([][]float64, len(vs))
	for i, v := range vs {
		out[i] = numbers(v)
	}
	return out
}

// readVectors decodes the cases of one golden file. A field the case type does
// not know fails the test: it would otherwise go uncompared.
func readVectors[C any](t *testing.T, name string) []C {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectorFolder(), "public", name))
	if os.IsNotExist(err) { // a folder may hold the files themselves
		data, err = os.ReadFile(filepath.Join(vectorFolder(), name))
	}
	require.NoError(t, err)
	var file struct {
		Note, Encoding string
		Cases          []C
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&file), name)
	require.NotEmpty(t, file.Cases, name)
	return file.Cases
}

// near asserts equality to a relative tolerance or to 1e-12, whichever is more.
func near(t *testing.T, want, got, relative float64, what ...any) {
	t.Helper()
	if math.IsNaN(want) || math.IsInf(want, 0) {
		if math.IsNaN(want) != math.IsNaN(got) || math.IsInf(want, 0) && want != got {
			assert.Failf(t, "not equal", "want %v, got %v: %v", want, got, what)
		}
		return
	}
	assert.InDelta(t, want, got, max(1e-12, relative*math.Abs(want)), what...)
}

func goalsOf(directions []string) []Goal {
	goals := make([]Goal, len(directions))
	for i, d := range directions {
		goals[i] = Goal{Maximize: d == "MAXIMIZE", Reference: math.NaN()}
	}
	return goals
}

func TestGoldenNormalTails(t *testing.T) {
	for _, c := range readVectors[struct {
		Z      vector
		LogPDF vector `json:"log_pdf"`
		LogCDF vector `json:"log_cdf"`
		CDF    vector
	}](t, "normal_tails.json") {
		z := float64(c.Z)
		near(t, float64(c.LogPDF), normal.LogPDF(z), 1e-9, "log pdf", z)
		near(t, float64(c.LogCDF), normal.LogCDF(z), 1e-9, "log cdf", z)
		near(t, float64(c.CDF), normal.CDF(z), 1e-9, "cdf", z)
	}
}

func TestGoldenLogEIHelper(t *testing.T) {
	for _, c := range readVectors[struct {
		Z      vector
		EI     vector `json:"ei_botorch"`
		LogEI  vector `json:"log_ei_botorch"`
		ExactL vector `json:"log_ei_exact"`
	}](t, "log_ei_helper.json") {
		z := float64(c.Z)
		near(t, float64(c.ExactL), normal.LogImprovement(z), 1e-12, "exact", z)
		near(t, float64(c.LogEI), normal.LogImprovement(z), 1e-8, "BoTorch", z)
		near(t, float64(c.EI), math.Exp(normal.LogImprovement(z)), 1e-8, "EI", z)
	}
}

func TestGoldenExpectedImprovement(t *testing.T) {
	for _, c := range readVectors[struct {
		Mean, Sigma vector
		Best        vector `json:"best_f"`
		Maximize    bool
		EI          vector
		LogEI       vector `json:"log_ei"`
		Probability vector `json:"prob_improve"`
		Exact       vector `json:"log_ei_exact"`
	}](t, "expected_improvement.json") {
		mean, sigma, best := float64(c.Mean), float64(c.Sigma), float64(c.Best)
		if !c.Maximize {
			mean, best = -mean, -best
		}
		near(t, float64(c.EI), expectedImprovement(mean, sigma, best), 1e-9, "EI", c)
		near(t, float64(c.Exact), normal.LogExpectedImprovement(mean, sigma, best), 1e-12, "exact log EI", c)
		near(t, float64(c.LogEI), normal.LogExpectedImprovement(mean, sigma, best), 1e-8, "BoTorch's log EI", c)
		near(t, float64(c.Probability), normal.CDF((mean-best)/sigma), 1e-9, "probability", c)
	}
}

// expectedImprovement is EI itself, which the planners only need the logarithm of.
func expectedImprovement(mean, sigma, best float64) float64 {
	if sigma <= 0 {
		return max(mean-best, 0)
	}
	return sigma * math.Exp(normal.LogImprovement((mean-best)/sigma))
}

func TestGoldenGaussianProcess(t *testing.T) {
	const tolerance = 1e-7 // absolute, the file's
	for i, c := range readVectors[struct {
		X, Xs       [][]vector
		Y           []vector
		Lengths     []vector `json:"lengthscales"`
		Scale       vector   `json:"outputscale"`
		Noise       vector   `json:"noise_variance"`
		Constant    vector   `json:"constant_mean"`
		Mean        []vector
		Variance    []vector `json:"latent_variance"`
		Covariance  [][]vector
		LogEvidence vector `json:"log_marginal_likelihood"`
	}](t, "gp_matern52.json") {
		noise := make([]float64, len(c.X))
		for j := range noise {
			noise[j] = float64(c.Noise)
		}
		k := gp.Kernel{Lengths: numbers(c.Lengths), Scale: float64(c.Scale)}
		p, err := gp.Condition(k, float64(c.Constant), rows(c.X), numbers(c.Y), noise)
		require.NoError(t, err)
		assert.InDelta(t, float64(c.LogEvidence), p.LogLikelihood(), tolerance, "likelihood of case %d", i)
		xs := rows(c.Xs)
		joint, cov := p.Joint(xs)
		for a := range xs {
			mean, variance := p.At(xs[a])
			assert.InDelta(t, float64(c.Mean[a]), mean, tolerance, "mean %d of case %d", a, i)
			assert.InDelta(t, float64(c.Variance[a]), variance, tolerance, "variance %d of case %d", a, i)
			assert.InDelta(t, mean, joint[a], 1e-12)
			for b := range xs {
				assert.InDelta(t, float64(c.Covariance[a][b]), cov.At(a, b), tolerance, "covariance %d,%d of case %d", a, b, i)
			}
		}
	}
}

func TestGoldenPareto2D(t *testing.T) {
	for i, c := range readVectors[struct {
		Points  [][]vector
		Optimal []bool `json:"pareto_optimal"`
		XMin    bool   `json:"x_minimize"`
		YMax    bool   `json:"y_maximize"`
	}](t, "pareto_2d.json") {
		goals := []Goal{{Maximize: !c.XMin}, {Maximize: c.YMax}}
		assert.Equal(t, c.Optimal, Pareto(goals, rows(c.Points)), "case %d", i)
	}
}

func TestGoldenHypervolumeFront(t *testing.T) {
	for i, c := range readVectors[struct {
		Points     [][]vector
		Directions []string
		Reference  []vector `json:"reference_point"`
		Auto       bool     `json:"reference_auto"`
		Volume     vector   `json:"hypervolume"`
		Front      []int    `json:"front_indices"`
	}](t, "hypervolume_front.json") {
		goals, points, reference := goalsOf(c.Directions), rows(c.Points), numbers(c.Reference)
		if c.Auto {
			for k, r := range directions(goals).Reference(references(goals), points) {
				near(t, reference[k], r, 1e-9, "reference of case", i)
			}
		}
		near(t, float64(c.Volume), directions(goals).Volume(reference, points), 1e-9, "case", i)
		scored := make([]ScoredPoint, len(points))
		for k, p := range points {
			scored[k] = ScoredPoint{Goals: p, Feasible: true}
		}
		front, _ := Problem{Goals: goals}.BestPoints(scored)
		assert.Equal(t, c.Front, front, "case %d", i)
	}
}

func TestGoldenBestTrials(t *testing.T) {
	type best struct {
		Index     int               `json:"iteration_idx"`
		Goals     []vector          `json:"objective_values"`
		Values    map[string]vector `json:"variation_values"`
		Feasible  bool
		Feasibles int `json:"feasible_count"`
		Rank      int `json:"pareto_rank"`
	}
	for _, c := range readVectors[struct {
		Label      string
		Objectives []struct{ Metric, Stat, Direction string }
		History    []struct {
			Goals    []json.RawMessage `json:"objective_values"`
			Goal     json.RawMessage   `json:"objective_value"` // the first of Goals
			Feasible bool
		}
		Best []best `json:"best_trials"`
	}](t, "best_trials.json") {
		ways := make([]string, len(c.Objectives))
		for i, o := range c.Objectives {
			ways[i] = o.Direction
		}
		scored := make([]ScoredPoint, len(c.History))
		for i, h := range c.History {
			values := make([]float64, len(ways))
			for k := range values {
				values[k] = math.NaN()
				if k < len(h.Goals) {
					var v vector
					require.NoError(t, json.Unmarshal(h.Goals[k], &v), c.Label)
					values[k] = float64(v)
					if string(h.Goals[k]) == `"NaN"` { // measured, and no number
						values[k] = math.Inf(1)
					}
				}
			}
			scored[i] = ScoredPoint{Goals: values, Feasible: h.Feasible}
		}
		front, feasible := Problem{Goals: goalsOf(ways)}.BestPoints(scored)
		require.Len(t, front, len(c.Best), c.Label)
		for k, want := range c.Best {
			got := scored[front[k]]
			assert.Equal(t, want.Index, front[k], c.Label)
			assert.Equal(t, want.Feasible, got.Feasible, c.Label)
			assert.Equal(t, want.Feasibles, feasible, c.Label)
			assert.Zero(t, want.Rank, c.Label)
			for g, v := range want.Goals {
				assert.Equal(t, float64(v), got.Goals[g], c.Label)
			}
			// The file's histories probe concurrency 1, 2, 3, … in order.
			assert.Equal(t, map[string]vector{"phases.profiling.concurrency": vector(front[k] + 1)}, want.Values, c.Label)
		}
	}
}

func TestGoldenThreeSignalConvergence(t *testing.T) {
	for _, c := range readVectors[struct {
		Label      string
		Values     []vector `json:"objective_values"`
		Iterations int      `json:"iter_count"`
		Stale      int      `json:"iters_since_improvement"`
		Max        int      `json:"max_iterations"`
		Patience   int      `json:"improvement_patience"`
		Window     int      `json:"plateau_window"`
		Threshold  vector   `json:"plateau_threshold"`
		Converged  bool
		Reason     string
	}](t, "three_signal_convergence.json") {
		s := signals{Max: c.Max, Patience: c.Patience, Window: c.Window, Threshold: float64(c.Threshold)}
		got := s.reason(numbers(c.Values), c.Iterations, c.Stale)
		assert.Equal(t, c.Reason, got, c.Label)
		assert.Equal(t, c.Converged, got != "", c.Label)
	}
}
