// Package sweep derives results from finished sweeps: the knee of a ramp, the curve
// through a series, the frontier of a trade.
//
// A [Sweep] holds the measurements of all points, a [Point] each, in the form that
// AIPerf writes. It is built with [Sweep.Begin] and [Sweep.Add], or read from JSON.
// A [Derivation] turns it into a [Result]:
//
//	KneeRule      → Knee         where latency leaves its value on the idle server
//	TTFTRule      → TTFTFit      TTFT as a function of the prompt's length
//	ITLRule       → ITLSurface   inter-token latency over concurrency and answer length
//	FrontierRule  → Frontier     the points that no other beats on two metrics
//	BreachRule    → Breach       where the limits of a grid break
//	Custom        → any object   what a recipe of your own wants
//
// For example, the knee of a ramp:
//
//	rule := sweep.KneeRule{Metric: loadgen.TagLatency, Stat: "p99", Path: recipes.PathConcurrency, Threshold: 0.2}
//	result, err := rule.Derive(s)
//	if err != nil {
//		return err // for example, no point has the metric
//	}
//	knee := result.(sweep.Knee)
//
// Rules are typed values with the keys of AIPerf's handler parameters. Results are
// typed values that marshal themselves to AIPerf's files. A rule reads the statistic
// that it names or none: AIPerf's handlers fall back to the mean and still call it
// p99. Everything here is a pure function of the sweep. Values that were not
// measured are NaN in Go and null in JSON, which cannot write NaN or infinity.
package sweep
