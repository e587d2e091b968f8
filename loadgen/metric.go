package loadgen

import (
	"slices"
	"strconv"
)

// Tag is the name that AIPerf's files and flags give a metric, for example
// time_to_first_token. It is the key of Measurement.Metrics and of Load.SLO.
type Tag = string

// The metrics that a measurement has. The table behind [Metrics] says what each
// of them is; no other place spells a tag out.
const (
	TagTTFT      Tag = "time_to_first_token"
	TagTTST      Tag = "time_to_second_token"
	TagLatency   Tag = "request_latency"
	TagICL       Tag = "inter_chunk_latency"
	TagITL       Tag = "inter_token_latency"
	TagOSL       Tag = "output_sequence_length"
	TagISL       Tag = "input_sequence_length"
	TagPerUser   Tag = "output_token_throughput_per_user"
	TagReqRate   Tag = "request_throughput"
	TagTokenRate Tag = "output_token_throughput"
	TagTotalRate Tag = "total_token_throughput"
	TagInputRate Tag = "input_token_throughput"
	TagDuration  Tag = "benchmark_duration"
	TagCount     Tag = "request_count"
	TagErrors    Tag = "error_request_count"
	TagCompleted Tag = "completed_request_count"
	TagErrorRate Tag = "request_error_rate"
	TagGoodCount Tag = "good_request_count"
	TagGoodShare Tag = "good_request_fraction"
	TagGoodput   Tag = "goodput"
	TagLag       Tag = "schedule_lag"
	TagInFlight  Tag = "effective_concurrency"
	TagTotalISL  Tag = "total_isl"
	TagTotalOSL  Tag = "total_osl"
	TagCached    Tag = "prompt_cached_fraction"

	// What the server says of itself; see package servermetrics.
	TagWaiting      Tag = "server_waiting"
	TagRunning      Tag = "server_running"
	TagKVCache      Tag = "server_kv_cache_use"
	TagPreemptions  Tag = "server_preemptions"
	TagPrefixHits   Tag = "server_prefix_hit_share"
	TagQueueTime    Tag = "server_queue_time"
	TagPrefillTime  Tag = "server_prefill_time"
	TagDecodeTime   Tag = "server_decode_time"
	TagServerTTFT   Tag = "server_ttft"
	TagServerITL    Tag = "server_itl"
	TagServerE2E    Tag = "server_e2e"
	TagServerPrompt Tag = "server_prompt_tokens"
	TagServerOutput Tag = "server_generation_tokens"
)

// MetricInfo is what is known of a metric before anything is measured.
type MetricInfo struct {
	// Tag is AIPerf's name.
	Tag Tag
	// Short is what people write in a limit, for example ttft, and Alias a second
	// short name. Short is empty for a metric that cannot be limited.
	Short, Alias string
	// Unit is the display unit of limits and texts: ms, tok/s, req/s, %, ratio or
	// tokens. FileUnit is the same unit as AIPerf's files spell it.
	Unit, FileUnit string
	// Label is what charts call the metric; empty for its short name.
	Label string
	// Title is AIPerf's name of the metric in tables, where it is not the tag's
	// own words.
	Title string

	// PerRequest says that each request has a value, so that the metric has
	// percentiles. The others are one number a run and have avg alone.
	PerRequest bool
	// Server says that the server says it of itself. If it is Sampled, too, it has percentiles,
	// of its samples or of its histogram, though it is not one of our requests'.
	Server, Sampled bool
	// Streamed says that only streamed answers have a value.
	Streamed bool
	// Adjusted says that the adj_* percentiles exist, which count a failed
	// request as infinitely slow.
	Adjusted bool
	// Higher says that more is better. Latencies and error rates are better low, and
	// lengths and counts are neither better high nor low.
	Higher bool
	// Share says that the metric is itself a share of all requests.
	Share bool
}

