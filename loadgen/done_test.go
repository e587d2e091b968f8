package loadgen

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A slot goes on behind the last event of a stream, whatever the body does then.
func TestAtDone(t *testing.T) {
	for body, want := range map[string]bool{
		"data: {}\n\ndata: [DONE]\n\n":    true,
		"data:[DONE]\r\n\r\n":             true,
		"data: [DONE]":                    false,
		"data: {\"text\":\"[DONE]\"}\n\n": false,
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n":               true,
		"event: message_stop\ndata: {\"type\":\"message_stop\"}":                   false,
		"data: {\"delta\":{\"text\":\"{\\\"type\\\":\\\"message_stop\\\"}\"}}\n\n": false,
		"": false,
	} {
		assert.Equal(t, want, atDone([]byte(body)), body)
	}
}
