package loadgen

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/sse"
)

// chunk is the part of a completion chunk, or of a whole completion, that matters to a
// measurement. The fields behind Error are those of the errors that servers send in place
// of one.
type chunk struct {
	Choices []struct {
		Delta        message `json:"delta"`
		Message      message `json:"message"`
		Text         text    `json:"text"`
		FinishReason text    `json:"finish_reason"`
		Usage        *usage  `json:"usage"` // Moonshot's place for it
		// Error is where OpenRouter puts the error of a stream.
		Error json.RawMessage `json:"error"`
	} `json:"choices"`
	Usage *usage `json:"usage"`
	Groq  struct {
		Usage *usage `json:"usage"`
	} `json:"x_groq"`
	Error json.RawMessage `json:"error"`

	Object  text            `json:"object"`
	Type    text            `json:"type"`
	Said    json.RawMessage `json:"message"`
	Detail  json.RawMessage `json:"detail"`
	Errors  json.RawMessage `json:"errors"`
	Problem json.RawMessage `json:"msg"`
	Reason  json.RawMessage `json:"reason"`

	ErrorMessage json.RawMessage `json:"error_message"`
	ErrorMsg     json.RawMessage `json:"error_msg"`
	ErrorCode    tokens          `json:"error_code"` // FastChat, which sends 0 with every other chunk
	Base         struct {
		Code tokens `json:"status_code"`
	} `json:"base_resp"` // MiniMax
}

// message is a delta of a stream or the message of a whole answer. Servers send
// reasoning under many names, some of them under several at once.
type message struct {
	Content          text            `json:"content"`
	ReasoningContent text            `json:"reasoning_content"`
	Reasoning        text            `json:"reasoning"`
	ReasoningText    text            `json:"reasoning_text"`
	Thinking         text            `json:"thinking"`
	ReasoningDetails text            `json:"reasoning_details"`
	ThinkingBlocks   text            `json:"thinking_blocks"`
	Refusal          text            `json:"refusal"`
	ToolCalls        calls           `json:"tool_calls"`
	FunctionCall     json.RawMessage `json:"function_call"`
	Audio            json.RawMessage `json:"audio"`
}

// calls are the tool calls of a message, of which only the size matters. A value that is no
// list is one call.
type calls []json.RawMessage

// UnmarshalJSON never fails.
func (c *calls) UnmarshalJSON(b []byte) error {
	*c = nil
	var list []json.RawMessage
	switch {
	case empty(b):
	case json.Unmarshal(b, &list) == nil:
		*c = list
	default:
		*c = calls{bytes.Clone(b)}
	}
	return nil
}

// text is a string, or the texts of a list of parts. A part is a string or an object such
// as {"type": "text", "text": "…"} or {"type": "thinking", "thinking": [{"text": "…"}]}.
// null and values of other types are no text.
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) < 2:
	case b[0] == '"' && bytes.IndexByte(b, '\\') < 0: // nearly every text
		*t = text(b[1 : len(b)-1])
	case b[0] == '"':
		var s string
		_ = json.Unmarshal(b, &s) // it is a string, so this cannot fail
		*t = text(s)
	case b[0] == '[':
		var parts []text
		_ = json.Unmarshal(b, &parts)
		for _, p := range parts {
			*t += p
		}
	case b[0] == '{':
		var part struct{ Text, Thinking, Content, Summary, Value text }
		_ = json.Unmarshal(b, &part)
		*t = part.Text + part.Thinking + part.Content + part.Summary + part.Value
	}
	return nil
}

// reasoning returns the text of the reasoning once, however many names it has.
func (m message) reasoning() text {
	for _, t := range []text{m.ReasoningContent, m.Reasoning, m.ReasoningText, m.Thinking, m.ReasoningDetails} {
		if t != "" {
			return t
		}
	}
	return m.ThinkingBlocks
}

// size returns the bytes of text, reasoning and calls in the message. It is 0 for a role
// alone, which servers send before the first token is there.
func (m message) size() int {
	n := len(m.Content) + len(m.reasoning()) + len(m.Refusal)
	for _, call := range m.ToolCalls {
		n += len(call)
	}
	for _, raw := range []json.RawMessage{m.FunctionCall, m.Audio} {
		if !empty(raw) {
			n += len(raw)
		}
	}
	return n
}

// size returns the bytes of content in all choices.
func (c *chunk) size() (n int) {
	for _, ch := range c.Choices {
		n += len(ch.Text) + ch.Delta.size() + ch.Message.size()
	}
	return n
}

// reasons reports whether a choice has reasoning that can be seen.
func (c *chunk) reasons() bool {
	for _, ch := range c.Choices {
		if ch.Delta.reasoning() != "" || ch.Message.reasoning() != "" {
			return true
		}
	}
	return false
}

// finish returns the first finish reason of a choice, preferring one that means failure.
// It is empty if there is none.
func (c *chunk) finish() string {
	first := ""
	for _, ch := range c.Choices {
		switch r := string(ch.FinishReason); {
		case failing(r):
			return r
		case first == "":
			first = r
		}
	}
	return first
}

// failing reports whether a finish reason says that the answer was not finished: abort
// (SGLang, vLLM), error, cancelled, content_filter, and the like of other servers. Such an
// answer is short because the server gave up, and must not look like a fast one.
func failing(reason string) bool {
	reason = strings.ToLower(reason)
	for _, word := range []string{"abort", "error", "cancel", "content_filter", "fail", "timeout", "timed", "insufficient",
		"safety", "sensitive", "interrupt", "preempt", "evict", "overload", "disconnect", "kill"} {
		if strings.Contains(reason, word) {
			return true
		}
	}
	return false
}

