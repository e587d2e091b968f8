package dataset

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// show writes an entry on one line, without what is empty.
func show(e Entry) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case e.Messages != nil:
		add("%s", e.Messages)
	case e.Length > 0:
		add("made up %d", e.Length)
	default:
		add("%q", e.Text)
	}
	if e.Blocks != nil {
		add("blocks %v", e.Blocks)
	}
	if e.Outputs > 0 {
		add("out %d", e.Outputs)
	}
	if e.Reply != "" {
		add("reply %q", e.Reply)
	}
	if e.Fields != nil {
		b, _ := json.Marshal(e.Fields)
		add("fields %s", b)
	}
	if e.Session != "" {
		add("session %s", e.Session)
	}
	if e.Timed {
		add("at %v", e.At)
	}
	if e.Delay > 0 {
		add("delay %v", e.Delay)
	}
	for _, l := range e.Later {
		add("then {%s}", show(l))
	}
	return strings.Join(parts, ", ")
}

// TestForms checks what is read of a file of each form.
func TestForms(t *testing.T) {
	for name, want := range map[string][]string{
		"single_turn.jsonl": {
			`"Where does the Danube rise?"`,
			`"Name a lake.", out 24`,
			`[{"role":"user","content":[{"type":"text","text":"Compare these."},{"type":"text","text":"First, second."}]}], session a`,
			`"Later.", at 1.5005s`,
			`"After a while.", fields {"temperature":0.5}, delay 250ms`,
		},
		"multi_turn.jsonl": {
			`"Good morning", out 12, session s-9, then {"And in French?", delay 800ms}`,
			`"One turn only"`,
		},
		"mooncake.jsonl": {
			`made up 1200, blocks [0 1 2], out 40, at 0s`,
			`made up 1300, blocks [0 1 3], out 7, at 120ms`,
			`made up 90, out 5`,
			`"A trace may have its text.", out 6, at 200ms`,
			`[{"role":"user","content":"Or messages."}], out 8, at 300ms`,
		},
		"sharegpt.json": {
			`"Write a haiku.", reply "Old pond, a frog leaps", then {"Another"}`,
			`[{"role":"system","content":"Be kind."},{"role":"user","content":"Hello"}]`,
		},
		"vllm_custom.jsonl": {`"Sum up this text.", out 64`, `"No length here."`},
		"guidellm.jsonl":    {`"Describe a bridge", out 48`},
		"openai_batch.jsonl": {
			`[{"role":"user","content":"Hi there"}], out 9, fields {"temperature":0.2}`,
			`"Once upon", out 5`,
		},
		"genai_perf.jsonl": {
			`"What is a fjord?"`,
			`[{"role":"user","content":"Explain tides."}], out 21`,
			`"in a string", out 3, at 10ms`,
		},
		"raw_bodies.jsonl": {
			`[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}], out 11, fields {"made_up_field":[1],"temperature":0}`,
		},
		"tools.jsonl": {
			`[{"role":"user","content":"What is the weather?"}], ` +
				`fields {"tool_choice":"auto","tools":[{"type":"function","function":{"name":"weather"}}]}`,
		},
		"prompts.csv": {`"Say \"hi\"; then stop", out 14, session s1`, `"plain"`},
		"burst.csv":   {`made up 472, out 18, at 5ms`},
		"lines.txt":   {`"First question"`, `"{not JSON} is fine here"`, `"\"quoted\" too"`},
		"inputs.json": {
			`[{"content":"year way","role":"user"}], out 16, session session_000000`,
			`"day man", out 16, fields {"ignore_eos":false}, session session_000001`,
		},
		"genai_inputs.json": {`[{"role":"user","content":"From genai-perf"}], out 2`},
		"collections.jsonl": {
			`"Translate.\n\nGuten Tag", reply "Good day"`,
			`"Compose a post.", then {"Rewrite it."}`,
			`"a string alone"`,
			`[{"role":"user","content":"a list of messages"}]`,
			`[{"role":"system","content":"Be terse."},{"role":"user","content":"Why?"}], reply "Because."`,
		},
	} {
		f, err := ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err, name)
		var got []string
		for _, e := range f.Entries {
			got = append(got, show(e))
		}
		assert.Equal(t, want, got, name)
		if name == "sharegpt.json" {
			assert.Equal(t, 1, f.Skipped, "a conversation in which nobody asks")
		}
	}
	all, err := filepath.Glob("testdata/*")
	require.NoError(t, err)
	assert.Len(t, slices.DeleteFunc(all, func(s string) bool { return strings.HasSuffix(s, "fuzz") }), 16, "a row a file")
}

