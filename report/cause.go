package report

import (
	"fmt"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/cause"
)

// why says in one sentence, with its evidence, why a latency rises above the answer; nothing
// where the server's own metrics do not show it:
//
//	why: TTFT rises because requests wait for a place in the batch: 41 waiting at 72, none at
//	    64; queue time 180ms, 1.2ms at 64; the batch stays at 32
func (v *view) why(t *text) {
	if s := v.whyText(); s != "" {
		t.paragraph("why: %s", s)
	}
}

// whyText is the sentence alone; empty where there is none. Each kind of cause has what it rests
// on, at the load above the boundary and then at the one below: the part of the latency that
// has grown, and a gauge that agrees with it. Who does not believe the sentence finds the same
// numbers in the two trials' files.
//
// Note: all numbers are means, since those are what was compared. The limit may be on a
// percentile, which stands in the table of limits above the sentence.
func (v *view) whyText() string {
	c := v.Cause
	info, _ := loadgen.LookupMetric(c.Metric)
	name := info.Label // no statistic: it is the mean that was compared
	high, low := c.Above.Label, c.Below.Label
	above := func(tag loadgen.Tag, stat string) string {
		return value(c.Above.Stat(tag, stat), metricUnit(tag, stat))
	}
	below := func(tag loadgen.Tag, stat string) string {
		return value(c.Below.Stat(tag, stat), metricUnit(tag, stat))
	}
	both := func(what string, tag loadgen.Tag) string {
		return fmt.Sprintf("%s %s at %s, %s at %s", what, above(tag, "avg"), high, below(tag, "avg"), low)
	}
	waiting := fmt.Sprintf("%s waiting at %s, %s at %s", above(loadgen.TagWaiting, "avg"), high, none(c.Below), low)
	switch c.Kind {
	case cause.Queue:
		s := fmt.Sprintf("%s rises because requests wait for a place in the batch: %s", name, waiting)
		if c.Above.Stat(loadgen.TagQueueTime, "avg") > 0 {
			s += "; " + both("queue time", loadgen.TagQueueTime)
		}
		if n := c.Above.Stat(loadgen.TagRunning, "max"); n > 0 && n <= c.Below.Stat(loadgen.TagRunning, "max")+1 {
			s += fmt.Sprintf("; the batch stays at %s", digits(n))
		}
		return s
	case cause.KVCache:
		s := fmt.Sprintf("%s rises because the KV cache has no room for all requests: %s at %s, %s at %s; %s", name,
			above(loadgen.TagKVCache, "max"), high, below(loadgen.TagKVCache, "max"), low, waiting)
		if c.Above.Stat(loadgen.TagPreemptions, "avg") > 0 {
			s += fmt.Sprintf("; preemptions %s", above(loadgen.TagPreemptions, "avg"))
		}
		return s
	case cause.Prefill:
		s := fmt.Sprintf("%s rises because prompts take longer to compute: %s", name, both("prefill", loadgen.TagPrefillTime))
		if c.Above.Stat(loadgen.TagQueueTime, "avg") >= 0 { // not all servers report it
			s += "; " + both("queue time", loadgen.TagQueueTime)
		}
		return s
	case cause.Decode:
		return fmt.Sprintf("%s rises because more requests decode at a time: %s; %s", name,
			both("the server's ITL is", loadgen.TagServerITL), both("running", loadgen.TagRunning))
	case cause.Network:
		// Each of the client's latencies has one of the server's own, which begins when the
		// request reaches its engine.
		own := map[loadgen.Tag]loadgen.Tag{
			loadgen.TagTTFT: loadgen.TagServerTTFT, loadgen.TagITL: loadgen.TagServerITL, loadgen.TagLatency: loadgen.TagServerE2E,
		}[c.Metric]
		return fmt.Sprintf("%s rises outside of the server, in the network, in a gateway, or here: %s; %s", name,
			both("it is", c.Metric), both("by the server's own account", own))
	}
	return ""
}

// none is how many requests wait on average at a point, in a word if there are none.
func none(p cause.Point) string {
	n := p.Stat(loadgen.TagWaiting, "avg")
	if n < 0.05 {
		return "none"
	}
	return value(n, "")
}
