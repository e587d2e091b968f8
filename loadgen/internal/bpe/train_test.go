package bpe

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "train the vocabularies in testdata anew; testdata/golden.py then makes golden.json")

// corpus is what the tests' vocabularies are trained on: words, numbers, code,
// white space, and letters of one to four bytes.
const corpus = `The quick brown fox jumps over the lazy dog. The dog's owner didn't see that they're all quick, and we've said I'm sure ` +
	`she'll be there by 12:30, or he'd be late.
In 2024 there were 1234567 tokens in the corpus, and 99.5% of them were words; the other 0.5% were 3.14159 and 2.71828.
func main() {
	for i := 0; i < 10; i++ {
		fmt.Println("hello, world", i)
	}
}


    if x == y:
        return x + y   # the sum
Der schnelle Fuchs läuft über die Straße, größer als müde Bären. Être ou ne pas être, voilà la question.
Быстрая лиса прыгает через ленивую собаку. Быстрая лиса и ленивая собака.
素早い茶色の狐がのろまな犬を飛び越える。狐と犬。 😀😀👍🏽 ½ ² ٣
the theme then there therefore these they thesis; running runner runs ran; token tokens tokenizer tokenization
`

// train learns n merges by the textbook: count neighbouring pairs, merge the most
// frequent (the first in order of its text among equals), begin again.
func train(split splitter, text string, n int) (vocab map[string]int, merges [][2]string) {
	vocab = map[string]int{}
	for b := range 256 {
		vocab[string(spelled[b])] = b
	}
	var words [][]string
	for len(text) > 0 {
		k := split(text)
		var w []string
		for i := range k {
			w = append(w, string(spelled[text[i]]))
		}
		words, text = append(words, w), text[k:]
	}
	for range n {
		counts := map[[2]string]int{}
		for _, w := range words {
			for i := 1; i < len(w); i++ {
				counts[[2]string{w[i-1], w[i]}]++
			}
		}
		var best [2]string
		for p, k := range counts {
			if k > counts[best] || k == counts[best] && p[0]+" "+p[1] < best[0]+" "+best[1] {
				best = p
			}
		}
		if counts[best] < 2 {
			break
		}
		merges = append(merges, best)
		if _, ok := vocab[best[0]+best[1]]; !ok {
			vocab[best[0]+best[1]] = len(vocab)
		}
		for i, w := range words {
			words[i] = mergeAll(w, best)
		}
	}
	return vocab, merges
}

// mergeAll merges a pair wherever it stands, from left to right.
func mergeAll(w []string, p [2]string) (out []string) {
	for i := 0; i < len(w); i++ {
		if i+1 < len(w) && w[i] == p[0] && w[i+1] == p[1] {
			out = append(out, w[i]+w[i+1])
			i++
			continue
		}
		out = append(out, w[i])
	}
	return out
}

type object = map[string]any

// vocabulary writes a tokenizer.json in the manner of a family of models.
func vocabulary(family string) []byte {
	split, pre := splitter(splitGPT2), object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	pattern := map[string]string{"llama3": patternLlama3, "qwen2": patternQwen2}[family]
	if pattern != "" {
		split = splitters[pattern]
		pre = object{"type": "Sequence", "pretokenizers": []object{
			{"type": "Split", "pattern": object{"Regex": pattern}, "behavior": "Isolated", "invert": false},
			{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
		}}
	}
	vocab, pairs := train(split, corpus, 400)
	var merges any = pairs // as pairs
	model := object{"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
		"fuse_unk": false, "byte_fallback": false, "ignore_merges": false}
	special := func(id int, content string) object {
		return object{"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
			"special": true}
	}
	var tokens []object
	switch family {
	case "gpt2": // merges as text; <|endoftext|> is in the vocabulary, too
		var list []string
		for _, p := range pairs {
			list = append(list, p[0]+" "+p[1])
		}
		merges = list
		vocab["<|endoftext|>"] = len(vocab)
		tokens = append(tokens, special(vocab["<|endoftext|>"], "<|endoftext|>"))
	case "llama3": // some tokens that no merges lead to
		model["ignore_merges"] = true
		for _, w := range []string{"Ġlazily", "ĊĊĊ", "quickest"} {
			vocab[w] = len(vocab)
		}
		tokens = append(tokens, special(len(vocab), "<|begin_of_text|>"), special(len(vocab)+1, "<|eot_id|>"),
			special(len(vocab)+2, "<|eot_id|>x"))
	case "qwen2": // tokens that take white space, and words of their own
		tool := special(len(vocab)+1, "<tool>")
		tool["lstrip"], tool["rstrip"], tool["normalized"], tool["special"] = true, true, true, false
		alone := special(len(vocab)+2, "alone")
		alone["single_word"], alone["special"] = true, false
		tokens = append(tokens, special(len(vocab), "<|im_end|>"), tool, alone)
	}
	model["vocab"], model["merges"] = vocab, merges
	b, _ := json.MarshalIndent(object{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": tokens, "normalizer": nil, "pre_tokenizer": pre,
		"post_processor": nil, "decoder": object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model": model,
	}, "", " ")
	return append(b, '\n')
}

var families = []string{"gpt2", "llama3", "qwen2"}

func path(family string) string { return filepath.Join("testdata", family+".tokenizer.json") }

func load(t testing.TB, family string) *Tokenizer {
	tok, err := ReadFile(path(family))
	require.NoError(t, err)
	return tok
}

// TestVocabularies checks that the vocabularies in testdata are those that the
// trainer makes.
func TestVocabularies(t *testing.T) {
	for _, family := range families {
		made := vocabulary(family)
		if *update {
			require.NoError(t, os.WriteFile(path(family), made, 0o666))
		}
		was, err := os.ReadFile(path(family))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(was, made), "%s is not what the trainer makes; run the test with -update", path(family))
		assert.Greater(t, strings.Count(string(made), "\n"), 500, "a vocabulary of some size")
	}
}
