package codec

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The fields that a measurement adds to a body which bounds an answer: with ignore_eos, every
// answer has the length that was asked for, on servers that know it.
const ignoreEOS = "ignore_eos"

// generation returns the fields that the APIs which make tokens have in common. limit is
// the name of the field for the length.
func generation(r Request, limit string) map[string]any {
	return map[string]any{"model": r.Model, "stream": r.Stream, limit: r.Outputs, ignoreEOS: true}
}

// chat is OpenAI's chat completions.
type chat struct{}

func (chat) Spec() Spec {
	return Spec{
		Name: "chat", Path: "chat/completions", Tokens: true, Streams: true, Messages: true, Images: true,
		Limits: []string{"max_tokens", "max_completion_tokens"}, alike: true,
	}
}

// Body asks for usage with the last event, since servers leave it out of streams otherwise.
func (chat) Body(r Request) (map[string]any, error) {
	body := generation(r, "max_tokens")
	if r.Stream {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	if r.Messages != nil {
		body["messages"] = r.Messages
		return body, nil
	}
	var list []map[string]any
	if r.System != "" {
		list = append(list, map[string]any{"role": "system", "content": r.System})
	}
	var content any = r.Text
	if r.Images != nil {
		var parts []map[string]any
		for _, url := range r.Images {
			parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]any{"url": url}})
		}
		content = append(parts, map[string]any{"type": "text", "text": r.Text})
	}
	body["messages"] = append(list, map[string]any{"role": "user", "content": content})
	return body, nil
}

func (chat) Read(data []byte, whole bool) (Part, error) { return readChunk(data) }

// completions is OpenAI's older API, which continues a text.
type completions struct{}

func (completions) Spec() Spec {
	return Spec{
		Name: "completions", Path: "completions", Tokens: true, Streams: true,
		Limits: []string{"max_tokens", "max_completion_tokens"}, alike: true,
	}
}

func (completions) Body(r Request) (map[string]any, error) {
	body := generation(r, "max_tokens")
	if r.Stream {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	body["prompt"] = joined(r)
	return body, nil
}

func (completions) Read(data []byte, whole bool) (Part, error) { return readChunk(data) }

// joined is the prompt of an API that has one text.
func joined(r Request) string {
	if r.System == "" {
		return r.Text
	}
	return r.System + " " + r.Text
}

// readChunk reads what both APIs of completions answer.
func readChunk(data []byte) (Part, error) {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return Part{}, err
	}
	return c.part(), nil
}

// listed is one of a list of messages in the form of the chat API, as far as other APIs need it.
type listed struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Calls   json.RawMessage `json:"tool_calls"`
}

// listOf reads a list of messages. Each API writes tools in a way of its own, and messages that
// would lose them are refused.
func listOf(raw json.RawMessage) (list []listed, err error) {
	if err = json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	for i, m := range list {
		if m.Role == "tool" || m.Role == "function" || len(m.Calls) > 0 && string(m.Calls) != "null" && string(m.Calls) != "[]" {
			return nil, fmt.Errorf("message %d is about a tool, in the form of the chat API; use the chat protocol", i+1)
		}
	}
	return list, nil
}

// parts returns the parts of a content, which is a text or a list of them.
func (m listed) parts() (parts []map[string]any) {
	var s string
	if json.Unmarshal(m.Content, &s) == nil {
		return []map[string]any{{"type": "text", "text": s}}
	}
	_ = json.Unmarshal(m.Content, &parts) // what is neither says nothing
	return parts
}

// picture returns the data URL of a part of a message that is a picture, empty for any other.
func picture(part map[string]any) string {
	if part["type"] != "image_url" {
		return ""
	}
	switch v := part["image_url"].(type) {
	case string:
		return v
	case map[string]any:
		url, _ := v["url"].(string)
		return url
	}
	return ""
}

// responses is OpenAI's later API for answers with tools and thoughts.
type responses struct{}

func (responses) Spec() Spec {
	return Spec{
		Name: "responses", Path: "responses", Tokens: true, Streams: true, Messages: true, Images: true,
		Limits: []string{"max_output_tokens"}, alike: true,
	}
}