// failed reports whether the chunk is an error. Beside OpenAI's {"error": {…}} there are
// {"object": "error", "message": …} (FastChat, older vLLM) and objects that have neither
// choices nor usage but a message or a code.
func (c *chunk) failed() bool {
	if !empty(c.Error) || c.Object == "error" || c.Type == "error" {
		return true
	}
	for _, ch := range c.Choices {
		if !empty(ch.Error) {
			return true
		}
	}
	if len(c.Choices) > 0 || c.Usage != nil {
		return false
	}
	for _, raw := range []json.RawMessage{c.Said, c.Detail, c.Errors, c.Problem, c.Reason, c.ErrorMessage, c.ErrorMsg} {
		if !empty(raw) {
			return true
		}
	}
	return c.ErrorCode > 0 || c.Base.Code > 0
}

// empty reports whether a JSON value says nothing.
func empty(raw json.RawMessage) bool {
	switch string(raw) { // makes no copy
	case "", "null", "false", `""`, "{}", "[]":
		return true
	}
	return false
}

// usage is the server's own count of tokens. A field that is 0 is not known. Counts are
// comparable with ==.
type usage struct {
	PromptTokens     tokens `json:"prompt_tokens"`
	CompletionTokens tokens `json:"completion_tokens"`
	TotalTokens      tokens `json:"total_tokens"`
	Details          struct {
		Reasoning tokens `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	PromptDetails struct {
		Cached cached `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CacheHit cached `json:"prompt_cache_hit_tokens"` // DeepSeek's name for it
	// Input and Output are the names of OpenAI's later API and of Anthropic's, which
	// gateways hand on.
	Input  tokens `json:"input_tokens"`
	Output tokens `json:"output_tokens"`
}

// UnmarshalJSON never fails. Usage that cannot be read does not spoil an answer; its
// tokens are then counted in another way.
func (u *usage) UnmarshalJSON(b []byte) error {
	type plain usage
	var p plain
	if json.Unmarshal(b, &p) != nil {
		p = plain{}
	}
	p.PromptTokens, p.CompletionTokens = cmp.Or(p.PromptTokens, p.Input), cmp.Or(p.CompletionTokens, p.Output)
	p.Input, p.Output = 0, 0
	*u = usage(p)
	return nil
}

// used returns the usage of a chunk, wherever it stands. It is zero if there is none.
func (c *chunk) used() (u usage) {
	for _, ch := range c.Choices {
		if ch.Usage != nil {
			u.merge(*ch.Usage)
		}
	}
	for _, more := range []*usage{c.Groq.Usage, c.Usage} {
		if more != nil {
			u.merge(*more)
		}
	}
	return u
}

// merge takes over the counts of a later usage that are known. Some servers report the
// prompt with the first chunk and the answer with the last, and some end with zeros.
func (u *usage) merge(later usage) {
	take := func(n *tokens, later tokens) {
		if later > 0 {
			*n = later
		}
	}
	take(&u.PromptTokens, later.PromptTokens)
	take(&u.CompletionTokens, later.CompletionTokens)
	take(&u.TotalTokens, later.TotalTokens)
	take(&u.Details.Reasoning, later.Details.Reasoning)
	if later.PromptDetails.Cached.known {
		u.PromptDetails.Cached = later.PromptDetails.Cached
	}
	if later.CacheHit.known {
		u.CacheHit = later.CacheHit
	}
}

// prompt returns the tokens of the prompt, 0 if they are not known.
func (u usage) prompt() int {
	if u.PromptTokens == 0 && u.TotalTokens > u.CompletionTokens && u.CompletionTokens > 0 {
		return int(u.TotalTokens - u.CompletionTokens)
	}
	return int(u.PromptTokens)
}

// completion returns the tokens of an answer that came in the given number of content
// events, 0 if they are not known. There are two conventions: OpenAI counts reasoning in
// completion_tokens, and some servers count it in total_tokens alone.
func (u usage) completion(events int) int {
	n, total := u.CompletionTokens, u.TotalTokens-u.PromptTokens
	switch {
	case u.PromptTokens > 0 && total > n && (n+u.Details.Reasoning == total || tokens(events) > n):
		return int(total)
	case u.TotalTokens == 0 && u.Details.Reasoning > n:
		return int(n + u.Details.Reasoning)
	}
	return int(n)
}

// cached returns how many tokens of the prompt came from the server's prefix cache. known
// is false if the server does not say so.
func (u usage) cached() (n int, known bool) {
	for _, c := range []cached{u.PromptDetails.Cached, u.CacheHit} {
		if c.known {
			return int(c.tokens), true
		}
	}
	return 0, false
}

// cached is a count of which 0 is known to be 0.
type cached struct {
	tokens tokens
	known  bool
}

// UnmarshalJSON never fails.
func (c *cached) UnmarshalJSON(b []byte) error {
	c.known = string(b) != "null"
	return c.tokens.UnmarshalJSON(b)
}

// tokens is a count in usage, 0 if it is not known. Integers in any notation are read,
// for example 7.0, 2e1 and "7". A count that is negative, fractional, larger than mostTokens
// or not a number is not known.
type tokens int

// mostTokens is more than any answer has, and exact in a float64.
const mostTokens = 1 << 40

// UnmarshalJSON never fails.
func (n *tokens) UnmarshalJSON(b []byte) error {
	*n = 0
	if v, err := strconv.ParseFloat(string(bytes.Trim(b, `"`)), 64); err == nil && v > 0 && v <= mostTokens && v == math.Trunc(v) {
		*n = tokens(v)
	}
	return nil
}

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