// TestShapes checks that a form is recognized however its JSON is laid out.
func TestShapes(t *testing.T) {
	const a, b = `{"text":"a"}`, `{"prompt":"b","max_tokens":3}`
	for why, tt := range map[string]struct{ name, file string }{
		"a line each":                        {"x.jsonl", a + "\n" + b + "\n"},
		"blank lines, CRLF and a mark":       {"x.jsonl", "\xef\xbb\xbf\r\n" + a + "\r\n\r\n" + b},
		"a list":                             {"x.json", "[" + a + "," + b + "]"},
		"a list over lines":                  {"x.json", "[\n  " + a + ",\n  " + b + "\n]\n"},
		"objects over lines":                 {"x.json", "{\n\"text\":\n\"a\"}\n{\"prompt\":\"b\",\n\"max_tokens\":3}"},
		"data":                               {"x.json", `{"data":[` + a + "," + b + `],"version":1}`},
		"JSON under another extension":       {"x.txt", a + "\n" + b},
		"a list under another extension":     {"prompts", "[" + a + ",\n" + b + "]"},
		"an object over lines in a text":     {"x.log", "{\"text\":\n\"a\"}\n" + b},
		"columns that are JSON keys":         {"x.csv", "text,max_tokens\na,\nb,3\n"},
		"tabs, capitals and a column unused": {"x.tsv", "Max-Tokens\tText\tid\n\ta\t1\n3\tb\t2\n"},
	} {
		f, err := Read(strings.NewReader(tt.file), tt.name)
		require.NoError(t, err, why)
		require.Len(t, f.Entries, 2, why)
		assert.Equal(t, []string{`"a"`, `"b", out 3`}, []string{show(f.Entries[0]), show(f.Entries[1])}, why)
	}
	f, err := Read(strings.NewReader(`[{"role":"system","content":"x"},{"role":"user","content":"y"}]`), "x.json")
	require.NoError(t, err)
	assert.Len(t, f.Entries, 1, "a list of messages is one conversation")
}

