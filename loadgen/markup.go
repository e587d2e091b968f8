package loadgen

import (
	"bytes"
	"html"
	"regexp"
	"strings"
)

var (
	// unseen finds the parts of a page that nobody reads, and tag its tags.
	unseen = regexp.MustCompile(`(?is)<!--.*?-->|<!doctype[^>]*>|<head\b.*?</head\s*>|<script\b.*?</script\s*>|<style\b.*?</style\s*>`)
	title  = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`)
	tag    = regexp.MustCompile(`(?s)<[/a-zA-Z!?][^>]*>`)
)

// plain returns the text of a web page without its markup: the title, and what the page
// says beside it. A text that is no page stays as it is. Gateways answer with pages of
// which one line matters.
func plain(body []byte) string {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 1000)]))
	if !bytes.HasPrefix(head, []byte("<")) || !bytes.Contains(head, []byte("html")) && !bytes.Contains(head, []byte("<h1")) {
		return string(body)
	}
	if len(body) > mostRead {
		body = body[:mostRead]
		if i := bytes.LastIndexAny(body, " \t\r\n<>"); i >= 0 { // what is cut may be the beginning of a secret
			body = body[:i]
		}
	}
	words := func(b []byte) string {
		return strings.Join(strings.Fields(html.UnescapeString(string(tag.ReplaceAll(b, []byte(" "))))), " ")
	}
	name := ""
	if m := title.FindSubmatch(body); m != nil {
		name = words(m[1])
	}
	rest := words(unseen.ReplaceAll(body, []byte(" ")))
	switch {
	case name == "" || strings.HasPrefix(rest, name):
		return rest
	case rest == "":
		return name
	}
	return name + ": " + strings.TrimSpace(strings.TrimPrefix(rest, name))
}
