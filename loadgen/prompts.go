package loadgen

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
)

// prompt is one line of a file of prompts.
type prompt struct {
	// body is the prompt as JSON: a string or, if chat, a list of messages.
	body []byte
	chat bool
	// said holds the texts whose tokens are counted.
	said []string
}

// readPrompts reads a JSONL file with one prompt a line: a JSON string, {"text": "…"},
// {"prompt": "…"}, or {"messages": […]} in OpenAI's form. Blank lines are passed over.
// Other fields are refused and not ignored, since they would change what is measured.
// Errors name the line.
func readPrompts(r io.Reader) ([]prompt, error) {
	var prompts []prompt
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if line := bytes.TrimSpace(line); len(line) > 0 {
			p, err := parsePrompt(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			prompts = append(prompts, p)
		}
		if err == io.EOF {
			break
		}
	}
	if len(prompts) == 0 {
		return nil, errors.New("it has no prompts")
	}
	return prompts, nil
}

// parsePrompt reads one line, which is not blank.
func parsePrompt(line []byte) (p prompt, err error) {
	var text *string
	if line[0] == '"' {
		text = new(string)
		if err := json.Unmarshal(line, text); err != nil {
			return p, err
		}
		return quoted(*text)
	}
	var l struct {
		Text, Prompt *string
		Messages     []json.RawMessage
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return p, fmt.Errorf(`%w; write a prompt as {"text": "…"} or {"messages": […]}`, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return p, errors.New("it has more than one JSON value")
	}
	switch {
	case l.Text != nil && l.Prompt == nil && l.Messages == nil:
		return quoted(*l.Text)
	case l.Prompt != nil && l.Text == nil && l.Messages == nil:
		return quoted(*l.Prompt)
	case len(l.Messages) > 0 && l.Text == nil && l.Prompt == nil:
		return conversation(l.Messages)
	}
	return p, errors.New(`it must have exactly one of "text", "prompt" and "messages"`)
}

// quoted returns the prompt with the given text.
func quoted(text string) (prompt, error) {
	if text == "" {
		return prompt{}, errors.New("the prompt is empty")
	}
	b, err := json.Marshal(text)
	return prompt{body: b, said: []string{text}}, err
}

// conversation returns a prompt of messages, which it leaves as they are.
func conversation(messages []json.RawMessage) (p prompt, err error) {
	p.chat = true
	for i, raw := range messages {
		var m struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}
		if err := json.Unmarshal(raw, &m); err != nil || m.Role == "" {
			return p, fmt.Errorf("message %d is not an object with a role", i)
		}
		var text string
		var parts []struct{ Text string }
		switch {
		case len(m.Content) == 0 || json.Unmarshal(m.Content, &text) == nil:
			p.said = append(p.said, text)
		case json.Unmarshal(m.Content, &parts) == nil:
			for _, part := range parts {
				p.said = append(p.said, part.Text)
			}
		default:
			return p, fmt.Errorf("the content of message %d is neither text nor a list of parts", i)
		}
	}
	p.body, err = json.Marshal(messages)
	return p, err
}

// count returns the number of the prompt's tokens, or of its words if t is nil. It is
// at least 1.
func (p prompt) count(t *bpe.Tokenizer) (n int) {
	for _, text := range p.said {
		if t != nil {
			n += t.Count(text)
		} else {
			n += len(strings.Fields(text))
		}
	}
	return max(n, 1)
}

// prompts reads the target's file of prompts. It returns nil if the target has none.
// Errors are *TargetError.
func (t Target) prompts() ([]prompt, error) {
	if t.Prompts == "" {
		return nil, nil
	}
	f, err := os.Open(t.Prompts)
	if err != nil {
		return nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("cannot be read: %v", err)}
	}
	defer f.Close()
	prompts, err := readPrompts(f)
	if err != nil {
		return nil, &TargetError{Field: "Prompts", Problem: fmt.Sprintf("of %s cannot be used: %v", t.Prompts, err)}
	}
	for i, p := range prompts {
		if p.chat && t.Protocol == Completions {
			return nil, &TargetError{Field: "Prompts",
				Problem: fmt.Sprintf("of %s have messages (prompt %d), which the completions API does not accept; use the chat protocol",
					t.Prompts, i+1)}
		}
	}
	return prompts, nil
}
