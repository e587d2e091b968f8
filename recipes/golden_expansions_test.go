package recipes

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/golden"
	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// expansion is one call of a recipe of AIPerf's: what it was given, and what it
// expanded to or how it refused.
type expansion struct {
	Recipe    string
	Streaming bool
	Targets   map[string]any `json:"sla_targets"`
	Overrides map[string]any `json:"sweep_overrides"`
	Output    map[string]any
	Error     string
	ErrorType string `json:"error_type"`
}

// TestGoldenRecipeExpansions: every recipe expands to what AIPerf's expands to,
// and refuses what it refuses, by the input at fault. Where ours differs on
// purpose the case is labelled and held to the rule.
func TestGoldenRecipeExpansions(t *testing.T) {
	for i, c := range golden.Cases[expansion](t, "recipe_expansions.json") {
		label, rule := c.label(t)
		t.Run(fmt.Sprintf("%d/%s/%s", i, c.Recipe, label), func(t *testing.T) {
			r, err := Lookup(c.Recipe)
			require.NoError(t, err)
			run, err := prepare(r, Spec{Inputs: c.inputs(t), Prober: notCalled{}})
			if label == "fewer limits" {
				// AIPerf requires all three limits; ours judges a request by those that are given.
				require.NoError(t, err)
				assert.Len(t, run.out.Plan.SLO, len(c.Targets))
				return
			}
			if c.Error != "" || label == "refused" {
				var at *InputError
				require.ErrorAs(t, err, &at, "AIPerf: %s", c.Error)
				assert.Equal(t, c.Recipe, at.Recipe)
				assert.ElementsMatch(t, rule, names(at.Inputs), "%v\nAIPerf: %s", err, c.Error)
				return
			}
			require.NoError(t, err)
			o := run.out
			if label == "steps honoured" {
				// AIPerf's style grid ignores --concurrency-steps.
				steps := c.inputs(t).Steps
				axis := o.Plan.Grid[0]
				assert.Len(t, axis.Values, *steps-duplicates(axis, *steps))
				assert.Equal(t, c.Output["post_process"], asAIPerf(t, o.Plan)["post_process"])
				return
			}
			assert.Equal(t, comparable(t, c.Output), asAIPerf(t, o.Plan))
		})
	}
}

// notCalled stands for an endpoint that expanding never reaches.
type notCalled struct{ Prober }

// label says how a case is compared, and which inputs an error is to name.
func (c expansion) label(t *testing.T) (label string, inputs []string) {
	if c.Error != "" && c.Recipe == "max-goodput-under-slo" && strings.Contains(c.Error, "all three") {
		if len(c.Targets) > 0 {
			return "fewer limits", nil
		}
		return "error", []string{"TTFT", "ITL", "E2E", "SLO"} // ours takes what a good request is in text as well
	}
	if c.Error != "" {
		return "error", c.atFault(t)
	}
	// Nonsense that AIPerf accepts and ours refuses.
	for key, v := range c.Targets {
		x := float(t, v)
		if x <= 0 || key == "error_rate_sla" && x >= 1 || key == "slo_attainment_fraction" && x > 1 {
			return "refused", []string{inputOf(t, key)}
		}
	}
	for key, v := range c.Overrides {
		switch key {
		case "degradation_threshold":
			if float(t, v) <= 0 {
				return "refused", []string{"Degradation"}
			}
		case "degradation_stat":
			if (sweep.KneeRule{Stat: v.(string)}).CheckStat() != nil {
				return "refused", []string{"Degradation"}
			}
		case "isl_osl_pairs":
			if strings.ContainsAny(v.(string), "_+") {
				return "refused", []string{"Pairs"}
			}
		}
	}
	if _, given := c.Overrides["concurrency_steps"]; given && c.Overrides["search_style"] == "grid" {
		return "steps honoured", nil
	}
	return "exact", nil
}

var flagPattern = regexp.MustCompile(`--[a-z0-9-]+`)

