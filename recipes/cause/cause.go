// Package cause says why a latency rises with the load, where the server's own metrics show it.
//
// It compares two points of a run, one below a boundary and one above it. The mean of the
// latency that binds has risen from the one to the other; that rise is divided among the parts
// of a request, each of which the server reports as a mean of its own:
//
//	TTFT             = queue + prefill                 + what lies outside of the server
//	inter-token      =                  decode         + what lies outside of the server
//	request latency  = queue + prefill + decode        + what lies outside of the server
//
// What lies outside is the difference between the client's mean and the server's own of the
// same latency: the network, a gateway, the server's HTTP front.
//
// # The rules
//
//	nothing   the mean rises by less than 15%, or by less than 4 of its standard errors; or a
//	          part has fewer than 20 observations at either point; or no part has 60% of the rise
//	network   what lies outside has 60% of the rise
//	KV cache  queue and decode have it, alone or together, and the cache was at least 95% full
//	          above, or requests were preempted there: three and 2% of all at least, and twice
//	          as often as below
//	queue     queue has it, otherwise
//	prefill   prefill has it
//	decode    decode has it, otherwise, and more requests run above than below
//
// A server without a histogram of queue times has a queue if at least 2 requests wait above,
// on average over 5 samples, and there are 4 times as many as below.
//
// Means are compared, and no percentiles, since sums and counts of a histogram are exact, and
// its percentiles are not. Nothing here has a clock or does I/O.
package cause

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Kind is a cause in a word. The zero value is that of an unknown one.
type Kind string

// The causes.
const (
	// Queue: requests wait for a place in the batch.
	Queue Kind = "queue"
	// KVCache: requests wait for room in the KV cache, or lose it to others.
	KVCache Kind = "kv-cache"
	// Prefill: prompts take longer to be computed.
	Prefill Kind = "prefill"
	// Decode: tokens take longer, since more requests decode at a time.
	Decode Kind = "decode"
	// Network: the time is lost outside of the server.
	Network Kind = "network"
)

// The bounds of the rules, which the package comment explains.
const (
	leastRise    = 0.15
	leastErrors  = 4.0
	leastSeen    = 20.0
	mostly       = 0.6
	fullCache    = 95.0 // percent
	leastQueue   = 2.0  // requests
	leastGrowth  = 4.0
	leastSamples = 5.0
	// leastPreempted is the share of the requests that were preempted, and at least three.
	leastPreempted = 0.02
)

// Point is what was measured at one load.
type Point struct {
	// Label names the load, for example 64.
	Label string
	// Trials are the measurements there.
	Trials []*loadgen.Measurement
}

// Cause is why a latency rises from one point to another.
type Cause struct {
	Kind Kind
	// Metric is the tag of the latency.
	Metric loadgen.Tag
	// Below and Above are the two points.
	Below, Above Point
	// Share is the part of the rise that the cause explains, NaN where only gauges tell.
	Share float64
}

