package loadgen

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// starred replaces a secret.
const starred = "***"

// shortestSecret is the least length in bytes at which a secret is looked for in text.
// Starring every "a" would hide nothing and spoil the text.
const shortestSecret = 4

// schemeSecret finds what follows an authorization scheme, and urlSecret the credentials
// of a URL.
var (
	schemeSecret = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s"'\\,;]+`)
	urlSecret    = regexp.MustCompile(`://[^/\s"'@]+@`)
)

// Redact returns text with everything that is secret about the target starred. Servers
// quote keys in their errors, and networks quote URLs. Redact knows the API key, the
// values of headers and of body fields with a secret-looking name, and the URL's
// credentials and query, each also as it looks escaped or in base64. It also stars any
// word after Bearer or Basic, and the credentials of any URL.
func (t Target) Redact(text string) string {
	if text == "" {
		return text
	}
	var pairs []string
	for _, s := range t.secrets() {
		pairs = append(pairs, s, starred)
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	text = schemeSecret.ReplaceAllString(text, "$1 "+starred)
	return urlSecret.ReplaceAllString(text, "://"+starred+"@")
}

// secrets lists what must not be seen. The longest come first, so that a secret which is
// part of another does not leave the other's rest behind.
func (t Target) secrets() []string {
	var out []string
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) < shortestSecret {
			return
		}
		quoted := strconv.Quote(s)
		out = append(out, s, url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1],
			base64.StdEncoding.EncodeToString([]byte(s)))
	}
	add(t.APIKey)
	for k, values := range t.Header {
		switch strings.ToLower(k) {
		case "accept", "content-type", "user-agent":
			continue
		}
		for _, v := range values {
			add(v)
			if _, word, ok := strings.Cut(strings.TrimSpace(v), " "); ok && secretName(k) { // Bearer abc
				add(word)
			}
		}
	}
	if u, err := url.Parse(t.URL); err == nil {
		if p, ok := u.User.Password(); ok {
			add(p)
			add(u.User.Username() + ":" + p)
		} else if u.User != nil {
			add(u.User.Username())
		}
		for _, values := range u.Query() {
			for _, v := range values {
				add(v)
			}
		}
	}
	for k, v := range t.Body {
		if s, ok := v.(string); ok && secretName(k) {
			add(s)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}

// secretName reports whether a field of that name is likely to hold a secret. Numbers of
// tokens are not secrets, although their names have the word in them.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"auth", "key", "token", "secret", "cookie", "passw", "credential", "session", "signature"} {
		if strings.Contains(name, word) && !strings.Contains(name, "max_") && !strings.HasSuffix(name, "tokens") {
			return true
		}
	}
	return false
}

// RedactedBody returns Body with every field starred, at any depth, whose name looks
// secret. It is empty and not nil if Body is empty.
func (t Target) RedactedBody() map[string]any {
	var star func(v any) any
	star = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for k, inner := range v {
				if out[k] = star(inner); secretName(k) {
					out[k] = starred
				}
			}
			return out
		case []any:
			out := []any{}
			for _, inner := range v {
				out = append(out, star(inner))
			}
			return out
		case string:
			return t.Redact(v)
		}
		return v
	}
	out, _ := star(t.Body).(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	return out
}
