// Package bench writes what a run measured as benchmark lines, reads such lines back,
// and compares the two. The format is that of go test -bench, read and written by
// golang.org/x/perf/benchfmt, so that benchstat reads the files, too.
//
//	err := bench.Write(os.Stdout, out)
//
// writes, for a recipe with one fixed load, a line a trial:
//
//	Unit ttft-p95-ns better=lower
//	Unit tok/s better=higher
//	goos: linux
//	model: m
//	BenchmarkRecipe/fixed-concurrency-16/concurrency=16 300 84000000 ttft-p95-ns 1500 tok/s
//
// To hold a run against an earlier one, read the file, and compare the series that
// both have:
//
//	file, err := bench.ReadFile("testdata/bench.txt")
//	if err != nil {
//		return err
//	}
//	old, err := file.For(out.Recipe.Name)
//	if err != nil {
//		return err
//	}
//	c := bench.Compare(old, bench.Measured(out), 0.05)
//	if c.Verdict() == recipes.Missed {
//		fmt.Println(c.Failed()[0].Unit, "is worse")
//	}
//
// A Comparison is a recipes.Comparison: it says by how much each metric changed,
// whether that may be chance, and whether there were enough measurements to tell.
// TrialsFor says in advance how many are needed. Line is what a run adds to the line
// of a Go benchmark that it is part of.
//
// Units are testing's way to name a metric: ttft-p95-ns is the 95th percentile of the
// time to first token, in nanoseconds, whatever unit it is printed in. Describe takes
// such a name apart for a table.
package bench