// Stat is the mean of a statistic over the trials of a point, in the unit of its metric. It is
// NaN if no trial has it.
func (p Point) Stat(tag loadgen.Tag, stat string) float64 {
	sum, n := 0.0, 0.0
	for _, m := range p.Trials {
		if v, ok := m.Stat(tag, stat); ok && !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / n
}

// total is the sum of a statistic over the trials; 0 if none has it.
func (p Point) total(tag loadgen.Tag, stat string) (sum float64) {
	for _, m := range p.Trials {
		if v, ok := m.Stat(tag, stat); ok {
			sum += v
		}
	}
	return sum
}

// variance is that of the mean of a metric at the point.
func (p Point) variance(tag loadgen.Tag) (v float64) {
	for _, m := range p.Trials {
		se := m.Metrics[tag].SE["avg"]
		v += se * se
	}
	return v / math.Pow(float64(max(len(p.Trials), 1)), 2)
}

// part is a part of a latency, and the tags of which it is the sum or, of what lies outside of
// the server, the difference.
type part struct {
	kind          Kind
	plus, without loadgen.Tag
}

// parts are those of each latency that is explained.
var parts = map[loadgen.Tag][]part{
	loadgen.TagTTFT: {
		{Network, loadgen.TagTTFT, loadgen.TagServerTTFT},
		{Queue, loadgen.TagQueueTime, ""},
		{Prefill, loadgen.TagPrefillTime, ""},
	},
	loadgen.TagITL: {
		{Network, loadgen.TagITL, loadgen.TagServerITL},
		{Decode, loadgen.TagServerITL, ""},
	},
	loadgen.TagLatency: {
		{Network, loadgen.TagLatency, loadgen.TagServerE2E},
		{Queue, loadgen.TagQueueTime, ""},
		{Prefill, loadgen.TagPrefillTime, ""},
		{Decode, loadgen.TagDecodeTime, ""},
	},
}

// Explain returns why the mean of a latency, by its tag, rises from one point to another. ok
// is false where the evidence is thin, and for other metrics.
func Explain(metric loadgen.Tag, below, above Point) (c Cause, ok bool) {
	c = Cause{Metric: metric, Below: below, Above: above, Share: math.NaN()}
	if len(parts[metric]) == 0 { // it has no parts, and a queue alone explains none of it
		return c, false
	}
	was, is := below.Stat(metric, "avg"), above.Stat(metric, "avg")
	rise := is - was
	if !(rise >= leastRise*was) || rise < leastErrors*math.Sqrt(below.variance(metric)+above.variance(metric)) {
		return c, false
	}
	room := 0.0 // what a full KV cache adds to: waiting for a place, and computing once more
	for _, p := range parts[metric] {
		grown, known := p.rise(below, above)
		if known && (p.kind == Queue || p.kind == Decode) {
			room += grown
		}
		if known && grown >= mostly*rise && !(c.Share >= grown/rise) {
			c.Kind, c.Share = p.kind, grown/rise
		}
	}
	if c.Kind == "" && metric != loadgen.TagITL && queues(below, above) {
		c.Kind = Queue
	}
	switch {
	case c.Kind == "" && room < mostly*rise:
	case (c.Kind == "" || c.Kind == Queue || c.Kind == Decode) && crowded(below, above):
		c.Kind = KVCache
		if room > 0 {
			c.Share = room / rise
		}
	case c.Kind == Decode && !(above.Stat(loadgen.TagRunning, "avg") > below.Stat(loadgen.TagRunning, "avg")):
		c.Kind = ""
	}
	return c, c.Kind != ""
}

// rise is by how much a part has grown, in ms; known is false if it is not reported, or of too
// few requests.
func (p part) rise(below, above Point) (ms float64, known bool) {
	at := func(point Point) float64 {
		v := point.Stat(p.plus, "avg")
		seen := p.plus
		if p.without != "" {
			v -= point.Stat(p.without, "avg")
			seen = p.without
		}
		if point.total(seen, "count") < leastSeen {
			return math.NaN()
		}
		return v
	}
	ms = at(above) - at(below)
	return ms, !math.IsNaN(ms)
}

// queues reports whether the gauge of waiting requests alone shows a queue. It is asked of
// servers that do not report how long requests wait.
func queues(below, above Point) bool {
	if !math.IsNaN(above.Stat(loadgen.TagQueueTime, "avg")) {
		return false
	}
	was, is := below.Stat(loadgen.TagWaiting, "avg"), above.Stat(loadgen.TagWaiting, "avg")
	return is >= leastQueue && is >= leastGrowth*was &&
		min(below.total(loadgen.TagWaiting, "count"), above.total(loadgen.TagWaiting, "count")) >= leastSamples
}

// crowded reports whether the KV cache was full above, or requests were preempted there more
// often than below.
func crowded(below, above Point) bool {
	if above.Stat(loadgen.TagKVCache, "max") >= fullCache {
		return true
	}
	preempted := 0.0
	for _, m := range above.Trials {
		rate, _ := m.Stat(loadgen.TagPreemptions, "avg")
		preempted += rate * m.Server.Window.Length().Seconds()
	}
	often := above.Stat(loadgen.TagPreemptions, "avg") > 2*below.Stat(loadgen.TagPreemptions, "avg")
	return often && preempted >= max(3, leastPreempted*above.total(loadgen.TagServerE2E, "count"))
}
