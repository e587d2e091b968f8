// Aiperf makes a run of each kind against simulated servers and writes its files, a folder
// a run, for AIPerf's own readers to load:
//
//	go run ./internal/experiments/aiperf DIR [NAME...]
//
// With names, it makes only the runs that are called so. The script
// testdata/aiperf/accept.sh calls it, installs AIPerf, and loads the files.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/loadgen/workload"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("aiperf: ")
	if len(os.Args) < 2 {
		log.Fatal("give the folder to write to")
	}
	for _, r := range runs(os.Args[1]) {
		if names := os.Args[2:]; len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		began := time.Now()
		if err := r.write(filepath.Join(os.Args[1], r.name)); err != nil {
			log.Fatalf("%s: %v", r.name, err)
		}
		fmt.Printf("%s: %s\n", r.name, time.Since(began).Round(100*time.Millisecond))
	}
}

// run is one run: its folder, and what it asks for. What spec leaves out is small.
type run struct {
	name   string
	recipe *recipes.Recipe
	spec   recipes.Spec
}

// named returns a recipe of the catalogue.
func named(name string) *recipes.Recipe {
	r, err := recipes.Lookup(name)
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// limits reads limits.
func limits(texts ...string) (ls []sla.Limit) {
	for _, text := range texts {
		l, err := sla.ParseLimit(text)
		if err != nil {
			log.Fatal(err)
		}
		ls = append(ls, l)
	}
	return ls
}

// runs lists a run of each kind, and of each style and shape of files.
func runs(dir string) []run {
	p := func(v float64) *float64 { return &v }
	n := func(v int) *int { return &v }
	few := recipes.Bounds{Min: n(1), Max: n(16)}
	latency := recipes.Inputs{TTFT: p(500), Concurrency: few, MaxProbes: n(6), InitialPoints: n(3)}
	search := func(style recipes.Style, in recipes.Inputs) recipes.Spec {
		in.Style = style
		if style != recipes.BO && style != recipes.Optuna {
			in.InitialPoints = nil
		}
		return recipes.Spec{Inputs: in}
	}
	itl := latency
	itl.TTFT, itl.ITL = nil, p(300)
	good := latency
	good.SLO = map[loadgen.Tag]float64{loadgen.TagLatency: 2000}
	good.TTFT = nil
	rate := recipes.Inputs{TTFT: p(500), Rate: [2]float64{40, 160}, MaxProbes: n(4)}
	goodRate := rate
	goodRate.TTFT, goodRate.SLO = nil, good.SLO
	tiers := recipes.Inputs{Concurrency: few, MaxProbes: n(6), Tiers: []recipes.Tier{
		{Label: "fast", Limits: limits("ttft p95 < 200ms")}, {Label: "slow", Limits: limits("ttft p95 < 2s", "errors <= 1%")},
	}}
	steps := func(in recipes.Inputs) recipes.Inputs {
		in.Steps, in.InitialPoints, in.MaxProbes = n(3), nil, nil
		return in
	}
	lengths := recipes.Axis{Path: recipes.PathISL, Values: []float64{8, 32}}
	lengths.With = []recipes.Axis{{Path: recipes.PathOSL, Values: []float64{4, 8}}}
	mixed := loadgen.Workload{
		System:   8,
		Prefixes: []workload.Prefix{{Groups: 3, Tokens: 32, Share: 0.6}},
		Mix: []loadgen.Workload{
			{Weight: 3, ISL: workload.LogNormal(64, 32).Between(4, 256), OSL: workload.Normal(8, 2)},
			{Weight: 1, ISL: workload.Uniform(16, 32), Model: "adapter", Body: map[string]any{"temperature": 0.2}},
		},
	}
	normal := loadgen.Workload{ISL: workload.Normal(64, 16), OSL: workload.Normal(8, 2), System: 16,
		Prefixes: []workload.Prefix{{Groups: 4, Tokens: 32, Share: 1}}}
	trace := filepath.Join(dir, "trace.jsonl")
	prompts := filepath.Join(dir, "prompts.jsonl")
	writeInputs(trace, prompts)

	return []run{
		{"fixed", recipes.Fixed(4), recipes.Spec{Target: loadgen.Target{Body: map[string]any{"temperature": 0.5}}}},
		{"fixed-whole", recipes.Fixed(2), recipes.Spec{Inputs: recipes.Inputs{Streaming: new(bool)}}},
		{"fixed-goodput", recipes.Fixed(4), recipes.Spec{Inputs: recipes.Inputs{
			SLO: map[loadgen.Tag]float64{loadgen.TagTTFT: 200, loadgen.TagLatency: 2000}, Limits: limits("good >= 0.95")}}},
		{"fixed-trials", recipes.Fixed(4), recipes.Spec{Trials: 3}},
		{"fixed-rate", recipes.FixedRate(60), recipes.Spec{}},
		{"fixed-rate-gamma", recipes.FixedRate(60), recipes.Spec{Workload: loadgen.Load{Arrival: "gamma:2", MostInFlight: 50}}},
		{prefill, named("prefill-ttft-curve"), recipes.Spec{Workload: loadgen.Load{Requests: 8, OSL: 2}, Inputs: recipes.Inputs{
			Steps: n(4), ISL: recipes.Bounds{Min: n(64), Max: n(2048)}}}},
		{"decode-curve", named("decode-itl-curve"), recipes.Spec{Inputs: recipes.Inputs{
			Steps: n(3), OSLSteps: n(2), Concurrency: few, OSL: recipes.Bounds{Min: n(4), Max: n(16)}}}},
		{"ramp", named("concurrency-ramp"), recipes.Spec{Inputs: recipes.Inputs{Steps: n(3), Concurrency: few}}},
		{"ttft-bo", named("max-throughput-ttft-sla"), search(recipes.BO, latency)},
		{"itl-optuna", named("max-throughput-itl-sla"), search(recipes.Optuna, itl)},
		{"concurrency-smooth", named("max-concurrency-under-sla"), search(recipes.SmoothIsotonic, latency)},
		{"concurrency-monotonic", named("max-concurrency-under-sla"), search(recipes.Monotonic, latency)},
		{"concurrency-sequential", named("max-concurrency-under-sla"), search(recipes.Sequential, latency)},
		{"goodput-bo", named("max-goodput-under-slo"), search(recipes.BO, good)},
		{"rate", named("max-request-rate-under-sla"), recipes.Spec{Inputs: rate}},
		{"rate-sequential", named("max-request-rate-under-sla"), search(recipes.Sequential, rate)},
		{"rate-goodput", named("max-goodput-rate-under-slo"), recipes.Spec{Inputs: goodRate}},
		{"rate-grid", named("max-request-rate-under-sla"), search(recipes.Grid, steps(rate))},
		{"tiers", named("max-concurrency-under-sla"), search(recipes.Sequential, tiers)},
		{"tiers-smooth", named("max-concurrency-under-sla"), search(recipes.SmoothIsotonic, tiers)},
		{"grid", named("max-concurrency-under-sla"), search(recipes.Grid, steps(latency))},
		{"grid-trials", named("max-concurrency-under-sla"), recipes.Spec{Inputs: search(recipes.Grid, steps(latency)).Inputs, Trials: 3}},
		{"pareto", named("pareto-sweep"), recipes.Spec{Inputs: recipes.Inputs{ConcurrencyList: []int{1, 4}, Pairs: text("16/4,32/8")}}},
		{"sweep", recipes.Sweep(lengths, recipes.Axis{Path: recipes.PathConcurrency, Values: []float64{1, 4}}), recipes.Spec{}},
		{"sweep-body", recipes.Sweep(recipes.Axis{Path: recipes.PathConcurrency, Values: []float64{4}},
			recipes.Axis{Path: recipes.PathBody + "temperature", Values: []float64{0, 1}}), recipes.Spec{}},
		{"explicit-front", recipes.Explicit(recipes.Search{
			Space:     []plan.Dim{{Path: recipes.PathConcurrency, Lo: 1, Hi: 16, Int: true, Log: true}},
			MaxProbes: 6, InitialPoints: 3,
			Objectives: []recipes.Objective{{Metric: loadgen.TagTokenRate, Stat: "avg", Maximize: true}, {Metric: loadgen.TagTTFT, Stat: "p95"}},
		}), recipes.Spec{}},
		{"prompts", recipes.Fixed(4), recipes.Spec{Workload: loadgen.Load{Workload: loadgen.Workload{File: prompts, Order: workload.Shuffled}}}},
		{"replay", named("replay"), recipes.Spec{Workload: loadgen.Load{Requests: -1, Workload: loadgen.Workload{File: trace, Replay: 1}}}},
		{"normal", recipes.Fixed(4), recipes.Spec{Workload: loadgen.Load{Workload: normal}}},
		{"mixed", recipes.Fixed(4), recipes.Spec{Workload: loadgen.Load{Workload: mixed}}},
		{"mixed-rate", recipes.FixedRate(60), recipes.Spec{Workload: loadgen.Load{Workload: mixed}}},
		{"soak", named("soak"), recipes.Spec{Workload: loadgen.Load{Requests: -1, Workload: loadgen.Workload{Stages: workload.Stages{
			{From: 20, To: 60, Over: 2 * time.Second}, {Over: time.Second}, {From: 20, Over: time.Second}}}}}},
		{failing, recipes.Fixed(4), recipes.Spec{}},
		{"gpus", recipes.Fixed(4), recipes.Spec{Target: loadgen.Target{GPUs: 2, Price: 2.5}, Trials: 2, Inputs: recipes.Inputs{
			SLO: map[loadgen.Tag]float64{loadgen.TagLatency: 2000}, Limits: limits("joules_per_token < 1000")}}},
		{"gpus-pareto", named("pareto-sweep"), recipes.Spec{Target: loadgen.Target{GPUs: 2}, Inputs: recipes.Inputs{
			ConcurrencyList: []int{1, 4}, Pairs: text("16/4,32/8")}}},
	}
}

// failing is the run against a server that fails now and then, and prefill the one against a
// server that is so slow that a busy machine can measure the curve.
const failing, prefill = "failing", "prefill-curve"

// text returns a pointer to a text.
func text(s string) *string { return &s }

// writeInputs writes a trace of 60 requests and a file of prompts, which some runs send.
func writeInputs(trace, prompts string) {
	var t, p strings.Builder
	for i := range 60 {
		fmt.Fprintf(&t, "{\"timestamp\": %d, \"input_length\": 600, \"output_length\": 4, \"hash_ids\": [%d, %d]}\n", 20*i, i%5, 100+i)
		fmt.Fprintf(&p, "{\"text\": \"prompt %d of a file of prompts\", \"output_length\": %d}\n", i, 4+i%5)
	}
	if err := os.MkdirAll(filepath.Dir(trace), 0o777); err != nil {
		log.Fatal(err)
	}
	for path, content := range map[string]string{trace: t.String(), prompts: p.String()} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

// write makes the run against a server of its own, and writes its files below dir. Beside
// them, loads.json has the load of each trial of each probe, for what was written about it to
// be compared with.
func (r run) write(dir string) error {
	model := simserver.Model{Adapters: []string{"adapter"}, Step: 4 * time.Millisecond, PerPromptToken: 20 * time.Microsecond,
		PrefixCache: 1 << 16}
	model.GPUs = r.spec.Target.GPUs
	switch r.name {
	case failing:
		model.Faults = simserver.Faults{Status: map[int]float64{503: 0.1}, Cut: 0.1, ErrorEvent: 0.1}
	case prefill:
		model.Step, model.PerPromptToken = 600*time.Millisecond, 300*time.Microsecond
	}
	srv := simserver.New(model)
	defer srv.Close()
	s := r.spec
	s.Target.URL, s.Target.Model = srv.URL, "simulated"
	w := &s.Workload
	w.Seed = 7
	if w.Workload.IsZero() || w.Workload.File != "" {
		w.ISL, w.OSL = 16, cmp.Or(w.OSL, 8)
	}
	switch {
	case w.Requests < 0: // as many as its file has
		w.Requests = 0
	case w.Requests == 0:
		w.Requests = 60
	}
	files := report.Dir{Path: dir}
	s.Observe = files.Update
	out, err := recipes.Run(context.Background(), r.recipe, s)
	if err != nil {
		return err
	}
	if err := files.Update(out); err != nil {
		return err
	}
	var loads [][]loadgen.Load
	for _, p := range out.Probes {
		var trials []loadgen.Load
		for _, m := range p.Trials {
			trials = append(trials, m.Load)
		}
		loads = append(loads, trials)
	}
	b, err := json.MarshalIndent(loads, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "loads.json"), b, 0o666)
}