// metrics is the table, in the order in which errors list the names.
var metrics = []MetricInfo{
	{
		Tag: TagTTFT, Short: "ttft", Label: "TTFT", Unit: "ms", FileUnit: "ms", Title: "Time to First Token",
		PerRequest: true, Streamed: true, Adjusted: true,
	},
	{
		Tag: TagTTST, Short: "ttst", Label: "TTST", Unit: "ms", FileUnit: "ms", Title: "Time to Second Token",
		PerRequest: true, Streamed: true,
	},
	{
		Tag: TagITL, Short: "itl", Label: "ITL", Alias: "tpot", Unit: "ms", FileUnit: "ms",
		PerRequest: true, Streamed: true, Adjusted: true,
	},
	{
		Tag: TagICL, Short: "icl", Label: "inter-chunk latency", Unit: "ms", FileUnit: "ms",
		PerRequest: true, Streamed: true,
	},
	{
		Tag: TagLatency, Short: "e2e", Label: "request latency", Unit: "ms", FileUnit: "ms",
		PerRequest: true, Adjusted: true,
	},
	{
		Tag: TagPerUser, Short: "per-user", Unit: "tok/s", FileUnit: "tokens/sec/user",
		PerRequest: true, Streamed: true, Higher: true,
	},
	{Tag: TagErrorRate, Short: "errors", Label: "failed requests", Unit: "%", FileUnit: "%", Share: true},
	{Tag: TagGoodput, Short: "goodput", Label: "goodput", Unit: "req/s", FileUnit: "requests/sec", Higher: true},
	{
		Tag: TagGoodShare, Short: "good", Label: "good requests", Unit: "ratio", FileUnit: "ratio",
		Higher: true, Share: true,
	},
	{
		Tag: TagTokenRate, Short: "throughput", Label: "output throughput", Unit: "tok/s", FileUnit: "tokens/sec",
		Higher: true,
	},
	{
		Tag: TagTotalRate, Short: "total-throughput", Label: "total throughput", Unit: "tok/s", FileUnit: "tokens/sec",
		Higher: true,
	},
	{
		Tag: TagReqRate, Short: "req-rate", Label: "request rate", Unit: "req/s", FileUnit: "requests/sec",
		Higher: true,
	},
	{Tag: TagOSL, Short: "osl", Unit: "tokens", FileUnit: "tokens", PerRequest: true},
	{Tag: TagISL, Short: "isl", Unit: "tokens", FileUnit: "tokens", PerRequest: true},

	{Tag: TagWaiting, Short: "waiting", Label: "requests waiting", FileUnit: "requests", Server: true, Sampled: true},
	{Tag: TagRunning, Short: "running", Label: "requests running", FileUnit: "requests", Server: true, Sampled: true},
	{Tag: TagKVCache, Short: "kv_cache_use", Label: "KV cache use", Unit: "%", FileUnit: "%", Server: true, Sampled: true},
	{Tag: TagPreemptions, Short: "preemptions", Label: "preemptions", Unit: "/s", FileUnit: "requests/sec", Server: true},
	{
		Tag: TagPrefixHits, Short: "prefix_hit_share", Label: "prefix hits", Unit: "ratio", FileUnit: "ratio",
		Server: true, Higher: true,
	},
	{Tag: TagQueueTime, Short: "queue_time", Label: "queue time", Unit: "ms", FileUnit: "ms", Server: true, Sampled: true},
	{Tag: TagPrefillTime, Short: "prefill_time", Label: "prefill time", Unit: "ms", FileUnit: "ms", Server: true, Sampled: true},
	{Tag: TagDecodeTime, Short: "decode_time", Label: "decode time", Unit: "ms", FileUnit: "ms", Server: true, Sampled: true},
	{Tag: TagServerTTFT, Short: "server_ttft", Label: "the server's TTFT", Unit: "ms", FileUnit: "ms", Server: true, Sampled: true},
	{Tag: TagServerITL, Short: "server_itl", Label: "the server's ITL", Unit: "ms", FileUnit: "ms", Server: true, Sampled: true},
	{
		Tag: TagServerE2E, Short: "server_e2e", Label: "the server's request latency", Unit: "ms", FileUnit: "ms",
		Server: true, Sampled: true,
	},

	{Tag: TagServerPrompt, FileUnit: "tokens"},
	{Tag: TagServerOutput, FileUnit: "tokens"},
	{Tag: TagLag, FileUnit: "ms", PerRequest: true},
	{Tag: TagInputRate, FileUnit: "tokens/sec", Higher: true},
	{Tag: TagDuration, FileUnit: "sec"},
	{Tag: TagCount, FileUnit: "requests"},
	{Tag: TagErrors, FileUnit: "requests"},
	{Tag: TagCompleted, FileUnit: "requests", Title: "Completed Requests (Success + Error)"},
	{Tag: TagGoodCount, FileUnit: "requests"},
	{Tag: TagInFlight, FileUnit: "requests"},
	{Tag: TagTotalISL, FileUnit: "tokens", Title: "Total Input Sequence Length"},
	{Tag: TagTotalOSL, FileUnit: "tokens", Title: "Total Output Sequence Length"},
	{Tag: TagCached, FileUnit: "ratio"},
}

// Metrics returns the table of all metrics, first those that can be limited. The slice
// is the caller's.
func Metrics() []MetricInfo { return slices.Clone(metrics) }

// LookupMetric finds a metric by its tag, its short name or its alias. ok is false for a
// name that is not in the table; a custom prober may still report such a metric.
func LookupMetric(name string) (m MetricInfo, ok bool) {
	i := slices.IndexFunc(metrics, func(m MetricInfo) bool {
		return name != "" && (m.Tag == name || m.Short == name || m.Alias == name)
	})
	if i < 0 {
		return MetricInfo{}, false
	}
	return metrics[i], true
}

// Stats lists the statistics that a limit, an objective or a chart may ask for, which are
// AIPerf's: avg, min, max and nine percentiles from p1 to p99.
func Stats() []string {
	all := []string{"avg", "min", "max"}
	for _, q := range percentiles {
		all = append(all, percentileName(q))
	}
	return all
}

// Quantile returns the share of values, from 0 to 1, below the percentile of the given
// name: 0.95 for "p95", 0 for "min", 1 for "max". ok is false for avg and for a name that
// is not a percentile's.
func Quantile(stat string) (share float64, ok bool) {
	switch stat {
	case "min":
		return 0, true
	case "max":
		return 1, true
	}
	if stat == "" || stat[0] != 'p' {
		return 0, false
	}
	q, err := strconv.ParseFloat(stat[1:], 64)
	return q / 100, err == nil
}
