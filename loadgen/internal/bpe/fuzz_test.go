package bpe

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzRead checks that reading any file ends in a typed error, or in a tokenizer
// whose tokens spell the text.
func FuzzRead(f *testing.F) {
	for _, family := range families {
		f.Add(string(vocabulary(family)), "the dog's <|eot_id|> 123")
	}
	f.Add(`{"model":{"vocab":{"a":0},"merges":["a b",["a","b"]]},"pre_tokenizer":{"type":"ByteLevel"}}`, "a")
	f.Add(`{"added_tokens":[{"id":-1,"content":""}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[]}}`,
		"")
	f.Fuzz(func(t *testing.T, file, text string) {
		tok, err := Read(strings.NewReader(file))
		if err != nil {
			format, unsupported := new(FormatError), new(UnsupportedError)
			assert.True(t, errors.As(err, &format) || errors.As(err, &unsupported), "%T", err)
			return
		}
		assert.Equal(t, len(tok.Encode(text)), tok.Count(text))
	})
}

// FuzzEncode checks that any text comes back, byte for byte, and that counting agrees
// with encoding.
func FuzzEncode(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(randomText(rng))
	}
	tok := load(f, "llama3")
	reference := byPattern(patternLlama3)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text)
		require.Equal(t, text, tok.Decode(ids))
		require.Equal(t, len(ids), tok.Count(text))
		if text == strings.ToValidUTF8(text, "") {
			require.Equal(t, cutAll(reference, text), cutAll(tok.split, text))
		}
	})
}