func (responses) Body(r Request) (map[string]any, error) {
	body := generation(r, "max_output_tokens")
	switch {
	case r.Messages != nil:
		list, err := listOf(r.Messages)
		if err != nil {
			return nil, err
		}
		var items []map[string]any
		for _, m := range list {
			items = append(items, map[string]any{"type": "message", "role": m.Role, "content": inputs(m)})
		}
		body["input"] = items
	case r.Images != nil:
		var parts []map[string]any
		for _, url := range r.Images {
			parts = append(parts, map[string]any{"type": "input_image", "image_url": url})
		}
		parts = append(parts, map[string]any{"type": "input_text", "text": r.Text})
		body["input"] = []map[string]any{{"type": "message", "role": "user", "content": parts}}
	default:
		body["input"] = r.Text
	}
	if r.System != "" {
		body["instructions"] = r.System
	}
	return body, nil
}

// inputs is the content of a message in the words of the responses API, which names the
// parts by who says them.
func inputs(m listed) any {
	var s string
	if json.Unmarshal(m.Content, &s) == nil {
		return s
	}
	kind := "input_text"
	if m.Role == "assistant" {
		kind = "output_text"
	}
	parts := m.parts()
	for _, p := range parts {
		switch url := picture(p); {
		case url != "":
			p["type"], p["image_url"] = "input_image", url
		case p["type"] == "text":
			p["type"] = kind
		}
	}
	return parts
}

// response is an answer of the responses API, whole or as the events that open and end a
// stream have it.
type response struct {
	Object, Status string
	Output         []struct {
		Type      string
		Content   []struct{ Text, Refusal text }
		Summary   text
		Name      text
		Arguments text
	}
	Incomplete struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *usage
	Error json.RawMessage
}

// event is an event of a stream of the responses API.
type event struct {
	Type     string
	Delta    text
	Text     text
	Index    count `json:"output_index"`
	Response *response
}

// Read tells events by their type. What a delta has said is said again by an event that ends
// in done, and by the last one, whose contents therefore do not count.
func (responses) Read(data []byte, whole bool) (Part, error) {
	if whole {
		var r response
		if err := json.Unmarshal(data, &r); err != nil {
			return Part{}, err
		}
		p := r.part()
		for i, item := range r.Output {
			c := Content{Choice: i, Reasoning: string(item.Summary), Call: string(item.Name + item.Arguments)}
			for _, said := range item.Content {
				if item.Type == "reasoning" {
					c.Reasoning += string(said.Text)
				} else {
					c.Text += string(said.Text + said.Refusal)
				}
			}
			if c.size() > 0 {
				p.Content = append(p.Content, c)
			}
		}
		if r.Object != "response" && r.Output == nil { // what else answers in this place is an error
			return readChunk(data)
		}
		return p, nil
	}
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return Part{}, err
	}
	var p Part
	if e.Response != nil {
		p = e.Response.part()
		p.Finish, p.Aborted = "", false // the opening events have a status, too
	}
	at := int(e.Index)
	switch e.Type {
	case "response.output_text.delta", "response.refusal.delta":
		p.Content = []Content{{Choice: at, Text: string(e.Delta)}}
	case "response.reasoning_text.delta", "response.reasoning_summary_text.delta":
		p.Content = []Content{{Choice: at, Reasoning: string(e.Delta)}}
	case "response.function_call_arguments.delta", "response.mcp_call_arguments.delta",
		"response.custom_tool_call_input.delta", "response.code_interpreter_call_code.delta":
		p.Content = []Content{{Choice: at, Call: string(e.Delta)}}
	case "response.completed", "response.incomplete", "response.cancelled":
		p.Done = true
		if e.Response != nil {
			p.Finish, p.Aborted = e.Response.finish(strings.TrimPrefix(e.Type, "response."))
		}
	case "response.failed", "error":
		p.Error, p.Done = true, true
	case "":
		return readChunk(data) // an error object, of a gateway for example
	}
	p.Answer = true
	return p, nil
}

// part is what the response says beside its contents.
func (r *response) part() Part {
	p := Part{Usage: r.Usage.said(), Answer: true, Error: !empty(r.Error) || r.Status == "failed"}
	p.Finish, p.Aborted = r.finish(r.Status)
	return p
}

// finish returns why a response with the status ended: an answer that reached its length is
// incomplete in the words of this API.
func (r *response) finish(status string) (reason string, aborted bool) {
	switch status {
	case "", "in_progress", "queued":
		return "", false
	case "incomplete":
		reason = r.Incomplete.Reason
		if reason == "" {
			reason = status
		}
		return reason, failing(reason)
	}
	return status, failing(status)
}
