package loadgen

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/aiperf-go/aiperf/loadgen/codec"
)

// endpoint is one server of the target: where its requests go, and the connections there.
type endpoint struct {
	// name is the URL as it was given, without its credentials and its query.
	name string
	// base is scheme://host[/prefix]/v1[?query], below which are the routes. It has no
	// credentials.
	base *url.URL
	// host is the Host header, and header the others.
	host   string
	header http.Header
	// socket is the path of the Unix socket, empty for TCP. proxy is nil if connections
	// go to the server itself.
	socket string
	proxy  *url.URL
	// versioned says that base ends in a /v1 that the URL does not have.
	versioned bool
	// slash says that the server's routes end in a slash.
	slash bool
	// protocol is that of the route that the URL names, empty if it is a base URL.
	protocol Protocol

	dialer    *dialer
	transport *http.Transport
	// moves counts the redirects that were followed.
	moves int
	// shook says that a TLS handshake has succeeded.
	shook bool
	// closing is what is known of how the server treats connections.
	closing closing
}

// newEndpoint returns the endpoint at a URL of t, whose other fields are normalized. notes
// say which part of the URL is not used, and that there is a proxy. The error is a
// *TargetError.
func newEndpoint(t Target, raw string) (e *endpoint, notes []error, err error) {
	e = &endpoint{name: redactURL(raw)}
	u, err := e.parse(raw)
	if err != nil {
		return nil, nil, err
	}
	e.base = u
	e.protocol, e.versioned = strip(u, t.Protocol)
	if e.protocol != "" && t.Protocol != "" && e.protocol != t.Protocol {
		return nil, nil, &TargetError{Field: "URL",
			Problem: fmt.Sprintf("%s is that of the %s API, and Protocol is %q; leave one of them out", e.name, e.protocol, t.Protocol)}
	}
	e.host, e.header = u.Host, t.headers()
	if host := e.header.Get("Host"); host != "" { // net/http takes it from another place
		e.host = host
		delete(e.header, "Host")
	}
	if user := u.User; user != nil {
		u.User = nil
		switch {
		case t.APIKey != "":
			notes = append(notes, errors.New("the user and the password in the URL are not sent, since there is an API key"))
		case e.header.Get("Authorization") != "":
			notes = append(notes, errors.New("the user and the password in the URL are not sent, since there is a header Authorization"))
		default:
			password, _ := user.Password()
			e.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
		}
	}
	if e.socket == "" && t.Dial == nil {
		if e.proxy, err = proxyOf(u); err != nil {
			return nil, nil, &TargetError{Field: "URL", Problem: fmt.Sprintf("%s has a proxy that cannot be used: %v", e.name, err)}
		}
	}
	if e.proxy != nil {
		notes = append(notes, fmt.Errorf("requests to %s go through the proxy %s (HTTP_PROXY, HTTPS_PROXY; NO_PROXY excepts hosts), "+
			"and what it adds is part of the times", e.name, redactURL(e.proxy.String())))
	}
	e.open(t)
	return e, notes, nil
}

// open makes what connects to the endpoint. Nothing is dialed.
func (e *endpoint) open(t Target) {
	e.dialer = newDialer(t, e)
	e.transport = e.dialer.transport(e.proxy)
}

// close ends every connection that is idle.
func (e *endpoint) close() {
	e.dialer.drop(true)
	e.transport.CloseIdleConnections()
}

