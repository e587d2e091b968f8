package loadgen

import (
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
	f.Fuzz(func(t *testing.T, first, second string) {
		c, err := codec.Chat.Read([]byte(first), false)
		if err != nil || c.Size() == 0 || c.Error || c.Usage != (codec.Usage{}) || c.Finish != "" {
			return
		}
		like, ok := likenessOf([]byte(first))
		if !ok || like.fits([]byte(second)) == 0 {
			return
		}
		d, err := codec.Chat.Read([]byte(second), false)
		assert.NoError(t, err)
		assert.True(t, d.Size() > 0 && !d.Error && d.Usage == (codec.Usage{}) && d.Finish == "")
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
