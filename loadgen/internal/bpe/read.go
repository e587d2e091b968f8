package bpe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// UnsupportedError reports a tokenizer.json that asks for something this package
// does not do.
type UnsupportedError struct {
	Part  string // the part of the file, for example pre_tokenizer
	Found string // what it asks for
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("its %s is %s; only byte-level BPE with the splits of GPT-2, Llama 3 and Qwen 2 is supported; "+
		"leave the tokenizer out to take token counts from the server's usage", e.Part, e.Found)
}

// FormatError reports a file that is not a tokenizer.json.
type FormatError struct{ Problem string }

func (e *FormatError) Error() string { return "it is not a tokenizer.json: " + e.Problem }

// notJSON says what could not be decoded, without the names of Go's types.
func notJSON(err error) string {
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) {
		if kind.Field == "" {
			return "it is a JSON " + kind.Value
		}
		return fmt.Sprintf("its %s is a JSON %s", kind.Field, kind.Value)
	}
	return err.Error()
}

// ReadFile reads the tokenizer.json at path. Errors name the path; they wrap
// *UnsupportedError, *FormatError, or the file system's.
func ReadFile(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer %s: %w", path, err)
	}
	return t, nil
}

// file is a tokenizer.json, as far as it matters to encoding. Its post-processor and
// decoder do not.
type file struct {
	Added        []addedToken    `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer *preTokenizer   `json:"pre_tokenizer"`
	Model        struct {
		Type         string         `json:"type"` // older files leave it out
		Dropout      float64        `json:"dropout"`
		Prefix       string         `json:"continuing_subword_prefix"`
		Suffix       string         `json:"end_of_word_suffix"`
		ByteFallback bool           `json:"byte_fallback"`
		IgnoreMerges bool           `json:"ignore_merges"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []mergeRule    `json:"merges"`
	} `json:"model"`
}

// mergeRule is "a b", or ["a", "b"] since tokenizers 0.20.
type mergeRule [2]string

func (m *mergeRule) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		left, right, ok := strings.Cut(text, " ")
		if !ok || left == "" || right == "" || strings.Contains(right, " ") {
			return fmt.Errorf("merge %q is not two tokens with a space between them", text)
		}
		*m = mergeRule{left, right}
		return nil
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil || len(list) != 2 {
		return fmt.Errorf("merge %s is not two tokens", b)
	}
	*m = mergeRule{list[0], list[1]}
	return nil
}

