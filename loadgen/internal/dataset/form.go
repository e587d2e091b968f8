package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object whose values are not decoded yet. Keys with the value null are
// not in it.
type object = map[string]json.RawMessage

// take adds the requests of one JSON value: a string, a list of messages, or an object.
func (f *File) take(v json.RawMessage) error {
	switch v[0] {
	case '"':
		e := Entry{}
		if err := e.say(v); err != nil {
			return err
		}
		f.Entries = append(f.Entries, e)
		return nil
	case '[':
		var messages []json.RawMessage
		if json.Unmarshal(v, &messages) != nil || len(messages) == 0 || !isMessage(messages[0]) {
			return errors.New("it is a list, but not one of messages")
		}
		e := Entry{}
		if err := e.converse(messages); err != nil {
			return err
		}
		f.Entries = append(f.Entries, e)
		return nil
	}
	o, err := objectOf(v)
	if err != nil {
		return errors.New("it is neither an object nor a string")
	}
	return f.takeObject(o)
}

// objectOf decodes an object and leaves out what is null.
func objectOf(v json.RawMessage) (object, error) {
	var o object
	if err := json.Unmarshal(v, &o); err != nil || o == nil {
		return nil, errors.New("it is not an object")
	}
	maps.DeleteFunc(o, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return o, nil
}

// takeObject adds the requests of an object. The keys say which form it has.
func (f *File) takeObject(o object) error {
	switch {
	case isList(o["data"]): // inputs.json
		return f.each(o, "data", f.take)
	case o["payloads"] != nil: // one entry of inputs.json
		return f.each(o, "payloads", func(v json.RawMessage) error { return f.takeBody(o, "payloads", v) })
	case isList(o["payload"]):
		return f.each(o, "payload", func(v json.RawMessage) error { return f.takeBody(o, "payload", v) })
	case o["payload"] != nil:
		return f.takeBody(o, "payload", o["payload"])
	case o["body"] != nil: // OpenAI's batches
		return f.takeBody(o, "body", o["body"])
	case o["turns"] != nil: // AIPerf's conversations, MT-Bench
		return f.takeTurns(o)
	case o["conversations"] != nil: // ShareGPT
		return f.takeRecorded(o, "conversations")
	case o["conversation"] != nil:
		return f.takeRecorded(o, "conversation")
	}
	e, err := Entry{}, error(nil)
	if ranked, ok := ranking(o); ok {
		o = ranked
	}
	if raw(o) {
		e, err = rawOf(o)
	} else {
		e, err = entryOf(o)
	}
	if err != nil {
		return err
	}
	if !e.Raw && e.Text == "" && e.Messages == nil && e.Length == 0 {
		return errors.New("it has no prompt")
	}
	f.Entries = append(f.Entries, e)
	return nil
}

// each calls take for every element of the list at key.
func (f *File) each(o object, key string, take func(json.RawMessage) error) error {
	var list []json.RawMessage
	if json.Unmarshal(o[key], &list) != nil {
		return fmt.Errorf("%q is not a list", key)
	}
	for i, v := range list {
		if err := take(v); err != nil {
			return fmt.Errorf("%q, element %d: %w", key, i, err)
		}
	}
	return nil
}

// takeBody adds the request whose body stands at key of o, as an object or as a string
// that holds one. What else is in o is about the request, and not sent.
func (f *File) takeBody(o object, key string, v json.RawMessage) error {
	var text string
	if json.Unmarshal(v, &text) == nil {
		v = json.RawMessage(text)
	}
	body, err := objectOf(v)
	if err != nil {
		return fmt.Errorf("%q is not the body of a request", key)
	}
	e, err := bodyOf(body)
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	_ = json.Unmarshal(o["url"], &e.Route) // a url of another kind is none
	rest := maps.Clone(o)
	delete(rest, key)
	if err := e.about(rest); err != nil {
		return err
	}
	f.Entries = append(f.Entries, e)
	return nil
}

// takeTurns adds the conversation whose turns are objects like prompts, or strings.
func (f *File) takeTurns(o object) error {
	var turns []json.RawMessage
	if json.Unmarshal(o["turns"], &turns) != nil || len(turns) == 0 {
		return errors.New(`"turns" is not a list with at least one turn`)
	}
	var first Entry
	for i, v := range turns {
		var e Entry
		turn, err := objectOf(v)
		if err == nil {
			e, err = entryOf(turn)
		} else {
			err = e.say(v)
		}
		if err != nil {
			return fmt.Errorf("turn %d: %w", i, err)
		}
		if i == 0 {
			first = e
		} else {
			first.Later = append(first.Later, e)
		}
	}
	rest := maps.Clone(o)
	delete(rest, "turns")
	if err := first.about(rest); err != nil {
		return err
	}
	f.Entries = append(f.Entries, first)
	return nil
}

// takeRecorded adds a conversation that was recorded with its answers: {"from", "value"}
// as in ShareGPT, or {"role", "content"}. What is said before the first question, except
// by the system, is not part of it.
func (f *File) takeRecorded(o object, key string) error {
	var said []struct {
		From, Value, Role, Content string
	}
	if json.Unmarshal(o[key], &said) != nil {
		return fmt.Errorf(`%q is not a list of {"from": …, "value": …}`, key)
	}
	var turns []Entry
	system := ""
	for i, s := range said {
		text := s.Value + s.Content
		switch who := strings.ToLower(s.From + s.Role); who {
		case "human", "user":
			if text != "" {
				turns = append(turns, Entry{Text: text})
			}
		case "system":
			if len(turns) == 0 {
				system = text
			}
		case "gpt", "assistant", "chatgpt", "bing", "bard", "model", "claude", "tool", "function", "function_call", "observation":
			if last := len(turns) - 1; last >= 0 && turns[last].Reply == "" {
				turns[last].Reply = text
			}
		default:
			return fmt.Errorf("%q, element %d: nobody is known as %q", key, i, who)
		}
	}
	if len(turns) == 0 {
		f.Skipped++
		return nil
	}
	first := turns[0]
	first.Later = turns[1:]
	if err := first.after(system); err != nil {
		return err
	}
	// Collections describe their conversations with keys of their own.
	rest := maps.Clone(o)
	maps.DeleteFunc(rest, func(k string, _ json.RawMessage) bool { return keys[k] == unknown || k == key })
	if err := first.about(rest); err != nil {
		return err
	}
	f.Entries = append(f.Entries, first)
	return nil
}

// entryOf reads the object of one prompt. In one that names a model, as request bodies do,
// keys that are not known are fields to be sent.
func entryOf(o object) (e Entry, err error) {
	body := o["model"] != nil && (o["messages"] != nil || o["prompt"] != nil)
	texts, about := object{}, object{}
	for key, v := range o {
		switch m := keys[key]; {
		case m == promptText || m == manyTexts || m == messageList:
			texts[key] = v
		case m == bodyField || m == unknown && (body || key == "ignore_eos"):
			e.field(key, v)
		case m != ownField:
			about[key] = v
		}
	}
	var role string
	json.Unmarshal(o["role"], &role) // a role of another kind is none
	if err := e.prompt(texts, role); err != nil {
		return e, err
	}
	return e, e.about(about)
}

// bodyOf reads the body of a request. Everything in it is sent as it is, except for what
// the load chooses.
func bodyOf(o object) (e Entry, err error) {
	if raw(o) {
		return rawOf(o)
	}
	texts := object{}
	for key, v := range o {
		switch m := keys[key]; {
		case m == messageList || key == "prompt" || key == "input":
			texts[key] = v
		case m == answerSize:
			if err := e.about(object{key: v}); err != nil {
				return e, err
			}
		case m != ownField:
			e.field(key, v)
		}
	}
	if len(texts) == 0 {
		return e, errors.New("it has neither messages nor a prompt")
	}
	return e, e.prompt(texts, "")
}

// raw reports whether an object is the body of a request of an API that has its own words
// for a prompt: a list of inputs (embeddings, responses) that is no list of messages, or a
// query with documents (rerank).
func raw(o object) bool {
	if o["messages"] != nil || o["prompt"] != nil {
		return false
	}
	var inputs []json.RawMessage
	_ = json.Unmarshal(o["input"], &inputs) // what is no list has none
	return o["query"] != nil && (o["documents"] != nil || o["texts"] != nil) || len(inputs) > 0 && !isMessage(inputs[0])
}

// rawOf reads the body of such a request. Everything in it is sent as it is, except for what
// the load chooses.
func rawOf(o object) (e Entry, err error) {
	e.Raw = true
	about := object{}
	for key, v := range o {
		switch keys[key] {
		case answerSize, sessionID, whenSent, waited:
			about[key] = v
		case ownField:
		case label:
			if key == "task" || key == "type" {
				e.field(key, v)
			}
		default:
			e.field(key, v)
		}
	}
	for _, key := range []string{"instructions", "system", "query", "input", "documents", "texts"} {
		e.Said = append(e.Said, textsIn(o[key])...)
	}
	if len(e.Said) == 0 && o["input"] == nil {
		return e, errors.New("it has no prompt")
	}
	return e, e.about(about)
}

// textsIn returns the texts in a JSON value: a string, or those that its elements have as
// texts or contents.
func textsIn(v json.RawMessage) (texts []string) {
	var s string
	var list []json.RawMessage
	var part struct{ Text, Content json.RawMessage }
	switch {
	case len(v) == 0:
	case json.Unmarshal(v, &s) == nil:
		if s != "" {
			texts = append(texts, s)
		}
	case json.Unmarshal(v, &list) == nil:
		for _, each := range list {
			texts = append(texts, textsIn(each)...)
		}
	case json.Unmarshal(v, &part) == nil:
		texts = append(textsIn(part.Text), textsIn(part.Content)...)
	}
	return texts
}

// ranking turns AIPerf's form of a query with passages into a body. ok is false if o is
// none.
func ranking(o object) (body object, ok bool) {
	var named []struct {
		Name     string
		Contents []string
	}
	if json.Unmarshal(o["texts"], &named) != nil {
		return nil, false
	}
	var query string
	documents := []string{}
	for _, t := range named {
		switch t.Name {
		case "query", "queries":
			if len(t.Contents) > 0 && query == "" {
				query = t.Contents[0]
			}
		case "passages":
			documents = append(documents, t.Contents...)
		}
	}
	if query == "" || len(documents) == 0 {
		return nil, false
	}
	body = maps.Clone(o)
	delete(body, "texts")
	body["query"], _ = json.Marshal(query)
	body["documents"], _ = json.Marshal(documents)
	return body, true
}

// field notes a field of the body. An ignore_eos that is true is the load's own field, which
// is given up if a server does not accept it.
func (e *Entry) field(key string, v json.RawMessage) {
	if key == "ignore_eos" && string(v) == "true" {
		return
	}
	if e.Fields == nil {
		e.Fields = object{}
	}
	e.Fields[key] = v
}

// prompt reads the prompt, which has one of several names. Only an instruction may have an
// input beside it.
func (e *Entry) prompt(texts object, role string) error {
	if len(texts) == 2 && texts["instruction"] != nil && texts["input"] != nil {
		var a, b string
		if json.Unmarshal(texts["instruction"], &a) == nil && json.Unmarshal(texts["input"], &b) == nil {
			e.Text = strings.TrimSpace(a + "\n\n" + b)
			return nil
		}
	}
	if len(texts) > 1 {
		return fmt.Errorf("it must have exactly one prompt, and has %s", strings.Join(slices.Sorted(maps.Keys(texts)), " and "))
	}
	for key, v := range texts {
		var err error
		switch {
		case key == "texts":
			err = e.parts(v, role)
		case v[0] == '[':
			var messages []json.RawMessage
			if json.Unmarshal(v, &messages) != nil || len(messages) == 0 {
				return fmt.Errorf("%q has no messages", key)
			}
			err = e.converse(messages)
		case key == "messages":
			return fmt.Errorf("%q is not a list of messages", key)
		case role != "" && role != "user":
			err = e.converse([]json.RawMessage{messageOf(role, v)})
		default:
			err = e.say(v)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	return nil
}

// messageOf returns a message with the content, which is JSON.
func messageOf(role string, content json.RawMessage) json.RawMessage {
	b, _ := json.Marshal(struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}{role, content})
	return b
}

// say sets the prompt to a JSON string.
func (e *Entry) say(v json.RawMessage) error {
	switch {
	case json.Unmarshal(v, &e.Text) != nil:
		return errors.New("it is not a text")
	case e.Text == "":
		return errors.New("the prompt is empty")
	}
	return nil
}

// parts sets the prompt to one message of several texts, which are strings or have a list
// of contents each. One text is a text.
func (e *Entry) parts(v json.RawMessage, role string) error {
	var texts []string
	var named []struct{ Contents []string }
	if json.Unmarshal(v, &texts) != nil {
		if json.Unmarshal(v, &named) != nil {
			return errors.New("it is not a list of texts")
		}
		texts = nil
		for _, n := range named {
			texts = append(texts, n.Contents...)
		}
	}
	if len(texts) == 0 {
		return errors.New("it has no text")
	}
	type part struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	var parts []part
	for _, text := range texts {
		parts = append(parts, part{"text", text})
	}
	content, err := json.Marshal(parts)
	if err != nil {
		return err
	}
	if role == "" {
		role = "user"
	}
	if len(texts) == 1 && role == "user" {
		e.Text = texts[0]
		return nil
	}
	return e.converse([]json.RawMessage{messageOf(role, content)})
}

// after puts a message of the system before the prompt.
func (e *Entry) after(system string) error {
	if system == "" {
		return nil
	}
	quoted, _ := json.Marshal(system)
	messages := []json.RawMessage{messageOf("system", quoted)}
	switch {
	case e.Messages != nil:
		var rest []json.RawMessage
		if err := json.Unmarshal(e.Messages, &rest); err != nil {
			return err
		}
		messages = append(messages, rest...)
	case e.Length > 0:
		return errors.New("a prompt that is made up has no system message")
	case e.Text == "":
		return errors.New("it has no prompt")
	default:
		text, _ := json.Marshal(e.Text)
		messages = append(messages, messageOf("user", text))
	}
	e.Text, e.Said = "", nil
	return e.converse(messages)
}

// isMessage reports whether v is a message and not a prompt: it has a role and a content,
// or a role and a call of tools.
func isMessage(v json.RawMessage) bool {
	var m struct {
		Role    string
		Content json.RawMessage
		Tools   json.RawMessage `json:"tool_calls"`
	}
	return json.Unmarshal(v, &m) == nil && m.Role != "" && (m.Content != nil || m.Tools != nil)
}

// isList reports whether v is a JSON list.
func isList(v json.RawMessage) bool { return len(v) > 0 && v[0] == '[' }

// converse sets the prompt to messages, which are left as they are.
func (e *Entry) converse(messages []json.RawMessage) (err error) {
	for i, raw := range messages {
		var m struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}
		if err := json.Unmarshal(raw, &m); err != nil || m.Role == "" {
			return fmt.Errorf("message %d is not an object with a role", i)
		}
		var text string
		var parts []struct{ Text string }
		switch {
		case len(m.Content) == 0 || json.Unmarshal(m.Content, &text) == nil:
			e.Said = append(e.Said, text)
		case json.Unmarshal(m.Content, &parts) == nil:
			for _, part := range parts {
				e.Said = append(e.Said, part.Text)
			}
		default:
			return fmt.Errorf("the content of message %d is neither text nor a list of parts", i)
		}
	}
	e.Messages, err = json.Marshal(messages)
	return err
}

// about reads what an object says about its request. Keys that are labels say nothing.
func (e *Entry) about(o object) error {
	for _, key := range slices.Sorted(maps.Keys(o)) {
		v := o[key]
		var err error
		switch keys[key] {
		case promptSize:
			var n int
			if n, err = count(v); e.Text == "" && e.Messages == nil {
				e.Length = n
			}
		case answerSize:
			var n int
			if n, err = count(v); err == nil && e.Outputs != 0 && e.Outputs != n {
				return fmt.Errorf("%q contradicts another length of the answer, %d", key, e.Outputs)
			}
			e.Outputs = n
		case answerText:
			json.Unmarshal(v, &e.Reply) // what is no text has no length
		case blockIDs:
			if json.Unmarshal(v, &e.Blocks) != nil {
				err = errors.New("it is not a list of non-negative integers")
			}
		case whenSent:
			e.At, err = milliseconds(v)
			e.Timed = err == nil
		case waited:
			e.Delay, err = milliseconds(v)
		case sessionID:
			e.Session = strings.Trim(string(v), `"`)
		case more:
			fields, problem := objectOf(v)
			for k, field := range fields {
				e.field(k, field)
			}
			err = problem
		case media:
			if s := string(v); s != "[]" && s != `""` {
				return fmt.Errorf(`%q is not sent; write pictures and sounds as parts of a message in "messages"`, key)
			}
		case systemText:
			var text string
			if err = json.Unmarshal(v, &text); err == nil {
				err = e.after(text)
			}
		case ownField:
		case bodyField:
			e.field(key, v)
		case label:
			if key == "message_mode" && string(v) != `"history"` {
				return fmt.Errorf("%q is %s, which needs the answers of earlier turns; only history can be sent", key, v)
			}
		case unknown:
			return fmt.Errorf("unknown key %q%s", key, nearestKey(key))
		default:
			return fmt.Errorf("%q is a second prompt", key)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	return nil
}

// count reads a number of tokens: a positive integer in any notation.
func count(v json.RawMessage) (int, error) {
	n, err := strconv.ParseFloat(strings.Trim(string(v), `"`), 64)
	if err != nil || n < 1 || n > 1<<30 || n != math.Trunc(n) {
		return 0, fmt.Errorf("%s is not a positive integer", v)
	}
	return int(n), nil
}

// milliseconds reads a time. A date is the time since 1970, as far as it is one; what only
// looks like one is 0.
func milliseconds(v json.RawMessage) (time.Duration, error) {
	text := strings.Trim(string(v), `"`)
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if v[0] == '"' && strings.ContainsAny(text, "-:") {
			for _, layout := range []string{time.RFC3339, time.DateTime} { // both take fractions of seconds
				if date, err := time.Parse(layout, text); err == nil && date.Year() >= 1970 && date.Year() < 2110 {
					return time.Duration(date.UnixNano()), nil
				}
			}
			return 0, nil
		}
		return 0, fmt.Errorf("%s is not a number of milliseconds", v)
	}
	if math.IsNaN(ms) || math.Abs(ms) > 1e15 {
		return 0, fmt.Errorf("%s is not a number of milliseconds", v)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}
