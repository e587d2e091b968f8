package loadgen_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

const tokenizerFile = "internal/bpe/testdata/llama3.tokenizer.json"

// TestTokenSources checks the sources of token counts, for prompt and answer each by
// itself: usage, otherwise the tokenizer, otherwise an estimate.
func TestTokenSources(t *testing.T) {
	tokenizer, err := bpe.ReadFile(tokenizerFile)
	require.NoError(t, err)
	said := func(content string) string { return `{"choices":[{"index":0,"delta":{` + content + `}}]}` }
	text := []string{said(`"content":"the qu"`), said(`"content":"ick brown fox jumps over 1234567"`)}
	n := tokenizer.Count("the quick brown fox jumps over 1234567") // not the sum of the parts
	require.NotEqual(t, n, tokenizer.Count("the qu")+tokenizer.Count("ick brown fox jumps over 1234567"))
	require.Greater(t, n, 2)

	for _, tt := range []struct {
		why       string
		events    []string
		tokenizer bool
		osl       int
		isl       int // 0: what the tokenizer says of the prompt
		estimated bool
	}{
		{why: "usage wins over the tokenizer", events: append(text, finish,
			`{"choices":[],"usage":{"prompt_tokens":77,"completion_tokens":99}}`), tokenizer: true, osl: 99, isl: 77},
		{why: "no usage: the tokenizer, on the text as a whole", events: append(text, finish), tokenizer: true, osl: n},
		{why: "usage of the answer alone", events: append(text, finish, `{"choices":[],"usage":{"completion_tokens":99}}`), tokenizer: true,
			osl: 99},
		{why: "usage of the prompt alone", events: append(text, finish, `{"choices":[],"usage":{"prompt_tokens":77}}`), tokenizer: true,
			osl: n, isl: 77},
		{why: "neither: events and words", events: append(text, finish), osl: 2, isl: 20, estimated: true},
		{why: "reasoning counts, under one of its names, apart from the text",
			events: append([]string{said(`"reasoning":"the fox","reasoning_content":"the fox"`)}, append(text, finish)...), tokenizer: true,
			osl: n + tokenizer.Count("the fox")},
		{why: "choices count apart", events: append([]string{`{"choices":[{"index":1,"delta":{"content":"the"}}]}`},
			append(text, finish)...), tokenizer: true, osl: n + tokenizer.Count("the")},
		{why: "a tool call cannot be counted by its text", events: append(text,
			said(`"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]`), finish), tokenizer: true, osl: n, estimated: true},
		{why: "nothing behind [DONE]", events: append(text, "[DONE]", said(`"content":"more"`)), tokenizer: true, osl: n},
	} {
		t.Run(tt.why, func(t *testing.T) {
			target := loadgen.Target{SamePrompts: true}
			if tt.tokenizer {
				target.Tokenizer = tokenizerFile
			}
			m, prompt := measureRaw(t, target, events(tt.events...), loadgen.Load{Concurrency: 1, ISL: 20, OSL: 2, Requests: 3})
			for _, q := range m.Requests {
				require.Nil(t, q.Failure)
				assert.Equal(t, tt.osl, q.OSL)
				assert.Equal(t, tt.estimated, q.Estimated)
				isl := tt.isl
				if isl == 0 {
					isl = tokenizer.Count(prompt)
				}
				assert.Equal(t, isl, q.ISL)
			}
		})
	}
	whole := status(200, "Content-Type: application/json\r\n",
		`{"choices":[{"message":{"content":"the quick brown fox jumps over 1234567"}}]}`)
	m, _ := measureRaw(t, loadgen.Target{NoStream: true, Tokenizer: tokenizerFile}, whole,
		loadgen.Load{Concurrency: 1, ISL: 20, OSL: 2, Requests: 3})
	for _, q := range m.Requests {
		assert.Equal(t, n, q.OSL, "of a whole answer")
		assert.False(t, q.Estimated)
	}
}

// TestTokenizerCalibrates checks that prompts have the requested length by the
// tokenizer's count if the server has none.
func TestTokenizerCalibrates(t *testing.T) {
	srv := simserver.New(simserver.Model{Faults: simserver.Faults{NoUsage: true}})
	defer srv.Close()
	g, err := loadgen.New(loadgen.Target{URL: srv.URL, Tokenizer: tokenizerFile})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 8, ISL: 400, OSL: 2, Requests: 50}, nil)
	require.NoError(t, err)
	v, _ := m.Stat(loadgen.TagISL, "avg")
	assert.InEpsilon(t, 400, v, 0.1, "words are 3 tokens on average here; uncalibrated it would be 1200")
	for _, w := range m.Warnings {
		assert.NotErrorIs(t, w, loadgen.ErrEstimated)
	}
}

// TestTokenizerRefused checks that a bad tokenizer is refused before anything is
// sent, with the path and the way out.
func TestTokenizerRefused(t *testing.T) {
	for path, says := range map[string]string{"no/such.json": "no/such.json", "tokens_test.go": "not a tokenizer.json"} {
		_, err := loadgen.New(loadgen.Target{URL: "http://127.0.0.1:1", Tokenizer: path})
		assert.ErrorAs(t, err, new(*loadgen.TargetError))
		assert.ErrorContains(t, err, says)
		assert.ErrorContains(t, err, path)
	}
}

// measureRaw probes a server that always answers in the same way, and returns the
// last prompt, too.
func measureRaw(t *testing.T, target loadgen.Target, a answer, l loadgen.Load) (m *loadgen.Measurement, prompt string) {
	s := &rawServer{always: a}
	inBubble(t, s, target, func(t *testing.T, g *loadgen.Generator) {
		var err error
		m, err = g.Probe(t.Context(), l, nil)
		require.NoError(t, err)
	})
	return m, s.prompt
}
