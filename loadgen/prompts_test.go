package loadgen

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

// promptFile writes a file of prompts and returns its path.
func promptFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// TestReadPrompts checks what becomes of prompts of a file, and what each refusal says.
// The forms of files are internal/dataset's, and are tested there.
func TestReadPrompts(t *testing.T) {
	for _, tt := range []struct {
		why, file string
		bodies    []string
		words     int // of all
		says      string
	}{
		{why: "a string", file: `"one two"`, bodies: []string{`"one two"`}, words: 2},
		{why: "AIPerf's single turns", file: "{\"text\":\"a\"}\n{\"text\":\"b c\"}\n", bodies: []string{`"a"`, `"b c"`}, words: 3},
		{why: "a prompt by its OpenAI name", file: `{"prompt":"a\nb"}`, bodies: []string{`"a\nb"`}, words: 2},
		{why: "blank lines, CRLF and a byte order mark", file: "\xef\xbb\xbf\r\n\"a\"\r\n\n\"b\"", bodies: []string{`"a"`, `"b"`},
			words: 2},
		{why: "messages go as they are", file: `{"messages":[{"role":"system","content":"be brief"},{"role":"user",` +
			`"content":[{"type":"text","text":"hi you"}],"name":"x"}]}`,
			bodies: []string{`[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi you"}],` +
				`"name":"x"}]`}, words: 4},
		{why: "no prompt", file: "\n\n", says: "no prompt"},
		{why: "an empty prompt", file: "\"a\"\n{\"text\":\"\"}", says: `line 2: "text": the prompt is empty`},
		{why: "broken JSON", file: `{"text":`, says: "line 1"},
		{why: "a field that would change what is measured", file: `{"text":"a","dealy":5}`, says: `unknown key "dealy"`},
		{why: "two prompts in one", file: `{"text":"a","prompt":"b"}`, says: "must have exactly one"},
		{why: "neither", file: `{}`, says: "it has no prompt"},
		{why: "two values in a line", file: `{"text":"a"}{"text":"b"}`, says: "more than one JSON value"},
		{why: "a message without a role", file: `{"messages":[{"content":"a"}]}`, says: "message 0 is not an object with a role"},
		{why: "a content of another kind", file: `{"messages":[{"role":"user","content":5}]}`, says: "neither text nor"},
		{why: "a number", file: "5", says: "accepted are"},
	} {
		got, note, err := Target{Prompts: promptFile(t, "x.jsonl", tt.file)}.prompts(nil)
		assert.NoError(t, note, tt.why)
		if tt.says != "" {
			assert.ErrorAs(t, err, new(*TargetError), tt.why)
			assert.ErrorContains(t, err, tt.says, tt.why)
			assert.ErrorContains(t, err, "x.jsonl cannot be used", tt.why)
			continue
		}
		require.NoError(t, err, tt.why)
		var bodies []string
		words := 0
		for _, p := range got {
			bodies = append(bodies, string(p.body))
			words += p.count(nil)
		}
		assert.Equal(t, tt.bodies, bodies, tt.why)
		assert.Equal(t, tt.words, words, tt.why)
	}
}

// filedBodies returns the bodies that are sent for a file with the given load.
func filedBodies(t *testing.T, target Target, l Load, n int) (bodies []string, w *workload) {
	t.Helper()
	g, err := New(target)
	require.NoError(t, err)
	defer g.Close()
	w, err = newWorkload(g.target, "m", l, calibration{base: 10, slope: 2}, fields{})
	require.NoError(t, err)
	w.send(g.prompts)
	for i := range n {
		b := w.body(uint64(i))
		require.True(t, json.Valid(b), "%s", b)
		bodies = append(bodies, string(b))
	}
	return bodies, w
}

