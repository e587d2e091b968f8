package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/codec"
)

// Server is what an endpoint says of itself, and what Ready found out about it.
type Server struct {
	// Model is the model that is measured.
	Model string
	// Models is what /v1/models lists. It may be empty.
	Models []string
	// Context is the greatest number of tokens that a prompt and its answer may have
	// together, as /v1/models says. It is 0 if it does not say so.
	Context int
	// Version is what /version says, empty if it says nothing.
	Version string
	// Cold is how long the first inference took that succeeded.
	Cold time.Duration
	// First is about how long the idle server took to the first token of a short request, and
	// Token from each token of its answer to the next. Both are 0 where that is not known.
	First, Token time.Duration
	// Notes are what a reader of the numbers should know of the server, for example
	// which fields of the request body it refused.
	Notes []error
}

// Request returns about how long one request of a load takes on the idle server: First, and Token
// for each further token that an answer has on average. It is 0 where First and Token are.
func (s Server) Request(l Load) time.Duration {
	_, osl := l.means()
	return s.First + time.Duration((osl-1)*float64(s.Token))
}

// Ready waits until the target answers a real, short inference. An open port proves
// nothing, and a fresh worker's first inference can take most of a minute. Ready then
// learns the model, how words map to prompt tokens, which fields of a request the server
// refuses, and about how long a request takes.
//
// Only the inference decides. If Target.Model names the model, nothing that /v1/models or
// /version answer matters. Otherwise the list is needed to choose the only model, and is
// waited for as the inference is.
//
// What may pass is retried until Target.ReadyTimeout: refused and reset connections, and
// the statuses 404, 429 and nearly all from 500 on. The error is then an
// *UnreachableError, a *ProtocolError or an *UnknownModelError. What waiting cannot mend
// ends it at once: an *UnreachableError (for example no such host), *UnauthorizedError,
// *UnknownModelError or *ProtocolError. If ctx ends, its cause is wrapped.
func (g *Generator) Ready(ctx context.Context) error { return g.censor.failure(g.ready(ctx)) }

// ready is Ready with errors that may hold what a server said in full.
func (g *Generator) ready(ctx context.Context) error {
	defer func() { g.endpoint = g.ends[0] }()
	for _, e := range g.ends {
		g.endpoint = e
		if err := g.await(ctx); err != nil {
			return err
		}
	}
	g.seek(ctx)
	return nil
}

// await waits for the endpoint that Ready is talking to.
func (g *Generator) await(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, g.target.ReadyTimeout)
	defer cancel()
	// last is what was wrong before the time was up. What is wrong then is only that
	// the time is up.
	var last error
	for first := true; ; first = false {
		err := g.mixedUp(wait, g.greet)
		if err == nil {
			return nil
		}
		if errors.Is(err, errMoved) {
			continue
		}
		var again *notYetError
		if !errors.As(err, &again) {
			return err
		}
		if wait.Err() == nil || last == nil {
			last = again.err
		}
		if first && g.target.Waiting != nil {
			g.target.Waiting(g.censor.failure(
				fmt.Errorf("waiting up to %v for endpoint %s: %w", g.target.ReadyTimeout, g.name, again.err)))
		}
		if !sleep(wait, readyPause) {
			if ctx.Err() != nil {
				return fmt.Errorf("wait for endpoint %s: %w", g.name, context.Cause(ctx))
			}
			return g.late(last)
		}
	}
}

// readyPause is the time between two attempts.
const readyPause = 500 * time.Millisecond

// late is the error of an endpoint that was not ready in time, and last what was wrong.
func (g *Generator) late(last error) error {
	if typed := (interface{ remedy() string })(nil); errors.As(last, &typed) {
		return fmt.Errorf("not ready after %v: %w", g.target.ReadyTimeout, last) // it has its own advice
	}
	return &UnreachableError{URL: g.name, Err: fmt.Errorf("not ready after %v: %w", g.target.ReadyTimeout, last)}
}

// aliveTries is how often Alive asks before it gives up.
const aliveTries = 4