// TestRefusals checks that a refusal names the line, the key and the forms.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ name, file, says string }{
		{"x.jsonl", "\n\n", "it has no prompts"},
		{"x.json", "[]", "it has no prompts"},
		{"x.csv", "", "it has no prompts"},
		{"x.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\",\"flavour\":1}", `line 2: unknown key "flavour"`},
		{"x.jsonl", `{"text":"a","dely":5}`, `unknown key "dely", did you mean "delay"?`},
		{"x.jsonl", "{\"text\":\"a\"}\n\n{\"text\":\n", "line 3: it is not JSON (the file ends within a value)"},
		{"x.json", "[{\"text\":\"a\"},\n{\"text\":\"b\" \"c\"}]", "line 2: it is not JSON"},
		{"x.jsonl", `{"text":"a"}{"text":"b"}`, "line 1: there is more than one JSON value in it"},
		{"x.jsonl", "Hello there\n", "line 1: it is not JSON"},
		{"x.jsonl", "5", "neither an object nor a string"},
		{"x.jsonl", "{}", "it has no prompt"},
		{"x.jsonl", `{"id":1,"system":"x"}`, "it has no prompt"},
		{"x.jsonl", `{"text":""}`, "the prompt is empty"},
		{"x.jsonl", `{"text":5}`, `"text": it is not a text`},
		{"x.jsonl", `{"text":"a","prompt":"b"}`, "must have exactly one prompt, and has prompt and text"},
		{"x.jsonl", `{"messages":[{"content":"a"}]}`, "message 0 is not an object with a role"},
		{"x.jsonl", `{"messages":[{"role":"user","content":5}]}`, "neither text nor"},
		{"x.jsonl", `{"messages":[]}`, `"messages" has no messages`},
		{"x.jsonl", `{"messages":"a"}`, "is not a list of messages"},
		{"x.jsonl", `{"text":"a","max_tokens":-1}`, `"max_tokens": -1 is not a positive integer`},
		{"x.jsonl", `{"text":"a","max_tokens":1.5}`, `"max_tokens": 1.5 is not a positive integer`},
		{"x.jsonl", `{"text":"a","max_tokens":3,"output_length":4}`, `"output_length" contradicts`},
		{"x.jsonl", `{"text":"a","image":"x.png"}`, `"image" is not sent`},
		{"x.jsonl", `{"text":"a","timestamp":true}`, "not a number of milliseconds"},
		{"x.jsonl", `{"turns":[{"text":"a"},{"txt":"b"}]}`, `turn 1: unknown key "txt", did you mean "text"?`},
		{"x.jsonl", `{"turns":[]}`, "at least one turn"},
		{"x.jsonl", `{"conversations":[{"from":"ghost","value":"a"}]}`, `nobody is known as "ghost"`},
		{"x.jsonl", `{"conversations":5}`, `"conversations" is not a list`},
		{"x.jsonl", `{"input":["a"],"delay":"x"}`, `"delay"`},
		{"x.jsonl", `{"body":{"model":"m"}}`, `"body": it has neither messages nor a prompt`},
		{"x.jsonl", `{"payload":[5]}`, `"payload", element 0: "payload" is not the body of a request`},
		{"x.jsonl", `{"input_length":5,"hash_ids":"x"}`, `"hash_ids": it is not a list`},
		{"x.jsonl", `{"messages":[{"role":"user","content":"x"}],"message_mode":"delta"}`, "only history can be sent"},
		{"x.csv", "question_text,b\n1,2\n", "line 1: it names no column with prompts"},
		{"x.csv", "text,flavour\nx,y\n", `line 2: unknown column "flavour"`},
		{"x.csv", "text\nx\ny,z\n", "line 3: it has more cells than there are columns"},
		{"x.csv", "text\n\"x\n", "it is not a table"},
		{"x.txt", "a\x00b", "it is not a text file"},
		{"x.json", "\x1f\x8b\x08\x00", "it is not a text file"},
	} {
		f, err := Read(strings.NewReader(tt.file), tt.name)
		assert.Nil(t, f, tt.file)
		require.ErrorAs(t, err, new(*FormError), tt.file)
		assert.ErrorContains(t, err, tt.says, tt.file)
		assert.ErrorContains(t, err, Forms, tt.file)
		assert.NotContains(t, err.Error(), "Go ", "no type of this package is named")
	}
	_, err := ReadFile("testdata/none")
	assert.Error(t, err)
}

// TestLenient checks that a line that cannot be read is noted with its number, and that
// nothing else is lost, whatever the shape of the file and the trouble of the line.
func TestLenient(t *testing.T) {
	for why, tt := range map[string]struct {
		name, file string
		entries    int
		unread     []string
	}{
		"keys and values": {"x.jsonl", "{\"text\":\"a\"}\n{\"txt\":\"b\"}\n{\"text\":5}\n{\"text\":\"d\"}\n", 2,
			[]string{`x.jsonl:2: unknown key "txt", did you mean "text"?`, `x.jsonl:3: "text": it is not a text`}},
		"broken JSON": {"x.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\n\n{\"text\":\"c\"}\n{\"text\":\"d\"\n{\"text\":\"e\"}", 3,
			[]string{"x.jsonl:2: it is not JSON", "x.jsonl:5: it is not a JSON object"}},
		"a file that ends within a value": {"x.jsonl", "{\"text\":\"a\"}\n{\"text\":", 1, []string{"x.jsonl:2: it is not JSON (the file ends"}},
		"two values in a line": {"x.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}{\"text\":\"c\"}\n{\"text\":\"d\"}\n", 3,
			[]string{"x.jsonl:2: there is more than one JSON value in it"}},
		"a list": {"x.json", "[\n{\"text\":\"a\"},\n{\"txt\":\"b\"},\n{\"text\":\"c\"}\n]\n", 2, []string{`x.json:3: unknown key "txt"`}},
		"a broken list": {"x.json", "[\n{\"text\":\"a\"},\n{\"text\":\"b\" \"c\"},\n{\"text\":\"d\"},\n{\"text\":\"e\"}\n]\n", 3,
			[]string{"x.json:3: it is not JSON"}},
		"a table": {"x.csv", "text,max_tokens\na,3\nb,-1\nc,1,2\nd,4\n", 2,
			[]string{`x.csv:3: "max_tokens": -1 is not a positive integer`, "x.csv:4: it has more cells"}},
		"no trouble": {"x.jsonl", "{\"text\":\"a\"}\n", 1, nil},
	} {
		f, err := Read(strings.NewReader(tt.file), tt.name, Lenient)
		require.NoError(t, err, why)
		assert.Len(t, f.Entries, tt.entries, why)
		require.Len(t, f.Unread, len(tt.unread), "%s: %v", why, f.Unread)
		for i, want := range tt.unread {
			assert.Contains(t, f.Unread[i].At(tt.name), want, why)
		}
	}
	for _, file := range []string{"Hello\nthere\n", "{\"txt\":1}\n", "\n"} {
		_, err := Read(strings.NewReader(file), "x.jsonl", Lenient)
		assert.ErrorAs(t, err, new(*FormError), "nothing of it can be read")
	}
}

