package simserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	maxBody          = 64 << 20 // largest request body in bytes
	maxOutput        = 1 << 20  // largest max_tokens
	defaultMaxTokens = 16       // OpenAI's default for completions
)

// A request is the body of an inference, as far as it matters here. chat, isl and osl
// are not part of the body; readRequest sets them.
type request struct {
	Model               string          `json:"model"`
	Messages            []message       `json:"messages"`
	Prompt              json.RawMessage `json:"prompt"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Stream              bool            `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	chat     bool
	isl, osl int
	blocks   []uint64 // those of the prompt and of its answer, if there is a prefix cache
}

// A message is one of a chat.
type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// known are the body fields of OpenAI's API.
var known = strings.Fields(`model messages prompt max_tokens max_completion_tokens stream stream_options
	temperature top_p n stop seed user presence_penalty frequency_penalty logit_bias logprobs top_logprobs
	response_format tools tool_choice parallel_tool_calls functions function_call metadata store
	service_tier reasoning_effort modalities prediction audio echo best_of suffix
	web_search_options safety_identifier prompt_cache_key verbosity`)

// An unknownField is the error of a body field that OpenAI's API does not have, in the
// words of that API.
type unknownField string

func (f unknownField) Error() string {
	return "Unrecognized request argument supplied: " + string(f)
}

// readRequest reads an inference. The error says what is wrong with it, and is an
// *http.MaxBytesError if the body is too large.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, chat bool) (*request, error) {
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&raw); err != nil {
		return nil, fmt.Errorf("cannot read the request body as JSON: %w", err)
	}
	if s.model.Faults.RejectUnknown {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("cannot read the request body as a JSON object: %w", err)
		}
		for f := range fields {
			if !slices.Contains(known, f) {
				return nil, unknownField(f)
			}
		}
	}
	q := &request{chat: chat, osl: defaultMaxTokens}
	if err := json.Unmarshal(raw, q); err != nil {
		return nil, fmt.Errorf("cannot read the request body: %w", err)
	}
	if q.Model == "" {
		return nil, errors.New("you must provide a model parameter")
	}
	for _, n := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if n == nil {
			continue
		}
		if *n < 1 || *n > maxOutput {
			return nil, fmt.Errorf("max_tokens must be from 1 to %d, got %d", maxOutput, *n)
		}
		q.osl = *n
	}
	var err error
	if chat {
		if len(q.Messages) == 0 {
			return nil, errors.New("messages must not be empty")
		}
		q.isl = s.model.Template
		for i, m := range q.Messages {
			n, e := contentTokens(m.Content)
			if e != nil {
				err = fmt.Errorf("cannot read the content of message %d: %w", i, e)
			}
			q.isl += n
		}
	} else {
		q.isl, err = promptTokens(q.Prompt)
	}
	q.isl = max(q.isl, 1)
	if s.model.PrefixCache > 0 {
		tokens := q.tokens(s.model.Template)
		if len(tokens) == q.isl { // token ids have no texts, and share nothing
			for i := range q.osl {
				tokens = append(tokens, vocabulary[i%len(vocabulary)])
			}
		}
		q.blocks = blocksOf(tokens)
	}
	return q, err
}

// tokens returns the tokens of the prompt: those of the chat template, and the words of
// its texts. A prompt of token ids has none, and shares nothing.
func (q *request) tokens(template int) (out []string) {
	for range template {
		out = append(out, "")
	}
	texts := []json.RawMessage{q.Prompt}
	if q.chat {
		texts = nil
		for _, m := range q.Messages {
			texts = append(texts, m.Content)
		}
	}
	for _, raw := range texts {
		var text string
		var parts []struct{ Text string }
		if json.Unmarshal(raw, &text) != nil && json.Unmarshal(raw, &parts) == nil {
			for _, p := range parts {
				text += " " + p.Text
			}
		}
		out = append(out, strings.Fields(text)...)
	}
	return out
}

// contentTokens counts the words of a message's content: a string, a list of
// parts with text, or null.
func contentTokens(raw json.RawMessage) (n int, err error) {
	if len(raw) == 0 || raw[0] != '[' {
		return words(raw)
	}
	var parts []struct {
		Text string `json:"text"`
	}
	err = json.Unmarshal(raw, &parts)
	for _, p := range parts {
		n += countWords(p.Text)
	}
	return n, err
}

// promptTokens counts the tokens of a completion's prompt: the words of a
// string or of a list of strings, or the length of a list of token ids.
func promptTokens(raw json.RawMessage) (n int, err error) {
	if len(raw) == 0 {
		return 0, errors.New("you must provide a prompt")
	}
	if raw[0] != '[' {
		return words(raw)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return 0, err
	}
	for _, item := range list {
		if item[0] != '"' {
			n++ // a token id
			continue
		}
		k, err := words(item)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

// words counts the words of a JSON string. null has none.
func words(raw json.RawMessage) (int, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, err
	}
	return countWords(s), nil
}

// countWords counts the words of a text.
func countWords(s string) (n int) {
	for range strings.FieldsSeq(s) {
		n++
	}
	return n
}
