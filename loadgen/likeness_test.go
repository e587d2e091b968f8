package loadgen

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
)

// FuzzLikeness checks that an event that fits the likeness of another decodes to a
// chunk with content and nothing else.
func FuzzLikeness(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":" a"}}]}`, `{"choices":[{"delta":{"content":" bc"}}]}`)
	f.Add(`{"choices":[{"text":"a"}]}`, `{"choices":[{"text":"a\"}],\"error\":{}"}]}`)
	f.Add(`{"choices":[{"delta":{"content":"x"}}],"k":"a"}`, `{"choices":[{"delta":{"content":""}}],"k":"a"}`)
	f.Add(`{"content":"","choices":[{"delta":{"content":"x"}}]}`, `{"content":"","choices":[{"delta":{"content":"y"}}]}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		var c chunk
		if json.Unmarshal([]byte(first), &c) != nil || !c.hasContent() || c.failed() || c.Usage != nil || c.finished() {
			return
		}
		like, ok := likenessOf([]byte(first))
		if !ok || !like.fits([]byte(second)) {
			return
		}
		var d chunk
		assert.NoError(t, json.Unmarshal([]byte(second), &d))
		assert.True(t, d.hasContent() && !d.failed() && d.Usage == nil && !d.finished())
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
		assert.Equal(t, fits, like.fits([]byte(text)), text)
	}
}