// TestPromptFields checks that a file's length of the answer and its other fields are in the
// body, that they replace the target's, and that the load's own are not the file's.
func TestPromptFields(t *testing.T) {
	file := promptFile(t, "x.jsonl", `{"prompt":"a","output_tokens":7}
{"model":"other","messages":[{"role":"user","content":"b"}],"stream":false,"max_completion_tokens":9,"temperature":0,"alpha":[1]}
{"text":"c"}
`)
	target := Target{URL: "http://h", Prompts: file, Body: map[string]any{"temperature": 1, "top_p": 0.5}}
	bodies, w := filedBodies(t, target, Load{OSL: 3}, 3)
	const tail = `"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":`
	assert.Equal(t, []string{
		`{"ignore_eos":true,"max_tokens":7,"messages":[{"content":"a","role":"user"}],` + tail + `1,"top_p":0.5}`,
		`{"alpha":[1],"ignore_eos":true,"max_tokens":9,"messages":[{"role":"user","content":"b"}],` + tail + `0,"top_p":0.5}`,
		`{"ignore_eos":true,"max_tokens":3,"messages":[{"content":"c","role":"user"}],` + tail + `1,"top_p":0.5}`,
	}, bodies)
	assert.Equal(t, []int{7, 9, 0}, []int{w.outputs(0), w.outputs(1), w.outputs(2)})
	w, err := newWorkload(target, "m", Load{OSL: 3}, calibration{}, fields{without: []string{"temperature"}})
	require.NoError(t, err)
	w.send([]prompt{{body: []byte(`"a"`), fields: []bodyField{newBodyField("temperature", []byte("0")), newBodyField("x", []byte("1"))}}})
	assert.NotContains(t, string(w.body(0)), "temperature", "the server refuses it")
	assert.Contains(t, string(w.body(0)), `"x":1`)

	// A server may want the length under its other name.
	target.Body = map[string]any{"max_completion_tokens": 5}
	bodies, _ = filedBodies(t, target, Load{OSL: 3}, 1)
	assert.Contains(t, bodies[0], `"max_completion_tokens":7,`)

	target.Protocol, target.Prompts = Completions, promptFile(t, "y.jsonl", `{"prompt":"a","output_tokens":7,"echo":true}`)
	bodies, _ = filedBodies(t, target, Load{OSL: 3}, 1)
	assert.Contains(t, bodies[0], `{"echo":true,"ignore_eos":true,`)
	assert.Contains(t, bodies[0], `"model":"m","prompt":"a","stream":true,`)
}

// TestTracePrompts checks that prompts of which a file has only the lengths are made up with
// these lengths, and that the same blocks are the same text.
func TestTracePrompts(t *testing.T) {
	file := promptFile(t, "trace.jsonl", `{"input_length":1500,"output_length":4,"hash_ids":[1,2,3]}
{"input_length":1400,"output_length":4,"hash_ids":[1,2,4]}
{"input_length":60,"output_length":5}
{"input_length":60,"output_length":5}
`)
	bodies, w := filedBodies(t, Target{URL: "http://h", Protocol: Completions, Prompts: file}, Load{ISL: 20, OSL: 3}, 8)
	var texts [][]string
	for i, b := range bodies {
		var body struct {
			Prompt string
			Max    int `json:"max_tokens"`
		}
		require.NoError(t, json.Unmarshal([]byte(b), &body))
		assert.Equal(t, []int{4, 4, 5, 5}[i%4], body.Max)
		texts = append(texts, strings.Fields(body.Prompt))
		// The words of a calibration of 10 + 2·words tokens.
		assert.Len(t, texts[i], []int{745, 695, 25, 25}[i%4])
		assert.Equal(t, len(texts[i]), w.promptTokens(uint64(i)))
		assert.NotContains(t, body.Prompt, "  ")
	}
	shared := 2 * w.cal.words(blockTokens)
	assert.Equal(t, texts[0][:shared], texts[1][:shared], "blocks 1 and 2")
	assert.NotEqual(t, texts[0][shared:shared+20], texts[1][shared:shared+20], "blocks 3 and 4")
	assert.Equal(t, texts[0], texts[4], "a prompt with blocks is the same every time")
	assert.NotEqual(t, texts[2][:4], texts[3][:4], "one without opens with words of its own")
	assert.NotEqual(t, texts[2][:4], texts[6][:4])
}

// TestUnusedInput checks that what of a file is not sent is said once.
func TestUnusedInput(t *testing.T) {
	file := promptFile(t, "x.jsonl", `{"turns":[{"text":"a","timestamp":5},{"text":"b","delay":3}]}
{"conversations":[{"from":"gpt","value":"x"}]}
`)
	g, err := New(Target{URL: "http://h", Prompts: file})
	require.NoError(t, err)
	defer g.Close()
	require.Len(t, g.Server().Notes, 1)
	assert.EqualError(t, g.Server().Notes[0], "parts of the file of prompts are not used: 1 timestamp, 1 conversation without a question; "+
		"each request is sent as soon as the load has room for it")
	g, err = New(Target{URL: "http://h"}.For(Workload{File: file, Replay: 1}))
	require.NoError(t, err)
	defer g.Close()
	require.Len(t, g.Server().Notes, 1)
	assert.EqualError(t, g.Server().Notes[0], "parts of the file of prompts are not used: 1 conversation without a question; "+
		"each conversation begins at its time")
}

