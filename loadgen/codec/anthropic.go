package codec

import (
	"encoding/json"
	"strings"
)

// messages is Anthropic's API, which vLLM, SGLang, llama.cpp and gateways have, too.
type messages struct{}

// Spec names the header that Anthropic's own servers take the key from. Others take it from
// Authorization.
func (messages) Spec() Spec {
	return Spec{
		Name: "messages", Path: "messages", Tokens: true, Streams: true, Messages: true, Images: true,
		Limits: []string{"max_tokens"}, KeyHeader: "X-Api-Key",
		Header: map[string]string{"Anthropic-Version": "2023-06-01"}, alike: true,
	}
}

// Body puts what the system says into a field of its own, as the API wants it.
func (messages) Body(r Request) (map[string]any, error) {
	body := generation(r, "max_tokens")
	system := r.System
	if r.Messages == nil {
		var content any = r.Text
		if r.Images != nil {
			var parts []map[string]any
			for _, url := range r.Images {
				parts = append(parts, source(url))
			}
			content = append(parts, map[string]any{"type": "text", "text": r.Text})
		}
		body["messages"] = []map[string]any{{"role": "user", "content": content}}
	} else {
		list, err := listOf(r.Messages)
		if err != nil {
			return nil, err
		}
		out := []map[string]any{}
		for _, m := range list {
			var text string
			plain := json.Unmarshal(m.Content, &text) == nil
			parts := m.parts()
			switch {
			case m.Role == "system" || m.Role == "developer":
				for _, p := range parts {
					said, _ := p["text"].(string)
					system = strings.TrimSpace(system + "\n\n" + said)
				}
			case plain:
				out = append(out, map[string]any{"role": m.Role, "content": text})
			default:
				for i, p := range parts {
					if url := picture(p); url != "" {
						parts[i] = source(url)
					}
				}
				out = append(out, map[string]any{"role": m.Role, "content": parts})
			}
		}
		body["messages"] = out
	}
	if system != "" {
		body["system"] = system
	}
	return body, nil
}

// source is a picture in the API's form: the data of a data URL, or the URL.
func source(url string) map[string]any {
	from := map[string]any{"type": "url", "url": url}
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		kind, data, _ := strings.Cut(rest, ",")
		kind, _, _ = strings.Cut(kind, ";")
		from = map[string]any{"type": "base64", "media_type": kind, "data": data}
	}
	return map[string]any{"type": "image", "source": from}
}

// block is a part of an answer: a text, a thought, or a call of a tool.
type block struct {
	Type           string
	Text, Thinking text
	Partial        text `json:"partial_json"`
	Name           text
	Input          json.RawMessage
	StopReason     string `json:"stop_reason"` // in the delta of the message
}

// content is what the block says.
func (b block) content(choice int) Content {
	c := Content{Choice: choice, Text: string(b.Text), Reasoning: string(b.Thinking), Call: string(b.Partial)}
	if b.Type == "tool_use" && !empty(b.Input) {
		c.Call = string(b.Name) + string(b.Input)
	}
	return c
}

// answered is an answer, whole or as the event that opens a stream has it.
type answered struct {
	Type       string
	Content    []block
	StopReason string `json:"stop_reason"`
	Usage      *usage
}

// Read tells events by their type. The tokens of the prompt come with the first event and
// those of the answer with the last but one.
func (messages) Read(data []byte, whole bool) (Part, error) {
	if whole {
		var a answered
		if err := json.Unmarshal(data, &a); err != nil {
			return Part{}, err
		}
		if a.Type != "message" && a.Content == nil {
			return readChunk(data) // an error
		}
		p := Part{Answer: true, Usage: billed(a.Usage), Finish: a.StopReason, Aborted: failing(a.StopReason)}
		for i, b := range a.Content {
			if c := b.content(i); c.size() > 0 {
				p.Content = append(p.Content, c)
			}
		}
		return p, nil
	}
	var e struct {
		Type    string
		Index   count
		Delta   block
		Message *answered
		Usage   *usage
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return Part{}, err
	}
	p := Part{Answer: true}
	switch e.Type {
	case "message_start":
		if e.Message != nil {
			p.Usage = billed(e.Message.Usage)
			p.Usage.Completion = 0 // what was counted before the first token
		}
	case "content_block_delta":
		if c := e.Delta.content(int(e.Index)); c.size() > 0 {
			p.Content = []Content{c}
		}
	case "message_delta":
		p.Usage = billed(e.Usage)
		p.Finish, p.Aborted = e.Delta.StopReason, failing(e.Delta.StopReason)
	case "message_stop":
		p.Done = true
	case "error":
		p.Error, p.Done = true, true
	case "":
		return readChunk(data)
	}
	return p, nil
}

// billed is the usage with all tokens of the prompt: in the words of this API, those that were
// read from the cache or written to it are beside the others.
func billed(u *usage) Usage {
	out := u.said()
	if u != nil && out.Prompt > 0 {
		out.Prompt += int(u.CacheRead.Count + u.CacheWrite.Count)
	}
	return out
}