// atFault reads the inputs that AIPerf's error is about. Its text is no contract;
// the names of its flags, and which input was out of range, are.
func (c expansion) atFault(t *testing.T) []string {
	first, _, _ := strings.Cut(c.Error, ";")
	switch {
	case !c.Streaming && strings.Contains(first, "--streaming"):
		return []string{"Streaming"}
	case strings.Contains(first, "aliases"):
		return []string{"ITL", "TPOT"}
	case strings.Contains(c.Error, "single point"):
		return []string{"Pairs", "ConcurrencyList"}
	case strings.Contains(first, "isl-osl-pairs"):
		return []string{"Pairs"}
	case strings.Contains(first, "requires at least one of"):
		return []string{"TTFT", "ITL", "TPOT", "E2E", "ErrorRate", "SLA"} // ours takes an SLA in text as well
	case strings.Contains(first, "requires") && c.ErrorType != "ValidationError":
		var out []string
		first, _, _ = strings.Cut(first, "pass")
		for _, flag := range flagPattern.FindAllString(first, -1) {
			name := inputOf(t, strings.ReplaceAll(strings.TrimPrefix(flag, "--"), "-", "_"))
			if c.Recipe == "max-goodput-under-slo" && name == "TPOT" {
				name = "ITL" // either name will do; ours asks for the first
			}
			out = append(out, name)
		}
		return out
	case strings.Contains(first, "_logspace_int_steps: steps"):
		if _, ok := c.Overrides["osl_steps"]; ok {
			return []string{"OSLSteps"}
		}
		return []string{"Steps"}
	case strings.Contains(first, "_logspace_int_steps"), strings.Contains(first, "--concurrency-min"),
		strings.Contains(first, "SearchSpaceDimension"):
		for key := range c.Overrides {
			if strings.HasSuffix(key, "_min") || strings.HasSuffix(key, "_max") {
				return []string{inputOf(t, key)}
			}
		}
	case strings.Contains(first, "SLAFilter"):
		for key, v := range c.Targets {
			if x := float(t, v); math.IsInf(x, 0) || math.IsNaN(x) {
				return []string{inputOf(t, key)}
			}
		}
	}
	t.Fatalf("cannot read which input is at fault from %q", c.Error)
	return nil
}

// inputOf names our input by AIPerf's key.
func inputOf(t *testing.T, key string) string {
	name, ok := map[string]string{
		"ttft_sla_ms": "TTFT", "itl_sla_ms": "ITL", "tpot_sla_ms": "TPOT", "e2e_sla_ms": "E2E", "error_rate_sla": "ErrorRate",
		"slo_attainment_fraction": "Attainment", "concurrency_min": "Concurrency", "concurrency_max": "Concurrency",
		"isl_min": "ISL", "isl_max": "ISL", "osl_min": "OSL", "osl_max": "OSL",
	}[key]
	require.True(t, ok, "unknown input %q", key)
	return name
}

