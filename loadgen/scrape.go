package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// The server's own metrics are read beside each probe by package servermetrics, on
// connections and goroutines of their own. This file says which pages those are, and what of
// them belongs to the window:
//
//	seek    once, when the server is ready: the pages
//	Watch   from the beginning of a probe to its end: samples, and one at each edge of its window
//	join    once the probe is over: the window's samples as metrics of the measurement
//
// Note: a connection of the endpoint's own transport was tried, and is one that a slot then
// lacks: the next request opens another, and its connect shows in the times.

// pagePaths are where servers have their page, below the endpoint's root. TensorRT-LLM has
// JSON at the first.
var pagePaths = []string{"/metrics", "/prometheus/metrics"}

// seek looks once for the pages of metrics. An endpoint without one says nothing; a page that
// the user named and that cannot be read is noted.
func (g *Generator) seek(ctx context.Context) {
	if g.sought {
		return
	}
	g.sought = true
	var found, gpus []*servermetrics.Source
	for _, raw := range g.target.Metrics {
		source, e, err := g.page(raw)
		if err != nil {
			g.note(err)
			continue
		}
		g.readers = append(g.readers, e)
		page, err := source.Fetch(ctx)
		switch {
		case err == nil && page.Empty():
			err = fmt.Errorf("it has no metrics of an inference server or of GPUs")
			fallthrough
		case err != nil:
			g.note(fmt.Errorf("cannot read the server's metrics at %s: %w", source.Name, g.censor.failure(err)))
		case page.GPUsOnly():
			gpus = append(gpus, source)
		default:
			found = append(found, source)
		}
	}
	// An exporter of GPUs stands beside the endpoints' own pages, and for none of them.
	if g.target.Metrics == nil || len(gpus) > 0 && len(gpus) == len(g.target.Metrics) {
		for _, e := range g.ends {
			if source := g.own(ctx, e); source != nil {
				found = append(found, source)
			}
		}
	}
	g.pages = servermetrics.New(append(found, gpus...)...)
}

// own returns the page of an endpoint; nil if it has none.
func (g *Generator) own(ctx context.Context, e *endpoint) *servermetrics.Source {
	reader := &endpoint{name: e.name, base: e.base, socket: e.socket, proxy: e.proxy}
	reader.open(g.target)
	root := *e.base
	if up, last := path.Split(root.Path); version.MatchString(last) {
		root.Path = up // the page is no part of the API
	}
	prefix := strings.TrimSuffix(root.Path, "/")
	for _, p := range pagePaths {
		root.Path = prefix + p
		source := &servermetrics.Source{URL: root.String(), Name: redactURL(root.String()), Transport: reader.transport,
			Header: e.header.Clone(), Host: e.host}
		source.Header.Del("Content-Type")
		if page, err := source.Fetch(ctx); err == nil && !page.Empty() {
			g.readers = append(g.readers, reader)
			return source
		} else if err != nil {
			break
		}
	}
	reader.close()
	return nil
}

// page returns the page at a URL that the user named, and what connects to it. It gets the
// endpoint's credentials only if it is on the same host.
func (g *Generator) page(raw string) (*servermetrics.Source, *endpoint, error) {
	e := &endpoint{name: redactURL(raw)}
	u, err := e.parse(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the server's metrics: %w", err)
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = pagePaths[0]
	}
	e.base, e.host = u, u.Host
	if e.socket == "" && g.target.Dial == nil {
		if e.proxy, err = proxyOf(u); err != nil {
			return nil, nil, fmt.Errorf("cannot read the server's metrics at %s: its proxy cannot be used: %w", e.name, err)
		}
	}
	e.open(g.target)
	source := &servermetrics.Source{URL: u.String(), Name: redactURL(u.String()), Transport: e.transport}
	for _, end := range g.ends {
		if end.base.Host == u.Host && end.base.Scheme == u.Scheme && end.socket == e.socket {
			source.Header, source.Host = end.header.Clone(), end.host
			source.Header.Del("Content-Type")
		}
	}
	return source, e, nil
}

// during returns the samples from the opening of a part of a window to the first one at or
// behind its closing. A sample that came too late, as of a server that is too busy to answer,
// is that of the next one's opening at most.
func during(samples []servermetrics.Sample, part span) []servermetrics.Sample {
	from := slices.IndexFunc(samples, func(s servermetrics.Sample) bool { return s.At >= part.open })
	if from < 0 {
		return nil
	}
	for i, s := range samples[from:] {
		if s.At >= part.close {
			return samples[from : from+i+1]
		}
	}
	return samples[from:]
}

// serverTags are the metrics that a server says of itself, and what its unit must be
// multiplied by.
var serverTags = []struct {
	tag    Tag
	is     servermetrics.Quantity
	factor float64
}{
	{TagWaiting, servermetrics.Waiting, 1},
	{TagRunning, servermetrics.Running, 1},
	{TagKVCache, servermetrics.KVCacheUse, 100},
	{TagPreemptions, servermetrics.Preemptions, 1},
	{TagPrefixHits, servermetrics.PrefixHitShare, 1},
	{TagQueueTime, servermetrics.QueueTime, 1000},
	{TagPrefillTime, servermetrics.PrefillTime, 1000},
	{TagDecodeTime, servermetrics.DecodeTime, 1000},
	{TagServerTTFT, servermetrics.TTFT, 1000},
	{TagServerITL, servermetrics.ITL, 1000},
	{TagServerE2E, servermetrics.Latency, 1000},
	{TagGPUPower, servermetrics.GPUPower, 1},
	{TagGPUUse, servermetrics.GPUUtilization, 1},
	{TagGPUMemory, servermetrics.GPUMemory, 1},
}