// TestReplyLengths checks that a recorded answer's tokens are the length of the answer,
// where a tokenizer can count them.
func TestReplyLengths(t *testing.T) {
	file := promptFile(t, "x.json", `[{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"one two three"}]}]`)
	target := Target{URL: "http://h", Prompts: file}
	_, w := filedBodies(t, target, Load{OSL: 3}, 1)
	assert.Zero(t, w.outputs(0))
	target.Tokenizer = "internal/bpe/testdata/gpt2.tokenizer.json"
	_, w = filedBodies(t, target, Load{OSL: 3}, 1)
	assert.Positive(t, w.outputs(0))
}

// TestPromptBodies checks that a file's prompts take the place of made-up ones, in
// the file's order, over and over, with either protocol.
func TestPromptBodies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("\"say \\\"hi\\\"\"\n{\"messages\":[{\"role\":\"system\",\"content\":\"x\"},"+
		"{\"role\":\"user\",\"content\":\"y\"}]}\n"), 0o666))
	target := Target{URL: "http://127.0.0.1:1", Model: "m", Prompts: path}
	g, err := New(target)
	require.NoError(t, err)
	defer g.Close()
	l, err := Load{Concurrency: 1}.withDefaults()
	require.NoError(t, err)
	w, err := newWorkload(g.target, "m", l, g.cal, fields{})
	require.NoError(t, err)
	w.send(g.prompts)
	for i, want := range []string{
		`[{"role":"user","content":"say \"hi\""}]`,
		`[{"role":"system","content":"x"},{"role":"user","content":"y"}]`,
		`[{"role":"user","content":"say \"hi\""}]`,
	} {
		var got struct {
			Model    string
			Messages json.RawMessage
		}
		require.NoError(t, json.Unmarshal(w.body(uint64(i)), &got), "%s", w.body(uint64(i)))
		assert.Equal(t, "m", got.Model)
		assert.JSONEq(t, want, string(got.Messages))
		assert.Equal(t, 2, w.promptTokens(uint64(i)))
	}
	target.Protocol = Completions
	_, err = New(target)
	assert.ErrorContains(t, err, "use the chat protocol")
	target.Prompts = path + "x"
	_, err = New(target)
	assert.ErrorAs(t, err, new(*TargetError))
	assert.ErrorContains(t, err, path+"x")
}

// TestPromptsSent checks that a probe sends the file's prompts and counts them.
func TestPromptsSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prompts.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`"a b c"`), 0o666))
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	g, err := New(Target{URL: srv.URL, Prompts: path})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), Load{Concurrency: 2, ISL: 500, OSL: 2, Requests: 10}, nil)
	require.NoError(t, err)
	v, _ := m.Stat(TagISL, "max")
	assert.EqualValues(t, 3, v, "what the server counted: the file's words, and not 500")
}

// TestPromptLengthsSent checks that the lengths of a file reach the server and its answers,
// and that answers of these lengths are not warned of.
func TestPromptLengthsSent(t *testing.T) {
	srv := simserver.New(simserver.Model{Step: time.Millisecond})
	defer srv.Close()
	g, err := New(Target{URL: srv.URL, Prompts: promptFile(t, "trace.jsonl",
		"{\"input_length\":30,\"output_length\":3}\n{\"input_length\":50,\"output_length\":6}\n")})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), Load{Concurrency: 2, ISL: 500, OSL: 2, Requests: 10}, nil)
	require.NoError(t, err)
	for tag, want := range map[Tag][2]float64{TagISL: {30, 50}, TagOSL: {3, 6}} {
		least, _ := m.Stat(tag, "min")
		most, _ := m.Stat(tag, "max")
		assert.Equal(t, want, [2]float64{least, most}, tag)
	}
	for _, w := range m.Warnings {
		assert.NotErrorIs(t, w, ErrLengths)
	}
}