// inputs turns AIPerf's inputs into ours. It reads bounds that came as text or
// with a fraction as AIPerf does, by Python's int(): a Go option takes an int and
// cannot be given those.
func (c expansion) inputs(t *testing.T) Inputs {
	var in Inputs
	if !c.Streaming {
		in.Streaming = new(false)
	}
	for key, v := range c.Targets {
		x := float(t, v)
		switch key {
		case "ttft_sla_ms":
			in.TTFT = &x
		case "itl_sla_ms":
			in.ITL = &x
		case "tpot_sla_ms":
			in.TPOT = &x
		case "e2e_sla_ms":
			in.E2E = &x
		case "error_rate_sla":
			in.ErrorRate = &x
		case "slo_attainment_fraction":
			in.Attainment = &x
		default:
			t.Fatalf("unknown target %q", key)
		}
	}
	for key, v := range c.Overrides {
		whole := func() *int { n := int(float(t, v)); return &n }
		switch key {
		case "search_style":
			in.Style = Style(v.(string))
		case "concurrency_min":
			in.Concurrency.Min = whole()
		case "concurrency_max":
			in.Concurrency.Max = whole()
		case "concurrency_steps", "isl_steps":
			in.Steps = whole()
		case "osl_steps":
			in.OSLSteps = whole()
		case "isl_min":
			in.ISL.Min = whole()
		case "isl_max":
			in.ISL.Max = whole()
		case "osl_min":
			in.OSL.Min = whole()
		case "osl_max":
			in.OSL.Max = whole()
		case "degradation_threshold":
			in.Degradation = new(float(t, v))
		case "degradation_metric_tag":
			in.DegradationMetric = v.(string)
		case "degradation_stat":
			in.DegradationStat = v.(string)
		case "isl_osl_pairs":
			in.Pairs = new(v.(string))
		case "concurrency":
			in.ConcurrencyList = []int{}
			if list, ok := v.([]any); ok {
				for _, x := range list {
					in.ConcurrencyList = append(in.ConcurrencyList, int(float(t, x)))
				}
			} else {
				in.ConcurrencyList = append(in.ConcurrencyList, *whole())
			}
		default:
			t.Fatalf("unknown override %q", key)
		}
	}
	return in
}

func float(t *testing.T, v any) float64 {
	t.Helper()
	if s, ok := v.(string); ok {
		x, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return x
	}
	x, ok := v.(float64)
	require.True(t, ok, "%v is no number", v)
	return x
}

func names(inputs []Input) []string {
	var out []string
	for _, in := range inputs {
		out = append(out, string(in))
	}
	return out
}

// duplicates counts the steps that rounding to whole numbers made equal.
func duplicates(a Axis, steps int) int {
	distinct := map[float64]bool{}
	lo, hi := math.Log(a.Values[0]), math.Log(a.Values[len(a.Values)-1])
	for i := range steps {
		distinct[math.RoundToEven(math.Exp(lo+(hi-lo)*float64(i)/float64(steps-1)))] = true
	}
	return steps - len(distinct)
}

// elsewhere are settings of AIPerf's that are no part of a plan: defaults that no
// recipe changes, or, as the seed, inputs of a run. Its SLA filters are compared
// where every recipe has them, at the top.
var elsewhere = []string{
	"cooldown_seconds", "sla_filters", "post_process", "recipe_name", "type", "outcome_constraints", "random_seed",
	"optuna_sampler", "optuna_acquisition", "optuna_terminator", "objective_pooling", "monotonic_stability_trials",
	"sla_precision", "sla_warmup_seconds", "constraint_mode", "sla_tiers",
}

// comparable drops what asAIPerf has no counterpart of; a key that is not known
// stays and fails the comparison.
func comparable(t *testing.T, output map[string]any) map[string]any {
	out := maps.Clone(output)
	if search, ok := out["adaptive_search"].(map[string]any); ok {
		search = maps.Clone(search)
		for _, key := range elsewhere {
			require.Contains(t, search, key)
			delete(search, key)
		}
		out["adaptive_search"] = search
	}
	return out
}