// Alive asks the target for one short inference, as a run does when every request of a
// probe failed: a forwarder or a gateway still accepts connections for a server that is
// gone. It takes about two seconds to find that nobody answers, and Target.ReadyTimeout at
// most; the errors are those of Ready. Nothing that Ready has learnt changes.
func (g *Generator) Alive(ctx context.Context) error { return g.censor.failure(g.alive(ctx)) }

// alive is Alive with errors that may hold what a server said in full.
func (g *Generator) alive(ctx context.Context) error {
	// A short prompt and a short answer: a server that is only overloaded answers them soon
	// after the load has gone.
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
		case errors.Is(err, errMoved) && try < aliveTries: // it is asked at once
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
	if g.target.Model == "" {
		if err := g.choose(ctx); err != nil {
			return err
		}
	}
	// Two prompts of different lengths give the slope and the offset of tokens against
	// words. One would not do, since a chat template adds tokens of its own.
	const long, outputs = 72, 8
	short := 8
	if g.target.speaks() == codec.Rerank {
		short = 9 // as long, in a query and eight documents, as they are divided into
	}
	a, err := g.infer(ctx, short, outputs)
	if err != nil {
		return err
	}
	g.server.Cold = a.EOF - a.Scheduled
	b, err := g.infer(ctx, long, outputs)
	if err != nil {
		return err
	}
	if !a.guessed.isl && !b.guessed.isl && b.ISL > a.ISL {
		g.cal.slope = float64(b.ISL-a.ISL) / float64(long-short)
		g.cal.base = float64(a.ISL) - g.cal.slope*float64(short)
	}
	// First and Token are taken from the second inference, which finds the server warm. If
	// there are fewer than two events, the whole time is spread over the tokens.
	each := (b.EOF - b.Start) / time.Duration(cmp.Or(b.asked, outputs))
	g.server.First, g.server.Token = each, each
	if !g.target.speaks().Spec().Tokens { // there is nothing that a longer answer would take
		g.server.First, g.server.Token = b.EOF-b.Start, 0
	}
	if n := len(b.Chunks); n > 1 {
		g.server.First, g.server.Token = b.Chunks[0]-b.Start, (b.End-b.Chunks[0])/time.Duration(n-1)
	}
	if !g.identified && !g.target.NoStream && !b.Streamed {
		g.server.Notes = append(g.server.Notes, errors.New("the server answers in one piece although event streams are asked for; "+
			"time to first token and inter-token latency have no values"))
	}
	g.identify(ctx)
	return nil
}

// The times that routes may take which are of use and not needed. They are short, since
// some gateways never answer a path that they do not know.
const (
	modelsPatience  = 2 * time.Second
	versionPatience = time.Second
)

// identify asks what the server says of itself, once. Whatever it answers is no error.
func (g *Generator) identify(ctx context.Context) {
	if g.identified {
		return
	}
	g.identified = true
	if g.target.Model != "" {
		g.list(ctx)
	}
	root := *g.base
	if up, last := path.Split(root.Path); version.MatchString(last) {
		root.Path = strings.TrimSuffix(up, "/")
	}
	root.Path += "/version"
	ctx, cancel := context.WithTimeout(ctx, versionPatience)
	defer cancel()
	if a, err := g.get(ctx, root.String()); err == nil && a.status == http.StatusOK {
		var v struct {
			Version string `json:"version"`
		}
		if json.Unmarshal(a.body, &v) == nil {
			g.server.Version = g.censor.said(v.Version)
		}
	}
}

// list reads /v1/models for what it says of the model that is named.
func (g *Generator) list(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, modelsPatience)
	defer cancel()
	a, err := g.get(ctx, g.route("models").String())
	if err != nil || !accepted(a.status) {
		return
	}
	if models, ok := readModels(a.body); ok {
		g.server.fill(models)
	}
}

