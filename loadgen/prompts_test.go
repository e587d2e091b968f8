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

// TestReadPrompts checks every accepted form of a prompt, and what each refusal says.
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
		{why: "an empty prompt", file: "\"a\"\n{\"text\":\"\"}", says: "line 2: the prompt is empty"},
		{why: "broken JSON", file: `{"text":`, says: "line 1"},
		{why: "a field that would change what is measured", file: `{"text":"a","delay":5}`, says: `unknown field "delay"`},
		{why: "two prompts in one", file: `{"text":"a","prompt":"b"}`, says: "must have exactly one of"},
		{why: "neither", file: `{}`, says: "must have exactly one of"},
		{why: "two values in a line", file: `{"text":"a"}{"text":"b"}`, says: "more than one JSON value"},
		{why: "a message without a role", file: `{"messages":[{"content":"a"}]}`, says: "message 0 is not an object with a role"},
		{why: "a content of another kind", file: `{"messages":[{"role":"user","content":5}]}`, says: "neither text nor"},
		{why: "a number", file: "5", says: "write a prompt as"},
	} {
		got, err := readPrompts(strings.NewReader(tt.file))
		if tt.says != "" {
			assert.ErrorContains(t, err, tt.says, tt.why)
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
	w, err := newWorkload(g.target, "m", l, g.cal, nil)
	require.NoError(t, err)
	w.prompts = g.prompts
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

// FuzzPrompts checks that a file is either refused or read, and that each of its
// prompts is then sound JSON with at least one token.
func FuzzPrompts(f *testing.F) {
	for _, s := range []string{"\"a\"\n{\"text\":\"b\"}", `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`,
		`{"messages":[{"role":"user"}]}`, "{}", "\"\\ud800\"", "\xef\xbb\xbf\n", `{"TEXT":"a","Text":"b"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		prompts, err := readPrompts(strings.NewReader(string(file)))
		if err != nil {
			assert.Nil(t, prompts)
			return
		}
		assert.NotEmpty(t, prompts)
		for _, p := range prompts {
			assert.True(t, json.Valid(p.body), "%s", p.body)
			assert.Equal(t, p.chat, p.body[0] == '[')
			assert.Positive(t, p.count(nil))
		}
	})
}
