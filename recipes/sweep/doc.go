// Package sweep holds what is read off a finished sweep.
//
// A [Sweep] is the measurements of all points, a [Point] each, in the form that
// AIPerf writes. A [Derivation] turns it into a [Result]:
//
//	KneeRule      → Knee         where latency leaves what it is on the idle server
//	TTFTRule      → TTFTFit      TTFT as a function of the prompt's length
//	ITLRule       → ITLSurface   inter-token latency over concurrency and answer length
//	FrontierRule  → Frontier     the points that none beats on two metrics
//	BreachRule    → Breach       where the limits of a grid break
//
// For example, the knee of a ramp:
//
//	rule := sweep.KneeRule{Metric: loadgen.TagLatency, Stat: "p99", Path: recipes.PathConcurrency, Threshold: 0.2}
//	result, err := rule.Derive(s)
//	knee := result.(sweep.Knee)
//
// Rules are typed values with the keys of AIPerf's handler parameters; results are
// typed values that marshal themselves to AIPerf's files. Everything here is a pure
// function of the sweep. Values that were not measured are NaN in Go and null in
// JSON, which has no word for what is not finite.
package sweep