// choose takes the only model that /v1/models lists. An error that waiting may mend is a
// *notYetError.
func (g *Generator) choose(ctx context.Context) error {
	u := g.route("models")
	asked := "GET " + redactURL(u.String())
	a, err := g.get(ctx, u.String())
	if err != nil {
		return g.unreachable(asked, err)
	}
	if a.status >= 300 && a.status < 400 && a.location != "" {
		return g.redirected(asked, u, a.status, a.location, "models")
	}
	none := &UnknownModelError{URL: g.name, Problem: a.said(asked, g.censor)}
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return &UnauthorizedError{URL: g.name, Status: a.status, HasKey: g.target.APIKey != "",
			Asked: asked, Said: g.censor.said(errorText(a.body)), List: true}
	case a.status == http.StatusNotFound && g.unversioned(ctx, g.lists):
		return errMoved
	case passing(a.status):
		return &notYetError{none}
	case !accepted(a.status):
		return none
	}
	models, ok := readModels(a.body)
	if !ok && a.failed() { // a model that is being loaded, for example
		return &notYetError{none}
	}
	if !ok {
		return none
	}
	if len(models) == 1 {
		g.server.Model = models[0].id
	}
	g.server.fill(models)
	none.Served = g.server.Models
	switch len(models) {
	case 0: // a frontend that runs before its workers
		none.Problem = asked + " lists no models"
		return &notYetError{none}
	case 1:
		return nil
	}
	return none
}

// lists reports whether the server has a list of models.
func (g *Generator) lists(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, modelsPatience)
	defer cancel()
	a, err := g.get(ctx, g.route("models").String())
	if err != nil || !accepted(a.status) {
		return false
	}
	_, ok := readModels(a.body)
	return ok
}

// infer runs one inference with the given numbers of prompt words and output tokens, or with
// more of these where the server wants more. What it refuses of the body is given up, from
// then on.
func (g *Generator) infer(ctx context.Context, words, outputs int) (Request, error) {
	before := g.fields
	var why []string // what the server said of each body that it refused
	var first error
	for {
		q, rec, w, err := g.try(ctx, words, outputs)
		switch {
		case err == nil && q.Failure == nil:
			if note := g.fields.given(before, strings.Join(why, "; ")); note != nil {
				g.server.Notes = append(g.server.Notes, note)
			}
			return q, nil
		case err != nil && q.Failure == nil: // nothing was sent
			return q, err
		case first == nil:
			first = err
		}
		if refused(rec.status) && !g.fields.long && outputs < longAnswer &&
			tooShort(string(rec.body), g.target.speaks().Spec().Limits) {
			g.fields.long = true
			continue
		}
		next, ok := g.fields.concede(string(rec.body), w.has)
		if !ok || !g.complains(rec, w) {
			g.fields = before // nothing that was given up was to blame
			return q, first
		}
		if text := q.Failure.Message; len(why) == 0 || why[len(why)-1] != text {
			why = append(why, text)
		}
		g.fields = next
	}
}

// complains reports whether an answer refuses fields of the body: by its status, by an error
// inside of it that has such a status, or by naming a field of w. Some servers that do not
// know a field answer 500 or 404.
func (g *Generator) complains(rec *record, w *workload) bool {
	status := rec.status
	if accepted(status) {
		status = rec.errorStatus()
	}
	return refused(status) || status >= http.StatusBadRequest && status != http.StatusTooManyRequests &&
		slices.ContainsFunc(optional, func(name string) bool { return w.has(name) && names(string(rec.body), name) })
}

// try sends one inference and classifies what came of it.
func (g *Generator) try(ctx context.Context, words, outputs int) (q Request, rec *record, w *workload, err error) {
	if g.fields.long {
		outputs = max(outputs, longAnswer)
	}
	l := Load{ISL: words, OSL: outputs, Seed: uint64(words)}
	w, err = newWorkload(g.target, g.server.Model, l, calibration{slope: 1}, g.fields)
	if err != nil {
		return q, nil, nil, err
	}
	w.tokenizer, w.salt = g.tokenizer, g.salt
	s := newSlot(ctx, g, 0)
	s.to = g.endpoint
	rec = &record{ticket: ticket{work: w, index: -1}, scheduled: g.now()}
	s.perform(rec, w.body(0))
	defer g.budget.refund(rec)
	q = rec.parse(!g.target.NoStream)
	if f := q.Failure; f != nil && f.Kind == FailedEmpty && (q.finished || q.OSL > 0 && !q.guessed.osl) {
		// The model thought where nobody sees it, or had nothing to say: it is there.
		q.Failure = nil
		if !g.hides && q.OSL >= outputs && !q.guessed.osl && !g.target.NoStream {
			g.hides = true
			g.note(errors.New("answers begin with tokens that are not shown, such as thoughts; " +
				"time to first token is that of the first text behind them"))
		}
	}
	return q, rec, w, g.refusal(ctx, &q, rec)
}

