package loadgen

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// mostMoves is how many redirects are followed.
const mostMoves = 5

// errMoved says that the endpoint has another base URL than before, and is to be asked again.
var errMoved = errors.New("the endpoint was redirected")

// redirected follows a redirect of a route of the endpoint, if it leads to the same route on
// the same host, and returns errMoved. Requests then go there directly, so that no redirect
// is part of a measurement. All others are errors that name where they lead: nothing is
// sent to another host, since the requests carry keys, nor from https to http.
func (g *Generator) redirected(asked string, from *url.URL, status int, location, route string) error {
	to, err := from.Parse(location)
	said := answered(asked, status, "Location: "+g.censor.said(redactURL(location)))
	if err != nil || to.Scheme != "http" && to.Scheme != "https" {
		return &ProtocolError{URL: g.name, Problem: said, Remedy: "use the URL of the API itself"}
	}
	path := strings.TrimRight(to.Path, "/")
	base, ok := strings.CutSuffix(path, "/"+route)
	if !ok {
		return &ProtocolError{URL: g.name, Problem: said,
			Remedy: "use the URL of the API itself: it redirects to something else, such as a login"}
	}
	if !strings.EqualFold(to.Hostname(), from.Hostname()) || from.Scheme == "https" && to.Scheme == "http" {
		there := url.URL{Scheme: to.Scheme, Host: to.Host, Path: base}
		return &ProtocolError{URL: g.name, Problem: said,
			Remedy: "redirects are followed within the host alone, since requests carry keys; use the URL " + g.censor.said(there.String())}
	}
	if g.moves++; g.moves > mostMoves {
		return &ProtocolError{URL: g.name, Problem: said, Remedy: "use the URL of the API itself: its redirects do not end"}
	}
	// A query of the new place is part of it. One of the old place stays where the new one has
	// none: it may hold the version of the API that is asked for.
	moved := *g.base
	moved.Scheme, moved.Host, moved.Path = to.Scheme, to.Host, base
	if to.RawQuery != "" {
		moved.RawQuery = to.RawQuery
	}
	if g.host == g.base.Host {
		g.host = to.Host
	}
	e := g.endpoint
	e.base, e.versioned, e.slash = &moved, false, strings.HasSuffix(to.Path, "/")
	// Connections to another port or of another scheme are opened anew, through the proxy that
	// is for them.
	if to.Scheme != from.Scheme || to.Host != from.Host {
		e.close()
		if e.socket == "" && g.target.Dial == nil {
			if e.proxy, err = proxyOf(&moved); err != nil {
				return &TargetError{Field: "URL", Problem: fmt.Sprintf("%s has a proxy that cannot be used: %v", e.name, err)}
			}
		}
		e.open(g.target)
	}
	g.note(fmt.Errorf("%s is redirected (%d) to %s, where requests are sent; use that URL",
		e.name, status, g.censor.said(redactURL(moved.String()))))
	return errMoved
}
