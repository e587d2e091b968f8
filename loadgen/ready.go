package loadgen

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Server is what an endpoint says of itself.
type Server struct {
	// Model is the model that is measured.
	Model string
	// Models is what /v1/models lists. It may be empty.
	Models []string
	// Version is what /version says, empty if it says nothing.
	Version string
	// Cold is how long the first inference took that succeeded.
	Cold time.Duration
}

// Ready waits until the target answers a real, short inference. An open port proves
// nothing, and a fresh worker's first inference can take most of a minute. Ready then
// learns the model, how words map to prompt tokens, whether the server supports
// ignore_eos, and about how long a request takes.
//
// Refused connections and 503 are retried until Target.ReadyTimeout, and the error is
// then an *UnreachableError. What waiting cannot mend ends it at once: an
// *UnreachableError (for example no such host), *UnauthorizedError,
// *UnknownModelError or *ProtocolError. If ctx ends, its cause is wrapped.
func (g *Generator) Ready(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, g.target.ReadyTimeout)
	defer cancel()
	// last is what was wrong before the time was up. What is wrong then is only that
	// the time is up.
	var last error
	for first := true; ; first = false {
		err := g.greet(wait)
		if err == nil {
			return nil
		}
		var again *notYetError
		if !errors.As(err, &again) {
			return err
		}
		if wait.Err() == nil || last == nil {
			last = again.err
		}
		if first && g.target.Waiting != nil {
			g.target.Waiting(fmt.Errorf("waiting up to %v for endpoint %s: %w", g.target.ReadyTimeout, g.target.Redacted(), again.err))
		}
		if !sleep(wait, readyPause) {
			if ctx.Err() != nil {
				return fmt.Errorf("wait for endpoint %s: %w", g.target.Redacted(), context.Cause(ctx))
			}
			return &UnreachableError{URL: g.target.Redacted(), Err: fmt.Errorf("not ready after %v: %w", g.target.ReadyTimeout, last)}
		}
	}
}

// readyPause is the time between two attempts.
const readyPause = 500 * time.Millisecond

// aliveTries is how often Alive asks before it gives up.
const aliveTries = 4

// Alive asks the target for one short inference, as a run does when every request of a
// probe failed: a forwarder or a gateway still accepts connections for a server that is
// gone. It takes about two seconds to find that nobody answers, and Target.ReadyTimeout at
// most; the errors are those of Ready. Nothing that Ready has learnt changes.
func (g *Generator) Alive(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, g.target.ReadyTimeout)
	defer cancel()
	for try := 1; ; try++ {
		_, err := g.infer(wait, 8, 8)
		var again *notYetError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &again):
			return err
		case try == aliveTries || !sleep(wait, readyPause):
			return &UnreachableError{URL: g.target.Redacted(), Err: again.err}
		}
	}
}

// notYetError marks an error that waiting may mend.
type notYetError struct{ err error }

func (e *notYetError) Error() string { return e.err.Error() }
func (e *notYetError) Unwrap() error { return e.err }

// greet is one attempt of Ready. An error that waiting may mend is a *notYetError.
func (g *Generator) greet(ctx context.Context) error {
	if err := g.identify(ctx); err != nil {
		return err
	}
	// Two prompts of different lengths give the slope and the offset of tokens against
	// words. One would not do, since a chat template adds tokens of its own.
	const short, long, outputs = 8, 72, 8
	began := g.now()
	a, err := g.infer(ctx, short, outputs)
	if err != nil {
		return err
	}
	g.server.Cold = g.now() - began
	b, err := g.infer(ctx, long, outputs)
	if err != nil {
		return err
	}
	if !a.Estimated && !b.Estimated && b.ISL > a.ISL {
		g.cal.slope = float64(b.ISL-a.ISL) / (long - short)
		g.cal.base = float64(a.ISL) - g.cal.slope*short
	}
	// The pace is taken from the second inference, which finds the server warm. If
	// there are fewer than two events, the whole time is spread over the tokens.
	g.pace = pace{first: (b.EOF - b.Start) / outputs, token: (b.EOF - b.Start) / outputs}
	if n := len(b.Chunks); n > 1 {
		g.pace = pace{first: b.Chunks[0] - b.Start, token: (b.End - b.Chunks[0]) / time.Duration(n-1)}
	}
	return nil
}

