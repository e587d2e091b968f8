package loadgen

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/lenient"
	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
)

// tokens and text are values of servers' JSON that have many forms.
type (
	tokens = lenient.Count
	text   = lenient.Text
)

// isPing reports whether an event only keeps the connection alive: it has no data, or a
// name that says so.
func isPing(ev sse.Event) bool {
	switch strings.ToLower(ev.Name) {
	case "ping", "heartbeat", "keepalive", "keep-alive":
		return true
	}
	return len(bytes.TrimSpace(ev.Data)) == 0
}

// content sums up the content events of a streamed answer.
type content struct {
	at          time.Duration // when the first one came
	events      int
	bytes       int
	firstEvents int // those that came in one read with the first, and their bytes
	firstBytes  int
	firstUsage  int  // the tokens up to the last of them, as usage counts them; 0 if it does not
	reasoning   bool // reasoning was seen
	// thoughtEvents and thoughtBytes are those of thoughts, and spoken says that there was
	// something else, which came at the time outputAt first.
	thoughtEvents, thoughtBytes int
	spoken                      bool
	outputAt                    time.Duration
}

// add adds an event of the given size in bytes. usage is the server's count of tokens
// up to it, 0 if it is not known.
func (c *content) add(at time.Duration, size, usage int) {
	if c.events == 0 {
		c.at = at
	}
	c.events++
	c.bytes += size
	if at == c.at {
		c.firstEvents++
		c.firstBytes += size
		c.firstUsage = usage
	}
}

// What is thought and what is said is told apart by the codec. An API that has both in one text,
// with tags around the thoughts, has output alone, as in AIPerf.

// split notes whether the event that was added last is output or thoughts, of which it has
// so many bytes. One that has both counts as output.
func (c *content) split(at time.Duration, output bool, thoughts int) {
	c.reasoning = c.reasoning || thoughts > 0
	c.thoughtBytes += thoughts
	switch {
	case !output:
		c.thoughtEvents++
	case !c.spoken:
		c.spoken, c.outputAt = true, at
	}
}

// thoughts returns how many of osl tokens were thoughts that could be seen: as their events
// are among all of them or, if events have several tokens, as their texts are.
func (c *content) thoughts(osl int) int {
	switch {
	case c.thoughtBytes == 0 || c.events == 0:
		return 0
	case float64(osl)/float64(c.events) >= several && c.bytes > 0:
		return int(math.Round(float64(osl) * float64(c.thoughtBytes) / float64(c.bytes)))
	}
	return int(math.Round(float64(osl) * float64(c.thoughtEvents) / float64(c.events)))
}

// first returns how many of osl tokens had arrived with the first read that brought
// content, and so were not waited for one by one. estimated says that osl is the number of
// events. reasoning is the number of tokens of reasoning, which come before the first event
// if they are hidden. hides says that the server is known to hide tokens and does not say how
// many: then each event is taken to have one, and the rest to be hidden.
//
// If each event has one token, the events of the first read are counted. Otherwise tokens
// are apportioned to events by the length of their text.
//
// Note: tokens could be apportioned evenly. But an engine that sends several tokens an event
// often sends the first one alone.
func (c *content) first(osl int, estimated bool, reasoning int, hides bool) int {
	switch {
	case c.events == 0:
		return 0
	case c.firstEvents == c.events:
		return osl
	case c.firstUsage > 0:
		return c.firstUsage
	case estimated:
		return c.firstEvents
	}
	hidden := 0
	switch {
	case c.reasoning:
	case reasoning > 0 && reasoning < osl:
		hidden = reasoning
	case hides:
		hidden = max(osl-c.events, 0)
	}
	seen := osl - hidden
	per := float64(seen) / float64(c.events)
	n := int(math.Round(per * float64(c.firstEvents)))
	if per >= several && c.bytes > 0 {
		n = int(math.Round(float64(seen) * float64(c.firstBytes) / float64(c.bytes)))
	}
	return hidden + max(n, 1)
}

// several is the mean number of tokens an event from which events are taken to have
// several. Below it, an event now and then has two, and the lengths of texts would say less
// than the number of events.
const several = 1.5