// join sets what the server said of itself in the window and what that costs, and warns of
// tokens that are not ours.
func (g *Generator) join(m *Measurement, all []servermetrics.Series, p *probe) {
	open := spans(p.window.spans)
	if len(open) == 0 {
		return
	}
	m.Server = recordOf(all, open)
	g.gpus(m)
	m.Join(m.Server)
	for _, s := range all {
		if s.Failed > 0 {
			m.Warnings = append(m.Warnings, fmt.Errorf("%w: %d of %d readings of %s failed: %w", ErrScrape,
				s.Failed, s.Failed+len(s.Samples), s.Name, s.Err))
		}
	}
	// The tokens of requests that were cut, or that failed, are not known.
	if w := m.Server.Window; w.Has() && len(p.running) == 0 && len(m.Failures) == 0 {
		for _, s := range w.Spans {
			m.Server.Received += tokensBetween(m.all(), s.From, s.To)
		}
		m.foreign()
	}
}

// cleaned returns the series with errors that may be shown: one quotes the line that cannot be
// read.
func (g *Generator) cleaned(all []servermetrics.Series) []servermetrics.Series {
	out := slices.Clone(all)
	for i, s := range out {
		if s.Err != nil {
			out[i].Err = errors.New(g.censor.said(s.Err.Error()))
		}
	}
	return out
}

// recordOf keeps of the samples what belongs to a window: of each part of it from the sample
// that its opening asked for to that of its closing. Between the parts the load dips, and so
// do queues.
func recordOf(all []servermetrics.Series, open spans) (r servermetrics.Record) {
	var windows []servermetrics.Window
	for _, s := range all {
		var parts []servermetrics.Window
		var kept []servermetrics.Sample
		for _, part := range open {
			samples := during(s.Samples, part)
			if kept == nil {
				kept = slices.Clip(samples) // those of a day are not copied
			} else {
				kept = append(kept, samples...)
			}
			parts = append(parts, servermetrics.Summarize(samples))
		}
		s.Samples, s.Window = kept, servermetrics.Chain(parts...)
		r.Series = append(r.Series, s)
		windows = append(windows, s.Window)
	}
	// Several servers behind one endpoint are one server to a client: what they count is
	// summed. Series has them apart.
	r.Window = servermetrics.Merge(windows...)
	return r
}

// Join sets what the servers said of themselves: Server, the metrics of its window, and what
// follows from the number of GPUs and their price. A prober of the user's own may call it, too,
// once the rates are set.
func (m *Measurement) Join(r servermetrics.Record) {
	m.Server = r
	if m.Metrics == nil {
		m.Metrics = map[Tag]Metric{}
	}
	w := r.Window
	for _, t := range serverTags {
		stats := w.Stats(t.is)
		if stats == nil {
			continue
		}
		info, _ := LookupMetric(t.tag)
		metric := Metric{Unit: info.FileUnit, Stats: map[string]float64{}, SE: map[string]float64{}}
		for name, v := range stats {
			switch name {
			case "count":
				metric.Stats[name] = v
			case "sum":
				if info.Sampled {
					metric.Stats[name] = v * t.factor
				}
			default:
				metric.Stats[name] = v * t.factor
			}
		}
		// Samples a second apart are taken to be independent, which a queue is not quite: the
		// error of its mean is larger.
		if n := stats["count"]; n > 1 && stats["std"] > 0 {
			metric.SE["avg"] = metric.Stats["std"] / math.Sqrt(n)
		}
		m.Metrics[t.tag] = metric
	}
	for tag, q := range map[Tag]servermetrics.Quantity{
		TagServerPrompt: servermetrics.PromptTokens, TagServerOutput: servermetrics.GenerationTokens,
	} {
		if v, ok := w.Counters[q]; ok {
			m.set(tag, v, 0)
		}
	}
	m.account()
}

// tokensBetween counts the output tokens that arrived after one time and up to another. A server's
// own count of an answer is spread evenly over its events, as rates do.
func tokensBetween(all [][]Request, from, to time.Duration) (n float64) {
	for _, list := range all {
		for i := range list {
			q := &list[i]
			if len(q.Chunks) == 0 && q.EOF > from && q.EOF <= to {
				n += float64(q.OSL)
			}
			per := float64(q.OSL) / float64(max(len(q.Chunks), 1))
			for _, at := range q.Chunks {
				if at > from && at <= to {
					n += per
				}
			}
		}
	}
	return n
}

// foreign warns if the tokens that the server generated in a window are not those that
// arrived in it. A twentieth is allowed, and what is in flight at an edge: some servers count
// an answer's tokens when it ends.
func (m *Measurement) foreign() {
	ours := m.Server.Received
	theirs, ok := m.Server.Window.Counters[servermetrics.GenerationTokens]
	if !ok || ours == 0 {
		return
	}
	flying, _ := m.Stat(TagInFlight, "avg")
	osl, _ := m.Stat(TagOSL, "avg")
	allowed := ours/20 + flying*max(osl, 1)
	switch {
	case theirs > ours+allowed:
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: it generated %.0f and %.0f arrived; somebody else is using the server",
			ErrForeign, theirs, ours))
	case theirs < ours-allowed:
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: it generated %.0f and %.0f arrived; not all servers behind the endpoint are read",
			ErrForeign, theirs, ours))
	}
}
