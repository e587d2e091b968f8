package codec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/internal/lenient"
)

// text and count are values of servers' JSON that have many forms.
type (
	text  = lenient.Text
	count = lenient.Count
)

// empty reports whether a JSON value says nothing.
func empty(raw json.RawMessage) bool { return lenient.Empty(raw) }

// chunk is the part of a completion chunk, or of a whole completion, that matters to a
// measurement. The fields behind Error are those of the errors that servers send in place
// of one.
type chunk struct {
	Choices []struct {
		Index        count   `json:"index"`
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
	ErrorCode    count           `json:"error_code"` // FastChat, which sends 0 with every other chunk
	Base         struct {
		Code count `json:"status_code"`
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

// reasoning returns the text of the reasoning once, however many names it has.
func (m message) reasoning() text {
	for _, t := range []text{m.ReasoningContent, m.Reasoning, m.ReasoningText, m.Thinking, m.ReasoningDetails} {
		if t != "" {
			return t
		}
	}
	return m.ThinkingBlocks
}

// said is what the message says by a choice, with the text of a completion before it.
func (m message) said(choice int, before text) Content {
	c := Content{Choice: choice, Text: string(before + m.Content + m.Refusal), Reasoning: string(m.reasoning())}
	for _, call := range m.ToolCalls {
		c.Call += string(call)
	}
	for _, raw := range []json.RawMessage{m.FunctionCall, m.Audio} {
		if !empty(raw) {
			c.Call += string(raw)
		}
	}
	return c
}

// part is what the chunk says.
func (c *chunk) part() Part {
	p := Part{Error: c.failed(), Usage: c.used(), Finish: c.finish(), Answer: len(c.Choices) > 0}
	p.Aborted = failing(p.Finish)
	for _, ch := range c.Choices {
		for _, said := range []Content{ch.Delta.said(int(ch.Index), ch.Text), ch.Message.said(int(ch.Index), "")} {
			if said.size() > 0 {
				p.Content = append(p.Content, said)
			}
		}
	}
	return p
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

// usage is the server's own count of tokens as it is written. A field that is 0 is not
// known.
type usage struct {
	PromptTokens     count `json:"prompt_tokens"`
	CompletionTokens count `json:"completion_tokens"`
	TotalTokens      count `json:"total_tokens"`
	Details          struct {
		Reasoning count `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	PromptDetails struct {
		Cached lenient.Known `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CacheHit lenient.Known `json:"prompt_cache_hit_tokens"` // DeepSeek's name for it
	// Input and Output are the names of OpenAI's later API and of Anthropic's, which
	// gateways hand on.
	Input         count `json:"input_tokens"`
	Output        count `json:"output_tokens"`
	OutputDetails struct {
		Reasoning count `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	InputDetails struct {
		Cached lenient.Known `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	// CacheRead and CacheWrite are Anthropic's, and not part of its input_tokens.
	CacheRead  lenient.Known `json:"cache_read_input_tokens"`
	CacheWrite lenient.Known `json:"cache_creation_input_tokens"`
}

// UnmarshalJSON never fails. Usage that cannot be read does not spoil an answer; its
// tokens are then counted in another way.
func (u *usage) UnmarshalJSON(b []byte) error {
	type plain usage
	var p plain
	if json.Unmarshal(b, &p) != nil {
		p = plain{}
	}
	*u = usage(p)
	return nil
}

// said is the usage in one form.
func (u *usage) said() Usage {
	if u == nil {
		return Usage{}
	}
	out := Usage{
		Prompt:     int(cmp.Or(u.PromptTokens, u.Input)),
		Completion: int(cmp.Or(u.CompletionTokens, u.Output)),
		Total:      int(u.TotalTokens),
		Reasoning:  int(cmp.Or(u.Details.Reasoning, u.OutputDetails.Reasoning)),
		CacheWrite: int(u.CacheWrite.Count),
	}
	for _, c := range []lenient.Known{u.PromptDetails.Cached, u.InputDetails.Cached, u.CacheHit, u.CacheRead} {
		if c.Said {
			out.CacheRead, out.CacheKnown = int(c.Count), true
			break
		}
	}
	return out
}

// used returns the usage of a chunk, wherever it stands. It is zero if there is none.
func (c *chunk) used() (u Usage) {
	for _, ch := range c.Choices {
		u.Merge(ch.Usage.said())
	}
	u.Merge(c.Groq.Usage.said())
	u.Merge(c.Usage.said())
	return u
}
