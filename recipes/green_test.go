package recipes

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the table of docs/verdicts.md")

// at is a point of 300 requests at a concurrency, of which some failed, and the
// probability that the limits hold there.
func at(c float64, failed int, pass float64) pointFacts {
	return pointFacts{name: fmt.Sprintf("concurrency %v", c), at: c, load: c, requests: 300, failed: failed,
		why: fmt.Sprintf("%d × status 500: boom", failed), pass: pass, floors: 1}
}

// fixed is a load without limits.
func fixed(points ...pointFacts) facts {
	nan := math.NaN()
	return facts{wanted: 1, line: true, lowest: points[0].at, confidence: 0.98, ceiling: nan, safe: nan, best: points[0].load, knee: nan,
		points: points}
}

// held is the same with a limit on a latency.
func held(points ...pointFacts) facts {
	f := fixed(points...)
	f.limits = true
	if f.points[0].pass > 0.5 {
		f.safe = points[0].at
	}
	return f
}

// searched is a search over 1 to 64 that its planner ended with an answer, unless said
// otherwise.
func searched(safe float64, points ...pointFacts) facts {
	return facts{search: true, limits: true, line: true, lowest: 1, confidence: 0.98, ceiling: safe, safe: safe, best: safe,
		knee: math.NaN(), points: points}
}

// with returns facts that differ in something.
func (f facts) with(change func(*facts)) facts { change(&f); return f }

// green are the sentences of the table in docs/verdicts.md, each with the facts that make
// it a case.
var green = []struct {
	sentence string
	facts    facts
	want     string
}{
	// What is an error, whatever the recipe.
	{"No request of a fixed load succeeded", fixed(at(2, 300, 1)), "error"},
	{"No request of a fixed load with limits succeeded", held(at(2, 300, 0.05)), "error"},
	{"No request succeeded at one point of a sweep or a curve",
		fixed(at(1, 0, 1), at(2, 0, 1), at(4, 300, 1)).with(func(f *facts) { f.wanted = 3 }), "error"},
	{"No request of a search succeeded", searched(math.NaN(), at(1, 300, 0.01), at(1, 300, 0.01)), "error"},
	{"No request succeeded at a load that a search tried, others did below, and the endpoint still answers",
		searched(8, at(8, 0, 0.99), at(16, 300, 0.01)), "met"},
	{"A limit has no value: TTFT or ITL of a server that does not stream, ITL of answers that come in one read",
		searched(math.NaN(), pointFacts{name: "concurrency 1", at: 1, load: 1, requests: 300, lacks: "itl"}), "error"},
	{"Half of the requests at a point failed or more, and there are no limits", fixed(at(2, 150, 1)), "error"},

	// Failures.
	{"From 1% of the requests at a point failed, and there are no limits", fixed(at(2, 3, 1)), "met with a warning"},
	{"From 1% of the requests at the answer failed, and no limit is on failures",
		searched(8, at(8, 6, 0.99), at(16, 200, 0.001)), "met with a warning"},
	{"The same with a limit on failures that they meet",
		searched(8, at(8, 6, 0.99), at(16, 200, 0.001)).with(func(f *facts) { f.counted = true }), "met"},
	{"Requests failed at loads above the answer only", searched(8, at(8, 0, 0.99), at(16, 200, 0.001)), "met"},
	{"Fewer than 1% of the requests failed", fixed(at(2, 2, 1)), "met"},

	// Fixed loads and sweeps.
	{"A fixed load without limits was measured", fixed(at(2, 0, 1)), "met"},
	{"Every limit certainly holds at a fixed load", held(at(2, 0, 0.99)), "met"},
	{"A limit certainly breaks at a fixed load", held(at(2, 0, 0.01)), "missed"},
	{"A limit probably holds at a fixed load, and not certainly", held(at(2, 0, 0.9)), "inconclusive"},
	{"No probe of a fixed load can be trusted", fixed(at(2, 0, 1).quiet()), "inconclusive"},
	{"A sweep was cut short", fixed(at(1, 0, 1)).with(func(f *facts) { f.wanted, f.cut = 3, "the deadline" }), "inconclusive"},
	{"A sweep was cut short after a point that certainly meets the limits",
		held(at(1, 0, 0.99)).with(func(f *facts) { f.wanted, f.cut = 3, "the deadline" }), "inconclusive"},
	{"A sweep was cut short after a point that certainly meets the limits at the load asked for by AtLeast",
		held(at(8, 0, 0.99)).with(func(f *facts) { f.wanted, f.cut, f.least = 3, "the deadline", 8 }), "met"},
	{"Every point of a sweep certainly breaks a limit",
		held(at(1, 0, 0.01), at(2, 0, 0.01)).with(func(f *facts) { f.wanted = 2 }), "missed"},
	{"Every point of a curve was measured, and no result could be read off them",
		fixed(at(1, 0, 1), at(2, 0, 1)).with(func(f *facts) { f.wanted, f.underived = 2, true }), "inconclusive"},
	{"A ramp has its knee above the load asked for by AtLeast, which was measured",
		fixed(at(1, 0, 1), at(64, 0, 1), at(99, 0, 1)).with(func(f *facts) { f.wanted, f.knee, f.least = 3, 99, 64 }), "met"},
	{"A ramp has its knee at the load asked for by AtLeast, or below",
		fixed(at(1, 0, 1), at(2, 0, 1), at(64, 0, 1)).with(func(f *facts) { f.wanted, f.knee, f.least = 3, 2, 64 }), "missed"},
	{"A ramp has its knee above the load asked for by AtLeast, which no point below the knee reaches",
		fixed(at(1, 0, 1), at(40, 0, 1), at(99, 0, 1)).with(func(f *facts) { f.wanted, f.knee, f.least = 3, 99, 64 }), "inconclusive"},

	// Searches.
	{"A search came to its end with an answer", searched(8, at(8, 0, 0.99), at(9, 0, 0.01)), "met"},
	{"The answer reaches AtLeast", searched(8, at(8, 0, 0.99)).with(func(f *facts) { f.least = 8 }), "met"},
	{"A limit certainly breaks at AtLeast, or below it",
		searched(8, at(8, 0, 0.99), at(9, 0, 0.01)).with(func(f *facts) { f.least = 16 }), "missed"},
	{"AtLeast lies between the answer and the lowest load that certainly breaks a limit",
		searched(8, at(8, 0, 0.99), at(32, 0, 0.01)).with(func(f *facts) { f.least = 16 }), "inconclusive"},
	{"A slow probe at AtLeast is contradicted by later probes of the same point: all of them count together",
		searched(8, at(8, 0, 0.99), at(16, 0, 0.6)).with(func(f *facts) { f.least = 16 }), "inconclusive"},
	{"A limit certainly breaks at the lowest load", searched(math.NaN(), at(1, 0, 0.01)), "missed"},
	{"A search was cut short, by its deadline, an untrusted probe or a lost endpoint",
		searched(8, at(8, 0, 0.99)).with(func(f *facts) { f.cut = "the deadline" }), "inconclusive"},
	{"A search was cut short when a load at or above AtLeast certainly passed",
		searched(8, at(8, 0, 0.99)).with(func(f *facts) { f.cut, f.least = "the deadline", 8 }), "met"},
	{"A search was cut short when a load at AtLeast probably passed, and not certainly",
		searched(8, at(8, 0, 0.95)).with(func(f *facts) { f.cut, f.least = "the deadline", 8 }), "inconclusive"},
	{"A search was cut short, and a limit certainly breaks at AtLeast or below it",
		searched(4, at(4, 0, 0.99), at(6, 0, 0.01)).with(func(f *facts) { f.cut, f.least = "the deadline", 8 }), "missed"},
	{"A throughput floor is missed below the answer and holds at it", searched(96, at(8, 0, 0.99).under(0), at(96, 0, 0.99)), "met"},
	{"A throughput floor is certainly missed wherever the latency limits hold",
		searched(math.NaN(), at(8, 0, 0.99).under(0), at(96, 0, 0.01)).with(func(f *facts) { f.ceiling = 8 }), "missed"},
	{"It is not certain that a throughput floor holds where the latency limits do",
		searched(math.NaN(), at(8, 0, 0.99).under(0.6), at(96, 0, 0.01)).with(func(f *facts) { f.ceiling = 8 }), "inconclusive"},
	{"Every tier has an answer that reaches AtLeast", searched(8, at(8, 0, 0.99)).with(func(f *facts) {
		f.tiers = []tierFacts{{8, true}, {16, true}}
	}), "met"},
	{"A tier certainly has none", searched(8, at(8, 0, 0.99)).with(func(f *facts) {
		f.tiers = []tierFacts{{8, true}, {math.NaN(), false}}
	}), "missed"},
	{"Nothing was measured", searched(math.NaN()), "inconclusive"},
}