// refusal returns what the failure of a readiness inference means, nil if it did not fail.
func (g *Generator) refusal(ctx context.Context, q *Request, rec *record) error {
	asked := "POST " + g.postURL(g.target)
	f := q.Failure
	if f == nil {
		return nil
	}
	said := asked + ": " + f.Error()
	if f.Status != 0 {
		said = answered(asked, f.Status, f.Message)
	}
	protocol := &ProtocolError{URL: g.name, Problem: said}
	status := rec.status
	if accepted(status) && f.Kind == FailedError { // what a gateway answered before it knew
		status = cmp.Or(rec.errorStatus(), status)
	}
	switch {
	case rec.status == 0:
		return g.unreachable(asked, rec.err)
	case rec.location != "":
		return g.redirected(asked, g.route(g.target.path()), rec.status, rec.location, g.target.path())
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &UnauthorizedError{URL: g.name, Status: status, HasKey: g.target.APIKey != "",
			Asked: asked, Said: f.Message}
	case rec.status == http.StatusNotFound:
		// A model that is not there yet and one that does not exist look alike, and so
		// do a path that is wrong and one whose worker has not registered. Only a list
		// that has other models tells.
		if g.target.Model != "" {
			g.list(ctx)
		}
		unknown := &UnknownModelError{URL: g.name, Model: g.server.Model, Served: g.server.Models, Problem: said}
		if n := len(g.server.Models); n > 0 && g.target.Model != "" && !slices.Contains(g.server.Models, g.target.Model) {
			return unknown
		}
		if g.unversioned(ctx, g.answers) {
			return errMoved
		}
		if g.otherAnswers(ctx, protocol) {
			return protocol
		}
		if strings.Contains(strings.ToLower(string(rec.body)), "model") {
			return &notYetError{unknown}
		}
		return &notYetError{protocol}
	case rec.status == http.StatusMethodNotAllowed:
		g.otherAnswers(ctx, protocol)
		return protocol
	case refused(status):
		protocol.Remedy = "change the request's fields with Target.Body, or the workload"
		switch words := strings.ToLower(f.Message); {
		case strings.Contains(words, "chat template"):
			protocol.Remedy = fmt.Sprintf("the model is none for chats; set Target.Protocol to %q", Completions)
		case strings.Contains(words, "does not support chat completions"), strings.Contains(words, "embedding model"):
			protocol.Remedy = "the model makes no text; set Target.Protocol to the API that it is for, for example \"embeddings\""
		case strings.Contains(words, "streaming") && !g.target.NoStream:
			protocol.Remedy = "if the server does not stream, set Target.NoStream"
		}
		return protocol
	case passing(rec.status), accepted(rec.status) && slices.Contains(fleeting, f.Kind):
		return &notYetError{errors.New(said)}
	case f.Kind == FailedTruncated || f.Kind == FailedEmpty:
		protocol.Remedy = "look into the server's log, and for a gateway that cuts streams"
	case f.Status != 0 && f.Message != "" && !rec.page():
		protocol.Remedy = "the server refuses the request for the reason that it gives"
	}
	return protocol
}

// answers reports whether the server answers an inference of the target's own protocol.
func (g *Generator) answers(ctx context.Context) bool { return g.accepts(ctx, g.target) }

// accepts reports whether the server answers an inference of t.
func (g *Generator) accepts(ctx context.Context, t Target) bool {
	f := g.fields
	f.completion = f.completion && len(t.speaks().Spec().Limits) > 1
	w, err := newWorkload(t, g.server.Model, Load{ISL: 8, OSL: 1}, calibration{slope: 1}, f)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, modelsPatience)
	defer cancel()
	req := g.request(ctx, g.endpoint, new(ticket), w.body(0))
	req.URL = g.route(t.path())
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return accepted(resp.StatusCode)
}

