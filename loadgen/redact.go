package loadgen

import (
	"encoding/base64"
	"encoding/json"
	"html"
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

// schemeSecret finds what follows an authorization scheme, urlSecret the credentials of a
// URL, and querySecret the value of a parameter with a secret-looking name.
var (
	schemeSecret = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s"'\\,;]+`)
	urlSecret    = regexp.MustCompile(`://[^/\s"'<>]+@`)
	querySecret  = regexp.MustCompile(`(?i)([?&][a-z_-]*(?:key|token|secret|sig|signature|password)=)[^&\s"'<>]+`)
)

// Redact returns text with everything that is secret about the target starred, and
// without anything that a terminal, a build's log or a reader would take for something
// else ([harmless]). Servers quote keys in their errors, and networks quote URLs. Redact
// knows the API key, the values of headers and cookies, those of body fields with a
// secret-looking name, and the URL's credentials and query, each also as it looks escaped
// or in base64, and in any case. It also stars any word after Bearer or Basic, and the
// credentials of any URL.
func (t Target) Redact(text string) string { return newCensor(t).clean(text) }

// censor makes texts fit to leave the process. The zero censor knows no secrets.
type censor struct {
	secrets []string // in lower case, the longest first
}

// newCensor returns the censor of a target.
func newCensor(t Target) censor { return censor{t.secrets()} }

// clean returns text without secrets and made harmless.
//
// What cannot be seen is taken out first, since a key with something invisible in it is
// still a key to whoever reads it.
func (c censor) clean(text string) string { return unmarked(c.star(visible(text))) }

// star returns text with its secrets starred. Upper and lower case are the same: servers
// change the case of what they quote.
func (c censor) star(text string) string {
	low := lower(text)
	for _, s := range c.secrets {
		for i := strings.Index(low, s); i >= 0; {
			text = text[:i] + starred + text[i+len(s):]
			low = low[:i] + starred + low[i+len(s):]
			next := i + len(starred)
			if i = strings.Index(low[next:], s); i >= 0 {
				i += next
			}
		}
	}
	text = schemeSecret.ReplaceAllString(text, "$1 "+starred)
	text = querySecret.ReplaceAllString(text, "$1"+starred)
	return urlSecret.ReplaceAllString(text, "://"+starred+"@")
}

// said returns what a server or a network said as one line of at most 200 bytes. Nothing
// is cut before it is starred, except beyond mostRead, where the beginning of a secret at
// the cut is starred as well.
func (c censor) said(text string) string {
	const most = 200
	if len(text) > mostRead {
		text = c.starEnd(text[:mostRead])
	}
	text = unmarked(c.star(strings.Join(strings.Fields(visible(text)), " ")))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// mostRead is how much of a text is looked at, in bytes.
const mostRead = 64 << 10

// starEnd stars the beginning of a secret with which a text ends.
func (c censor) starEnd(text string) string {
	low := lower(text)
	for _, s := range c.secrets {
		for n := min(len(s)-1, len(low)); n >= shortestSecret; n-- {
			if strings.HasSuffix(low, s[:n]) {
				return text[:len(text)-n] + starred
			}
		}
	}
	return text
}

// failure returns err with a text that is fit to leave the process. The error that it
// wraps keeps its own, so that only what is printed changes.
func (c censor) failure(err error) error {
	const most = 4 << 10
	if err == nil {
		return nil
	}
	text := err.Error()
	if len(text) > mostRead {
		text = c.starEnd(text[:mostRead])
	}
	text = c.clean(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if text == err.Error() {
		return err
	}
	return &cleanError{err, text}
}

// cleanError is an error with another text.
type cleanError struct {
	error
	text string
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.error }

// lower returns s with its ASCII letters in lower case. Every byte keeps its place, unlike
// in strings.ToLower.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// secrets lists what must not be seen, in lower case. The longest come first, so that a
// secret which is part of another does not leave the other's rest behind.
func (t Target) secrets() []string {
	var out []string
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) < shortestSecret {
			return
		}
		for _, form := range []string{s, strings.Join(strings.Fields(s), " ")} {
			quoted := strconv.Quote(form)
			inJSON, _ := json.Marshal(form)
			escaped := string(inJSON[1 : len(inJSON)-1])
			out = append(out, form, url.QueryEscape(form), url.PathEscape(form), quoted[1:len(quoted)-1],
				escaped, strings.ReplaceAll(escaped, "/", `\/`), html.EscapeString(form), strings.ReplaceAll(form, "'", `\'`),
				strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#x27;").Replace(html.EscapeString(form)),
				base64.StdEncoding.EncodeToString([]byte(form)), base64.URLEncoding.EncodeToString([]byte(form)))
		}
	}
	add(t.APIKey)
	for k, values := range t.Header {
		switch strings.ToLower(k) {
		case "accept", "content-type", "user-agent", "host":
			continue
		}
		for _, v := range values {
			add(v)
			for _, word := range strings.FieldsFunc(v, func(r rune) bool { return r == ';' || r == ',' }) {
				if _, value, ok := strings.Cut(word, "="); ok && strings.EqualFold(k, "Cookie") { // session=abc; theme=dark
					add(word)
					add(value)
				}
			}
			scheme, word, ok := strings.Cut(strings.TrimSpace(v), " ")
			if !ok || !secretName(k) { // Bearer abc
				continue
			}
			add(word)
			if pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(word)); err == nil && strings.EqualFold(scheme, "Basic") {
				_, password, _ := strings.Cut(string(pair), ":")
				add(string(pair))
				add(password)
			}
		}
	}
	inURL := func(raw string, queries bool) {
		user, query := urlSecrets(raw)
		if p, ok := user.Password(); ok {
			add(p)
			add(user.Username() + ":" + p)
		} else if user != nil {
			add(user.Username())
		}
		for _, values := range query {
			for _, v := range values {
				if queries {
					add(v)
				}
			}
		}
	}
	for _, raw := range slices.Concat([]string{t.URL}, t.Others, t.Metrics) {
		inURL(raw, true)
		if u, err := new(endpoint).parse(raw); err == nil {
			if proxy, err := proxyOf(u); err == nil && proxy != nil {
				inURL(proxy.String(), false)
			}
		}
	}
	var inBody func(name string, v any)
	inBody = func(name string, v any) {
		switch v := v.(type) {
		case string:
			if secretName(name) {
				add(v)
			}
		case map[string]any:
			for k, inner := range v {
				inBody(k, inner)
			}
		case []any:
			for _, inner := range v {
				inBody(name, inner)
			}
		}
	}
	inBody("", t.Body)
	for i, s := range out {
		out[i] = lower(s)
	}
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}

