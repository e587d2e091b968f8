// Package history keeps what many runs of one question measured, in one file, and says whether
// the newest is worse than those before it.
//
//	if err := history.Append("history.txt", out, history.Plain); err != nil {
//		return err
//	}
//	runs, problems, err := history.ReadFile("history.txt")
//
// The file has a record a run, which is a block of benchmark lines: keys that say when it was
// and what was measured, the lines, and the keys once more without values. benchstat reads it:
//
//	date: 2026-11-26T03:00:12Z
//	recipe: fixed-concurrency-16
//	commit: 9c25bd3
//	driver: 570.86
//	model: m
//	Unit ttft-p95-ns better=lower
//	BenchmarkRecipe/fixed-concurrency-16/concurrency=16 300 84000000 ttft-p95-ns 1500 tok/s
//	…
//	date:
//
// # Worse than the last
//
// A Rule holds a run against those before it. Measurements within a run do not say how far two
// runs differ on a server that is the same: the machine, its temperature, its neighbours and
// the network are others each day. What says so are earlier runs, so each run is one value of
// each metric here, the logarithm of the median of its trials.
//
//  1. The scatter s is the standard deviation of the earlier runs around their level, pooled
//     over the stretches between the changes of level that Changes finds. It has as many
//     degrees of freedom as there were runs, less one for each stretch.
//  2. The level is the mean of the last runs, 20 by default.
//  3. The run is worse if it lies beyond the upper end of the interval in which one further
//     value is expected, level + t·s·√(1 + 1/n) with a quantile t of Student's distribution; or
//     if it and the run before it do together, level + t·s·√(1/2 + 1/n), with a level that
//     neither is part of. (Hahn and Meeker, Statistical Intervals, 1991, chapter 4: prediction
//     intervals for one value and for the mean of m.)
//
// Where runs keep some of what they were off by the day before, by more than chance makes it
// look so, the mean of two scatters by √((1 + ρ)/2) in place of √(1/2), and the level by
// √((1 + ρ)/((1 − ρ)·n)); ρ is their autocorrelation.
//
// The chance of a false alarm, 1% of the runs by default, is divided between the two tests, 15%
// and 85%, and among the metrics that are judged (Bonferroni). Two runs together find a loss
// that a single one cannot: at a scatter of 3% a loss of 10% lies 3.2 standard deviations off,
// of which a level of 20 runs and a chance of 1% take 2.5. That leaves a single run a chance of
// three in four at the very most, and two runs 19 in 20.
//
// Note: a CUSUM (Page, Biometrika 1954) also finds a loss of 3% after some weeks. It was not
// taken because its false alarms come in rows, and because nobody can see on a chart why a
// run failed. A slow loss is what the chart and a committed baseline are for.
//
// A run that was worse is no part of any level, so that a loss stays found however often it is
// measured. One that is marked Accepted begins a new level.
package history
