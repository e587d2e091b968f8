package simserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	maxBody          = 64 << 20 // largest request body in bytes
	maxOutput        = 1 << 20  // largest max_tokens
	defaultMaxTokens = 16       // OpenAI's default for completions
)

// A request is the body of an inference, as far as it matters here. What stands
// behind the keys is not part of it; readRequest sets it.
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

	// Input and Instructions are those of the responses API, and Input that of embeddings.
	Input           json.RawMessage `json:"input"`
	Instructions    json.RawMessage `json:"instructions"`
	MaxOutputTokens *int            `json:"max_output_tokens"`
	// System is that of the messages API.
	System json.RawMessage `json:"system"`
	// Query and Documents are those of rerank.
	Query     string            `json:"query"`
	Documents []json.RawMessage `json:"documents"`

	api      string
	chat     bool // there is a chat template
	isl, osl int
	items    int      // the number of vectors or scores
	blocks   []uint64 // those of the prompt and of its answer, if there is a prefix cache
}

// A message is one of a chat.
type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// An unknownField is the error of a body field that OpenAI's API does not have, in the
// words of that API.
type unknownField string

func (f unknownField) Error() string {
	return "Unrecognized request argument supplied: " + string(f)
}

// readRequest reads an inference. The error says what is wrong with it, and is an
// *http.MaxBytesError if the body is too large.
func (s *Server) readRequest(w http.ResponseWriter, r *http.Request, api string) (*request, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("cannot read the request body: %w", err)
	}
	if s.model.Faults.RejectUnknown {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("cannot read the request body as a JSON object: %w", err)
		}
		if f := unknownIn(api, fields); f != "" {
			return nil, unknownField(f)
		}
	}
	q := &request{api: api, chat: api == apiChat || api == apiMessages || api == apiResponses, osl: defaultMaxTokens}
	if err := json.Unmarshal(raw, q); err != nil {
		return nil, fmt.Errorf("cannot read the request body as JSON: %w", err)
	}
	if q.Model == "" {
		return nil, errors.New("you must provide a model parameter")
	}
	for _, n := range []*int{q.MaxTokens, q.MaxCompletionTokens, q.MaxOutputTokens} {
		if n == nil {
			continue
		}
		if *n < 1 || *n > maxOutput {
			return nil, fmt.Errorf("max_tokens must be from 1 to %d, got %d", maxOutput, *n)
		}
		q.osl = *n
	}
	if api == apiMessages && q.MaxTokens == nil {
		return nil, errors.New("max_tokens: Field required")
	}
	if scores(api) {
		q.osl, q.Stream = 1, false // the end of the prefill
	}
	err = q.count(s.model.Template)
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

// count counts the tokens of the prompt and the results that are asked for.
func (q *request) count(template int) (err error) {
	if q.chat {
		q.isl = template
	}
	switch q.api {
	case apiChat, apiMessages:
		if len(q.Messages) == 0 {
			return errors.New("messages must not be empty")
		}
	case apiCompletions:
		q.isl, err = promptTokens(q.Prompt)
		return err
	case apiEmbeddings:
		q.items = 1
		var list []json.RawMessage
		if json.Unmarshal(q.Input, &list) == nil && len(list) > 0 && list[0][0] != '0' && (list[0][0] < '1' || list[0][0] > '9') {
			q.items = len(list)
		}
		q.isl, err = promptTokens(q.Input)
		return err
	case apiRerank:
		if q.Query == "" || len(q.Documents) == 0 {
			return errors.New("query and documents must not be empty")
		}
		q.items, q.isl = len(q.Documents), countWords(q.Query)
		for _, d := range q.Documents {
			n, _ := contentTokens(d)
			q.isl += n
		}
		return nil
	case apiResponses:
		if len(q.Input) == 0 {
			return errors.New("you must provide an input")
		}
		if q.Input[0] == '[' {
			if err := json.Unmarshal(q.Input, &q.Messages); err != nil {
				return fmt.Errorf("cannot read the input: %w", err)
			}
		} else {
			q.Messages = []message{{Role: "user", Content: q.Input}}
		}
	}
	for _, before := range []json.RawMessage{q.Instructions, q.System} {
		n, err := contentTokens(before)
		if err != nil {
			return fmt.Errorf("cannot read the system prompt: %w", err)
		}
		q.isl += n
	}
	for i, m := range q.Messages {
		n, e := contentTokens(m.Content)
		if e != nil {
			err = fmt.Errorf("cannot read the content of message %d: %w", i, e)
		}
		q.isl += n
	}
	return err
}

// tokens returns the tokens of the prompt: those of the chat template, and the words of
// its texts. A prompt of token ids has none, and shares nothing.
func (q *request) tokens(template int) (out []string) {
	for range template {
		out = append(out, "")
	}
	texts := []json.RawMessage{q.Prompt}
	switch {
	case q.api == apiEmbeddings:
		texts[0] = q.Input
	case q.api == apiRerank:
		query, _ := json.Marshal(q.Query)
		texts = append([]json.RawMessage{query}, q.Documents...)
	case q.chat:
		texts = []json.RawMessage{q.Instructions, q.System}
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