// unversioned tries the endpoint without the /v1 that its URL did not have, as some gateways
// want it, and stays there if there holds. Nothing is tried twice where it holds.
func (g *Generator) unversioned(ctx context.Context, there func(context.Context) bool) bool {
	e := g.endpoint
	if !e.versioned {
		return false
	}
	with := *e.base
	without := with
	without.Path = strings.TrimSuffix(with.Path, "/v1")
	if e.base = &without; !there(ctx) {
		e.base = &with
		return false
	}
	e.versioned = false
	g.note(fmt.Errorf("%s has the API at %s, without /v1; use that URL", e.name, redactURL(e.route(g.target.path()).String())))
	return true
}

// postURL returns where inferences of t are posted, for people.
func (g *Generator) postURL(t Target) string { return redactURL(g.route(t.path()).String()) }

// otherAnswers reports whether the server answers an inference by another protocol, and if
// so, says it in the error. Chat and completions are asked for each other each time, and
// all others once, since a server that starts is asked over and over.
func (g *Generator) otherAnswers(ctx context.Context, e *ProtocolError) bool {
	own := g.target.speaks()
	for _, c := range codec.All() {
		s := c.Spec()
		often := (c == codec.Chat || c == codec.Completions) && (own == codec.Chat || own == codec.Completions)
		if s.Name == own.Spec().Name || !often && g.asked || s.Path == own.Spec().Path {
			continue
		}
		t := g.target
		t.Protocol = s.Name
		t.NoStream = t.NoStream || !s.Streams
		if g.accepts(ctx, t) {
			e.Remedy = fmt.Sprintf("the server answers POST %s; set Target.Protocol to %q", g.postURL(t), t.Protocol)
			return true
		}
	}
	// A server that has no route at all is one that starts: it is asked for the others no more.
	g.asked = true
	return false
}

// fleeting lists the failures of an answer that has begun which may be another one soon: the
// server gave it up or fell silent, or the connection broke.
var fleeting = []FailureKind{FailedError, FailedAborted, FailedBroken, FailedIdle, FailedTimeout, FailedCancelled}

// reply is the answer to a GET.
type reply struct {
	status   int
	location string
	page     bool // it is a web page
	body     []byte
}

// failed reports whether the answer is an error object.
func (a reply) failed() bool {
	p, err := codec.Chat.Read(a.body, true)
	return err == nil && p.Error
}

// said says in one line what was asked and what came back.
func (a reply) said(asked string, c censor) string {
	text := errorText(a.body)
	if a.page && accepted(a.status) {
		text = "a web page: " + text
	}
	return answered(asked, a.status, c.said(text))
}

// answered says in one line what was asked and what came back.
func answered(asked string, status int, text string) string {
	if text == "" {
		return fmt.Sprintf("%s answered %d", asked, status)
	}
	return fmt.Sprintf("%s answered %d: %s", asked, status, text)
}

// get fetches a document of at most 1 MiB.
func (g *Generator) get(ctx context.Context, url string) (a reply, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	req.Host = g.host
	req.Header = g.header.Clone()
	req.Header.Set("Accept", "application/json")
	resp, err := g.transport.RoundTrip(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return a, err
	}
	whole := record{body: a.body, encoding: resp.Header.Get("Content-Encoding")}
	if whole.decode() == nil { // some gateways compress whatever they are asked for
		a.body = whole.body
	}
	a.body = bytes.TrimPrefix(a.body, []byte("\ufeff"))
	a.status = resp.StatusCode
	a.location = resp.Header.Get("Location")
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	a.page = kind == "text/html"
	return a, nil
}

// unreachable classifies a transport error. It is a *notYetError unless waiting cannot
// mend it. asked is the method and the URL.
func (g *Generator) unreachable(asked string, err error) error {
	var (
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	remedy := distrusted(err)
	switch {
	case errors.As(err, &dns) && !dns.IsTemporary && !dns.IsTimeout,
		errors.As(err, &cert), errors.As(err, &record), remedy != "":
		return &UnreachableError{URL: g.name, Err: err, Remedy: remedy}
	case strings.Contains(err.Error(), "malformed HTTP"): // net/http has no type for it
		return &ProtocolError{URL: g.name, Problem: asked + ": " + g.censor.said(err.Error())}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errIdle), errors.Is(err, errTimeout):
		return &notYetError{fmt.Errorf("%s got no answer", asked)}
	}
	return &notYetError{err}
}