// asAIPerf writes a plan as AIPerf dumps what a recipe expands to.
func asAIPerf(t *testing.T, p *Plan) map[string]any {
	out := map[string]any{
		"adaptive_search": nil, "sweep_parameters": nil, "scenarios": nil, "post_process": nil, "slos": nil,
		"sla_filters": filtersOf(t, p.Limits),
	}
	if s := p.Search; s != nil {
		planner := string(s.Style)
		if n, ok := map[Style]string{BO: "bayesian", Monotonic: "monotonic_sla"}[s.Style]; ok {
			planner = n
		}
		space, objectives := []any{}, []any{}
		for _, d := range s.Space {
			prior := "uniform"
			if d.Log {
				prior = "log-uniform"
			}
			require.True(t, d.Int)
			space = append(space, map[string]any{"path": d.Path, "lo": d.Lo, "hi": d.Hi, "kind": "int", "prior": prior})
		}
		for _, g := range s.Objectives {
			direction := "minimize"
			if g.Maximize {
				direction = "maximize"
			}
			objectives = append(objectives, map[string]any{"metric": g.Metric, "stat": g.Stat, "direction": direction,
				"threshold": g.Reference})
		}
		out["adaptive_search"] = map[string]any{
			"planner": planner, "search_space": space, "objectives": objectives,
			"max_iterations": s.MaxProbes, "n_initial_points": s.InitialPoints, "sla_replicates": s.Replicates,
			"improvement_patience": s.Patience, "plateau_window": s.PlateauWindow, "plateau_threshold": s.PlateauThreshold,
		}
	}
	if p.Grid != nil {
		axes := map[string]any{}
		for _, a := range p.Grid {
			axes[a.Path] = a.Values
		}
		out["sweep_parameters"] = axes
	}
	if p.Scenarios != nil {
		scenarios := []any{}
		for _, s := range p.Scenarios {
			values := map[string]any{}
			for _, v := range s.Values {
				values[sweep.Leaf(v.Path)] = v.Value
			}
			scenarios = append(scenarios, map[string]any{"name": s.Name, "values": values, "benchmark": map[string]any{
				"datasets": []any{map[string]any{"name": "main", "prompts": map[string]any{"isl": values["isl"], "osl": values["osl"]}}},
				"phases":   []any{map[string]any{"name": "profiling", "concurrency": values["concurrency"]}},
			}})
		}
		out["scenarios"] = scenarios
	}
	if d := p.Derive; d != nil {
		out["post_process"] = map[string]any{"handler": d.Name(), "params": d, "output_filename": d.File()}
	}
	if p.SLO != nil {
		out["slos"] = p.SLO
	}
	raw, err := json.Marshal(out)
	require.NoError(t, err)
	var plain map[string]any
	require.NoError(t, json.Unmarshal(raw, &plain))
	return plain
}

// filtersOf writes limits as AIPerf's files have them.
func filtersOf(t *testing.T, limits []sla.Limit) any {
	raw, err := json.Marshal(sweep.BreachRule{Limits: limits})
	require.NoError(t, err)
	var rule struct {
		Filters any `json:"sla_filters"`
	}
	require.NoError(t, json.Unmarshal(raw, &rule))
	return rule.Filters
}

// TestGoldenRecipeMetadata: what a recipe's chart shows, whether AIPerf draws it
// unasked, and which takes a list of concurrencies.
func TestGoldenRecipeMetadata(t *testing.T) {
	type axes struct {
		XMetric    string   `json:"x_metric"`
		XStat      string   `json:"x_stat"`
		XMinimize  bool     `json:"x_minimize"`
		YMetric    string   `json:"y_metric"`
		YStat      string   `json:"y_stat"`
		YMaximize  bool     `json:"y_maximize"`
		SeriesKeys []string `json:"series_keys"`
	}
	type metadata struct {
		Name  string
		Axes  *axes    `json:"pareto_axes"`
		Plots bool     `json:"auto_plot_default"`
		Lists []string `json:"consumed_magic_lists"`
	}
	cases := golden.Cases[metadata](t, "recipe_metadata.json")
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			r, err := Lookup(c.Name)
			require.NoError(t, err)
			require.NoError(t, Validate(r))
			got := metadata{Name: r.Name, Plots: r.Plots, Lists: []string{}}
			if x := r.Axes; x.XMetric != "" {
				got.Axes = &axes{x.XMetric, x.XStat, !x.XMaximize, x.YMetric, x.YStat, !x.YMinimize, append([]string{}, x.Series...)}
			}
			if r.uses(inputConcurrencyList) {
				got.Lists = append(got.Lists, "concurrency")
			}
			assert.Equal(t, c, got)
		})
	}
	assert.GreaterOrEqual(t, len(All()), 8)
	assert.Equal(t, loadgen.TagITL, maxThroughputITL.Axes.XMetric)
}
