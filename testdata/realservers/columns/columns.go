// Package columns holds what a probe says of its server against the server's pages, read by
// hand.
//
// A probe is run against the server, its requests through a byte relay and its readings of the
// page of metrics through a relay of pages, which keeps each page as it was. A reader of its own,
// which shares no code with the one under test, works out of these pages what the columns of
// the window must be. The tokens of all requests, as the byte relay saw them, must be what the
// server's counters grew by from before the first request to behind the last one.
package columns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/testdata/realservers/relay"
)

// page is one page as it was, and when it was read.
type page struct {
	at     time.Time
	values map[string]float64
}

// read adds up the series of each name; those of buckets are left out.
func read(text string) map[string]float64 {
	values := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		end := strings.IndexAny(line, "{ ")
		if line == "" || line[0] == '#' || end < 0 || strings.HasSuffix(line[:end], "_bucket") {
			continue
		}
		rest := line[end:]
		if k := strings.LastIndexByte(rest, '}'); k >= 0 {
			rest = rest[k+1:]
		}
		if fields := strings.Fields(rest); len(fields) > 0 {
			if v, err := strconv.ParseFloat(fields[0], 64); err == nil {
				values[line[:end]] += v
			}
		}
	}
	return values
}

// pages is a relay of pages of metrics.
type pages struct {
	to  string
	key string

	mu  sync.Mutex
	all []page
}

// fetch reads a page.
func (p *pages) fetch(ctx context.Context) (text []byte, at time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.to, nil)
	if err != nil {
		return nil, at, err
	}
	if p.key != "" {
		req.Header.Set("Authorization", "Bearer "+p.key)
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, at, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s answered %d", p.to, resp.StatusCode)
	}
	return text, began.Add(time.Since(began) / 2), err
}

// ServeHTTP passes a page on, and keeps it.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, at, err := p.fetch(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	p.mu.Lock()
	p.all = append(p.all, page{at, read(string(text))})
	p.mu.Unlock()
	_, _ = w.Write(text)
}

// nearest is the page that was read nearest to a time.
func (p *pages) nearest(at time.Time) page {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := page{}
	for _, q := range p.all {
		if best.values == nil || q.at.Sub(at).Abs() < best.at.Sub(at).Abs() {
			best = q
		}
	}
	return best
}

// column is a statistic of a metric, and of which names it is made on a page, of which the
// first that the page has counts.
type column struct {
	tag, stat string
	names     []string
	// factor turns a page's unit into the metric's.
	factor float64
}

