package loadgen

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// fields says which fields of a request's body the server accepts. The zero fields leaves
// nothing out.
type fields struct {
	// without lists the fields that the server refused.
	without []string
	// completion says that the length of answers is asked for as max_completion_tokens,
	// as OpenAI's own API wants it for reasoning models, and not as max_tokens.
	completion bool
	// long says that the server refuses answers of fewer than longAnswer tokens.
	long bool
	// fixed says that the API has one name for the length, or none.
	fixed bool
}

// The two names of the field that bounds an answer's length.
const (
	maxTokens     = "max_tokens"
	maxCompletion = "max_completion_tokens"
)

// optional lists what a measurement can do without, in the order in which it is given up.
// The last two are sent only if Target.Body has them.
var optional = []string{"ignore_eos", "stream_options", "min_tokens", "seed"}

// drop returns f without one more field.
func (f fields) drop(name string) fields {
	f.without = append(slices.Clip(f.without), name)
	return f
}

// concede returns what to send to a server that refused a body with the given words:
// one field fewer, if the words name a field that can be given up, or the other name of the
// length's field. If they name none, the fields are given up all the same, one after the
// other, since some servers do not say what they refuse. ok is false if nothing is left to
// give up. sent reports whether the refused body has a field.
func (f fields) concede(words string, sent func(name string) bool) (next fields, ok bool) {
	swap := !f.completion && !f.fixed && sent(maxTokens)
	for _, name := range optional {
		if sent(name) && names(words, name) {
			return f.drop(name), true
		}
	}
	if swap && (names(words, maxTokens) || names(words, maxCompletion)) {
		f.completion = true
		return f, true
	}
	for _, name := range optional[:2] {
		if sent(name) {
			return f.drop(name), true
		}
	}
	f.completion = f.completion || swap
	return f, swap
}

// names reports whether words have name as a word of its own.
func names(words, name string) bool {
	return regexp.MustCompile(`(^|[^A-Za-z0-9_])` + name + `($|[^A-Za-z0-9_])`).MatchString(words)
}

// longAnswer is an answer's length that every API accepts. Some refuse a shorter one; OpenAI's
// responses have at least 16 tokens.
const longAnswer = 16

// tooShort reports whether words say that an answer is asked for which is too short, by one of
// the names of its length.
func tooShort(words string, lengths []string) bool {
	return atLeast.MatchString(words) && slices.ContainsFunc(lengths, func(name string) bool { return names(words, name) })
}

// atLeast is how servers put a least value.
var atLeast = regexp.MustCompile(`(?i)at least|minimum|below|greater than|less than|too small|>`)

// refused reports whether a status says that the server does not accept the body.
func refused(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

// given says what f leaves out in comparison with before, with the server's words. It is
// nil if that is nothing.
func (f fields) given(before fields, words string) error {
	var parts []string
	if out := f.without[len(before.without):]; len(out) > 0 {
		part := "requests leave out " + strings.Join(out, " and ")
		if slices.Contains(out, "ignore_eos") {
			part += ", so answers may end early"
		}
		parts = append(parts, part)
	}
	if f.completion != before.completion {
		parts = append(parts, "requests have "+maxCompletion+" in place of "+maxTokens)
	}
	if parts == nil {
		return nil
	}
	return fmt.Errorf("the server refuses fields of the request body: %s (it said: %s)", strings.Join(parts, ", and "), words)
}
