package loadgen

import (
	"regexp"
	"strings"
	"unicode"
)

// A server's words go into logs that terminals, go test and build systems read, and into
// pages. The functions below take from them what is not words.

// sequence finds the escape sequences of terminals: colors, titles, links and moves of the
// cursor.
var sequence = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])" +
	"[^\x07\x1b\u009c]*(?:\x07|\x1b\\\\|\u009c|$)|\x1b[ -/]*[0-~]")

// visible returns text without what has no picture or changes the picture of the rest:
// escape sequences, control characters, and marks that reorder text or have no width. Line
// ends remain, other white space becomes a space, and what is not UTF-8 becomes U+FFFD.
func visible(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if plainASCII(text) {
		return text
	}
	text = sequence.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsSpace(r): // also U+0085, U+2028 and U+2029
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Variation_Selector, r),
			r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0: // fillers of Hangul, which are blank
			return -1
		}
		return r
	}, text)
}

// plainASCII reports whether a text has nothing but printable ASCII characters and line
// ends, as nearly all texts have.
func plainASCII(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != '\n' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

// What build systems and go test act on when a line begins with it. A line may begin at
// any word, since logs are wrapped.
var (
	command   = regexp.MustCompile(`(^|\s)(:+|#+)(:[\w-]|#\w*\[)`)
	verdict   = regexp.MustCompile(`(^|\s)(?:-{3,}|={3,})(\s+(?:PASS|FAIL|SKIP|BENCH|RUN|PAUSE|CONT|NAME|ATTR|ARTIFACTS)\b)`)
	benchmark = regexp.MustCompile(`(^|\s)Benchmark([^a-z\s]|\s|$)`)
)

// unmarked returns text in which no word is a command to GitHub Actions (::error::),
// Azure Pipelines or TeamCity (##vso[…]), or looks like a line of go test's own output
// (--- FAIL, === RUN, BenchmarkX).
func unmarked(text string) string {
	text = command.ReplaceAllString(text, "$1$2 $3")
	text = verdict.ReplaceAllString(text, "$1--$2")
	return benchmark.ReplaceAllString(text, "${1}benchmark$2")
}