// columns are those of a window: means and maxima of gauges, differences and rates of
// counters, and means of histograms, by their sums and counts.
var columns = []column{
	{loadgen.TagWaiting, "avg", []string{"vllm:num_requests_waiting", "llamacpp:requests_deferred", "sglang:num_queue_reqs"}, 1},
	{loadgen.TagWaiting, "max", []string{"vllm:num_requests_waiting", "llamacpp:requests_deferred", "sglang:num_queue_reqs"}, 1},
	{loadgen.TagRunning, "avg", []string{"vllm:num_requests_running", "llamacpp:requests_processing", "sglang:num_running_reqs"}, 1},
	{loadgen.TagRunning, "max", []string{"vllm:num_requests_running", "llamacpp:requests_processing", "sglang:num_running_reqs"}, 1},
	{loadgen.TagKVCache, "max", []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage"}, 100},
	{loadgen.TagPreemptions, "rate", []string{"vllm:num_preemptions_total"}, 1},
	{loadgen.TagServerPrompt, "grown", []string{"vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total", "sglang:prompt_tokens_total"}, 1},
	{loadgen.TagServerOutput, "grown", []string{"vllm:generation_tokens_total", "llamacpp:tokens_predicted_total",
		"sglang:generation_tokens_total"}, 1},
	{loadgen.TagQueueTime, "mean", []string{"vllm:request_queue_time_seconds", "sglang:queue_time_seconds"}, 1000},
	{loadgen.TagPrefillTime, "mean", []string{"vllm:request_prefill_time_seconds"}, 1000},
	{loadgen.TagDecodeTime, "mean", []string{"vllm:request_decode_time_seconds"}, 1000},
	{loadgen.TagServerTTFT, "mean", []string{"vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds"}, 1000},
	{loadgen.TagServerITL, "mean", []string{"vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds",
		"sglang:inter_token_latency_seconds"}, 1000},
	{loadgen.TagServerE2E, "mean", []string{"vllm:e2e_request_latency_seconds", "sglang:e2e_request_latency_seconds"}, 1000},
}

// byHand works a column out of the pages of a window. ok is false if they do not have it.
func (c column) byHand(m *loadgen.Measurement, p *pages) (v float64, ok bool) {
	at := func(d time.Duration) page { return p.nearest(m.Epoch.Add(d)) }
	name := ""
	spans := m.Server.Window.Spans
	for _, n := range c.names {
		values := at(spans[0].To).values
		_, plain := values[n]
		_, counted := values[n+"_count"]
		if plain || counted {
			name = n
			break
		}
	}
	if name == "" {
		return 0, false
	}
	grown := func(name string) (sum float64) {
		for _, s := range spans {
			sum += at(s.To).values[name] - at(s.From).values[name]
		}
		return sum
	}
	switch c.stat {
	case "grown":
		return grown(name) * c.factor, true
	case "rate":
		return grown(name) * c.factor / m.Server.Window.Length().Seconds(), true
	case "mean":
		n := grown(name + "_count")
		return grown(name+"_sum") / n * c.factor, n > 0
	}
	sum, most, n := 0.0, math.Inf(-1), 0.0
	for _, s := range m.Server.Series[0].Samples {
		x := at(s.At).values[name]
		sum, most, n = sum+x, max(most, x), n+1
	}
	if c.stat == "max" {
		return most * c.factor, true
	}
	return sum / n * c.factor, true
}

// Compare runs a probe of a load against the target, and writes a row a column. It returns an
// error if any column is not what the pages say, or if the server's counters and the relay's
// account have other tokens. The target must have a URL of http, and nobody else may use it.
func Compare(ctx context.Context, w io.Writer, t loadgen.Target, load loadgen.Load) error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" {
		return fmt.Errorf("want the URL of a server with http, not %q", t.URL)
	}
	p := &pages{to: strings.TrimSuffix(strings.TrimSuffix(t.URL, "/"), "/v1") + "/metrics", key: t.APIKey}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	front := &http.Server{Handler: p}
	go func() { _ = front.Serve(l) }()
	defer front.Close()
	to := u.Host
	if u.Port() == "" {
		to = net.JoinHostPort(u.Host, "80")
	}
	r, err := relay.New(to, 0)
	if err != nil {
		return err
	}
	before, err := p.quiet(ctx)
	if err != nil {
		return err
	}
	t.URL, t.Metrics = r.URL+u.Path, []string{"http://" + l.Addr().String() + "/metrics"}
	m, err := probe(ctx, t, load)
	if err != nil {
		return err
	}
	total := relay.Total(r.Close())
	after, err := p.quiet(ctx)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var wrong []string
	row := func(what string, ours, theirs float64) {
		word := "equal"
		if math.Abs(ours-theirs) > 1e-9*math.Max(1, math.Abs(theirs)) {
			word = fmt.Sprintf("%+.3g%%", 100*(ours/theirs-1))
			wrong = append(wrong, what)
		}
		fmt.Fprintf(table, "%s\t%.6g\t%.6g\t%s\t\n", what, ours, theirs, word)
	}
	s := m.Server.Series[0]
	each := s.Took / time.Duration(max(len(s.Samples)+s.Failed, 1))
	fmt.Fprintf(w, "%s, %v: %d readings in %v of the window, %v each, %d failed\n", m.Server.Window.Server, load, len(s.Samples),
		m.Server.Window.Length().Round(time.Millisecond), each.Round(10*time.Microsecond), s.Failed)
	fmt.Fprintf(table, "column\tjoined\tby hand\t\t\n")
	for _, c := range columns {
		theirs, ok := c.byHand(m, p)
		stat := map[string]string{"avg": "avg", "max": "max"}[c.stat]
		if stat == "" {
			stat = "avg"
		}
		ours, has := m.Stat(c.tag, stat)
		switch {
		case ok && has:
			row(c.tag+" "+stat, ours, theirs)
		case ok != has:
			wrong = append(wrong, c.tag)
			fmt.Fprintf(table, "%s\t%v\t%v\tmissing\t\n", c.tag, ours, theirs)
		}
	}
	for _, c := range columns {
		of := map[string]int{loadgen.TagServerPrompt: total.ISL, loadgen.TagServerOutput: total.OSL}
		want, counted := of[c.tag]
		if !counted {
			continue
		}
		for _, name := range c.names {
			if v, ok := after[name]; ok {
				row("all "+strings.TrimPrefix(c.tag, "server_"), float64(want), v-before[name])
				break
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "output tokens in the window: %.0f generated, %.0f received\n",
		m.Metrics[loadgen.TagServerOutput].Stats["avg"], m.Server.Received)
	for _, warning := range m.Warnings {
		fmt.Fprintf(w, "warning: %v\n", warning)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not what the pages say: %s", strings.Join(wrong, ", "))
	}
	return nil
}

// probe measures one load.
func probe(ctx context.Context, t loadgen.Target, load loadgen.Load) (*loadgen.Measurement, error) {
	g, err := loadgen.New(t)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	if err := g.Ready(ctx); err != nil {
		return nil, err
	}
	m, err := g.Probe(ctx, load, nil)
	if err == nil && !m.Server.Window.Has() {
		err = errors.Join(append([]error{errors.New("the server has no page of metrics that can be read")}, g.Server().Notes...)...)
	}
	return m, err
}

// quiet is the page once nothing runs or waits any more: two that are alike, a quarter of a
// second apart, within a minute.
func (p *pages) quiet(ctx context.Context) (map[string]float64, error) {
	var last map[string]float64
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(250 * time.Millisecond) {
		text, _, err := p.fetch(ctx)
		if err != nil {
			return nil, err
		}
		now := read(string(text))
		alike := last != nil
		for _, c := range columns {
			for _, name := range c.names {
				alike = alike && now[name] == last[name] && (c.tag != loadgen.TagRunning || now[name] == 0)
			}
		}
		if alike {
			return now, nil
		}
		last = now
	}
	return nil, errors.New("the server is not quiet: somebody else uses it")
}
