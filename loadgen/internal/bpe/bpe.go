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
// If the file asks for something that the package does not have, the error is an
// [*UnsupportedError]: a count that is nearly right must not pass for an exact one.
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
	split splitter
	// prefixSpace says that a space is put before a text that does not begin with one.
	prefixSpace bool

	// vocab holds the ids by the bytes of the tokens, and text the bytes by id. Added
	// tokens are in text as they are written.
	vocab map[string]int
	text  map[int]string
	// bytes holds the id of each byte's own token.
	bytes  [256]int
	merges map[pair]merge
	// ignoreMerges says that a piece which is a token is that token, whatever the
	// merges say.
	ignoreMerges bool
	// raw holds the added tokens that are looked for first, and late those that are
	// looked for in what raw has left.
	raw, late added

	// known holds the counts of short pieces, as far as they fit. mu guards it.
	mu    sync.RWMutex
	known map[string]int
}

// pair is two neighbouring tokens.
type pair struct{ left, right int }

// merge is what becomes of a pair. The lowest rank is merged first.
type merge struct{ rank, id int }

// The cache of counts holds at most knownPieces pieces of at most knownLength bytes.
// Natural text has a few tens of thousands of different pieces.
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

// count returns the number of tokens of a piece. w is storage for merging.
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

// each walks through text. It calls token with each added token, and piece with each
// piece whose bytes are to be merged.
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

// Decode returns the text of tokens. Unknown ones are left out.
func (t *Tokenizer) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.text[id])
	}
	return b.String()
}