// urlSecrets returns the credentials and the query of a URL, also of one that cannot be
// parsed or that has no scheme.
func urlSecrets(s string) (*url.Userinfo, url.Values) {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		return u.User, u.Query()
	}
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		rest = s
	}
	rest, text, _ := strings.Cut(rest, "?")
	query, _ := url.ParseQuery(text) // the pairs that can be read
	for _, pair := range strings.Split(text, "&") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			query[k] = append(query[k], v)
		}
	}
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return nil, query
	}
	name, password, ok := strings.Cut(rest[:i], ":")
	if !ok {
		return url.User(name), query
	}
	return url.UserPassword(name, password), query
}

// redactURL stars the credentials of a URL and cuts off its query. The parts of what cannot
// be parsed are not known, so that everything up to an @ might be a credential, and
// everything behind a question mark a key.
func redactURL(s string) string {
	scheme, rest, ok := strings.Cut(visible(s), "://")
	if !ok {
		scheme, rest = "", visible(s)
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = starred + rest[i:]
	}
	if ok {
		return scheme + "://" + rest
	}
	return rest
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
	c := newCensor(t)
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
			return c.star(v)
		}
		return v
	}
	out, _ := star(t.Body).(map[string]any)
	if out == nil {
		out = map[string]any{}
	}
	return out
}
