package report

// The file of what servers say of themselves. AIPerf writes one a run, over all of it; ours is
// of the window of one trial, as the numbers beside it are, and is there only if a page was
// read. The columns and the paragraph of the finding are in servermetrics.go.

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// serverMetrics writes server_metrics_export.json of one trial (from 0) of the i-th probe in
// AIPerf's form, schema 1.0: how the pages were read, and the metrics under the servers' own
// names, each with one series an endpoint:
//
//	"summary": {
//	    "endpoints_successful": ["http://127.0.0.1:8000/metrics"],
//	    "endpoint_info": {"http://127.0.0.1:8000/metrics": {"total_fetches": 12, …}}
//	},
//	"metrics": {
//	    "vllm:num_requests_waiting": {"type": "gauge", "series": [
//	        {"endpoint_url": "…", "labels": null, "stats": {"avg": 0.4, "max": 3, "p95": 2, …}}]},
//	    "vllm:generation_tokens": {"type": "counter", "unit": "tokens", "series": [
//	        {"endpoint_url": "…", "labels": null, "stats": {"total": 12400, "rate": 1240}}]},
//	    …
//	}
//
// Times are in seconds there. Labels are left out, since series that differ in them are
// summed, and so are the metrics that are not of the vocabulary, of which nothing is kept.
//
// Note: AIPerf reads percentiles off a histogram by placing its observations within the
// buckets so that their sum is right. Ours are linear within a bucket, as Prometheus has them,
// which differs by less than a bucket.
func (v *view) serverMetrics(w io.Writer, i, trial int) error {
	m := v.probes[i].Trials[trial]
	configured, successful := []string{}, []string{}
	info, metrics := object{}, map[string]*serverMetric{}
	var first, last time.Time
	for _, s := range m.Server.Series {
		if onlyGPUs(s) {
			continue
		}
		name := v.redact(s.Name)
		configured = append(configured, name)
		n := len(s.Samples)
		if n == 0 {
			continue
		}
		successful = append(successful, name)
		from, to := m.Epoch.Add(s.Samples[0].At), m.Epoch.Add(s.Samples[n-1].At)
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
		info[name] = fetches(s, from, to)
		for q, own := range s.Samples[n-1].Page.Names {
			own = strings.TrimSuffix(own, "_total")
			if metrics[own] == nil {
				metrics[own] = &serverMetric{Type: q.Kind(), Description: strings.ReplaceAll(string(q), "_", " "), Unit: unitOf(own)}
			}
			metrics[own].Series = append(metrics[own].Series, seriesOf(name, q, s.Window))
		}
	}
	return writeJSON(w, object{
		"schema_version": "1.0", "aiperf_version": library(), "benchmark_id": v.benchmarkID(i, trial),
		"summary": object{
			"endpoints_configured": configured, "endpoints_successful": successful,
			"start_time": first.Format(stamp), "end_time": last.Format(stamp), "endpoint_info": info,
		},
		"metrics":      metrics,
		"input_config": v.inputConfig(i, trial),
	})
}

// onlyGPUs reports whether a page is that of an exporter of GPUs, which has files of its own.
func onlyGPUs(s servermetrics.Series) bool { return len(s.Samples) > 0 && s.Samples[0].Page.GPUsOnly() }

// serverMetric is one metric of that file.
type serverMetric struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Unit        *string  `json:"unit"`
	Series      []object `json:"series"`
}

// fetches says how often a page was read, from when to when (in ns since 1970), and how long
// that took (in ms). Every reading counts as an update: whether a page has changed is not
// looked at.
func fetches(s servermetrics.Series, from, to time.Time) object {
	n := len(s.Samples)
	var gaps []float64
	for k := 1; k < n; k++ {
		gaps = append(gaps, ms(s.Samples[k].At-s.Samples[k-1].At))
	}
	out := object{
		"total_fetches": n + s.Failed, "first_fetch_ns": from.UnixNano(), "last_fetch_ns": to.UnixNano(),
		"avg_fetch_latency_ms": num(ms(s.Took) / float64(n+s.Failed)),
		"unique_updates":       n, "first_update_ns": from.UnixNano(), "last_update_ns": to.UnixNano(),
		"duration_seconds": num(to.Sub(from).Seconds()), "avg_update_interval_ms": 0.0, "median_update_interval_ms": nil,
	}
	if len(gaps) > 0 {
		slices.Sort(gaps)
		out["avg_update_interval_ms"] = num(ms(s.Samples[n-1].At-s.Samples[0].At) / float64(len(gaps)))
		out["median_update_interval_ms"] = num(gaps[len(gaps)/2])
	}
	return out
}

// seriesOf is one quantity of one endpoint in AIPerf's names of statistics: a counter has
// total and rate, and the percentiles of a histogram are called estimates. A histogram without
// observations has a count of 0 and buckets of zeros, as there.
func seriesOf(name string, q servermetrics.Quantity, w servermetrics.Window) object {
	stats, seconds := object{}, w.Length().Seconds()
	out := object{"endpoint_url": name, "labels": nil, "stats": stats}
	switch q.Kind() {
	case "counter":
		total := w.Counters[q]
		stats["total"], stats["rate"] = num(total), num(0)
		if seconds > 0 {
			stats["rate"] = num(total / seconds)
		}
	case "histogram":
		h := w.Histograms[q]
		stats["count"] = int(h.Count)
		buckets := map[string]int{}
		for _, b := range h.Buckets {
			buckets[strconv.FormatFloat(b.Upper, 'f', -1, 64)] = int(b.Count)
		}
		out["buckets"] = buckets
		if h.Count == 0 || seconds <= 0 {
			break
		}
		stats["sum"], stats["avg"] = num(h.Sum), num(h.Mean())
		stats["count_rate"], stats["sum_rate"] = num(h.Count/seconds), num(h.Sum/seconds)
		for stat, x := range w.Stats(q) {
			if strings.HasPrefix(stat, "p") {
				stats[stat+"_estimate"] = num(x)
			}
		}
	default:
		for stat, x := range w.Stats(q) {
			if stat != "count" {
				stats[stat] = num(x)
			}
		}
	}
	return out
}

// unitOf is the unit that AIPerf reads off the end of a metric's name; nil for none. The table
// is a part of AIPerf's: the ends that the vocabulary's names have.
func unitOf(name string) *string {
	for _, u := range [][2]string{
		{"_seconds", "seconds"}, {"_tokens", "tokens"}, {"_requests", "requests"}, {"_reqs", "requests"}, {"_ratio", "ratio"},
		{"_perc", "percent"}, {"_percent", "percent"},
	} {
		if strings.HasSuffix(name, u[0]) {
			return &u[1]
		}
	}
	return nil
}