// quiet is the point when no probe of it says anything about the server.
func (p pointFacts) quiet() pointFacts { p.silent = true; return p }

// under is the point with the probability that a floor on a rate holds there.
func (p pointFacts) under(pass float64) pointFacts { p.floors = pass; return p }

// word is a ruling in the words of the table.
func (r ruling) word() string {
	switch {
	case r.err != nil:
		return "error"
	case len(r.warnings) > 0:
		return r.verdict.String() + " with a warning"
	}
	return r.verdict.String()
}

// TestWhatIsGreen holds the one function that decides what is green to its table, and the
// table of docs/verdicts.md to the cases of the test. go test ./recipes -run
// TestWhatIsGreen -update writes it anew.
func TestWhatIsGreen(t *testing.T) {
	const page, begin, end = "../docs/verdicts.md", "<!-- what is green: begin -->\n", "<!-- what is green: end -->"
	rows := "\n| what happened | the run is |\n|---|---|\n"
	for _, c := range green {
		t.Run(c.sentence, func(t *testing.T) {
			r := c.facts.rule()
			assert.Equal(t, c.want, r.word(), "%v %v", r.err, r.warnings)
		})
		rows += fmt.Sprintf("| %s | %s |\n", c.sentence, c.want)
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "the page has no line %q", begin)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the page has no line %q", end)
	want := before + begin + rows + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o666))
		return
	}
	assert.Equal(t, want, string(b), "write it with: go test ./recipes -run TestWhatIsGreen -update")
}
