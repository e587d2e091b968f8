package bpe

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitter returns the length in bytes of the first piece of a text, which must not be
// empty.
//
// Note: package regexp has no lookahead, and the patterns need one, so each of them is a
// scanner written by hand. The tests hold the scanners to the patterns.
type splitter func(text string) int

// The patterns, as tokenizer.json files spell them.
const (
	// patternGPT2 is GPT-2's (openai/gpt-2, src/encoder.py), which Hugging
	// Face's ByteLevel pre-tokenizer has built in.
	patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	// patternLlama3 is Llama 3's (meta-llama/llama3, llama/tokenizer.py), the
	// same as that of OpenAI's cl100k_base.
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	// patternQwen2 is Qwen 2's: Llama 3's with single digits.
	patternQwen2 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var splitters = map[string]splitter{
	patternGPT2:   splitGPT2,
	patternLlama3: func(text string) int { return splitLlama3(text, 3) },
	patternQwen2:  func(text string) int { return splitLlama3(text, 1) },
}

// class is what the patterns distinguish characters by. A byte that is not UTF-8 is other.
type class uint8

const (
	other  class = iota // [^\s\p{L}\p{N}]
	letter              // \p{L}
	number              // \p{N}
	space               // \s
)

// classOf returns the class of r. Most text is ASCII, whose classes need no tables.
func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			return letter
		case '0' <= r && r <= '9':
			return number
		case r == ' ' || '\t' <= r && r <= '\r':
			return space
		}
		return other
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// first returns the class and the length of text's first character. The length is 0 if
// text is empty.
func first(text string) (class, int) {
	if text == "" {
		return other, 0
	}
	r, n := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && n == 1 {
		return other, 1
	}
	return classOf(r), n
}

// run returns the length in bytes of the characters of class c that text begins with, at
// most the given number of characters.
func run(text string, c class, most int) (length int) {
	for ; most > 0; most-- {
		k, n := first(text[length:])
		if n == 0 || k != c {
			break
		}
		length += n
	}
	return length
}

// all is more characters than any text has.
const all = math.MaxInt

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the start of text,
// 0 if there is none. fold ignores case.
func contraction(text string, fold bool) int {
	if text[0] != '\'' || len(text) < 2 {
		return 0
	}
	rest := text[1:]
	for _, c := range []string{"s", "t", "re", "ve", "m", "ll", "d"} {
		switch {
		case strings.HasPrefix(rest, c):
			return 1 + len(c)
		case !fold:
		case len(rest) >= len(c) && strings.EqualFold(rest[:len(c)], c):
			return 1 + len(c)
		case c == "s" && strings.HasPrefix(rest, "ſ"): // folds to s
			return 1 + len("ſ")
		}
	}
	return 0
}

// splitGPT2 is the scanner of patternGPT2.
func splitGPT2(text string) int {
	if n := contraction(text, false); n > 0 {
		return n
	}
	// " ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
	lead := 0
	if text[0] == ' ' {
		lead = 1
	}
	if c, n := first(text[lead:]); n > 0 && c != space {
		return lead + run(text[lead:], c, all)
	}
	return blank(text)
}

// splitLlama3 is the scanner of patternLlama3 and patternQwen2. It differs from GPT-2's in
// what may lead a word (any character but a line end, a letter or a number), in numbers,
// which have at most the given number of digits, and in line ends, which stay with the
// punctuation or the white space before them.
func splitLlama3(text string, digits int) int {
	if n := contraction(text, true); n > 0 {
		return n
	}
	c, n := first(text)
	switch c {
	case letter:
		return run(text, letter, all)
	case number:
		return run(text, number, digits)
	}
	// "[^\r\n\p{L}\p{N}]?\p{L}+"
	if text[0] != '\r' && text[0] != '\n' {
		if letters := run(text[n:], letter, all); letters > 0 {
			return n + letters
		}
	}
	// " ?[^\s\p{L}\p{N}]+[\r\n]*"
	lead := 0
	if text[0] == ' ' {
		lead = 1
	}
	if marks := run(text[lead:], other, all); marks > 0 {
		end := lead + marks
		for end < len(text) && (text[end] == '\r' || text[end] == '\n') {
			end++
		}
		return end
	}
	// "\s*[\r\n]+": to the last line end of the white space.
	if n := strings.LastIndexAny(text[:run(text, space, all)], "\r\n"); n >= 0 {
		return n + 1
	}
	return blank(text)
}

// blank is the scanner of "\s+(?!\S)|\s+": white space, without its last character if
// something follows that the character leads, unless there is only that one.
func blank(text string) int {
	n := run(text, space, all)
	if n == len(text) {
		return n
	}
	if _, last := utf8.DecodeLastRuneInString(text[:n]); last < n {
		return n - last
	}
	return n
}
