package aiperftest_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/recipes"
)

// TestSeveralEndpoints checks that endpoints given one after the other are loaded in turn,
// and that the finding and the records tell them apart.
func TestSeveralEndpoints(t *testing.T) {
	var urls []string
	for range 2 {
		urls = append(urls, (&rude{model: "m"}).serve(t).URL)
	}
	got := newJury(t).seen(t, aiperftest.Endpoint(urls[0]), aiperftest.Endpoint(urls[1]), aiperftest.Requests(8), aiperftest.Charts(false))
	for _, name := range []string{"log", "summary.md"} {
		for _, url := range urls {
			assert.Regexp(t, "endpoint "+url+`: 4 requests, 0% failed, ttft p95`, strings.Join(strings.Fields(got[name]), " "), name)
		}
	}
	counts := map[string]int{}
	ids := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(got["concurrency_2/profile_export.jsonl"]), "\n") {
		var r struct {
			Metadata struct {
				ID       string `json:"x_request_id"`
				Endpoint string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		counts[r.Metadata.Endpoint]++
		ids[r.Metadata.ID] = true
	}
	assert.Equal(t, map[string]int{urls[0]: 4, urls[1]: 4}, counts)
	assert.Len(t, ids, 8, "every request has a name of its own")
	type part struct {
		URL     string
		Latency struct{ Count int } `json:"request_latency"`
		Metrics map[string]struct{ Mean float64 }
	}
	for name, share := range map[string]func(part) float64{
		"profile_export_aiperf.json":           func(p part) float64 { return float64(p.Latency.Count) },
		"profile_export_aiperf_aggregate.json": func(p part) float64 { return p.Metrics["completed_request_count_avg"].Mean },
	} {
		found := false
		for path, text := range got {
			if filepath.Base(path) != name {
				continue
			}
			found = true
			var file struct{ Endpoints []part }
			require.NoError(t, json.Unmarshal([]byte(text), &file))
			require.Len(t, file.Endpoints, 2, path)
			for k, p := range file.Endpoints {
				assert.Equal(t, urls[k], p.URL)
				assert.EqualValues(t, 4, share(p), "%s: requests of one endpoint", path)
			}
		}
		assert.True(t, found, name)
	}
}

// TestTransportOptions checks that the options of the transport reach the wire.
func TestTransportOptions(t *testing.T) {
	j := newJury(t)
	plain := (&rude{model: "m"}).serve(t)
	var host atomic.Value
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host.Store(r.Host)
		plain.Config.Handler.ServeHTTP(w, r)
	}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	for _, trust := range []aiperftest.Option{aiperftest.CAFile(ca), aiperftest.Insecure()} {
		got := j.seen(t, aiperftest.Endpoint(srv.URL), aiperftest.Header("Host", "models.internal"), trust,
			aiperftest.Timeout(time.Minute), aiperftest.IdleTimeout(time.Minute), aiperftest.Charts(false))
		assert.Contains(t, got["log"], "errors 0%") // whether it is met depends on the machine
		assert.Equal(t, "models.internal", host.Load())
	}
	got := j.seen(t, aiperftest.Endpoint(srv.URL), aiperftest.Charts(false))
	text := strings.Join(strings.Fields(got["log"]), " ")
	assert.Contains(t, text, "give the file of its authority with aiperftest.CAFile (or in SSL_CERT_FILE), "+
		"or trust any certificate with aiperftest.Insecure")
	got = j.seen(t, aiperftest.Endpoint(srv.URL), aiperftest.ClientCert("none.pem", ""), aiperftest.Charts(false))
	assert.Contains(t, strings.Join(strings.Fields(got["log"]), " "), "CertFile cannot be used with its key")
}

// TestInputFiles checks that a file of requests is sent with its own lengths, through the
// front door, and that one which cannot be read names the option, the line and the key.
func TestInputFiles(t *testing.T) {
	for name, want := range map[string]string{
		"mooncake.jsonl": "parts of the file of prompts are not used: 4 timestamps",
		"prompts.csv":    "prompts.csv, 2 tokens out, 6 requests a probe",
		"sharegpt.json":  "not used: 1 conversation without a question",
	} {
		f := run(t, "TestX", func(ft aiperftest.T) {
			aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Endpoint((&rude{model: "m"}).serve(t).URL), aiperftest.Tokens(8, 2),
				aiperftest.Requests(6), aiperftest.ReportOnly(), aiperftest.Charts(false),
				aiperftest.Prompts("../loadgen/internal/dataset/testdata/"+name))
		})
		assert.Contains(t, strings.Join(strings.Fields(f.transcript()), " "), want, name)
		assert.False(t, f.failed, name)
	}
	bad := filepath.Join(t.TempDir(), "x.jsonl")
	require.NoError(t, os.WriteFile(bad, []byte("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n"), 0o600))
	f := run(t, "TestX", func(ft aiperftest.T) {
		aiperftest.Run(ft, recipes.Fixed(2), aiperftest.Endpoint("http://127.0.0.1:1"), aiperftest.Prompts(bad))
	})
	text := strings.Join(strings.Fields(f.transcript()), " ")
	assert.Contains(t, text, `cannot be used: line 2: unknown key "txt", did you mean "text"?; accepted are {"text": …}`)
	assert.Contains(t, text, "aiperftest.Prompts(…)")
	assert.NotContains(t, text, "cannot use the endpoint")
}
