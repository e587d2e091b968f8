package loadgen

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/loadgen/codec"
)

// FuzzLikeness checks that an event that fits the likeness of another decodes to a
// chunk with content and nothing else.
func FuzzLikeness(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":" a"}}]}`, `{"choices":[{"delta":{"content":" bc"}}]}`)
	f.Add(`{"choices":[{"text":"a"}]}`, `{"choices":[{"text":"a\"}],\"error\":{}"}]}`)
	f.Add(`{"choices":[{"delta":{"content":"x"}}],"k":"a"}`, `{"choices":[{"delta":{"content":""}}],"k":"a"}`)
	f.Add(`{"content":"","choices":[{"delta":{"content":"x"}}]}`, `{"content":"","choices":[{"delta":{"content":"y"}}]}`)
	f.Add(`{"type":"response.output_text.delta","sequence_number":7,"delta":"a"}`,
		`{"type":"response.output_text.delta","sequence_number":80,"delta":"b c"}`)
	f.Add(`{"delta":"a","sequence_number":7,"type":"response.output_text.delta"}`,
		`{"delta":"b","sequence_number":08,"type":"response.output_text.delta"}`)
	f.Add(`{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}`,
		`{"type":"content_block_delta","delta":{"type":"text_delta","text":"b"}}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, api := range codec.All() {
			if !api.Spec().Alike() {
				continue
			}
			c, err := api.Read([]byte(first), false)
			if err != nil || c.Size() == 0 || c.Error || c.Usage != (codec.Usage{}) || c.Finish != "" || c.Done || len(c.Content) != 1 {
				continue
			}
			like, ok := likenessOf([]byte(first))
			size := like.fits([]byte(second))
			if !ok || size == 0 {
				continue
			}
			d, err := api.Read([]byte(second), false)
			assert.NoError(t, err)
			assert.True(t, d.Size() > 0 && !d.Error && d.Usage == (codec.Usage{}) && d.Finish == "" && !d.Done)
			assert.Equal(t, c.Output(), d.Output(), "thoughts stay thoughts")
		}
	})
}

func TestLikeness(t *testing.T) {
	like, ok := likenessOf([]byte(`{"id":"1","choices":[{"delta":{"content":" a"},"finish_reason":null}]}`))
	assert.True(t, ok)
	for text, fits := range map[string]bool{
		`{"id":"1","choices":[{"delta":{"content":" bcd"},"finish_reason":null}]}`: true,
		`{"id":"1","choices":[{"delta":{"content":""},"finish_reason":null}]}`:     false,
		`{"id":"1","choices":[{"delta":{"content":"\n"},"finish_reason":null}]}`:   false,
		`{"id":"2","choices":[{"delta":{"content":" a"},"finish_reason":null}]}`:   false,
		`{"id":"1","choices":[{"delta":{"content":" a"},"finish_reason":"stop"}]}`: false,
		`{"id":"1","choices":[{"delta":{"content":" a`:                             false,
	} {
		assert.Equal(t, fits, like.fits([]byte(text)) > 0, text)
	}
}

// TestLikenessOfNumbers checks events that are numbered, before their text as OpenAI does it,
// and behind it as vLLM does.
func TestLikenessOfNumbers(t *testing.T) {
	for _, form := range []string{
		`{"type":"response.output_text.delta","sequence_number":N,"delta":"TEXT","logprobs":[]}`,
		`{"delta":"TEXT","logprobs":[],"sequence_number":N,"type":"response.output_text.delta"}`,
	} {
		event := func(n, text string) []byte { return []byte(strings.NewReplacer("N", n, "TEXT", text).Replace(form)) }
		like, ok := likenessOf(event("9", "a"))
		assert.True(t, ok)
		for n, fits := range map[string]bool{
			"10": true, "0": true, "": false, "01": false, "1.5": false, "-1": false, "1e3": false, `"1"`: false,
		} {
			assert.Equal(t, fits, like.fits(event(n, " bcd")) == 4, "%s %s", form, n)
		}
		assert.Zero(t, like.fits(event("10", `b\\n`)))
		assert.Zero(t, like.fits(event("10", "")))
		assert.Zero(t, like.fits([]byte(strings.Replace(string(event("10", "b")), "output_text", "reasoning_text", 1))))
	}
}