// parse reads a URL as people give it: http or https, or that of a Unix socket, as
// unix:///run/vllm.sock or, with a path behind the socket's, unix:///run/vllm.sock:/v1.
func (e *endpoint) parse(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil, &TargetError{Field: "URL", Problem: "is empty; set it to the endpoint's base URL, for example http://127.0.0.1:8000"}
	}
	scheme, rest, _ := strings.Cut(raw, ":")
	if scheme = strings.ToLower(scheme); scheme == "unix" || scheme == "http+unix" {
		path, query, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		socket, path, _ := strings.Cut(path, ":")
		if scheme == "http+unix" { // http+unix://%2Frun%2Fx.sock/v1, as Docker and requests have it
			socket, path, _ = strings.Cut(socket, "/")
			if s, err := url.PathUnescape(socket); err == nil {
				socket = s
			}
		}
		if socket == "" || socket == "/" {
			return nil, &TargetError{Field: "URL", Problem: fmt.Sprintf("%q names no socket; write it as unix:///run/server.sock", e.name)}
		}
		e.socket = socket
		return &url.URL{Scheme: "http", Host: "localhost", Path: "/" + strings.Trim(path, "/"), RawQuery: query}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, &TargetError{Field: "URL",
			Problem: fmt.Sprintf("%q is not an http or https base URL, for example http://127.0.0.1:8000, nor unix:///run/server.sock", e.name)}
	}
	return u, nil
}

// version finds the last part of a base URL that has its own version of the API.
var version = regexp.MustCompile(`^v\d+([a-z]+\d*)?$`)

// strip leaves the base of a URL, below which are the routes, and returns the protocol of
// the route that it took away. Of several that have the route it is the one that is given.
// /v1 is added, and added true, unless the URL has a version of its own (/api/v3,
// /v1beta/openai, /v1/account/gateway/openai) or names a deployment of Azure's.
func strip(u *url.URL, given Protocol) (p Protocol, added bool) {
	path := strings.TrimRight(u.Path, "/")
	full := true
	own, _ := codec.Lookup(given)
	route := "/"
	if own != nil {
		route += strings.Trim(own.Spec().Path, "/")
	}
	c, base, known := codec.ByPath(path)
	switch {
	case own != nil && strings.HasSuffix(path, route) && !(known && len(c.Spec().Path) > len(own.Spec().Path)):
		path, p = strings.TrimSuffix(path, route), given
	case known:
		path, p = base, c.Spec().Name
	case strings.HasSuffix(path, "/models"):
		path = strings.TrimSuffix(path, "/models")
	default:
		full = false
	}
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	switch {
	case full, version.MatchString(last), last == "openai" && slices.ContainsFunc(parts, version.MatchString),
		len(parts) > 1 && parts[len(parts)-2] == "deployments":
	default:
		path, added = path+"/v1", true
	}
	u.Path, u.RawPath, u.Fragment = path, "", ""
	return p, added
}

// proxyOf returns the proxy that the environment names for a URL, nil if it names none.
//
// Note: http.ProxyFromEnvironment reads the environment once a process, so that a test
// which sets it has no effect. The package that it is made of does not.
func proxyOf(u *url.URL) (*url.URL, error) { return httpproxy.FromEnvironment().ProxyFunc()(u) }

// Route returns the URL of a route of the endpoint, for example models, without credentials
// and query, for people.
func (t Target) Route(name string) string {
	u, err := new(endpoint).parse(t.URL)
	if err != nil {
		return t.Redacted()
	}
	strip(u, t.Protocol)
	return redactURL((&endpoint{base: u}).route(name).String())
}

// route is the URL of a route below the base, for example models. Its query is the base's.
// One that begins with a slash is below what is before the version.
func (e *endpoint) route(name string) *url.URL {
	u := *e.base
	if rooted, ok := strings.CutPrefix(name, "/"); ok {
		if up, last := path.Split(u.Path); version.MatchString(last) {
			u.Path = strings.TrimSuffix(up, "/")
		}
		name = rooted
	}
	u.Path += "/" + name
	if e.slash {
		u.Path += "/"
	}
	return &u
}

// requestHeader returns the headers of the request with the given name, which servers and
// gateways log, and with that of its conversation, by which some of them send all its turns to
// one server. The latter is empty for a request that stands alone. Names of the user's own are
// left.
func (e *endpoint) requestHeader(id, session string) http.Header {
	h := maps.Clone(e.header)
	if _, ok := h["X-Request-Id"]; !ok {
		h["X-Request-Id"] = []string{id}
	}
	if _, ok := h["X-Correlation-Id"]; !ok && session != "" {
		h["X-Correlation-Id"] = []string{session}
	}
	return h
}
