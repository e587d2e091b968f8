package report

import (
	"regexp"
	"strings"
)

// entries are what the warnings say, each the words that no other has. docs/troubleshooting.md
// has an entry for each of them with an anchor, the words joined by dashes. Where a warning has
// several of them, the first counts.
var entries = []string{
	"the deadline came after",
	"the client was late",
	"the server does not keep up",
	"the load was not reached",
	"the boundary is too uncertain",
	"is known to only",
	"there is no limit on that",
	"not monotone",
	"token counts are estimates",
	"parts of the file of prompts are not used",
	"the file of prompts cannot be read",
	"its points take the place of the laws",
	"that were drawn for them",
	"that the file of prompts asks for",
	"has the API at",
	"is redirected",
	"go through the proxy",
	"the API key was sent without the white space",
	"the user and the password in the URL",
	"the server refuses fields of the request body",
	"prompts do not have the requested length",
	"the server answers in one piece",
	"something buffers the stream",
	"the probe was not steady",
	"answers end late",
	"prompts came from the server's cache",
	"the server sheds load",
	"repeated a probe that could not be measured",
	"answers begin with tokens that are not shown",
	"more requests were measured than asked for",
	"answers do not have the requested length",
	"the window held fewer requests",
	"the GPUs are not all known",
	"GPUs are read each",
	"does not use",
	"was not derived",
	"write artifacts to",
}

// The page is named by its path in the repository and not by an address: a log line has no
// room for more, and the text of the warning itself is complete.

// general is the anchor of the part of docs/troubleshooting.md that is about warnings.
const general = "it-measured-but-read-this"

// entryOf is the anchor of a warning's entry in docs/troubleshooting.md.
func entryOf(warning string) string {
	for _, says := range entries {
		if strings.Contains(warning, says) {
			return anchor(says)
		}
	}
	return general
}

// anchor makes an anchor of some words.
func anchor(words string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(words), "-"), "-")
}