// identify reads /v1/models and /version. A server need not have either, but if
// /v1/models lists models, the target's must be among them.
func (g *Generator) identify(ctx context.Context) error {
	status, body, err := g.get(ctx, g.base.JoinPath("models").String())
	if err != nil {
		return g.unreachable(err)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &UnauthorizedError{URL: g.target.Redacted(), Status: status, HasKey: g.target.APIKey != ""}
	case status == http.StatusServiceUnavailable:
		return &notYetError{fmt.Errorf("it answered 503: %s", shorten(errorText(body)))}
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	g.server.Models = nil
	if status == http.StatusOK && json.Unmarshal(body, &list) == nil {
		for _, m := range list.Data {
			g.server.Models = append(g.server.Models, m.ID)
		}
	}
	switch {
	case g.target.Model == "" && len(g.server.Models) == 1:
		g.server.Model = g.server.Models[0]
	case g.target.Model == "" && len(g.server.Models) == 0 && status != http.StatusOK:
		return &ProtocolError{URL: g.target.Redacted(),
			Problem: fmt.Sprintf("GET /v1/models answered %d, and no model is named", status)}
	case g.target.Model == "":
		return &UnknownModelError{URL: g.target.Redacted(), Served: g.server.Models}
	case len(g.server.Models) > 0 && !slices.Contains(g.server.Models, g.target.Model):
		return &UnknownModelError{URL: g.target.Redacted(), Model: g.target.Model, Served: g.server.Models}
	}
	root := *g.base
	root.Path = strings.TrimSuffix(root.Path, "/v1") + "/version"
	if status, body, err := g.get(ctx, root.String()); err == nil && status == http.StatusOK {
		var v struct {
			Version string `json:"version"`
		}
		if json.Unmarshal(body, &v) == nil {
			g.server.Version = shorten(v.Version)
		}
	}
	return nil
}

// infer runs one inference with the given numbers of prompt words and output tokens. If
// the server refuses ignore_eos, it does without from then on.
func (g *Generator) infer(ctx context.Context, words, outputs int) (Request, error) {
	if g.extra == nil {
		// With ignore_eos every answer has the requested length.
		g.extra = map[string]any{"ignore_eos": true}
	}
	l := Load{ISL: words, OSL: outputs, Seed: uint64(words)}
	w, err := newWorkload(g.target, g.server.Model, l, calibration{slope: 1}, g.extra)
	if err != nil {
		return Request{}, err
	}
	w.tokenizer = g.tokenizer
	s := newSlot(ctx, g, 0)
	rec := &record{ticket: ticket{work: w, index: -1}, scheduled: g.now()}
	s.perform(rec, w.body(0))
	q := rec.parse(!g.target.NoStream)
	if q.Failure == nil {
		return q, nil
	}
	switch rec.status {
	case 0:
		return q, g.unreachable(rec.err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return q, &UnauthorizedError{URL: g.target.Redacted(), Status: rec.status, HasKey: g.target.APIKey != ""}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return q, &notYetError{q.Failure}
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		// OpenAI's own API refuses fields that it does not know.
		if len(g.extra) > 0 && strings.Contains(string(rec.body), "ignore_eos") {
			g.extra = map[string]any{}
			return g.infer(ctx, words, outputs)
		}
	case http.StatusNotFound:
		if strings.Contains(strings.ToLower(string(rec.body)), "model") {
			return q, &UnknownModelError{URL: g.target.Redacted(), Model: g.server.Model, Served: g.server.Models}
		}
	}
	return q, &ProtocolError{URL: g.target.Redacted(), Problem: fmt.Sprintf("the readiness inference failed (%v)", q.Failure)}
}

// get fetches a document of at most 1 MiB. A web page with status 200 is a
// *ProtocolError, since many servers answer every path with their front page.
func (g *Generator) get(ctx context.Context, url string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header = g.header.Clone()
	req.Header.Set("Accept", "application/json")
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil, err
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" && resp.StatusCode == http.StatusOK {
		return 0, nil, &ProtocolError{URL: g.target.Redacted(), Problem: "it answers with a web page"}
	}
	return resp.StatusCode, body, nil
}

// unreachable classifies a transport error. It is a *notYetError unless waiting cannot
// mend it.
func (g *Generator) unreachable(err error) error {
	var proto *ProtocolError
	if errors.As(err, &proto) {
		return proto
	}
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &dns) && !dns.IsTemporary && !dns.IsTimeout,
		errors.As(err, &cert), errors.As(err, &record):
		return &UnreachableError{URL: g.target.Redacted(), Err: err}
	case strings.Contains(err.Error(), "malformed HTTP"): // net/http has no type for it
		return &ProtocolError{URL: g.target.Redacted(), Problem: err.Error()}
	}
	return &notYetError{err}
}
