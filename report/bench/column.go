package bench

import (
	"math"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes"
)

// Column is one number of a benchmark line: a statistic of a metric in a unit that
// benchstat knows.
type Column struct {
	// Unit is the column's name in bench.txt. Latencies are in -ns: benchstat rescales
	// those, and prints seconds, and leaves ms alone.
	Unit string
	// Line is its name in the lines of go test -bench, where that differs; "-" when it
	// does not stand there. A name of its own tells the token rate apart from testing's
	// MB/s and from the tok/s of other tools.
	Line string

	metric, stat string
}

// columns is the one table of benchmark units, in the order of a line. The name in
// go test's line is empty where it is the unit itself.
var columns = []Column{
	{"ttft-p50-ns", "", loadgen.TagTTFT, "p50"},
	{"ttft-p95-ns", "", loadgen.TagTTFT, "p95"},
	{"ttft-p99-ns", "-", loadgen.TagTTFT, "p99"},
	{"itl-avg-ns", "-", loadgen.TagITL, "avg"},
	{"itl-p95-ns", "", loadgen.TagITL, "p95"},
	{"e2e-p50-ns", "-", loadgen.TagLatency, "p50"},
	{"e2e-p95-ns", "", loadgen.TagLatency, "p95"},
	{"e2e-p99-ns", "-", loadgen.TagLatency, "p99"},
	{"tok/s", "out-tok/s", loadgen.TagTokenRate, "avg"},
	{"req/s", "", loadgen.TagReqRate, "avg"},
	{"good-req/s", "", loadgen.TagGoodput, "avg"},
	{"errors-%", "", loadgen.TagErrorRate, "avg"},
}

// told are what the server says of itself and of its GPUs, and what those cost. They stand in bench.txt, behind the others, and are
// never compared: they explain a change, and are none that a user sees.
var told = []Column{
	{"waiting", "-", loadgen.TagWaiting, "avg"},
	{"running", "-", loadgen.TagRunning, "avg"},
	{"kv-cache-%", "-", loadgen.TagKVCache, "max"},
	{"preemptions/s", "-", loadgen.TagPreemptions, "avg"},
	{"queue-avg-ns", "-", loadgen.TagQueueTime, "avg"},
	{"prefill-avg-ns", "-", loadgen.TagPrefillTime, "avg"},
	{"server-ttft-avg-ns", "-", loadgen.TagServerTTFT, "avg"},
	{"W/gpu", "-", loadgen.TagGPUPower, "avg"},
	{"tok/s/gpu", "-", loadgen.TagPerGPU, "avg"},
	{"J/tok", "-", loadgen.TagJoules, "avg"},
	{"cost/Mtok-out", "-", loadgen.TagCost, "avg"},
	{"cost/Mtok", "-", loadgen.TagTotalCost, "avg"},
}

// lineCapacity is the answer of a search in the lines of go test -bench, and
// capacity in bench.txt.
const lineCapacity, capacity = "max-concurrency", "concurrency"

// lineRate is the unit of the answer of a search over request rates, in such lines and in
// bench.txt. Files of before have rateBefore there.
const lineRate, rateBefore = "max-req/s", "request_rate"

// info is what the table of metrics says of the column's.
func (c Column) info() loadgen.MetricInfo {
	m, _ := loadgen.LookupMetric(c.metric)
	return m
}

// nanos reports whether the column is in nanoseconds, a million of its metric's
// display unit.
func (c Column) nanos() bool { return c.info().Unit == "ms" }

// scale turns a value in its display unit into the column's; part of a
// nanosecond is nothing that was measured.
func (c Column) scale(v float64) float64 {
	if c.nanos() {
		return math.Round(v * 1e6)
	}
	return v
}

// better is the word of a file's unit line.
func (c Column) better() string {
	if c.info().Higher {
		return "higher"
	}
	return "lower"
}

// Value is one number under a unit.
type Value struct {
	// Unit is as testing.B.ReportMetric takes it.
	Unit  string
	Value float64
}

// Line returns what a run adds to a line of go test -bench: of one fixed load the
// metrics of the probe, of a search its answer alone, since it stops at another
// load each time and latencies at different loads do not compare. Sweeps of
// several points have nothing to add. The probe is the one whose numbers are shown;
// nil, when there is none, has no values.
func Line(o *recipes.Outcome, p *recipes.Probe) []Value {
	if p == nil {
		return nil
	}
	if len(o.Plan.Scenarios) != 1 {
		if !o.Best.Found {
			return nil
		}
		if rate := o.Best.Load.Rate; rate > 0 {
			return []Value{{lineRate, rate}}
		}
		return []Value{{lineCapacity, float64(o.Best.Concurrency())}}
	}
	var out []Value
	for _, c := range columns {
		if c.Line == "-" {
			continue
		}
		v, ok := p.Stat(c.metric, c.stat)
		if !ok {
			continue
		}
		unit := c.Unit
		if c.Line != "" {
			unit = c.Line
		}
		if c.nanos() {
			v *= 1e6
		}
		out = append(out, Value{unit, v})
	}
	return out
}

// inFile is a unit's name in bench.txt.
func inFile(unit string) string {
	switch unit {
	case lineCapacity:
		return capacity
	case rateBefore:
		return lineRate
	}
	for _, c := range columns {
		if c.Line == unit {
			return c.Unit
		}
	}
	return unit
}

// higher reports whether more of a unit is better, where a file does not say.
func higher(unit string) bool {
	for _, c := range columns {
		if c.Unit == unit {
			return c.info().Higher
		}
	}
	return !strings.HasSuffix(unit, "-ns") && !strings.HasSuffix(unit, "-%")
}

// Describe takes a unit of bench.txt apart: what people call the metric, the unit
// that it is printed in, and what to divide a value by to come to that. The
// display unit of a unit that is not ours is empty.
func Describe(unit string) (name, display string, divisor float64) {
	switch {
	case strings.HasSuffix(unit, "-ns"):
		return strings.ReplaceAll(strings.TrimSuffix(unit, "-ns"), "-", " "), "ms", 1e6
	case strings.HasSuffix(unit, "-%"):
		return strings.TrimSuffix(unit, "-%"), "%", 1
	case unit == "req/s":
		return "requests", unit, 1
	}
	for _, c := range columns {
		if c.Unit == unit {
			return c.info().Name(), c.info().Unit, 1
		}
	}
	return unit, "", 1
}
