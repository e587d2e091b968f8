package servermetrics_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// answers is a transport that answers without a network.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// reply is an answer with a body.
func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}

const running = "vllm:num_requests_running 3\n"

// watched runs a watch of one source for so long in virtual time.
func watched(t *testing.T, d time.Duration, f answers, during func(*servermetrics.Watch)) servermetrics.Series {
	var all []servermetrics.Series
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := servermetrics.New(&servermetrics.Source{URL: "http://server/metrics", Name: "server", Transport: f})
		w := s.Watch(func() time.Duration { return time.Since(began) })
		if during != nil {
			during(w)
		}
		time.Sleep(d)
		all = w.Stop()
		assert.Equal(t, all, w.Stop(), "again")
	})
	require.Len(t, all, 1)
	return all[0]
}

// at are the times of the samples.
func at(s servermetrics.Series) (times []time.Duration) {
	for _, sample := range s.Samples {
		times = append(times, sample.At)
	}
	return times
}

func TestWatch(t *testing.T) {
	ms := time.Millisecond
	ok := func(*http.Request) (*http.Response, error) { return reply(200, running), nil }
	s := watched(t, 2500*ms, ok, nil)
	assert.Equal(t, []time.Duration{0, 1000 * ms, 2000 * ms, 2500 * ms}, at(s), "at once, once a second, and at the end")
	assert.Equal(t, 3.0, s.Samples[0].Page.Values[servermetrics.Running])

	s = watched(t, 700*ms, ok, func(w *servermetrics.Watch) {
		time.Sleep(300 * ms)
		w.Mark()
	})
	assert.Equal(t, []time.Duration{0, 300 * ms, 1000 * ms}, at(s)[:3], "one more at a mark")

	s = watched(t, 300*ms, func(*http.Request) (*http.Response, error) {
		time.Sleep(20 * ms)
		return reply(200, running), nil
	}, nil)
	assert.Equal(t, []time.Duration{10 * ms, 310 * ms}, at(s), "a page is of the middle of its request")
	assert.Equal(t, 40*ms, s.Took)
}

// TestWatchFails: a page that cannot be read costs no more than a second, and after three
// times nothing at all.
func TestWatchFails(t *testing.T) {
	asked := 0
	s := watched(t, 10*time.Second, func(r *http.Request) (*http.Response, error) {
		asked++
		<-r.Context().Done() // it never answers
		return nil, r.Context().Err()
	}, nil)
	assert.Equal(t, 3, asked)
	assert.Equal(t, 3, s.Failed)
	assert.Equal(t, 3*time.Second, s.Took)
	assert.ErrorIs(t, s.Err, context.DeadlineExceeded)

	asked = 0
	s = watched(t, 10*time.Second, func(*http.Request) (*http.Response, error) {
		if asked++; asked%3 == 0 {
			return reply(200, running), nil
		}
		return nil, errors.New("connection refused")
	}, nil)
	assert.Greater(t, asked, 9, "failures that come back are endured")
	assert.Len(t, s.Samples, asked/3)
}

func TestFetch(t *testing.T) {
	for _, test := range []struct {
		why    string
		answer *http.Response
		want   string
	}{
		{"a page that is not there", reply(404, "not found"), "GET name answered 404"},
		{"a page without an end", reply(200, strings.Repeat("vllm:x 1\n", 1<<20)), "more than 8 MiB"},
		{"a page that is not in the form", reply(200, "vllm:num_requests_running x\n"), "read metrics"},
	} {
		source := &servermetrics.Source{URL: "http://u:p@server/metrics", Name: "name"}
		source.Transport = answers(func(r *http.Request) (*http.Response, error) {
			user, password, _ := r.BasicAuth()
			assert.Equal(t, "u:p", user+":"+password)
			assert.Contains(t, r.Header.Get("Accept"), "text/plain")
			return test.answer, nil
		})
		_, err := source.Fetch(t.Context())
		assert.ErrorContains(t, err, test.want, test.why)
	}
}

// BenchmarkScrape prints what scraping costs, at one page of vLLM's a second, as a share of one
// core, by the process' CPU time: of reading a page, and over HTTP, where the server's part is
// in it, too.
func BenchmarkScrape(b *testing.B) {
	raw, err := os.ReadFile("testdata/vllm.txt")
	require.NoError(b, err)
	// A real page has as many series again of Python, of the process and of other histograms.
	line := "http_request_duration_seconds_bucket{handler=\"/v1/chat/completions\",le=\"0.5\",method=\"POST\"} 128.0\n"
	page := strings.Repeat("# TYPE http_request_duration_seconds histogram\n"+strings.Repeat(line, 50), 10) + string(raw)
	fetch := func(b *testing.B, source *servermetrics.Source) {
		b.SetBytes(int64(len(page)))
		for b.Loop() {
			if _, err := source.Fetch(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	share := func(b *testing.B, took time.Duration) {
		b.ReportMetric(100*took.Seconds()/float64(b.N)/servermetrics.Every.Seconds(), "%core")
	}
	b.Run("read", func(b *testing.B) {
		before := cpu()
		fetch(b, &servermetrics.Source{URL: "http://server/metrics", Transport: answers(func(*http.Request) (*http.Response, error) {
			return reply(200, page), nil
		})})
		share(b, cpu()-before)
	})
	b.Run("http", func(b *testing.B) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
		defer srv.Close()
		before := cpu()
		fetch(b, &servermetrics.Source{URL: srv.URL, Transport: http.DefaultTransport})
		share(b, cpu()-before)
	})
}

// cpu is the CPU time that the process has used so far, as the runtime estimates it.
func cpu() time.Duration {
	runtime.GC() // which brings the estimate up to date
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	return time.Duration((sample[0].Value.Float64() + sample[1].Value.Float64()) * float64(time.Second))
}
