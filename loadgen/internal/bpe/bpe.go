// Package bpe counts tokens as a model does: it reads the tokenizer.json of a
// byte-level BPE vocabulary (GPT-2, Llama 3, Qwen 2 and their kin) and encodes
// text with it, offline.
//
//  1. [ReadFile] reads vocabulary, merges, added tokens and the pre-tokenizer.
//  2. Added tokens are cut out of the text (added.go).
//  3. The pre-tokenizer cuts the rest into pieces (split.go).
//  4. The bytes of each piece are merged in the order of the merges' ranks
//     (merge.go).
//
// What the file asks for and the package does not have is an
// [*UnsupportedError]: a count that is nearly right is not given as right.
//
// Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words
// with Subword Units" (ACL 2016), on bytes as in Radford et al., "Language Models
// are Unsupervised Multitask Learners" (2019).
package bpe

import (
	"strings"
	"sync"
)

// Tokenizer encodes text. It is safe for concurrent use.
type Tokenizer struct {
	split       splitter
	prefixSpace bool // a space is put before a piece of text that does not begin with one

	vocab        map[string]int // by the token's bytes
	text         map[int]string // its bytes, by id; added tokens as they are written
	bytes        [256]int       // id of each byte's own token
	merges       map[pair]merge
	ignoreMerges bool // a piece that is a token is that token, whatever the merges say
	raw, late    added

	mu    sync.RWMutex
	known map[string]int // counts of short pieces, as far as they fit
}

// pair is two neighbouring tokens, merge what becomes of them.
type pair struct{ left, right int }

type merge struct{ rank, id int }

// The cache of counts: natural text is a few ten thousand different pieces.
const (
	knownPieces = 1 << 16
	knownLength = 32
)

// Encode returns the tokens of text, without those that a template or a
// post-processor would put around it.
func (t *Tokenizer) Encode(text string) []int {
	var ids []int
	var w word
	t.each(text, func(piece string) {
		if id, ok := t.whole(piece); ok {
			ids = append(ids, id)
			return
		}
		ids = append(ids, t.merge(&w, piece)...)
	}, func(id int) { ids = append(ids, id) })
	return ids
}

// Count returns how many tokens Encode would return. It keeps no tokens, and the
// counts of pieces that it has met before are looked up.
func (t *Tokenizer) Count(text string) int {
	n := 0
	var w word
	t.each(text, func(piece string) { n += t.count(&w, piece) }, func(int) { n++ })
	return n
}

func (t *Tokenizer) count(w *word, piece string) int {
	if len(piece) == 1 {
		return 1
	}
	t.mu.RLock()
	n, ok := t.known[piece]
	t.mu.RUnlock()
	if ok {
		return n
	}
	n = 1
	if _, ok := t.whole(piece); !ok {
		n = len(t.merge(w, piece))
	}
	if len(piece) <= knownLength {
		t.mu.Lock()
		if len(t.known) < knownPieces {
			t.known[strings.Clone(piece)] = n
		}
		t.mu.Unlock()
	}
	return n
}

// whole looks up a piece that is a token without any merging.
func (t *Tokenizer) whole(piece string) (id int, ok bool) {
	if !t.ignoreMerges {
		return 0, false
	}
	id, ok = t.vocab[piece]
	return id, ok
}

// each walks through text: piece is called with what is to be merged, token with
// each added token.
func (t *Tokenizer) each(text string, piece func(string), token func(int)) {
	t.raw.cut(text, token, func(text string) {
		t.late.cut(text, token, func(text string) {
			if t.prefixSpace && !strings.HasPrefix(text, " ") {
				text = " " + text
			}
			for len(text) > 0 {
				n := t.split(text)
				piece(text[:n])
				text = text[n:]
			}
		})
	})
}

// Decode returns the text of tokens; unknown ones are left out.
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.text[id])
	}
	return b.String()
}