// TestDates checks that dates are times, as Azure's traces have them.
func TestDates(t *testing.T) {
	f, err := Read(strings.NewReader("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"+
		"2023-11-16T18:15:50.6805900Z,396,109\nnoon-ish,3,4\n"), "x.csv")
	require.NoError(t, err)
	require.Len(t, f.Entries, 3)
	assert.Equal(t, 4*time.Second, f.Entries[1].At-f.Entries[0].At)
	assert.Zero(t, f.Entries[2].At)
}

// TestLarge checks that a file that does not fit the buffer is read, and that lines are
// counted across it.
func TestLarge(t *testing.T) {
	long := strings.Repeat("word ", 20_000)
	file := strings.Repeat(`{"text":"`+long+"\"}\n", 5)
	f, err := Read(strings.NewReader(file), "x")
	require.NoError(t, err)
	assert.Len(t, f.Entries, 5)
	_, err = Read(strings.NewReader(file+`{"txt":"`+long+`"}`), "x")
	assert.ErrorContains(t, err, "line 6: unknown key")
	_, err = Read(strings.NewReader("[\n"+strings.ReplaceAll(file, "\n", ",\n")+`{"txt":1}]`), "x.json")
	assert.ErrorContains(t, err, "line 7: unknown key")
}

// FuzzRead checks that a file is either refused or read, and that each request then has
// exactly one prompt.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"\"a\"\n{\"text\":\"b\"}", `{"messages":[{"role":"user","content":[{"text":"x"}]}]}`, "{}", "[[", "text\nx",
		`{"TEXT":"a","Text":"b"}`, `{"data":[{"payloads":[{"prompt":"x"}]}]}`, `{"turns":["a",{"text":"b"}]}`, `{"input_length":1e3}`,
		`{"conversations":[{"from":"human","value":"x"}]}`, `{"system":"a","text":"b","timestamp":1e300}`} {
		for _, name := range []string{"x.jsonl", "x.csv", "x"} {
			f.Add([]byte(s), name)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, name string) {
		got, err := Read(strings.NewReader(string(file)), name)
		part, lenient := Read(strings.NewReader(string(file)), name, Lenient)
		if lenient == nil {
			assert.NotEmpty(t, part.Entries)
			assert.Equal(t, err != nil, len(part.Unread) > 0, "%v %v", err, part.Unread)
		}
		if err != nil {
			assert.ErrorAs(t, err, new(*FormError))
			return
		}
		assert.NotEmpty(t, got.Entries)
		for _, e := range got.Entries {
			n := 0
			for _, has := range []bool{e.Text != "", e.Messages != nil, e.Length > 0} {
				if has {
					n++
				}
			}
			assert.Equal(t, 1, n, "%s", show(e))
			assert.True(t, e.Messages == nil || json.Valid(e.Messages))
			assert.GreaterOrEqual(t, e.Outputs, 0)
			assert.Less(t, e.At, 1<<62*time.Nanosecond)
		}
	})
}