// preTokenizer is the pre-tokenizer of a file, or a part of it. Parts are those of a
// Sequence. UseRegex is ByteLevel's, and true if it is left out.
type preTokenizer struct {
	Type        string         `json:"type"`
	Parts       []preTokenizer `json:"pretokenizers"`
	PrefixSpace bool           `json:"add_prefix_space"`
	UseRegex    *bool          `json:"use_regex"`
	Pattern     struct {
		Regex  string `json:"Regex"`
		String string `json:"String"`
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`
}

// Read reads a tokenizer.json. Errors are *UnsupportedError and *FormatError.
func Read(r io.Reader) (*Tokenizer, error) {
	var f file
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return nil, &FormatError{notJSON(err)}
	}
	m := f.Model
	switch {
	case m.Type != "" && m.Type != "BPE":
		return nil, &UnsupportedError{"model", m.Type}
	case m.ByteFallback:
		return nil, &UnsupportedError{"model", "BPE on characters (byte_fallback)"}
	case m.Prefix != "" || m.Suffix != "":
		return nil, &UnsupportedError{"model", "BPE with marked word parts"}
	case m.Dropout != 0:
		return nil, &UnsupportedError{"model", "BPE with dropout"}
	case len(m.Vocab) == 0:
		return nil, &FormatError{"it has no vocabulary"}
	}
	if err := checkNormalizer(f.Normalizer); err != nil {
		return nil, err
	}
	t := &Tokenizer{
		ignoreMerges: m.IgnoreMerges,
		vocab:        make(map[string]int, len(m.Vocab)),
		text:         make(map[int]string, len(m.Vocab)+len(f.Added)),
		merges:       make(map[pair]merge, len(m.Merges)),
		known:        make(map[string]int),
	}
	if err := t.preTokenizer(f.PreTokenizer); err != nil {
		return nil, err
	}
	if err := t.addVocab(m.Vocab); err != nil {
		return nil, err
	}
	if err := t.addMerges(m.Vocab, m.Merges); err != nil {
		return nil, err
	}
	var raw, late []addedToken
	for _, a := range f.Added {
		switch {
		case a.Content == "":
			continue // never found
		case a.ID < 0:
			return nil, &FormatError{fmt.Sprintf("added token %q has the id %d", a.Content, a.ID)}
		case a.Normalized:
			late = append(late, a)
		default:
			raw = append(raw, a)
		}
		t.text[a.ID] = a.Content
	}
	t.raw, t.late = newAdded(raw), newAdded(late)
	return t, nil
}

// checkNormalizer accepts NFC, and no normalizer at all.
//
// Note: text is taken to be NFC already. Composing it would need one more dependency, and
// the text of models and of made-up prompts is NFC.
func checkNormalizer(raw json.RawMessage) error {
	var n *struct {
		Type  string            `json:"type"`
		Parts []json.RawMessage `json:"normalizers"`
	}
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return &FormatError{notJSON(err)}
	}
	switch {
	case n == nil, n.Type == "NFC", n.Type == "Sequence" && len(n.Parts) == 0:
		return nil
	}
	return &UnsupportedError{"normalizer", n.Type}
}

// preTokenizer accepts ByteLevel with its own split, or a Split by a known
// pattern before a ByteLevel without one.
func (t *Tokenizer) preTokenizer(p *preTokenizer) error {
	if p == nil {
		return &UnsupportedError{"pre_tokenizer", "none"}
	}
	parts := []preTokenizer{*p}
	if p.Type == "Sequence" {
		parts = p.Parts
	}
	var kinds []string
	for _, part := range parts {
		kinds = append(kinds, part.Type)
	}
	shape := strings.Join(kinds, " + ")
	switch shape {
	case "ByteLevel":
		if b := parts[0]; b.UseRegex != nil && !*b.UseRegex {
			return &UnsupportedError{"pre_tokenizer", "ByteLevel without a split"}
		}
		t.split = splitGPT2
	case "Split + ByteLevel":
		s, b := parts[0], parts[1]
		switch {
		case s.Behavior != "Isolated" || s.Invert:
			return &UnsupportedError{"pre_tokenizer", fmt.Sprintf("a Split with behavior %s, invert %v", s.Behavior, s.Invert)}
		case b.UseRegex == nil || *b.UseRegex:
			return &UnsupportedError{"pre_tokenizer", "two splits, one behind the other"}
		case b.PrefixSpace:
			return &UnsupportedError{"pre_tokenizer", "a Split whose every piece gets a space"}
		}
		t.split = splitters[s.Pattern.Regex]
		if t.split == nil {
			return &UnsupportedError{"pre_tokenizer", fmt.Sprintf("a Split by the pattern %q", s.Pattern.Regex+s.Pattern.String)}
		}
	default:
		return &UnsupportedError{"pre_tokenizer", shape}
	}
	t.prefixSpace = parts[len(parts)-1].PrefixSpace
	return nil
}

// addVocab takes in the vocabulary. It must have a token for each byte.
func (t *Tokenizer) addVocab(vocab map[string]int) error {
	for token, id := range vocab {
		if id < 0 {
			return &FormatError{fmt.Sprintf("token %q has the id %d", token, id)}
		}
		if was, taken := t.text[id]; taken {
			return &FormatError{fmt.Sprintf("tokens %q and %q have the same id %d", was, token, id)}
		}
		raw, ok := unspell(token)
		if !ok {
			raw = token // a special token, which is only ever found as an added one
		} else {
			t.vocab[raw] = id
		}
		t.text[id] = raw
	}
	for b := range 256 {
		id, ok := vocab[string(spelled[b])]
		if !ok {
			return &UnsupportedError{"model", fmt.Sprintf("a vocabulary without byte 0x%02X", b)}
		}
		t.bytes[b] = id
	}
	return nil
}

// addMerges takes in the merges, whose order is their rank.
func (t *Tokenizer) addMerges(vocab map[string]int, rules []mergeRule) error {
	for rank, m := range rules {
		left, ok1 := vocab[m[0]]
		right, ok2 := vocab[m[1]]
		id, ok3 := vocab[m[0]+m[1]]
		if !ok1 || !ok2 || !ok3 {
			return &FormatError{fmt.Sprintf("merge %d of %q and %q has a token that is not in the vocabulary", rank, m[0], m[1])}
		}
		t.merges[pair{left, right}] = merge{rank, id}
	}
	return nil
}

// spelled is how a vocabulary writes each byte: as itself if it is visible, otherwise as a
// letter from U+0100 on (openai/gpt-2, src/encoder.py, bytes_to_unicode). byteOf is the
// inverse.
var spelled, byteOf = func() (spelled [256]rune, byteOf map[rune]byte) {
	byteOf = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' && r <= 'ÿ') {
			r, next = next, next+1
		}
		spelled[b] = r
		byteOf[r] = byte(b)
	}
	return spelled, byteOf
}()

// unspell returns the bytes of a token. ok is false if it is not written in the alphabet
// of bytes.
func unspell(token string) (raw string, ok bool) {
	b := make([]byte, 0, len(token))
	for _, r := range token {
		c, ok := byteOf[r]
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}
