package bpe

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is found in the text as it is written, before
// anything else is done.
type addedToken struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	// SingleWord says that the token counts only where no letter, digit or underscore
	// is beside it.
	SingleWord bool `json:"single_word"`
	// LStrip and RStrip say that the token takes the white space before and behind it.
	LStrip bool `json:"lstrip"`
	RStrip bool `json:"rstrip"`
	// Normalized says that the token is looked for in what the others have left.
	Normalized bool `json:"normalized"`
}

// added holds added tokens by their first byte, the longest first.
type added map[byte][]addedToken

// newAdded returns the index of tokens, none of which is empty.
func newAdded(tokens []addedToken) added {
	a := added{}
	for _, t := range tokens {
		a[t.Content[0]] = append(a[t.Content[0]], t)
	}
	for _, list := range a {
		sort.SliceStable(list, func(i, j int) bool { return len(list[i].Content) > len(list[j].Content) })
	}
	return a
}

// cut finds the tokens in text, the leftmost first and the longest of those. It calls
// token for each of them and between for each text between them, in the order of the
// text. between never gets an empty text.
func (a added) cut(text string, token func(id int), between func(string)) {
	from := 0
	for i := 0; len(a) > 0 && i < len(text); {
		t, ok := a.at(text, i)
		if !ok {
			i++
			continue
		}
		before, behind := i, i+len(t.Content)
		if t.LStrip {
			before = from + len(strings.TrimRightFunc(text[from:i], unicode.IsSpace))
		}
		if t.RStrip {
			behind = len(text) - len(strings.TrimLeftFunc(text[behind:], unicode.IsSpace))
		}
		if before > from {
			between(text[from:before])
		}
		token(t.ID)
		from, i = behind, behind
	}
	if from < len(text) {
		between(text[from:])
	}
}

// at returns the longest token that text has at offset i.
func (a added) at(text string, i int) (addedToken, bool) {
	for _, t := range a[text[i]] {
		if !strings.HasPrefix(text[i:], t.Content) {
			continue
		}
		if t.SingleWord {
			before, _ := utf8.DecodeLastRuneInString(text[:i])
			after, _ := utf8.DecodeRuneInString(text[i+len(t.Content):])
			if i > 0 && wordly(before) || i+len(t.Content) < len(text) && wordly(after) {
				continue
			}
		}
		return t, true
	}
	return addedToken{}, false
}

// wordly reports whether r belongs to a word.
func wordly(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
