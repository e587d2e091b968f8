package loadgen

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
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

	// Thoughts, and rates and times that follow from those above.
	TagReasoning Tag = "reasoning_token_count"
	TagOutput    Tag = "output_token_count"
	TagTTFO      Tag = "time_to_first_output_token"
	TagPrefill   Tag = "prefill_throughput_per_user"
	TagE2ERate   Tag = "e2e_output_token_throughput"
	TagDecode    Tag = "decode_duration"
	TagOSLDiff   Tag = "osl_mismatch_diff_pct"
	TagOSLOff    Tag = "osl_mismatch_count"

	TagCancelled Tag = "cancelled_request_count"

	TagTotalOutput    Tag = "total_output_tokens"
	TagTotalReasoning Tag = "total_reasoning_tokens"

	// What the server says that it counted.
	TagUsagePrompt     Tag = "usage_prompt_tokens"
	TagUsageCompletion Tag = "usage_completion_tokens"
	TagUsageTotal      Tag = "usage_total_tokens"
	TagUsageReasoning  Tag = "usage_reasoning_tokens"
	TagUsageCacheRead  Tag = "usage_prompt_cache_read_tokens"
	TagUsageCacheWrite Tag = "usage_prompt_cache_write_tokens"

	TagTotalUsagePrompt     Tag = "total_usage_prompt_tokens"
	TagTotalUsageCompletion Tag = "total_usage_completion_tokens"
	TagTotalUsageTotal      Tag = "total_usage_total_tokens"
	TagTotalUsageReasoning  Tag = "total_usage_reasoning_tokens"
	TagTotalUsageCacheRead  Tag = "total_usage_prompt_cache_read_tokens"
	TagTotalUsageCacheWrite Tag = "total_usage_prompt_cache_write_tokens"
	TagCacheReadShare       Tag = "overall_usage_prompt_cache_read_pct"

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

	// What the GPUs take, and what follows from their number and their price; see gpu.go. The
	// first three are AIPerf's names of what each GPU has, without the platform before them,
	// and stand for one GPU. Power and energy of all of them are sums.
	TagGPUs        Tag = "gpu_count"
	TagGPUPower    Tag = "gpu_power_usage"
	TagGPUUse      Tag = "gpu_utilization"
	TagGPUMemory   Tag = "gpu_memory_used"
	TagGPUEnergy   Tag = "total_gpu_energy"
	TagPerGPU      Tag = "output_token_throughput_per_gpu"
	TagTotalPerGPU Tag = "total_token_throughput_per_gpu"
	TagJoules      Tag = "energy_per_output_token"
	TagTotalJoules Tag = "energy_per_total_token"
	TagCost        Tag = "cost_per_million_output_tokens"
	TagTotalCost   Tag = "cost_per_million_tokens"
)

// MetricInfo is what is known of a metric before anything is measured.
type MetricInfo struct {
	// Tag is AIPerf's name.
	Tag Tag
	// Short is what people write in a limit, for example ttft, and Alias a second
	// short name. A metric without a short name goes by its tag.
	Short, Alias string
	// Unit is the display unit of limits and texts: ms, s, tok/s, req/s, %, ratio, tokens,
	// requests, W, J, GB, J/tok or, of a price, per 1M tokens. FileUnit is the same unit as AIPerf's files spell it.
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
	// Falls says that the metric falls as the load grows, as what a token costs does, so that an
	// upper limit on it holds from some load up.
	Falls bool
	// Share says that the metric is itself a share of all requests.
	Share bool
	// Tokens says that only answers of tokens have a value, and no vectors or scores.
	Tokens bool
	// Count says that the metric counts requests, so that a limit of 0 makes sense: none of
	// them may be like that.
	Count bool

	// registered says that the metric is one's own.
	registered bool
}

// Clocked reports whether the metric is a time that the client's clock measures, so that a
// late client makes it longer. A metric of one's own is measured elsewhere, and so is what the
// server says of itself.
func (m MetricInfo) Clocked() bool { return m.Unit == "ms" && !m.registered && !m.Server }

// Name returns what people call the metric: its short name or, if it has none, its tag.
func (m MetricInfo) Name() string { return cmp.Or(m.Short, m.Tag) }

// metrics is the table, in the order in which errors list the names.
var metrics = []MetricInfo{
	{
		Tag: TagTTFT, Short: "ttft", Label: "TTFT", Unit: "ms", FileUnit: "ms", Title: "Time to First Token",
		Tokens: true, PerRequest: true, Streamed: true, Adjusted: true,
	},
	{
		Tag: TagTTST, Short: "ttst", Label: "TTST", Unit: "ms", FileUnit: "ms", Title: "Time to Second Token",
		Tokens: true, PerRequest: true, Streamed: true,
	},
	{
		Tag: TagITL, Short: "itl", Label: "ITL", Alias: "tpot", Unit: "ms", FileUnit: "ms",
		Tokens: true, PerRequest: true, Streamed: true, Adjusted: true,
	},
	{
		Tag: TagICL, Short: "icl", Label: "inter-chunk latency", Unit: "ms", FileUnit: "ms",
		Tokens: true, PerRequest: true, Streamed: true,
	},
	{
		Tag: TagLatency, Short: "e2e", Label: "request latency", Unit: "ms", FileUnit: "ms",
		PerRequest: true, Adjusted: true,
	},
	{
		Tag: TagPerUser, Short: "per-user", Unit: "tok/s", FileUnit: "tokens/sec/user",
		Tokens: true, PerRequest: true, Streamed: true, Higher: true,
	},
	{Tag: TagErrorRate, Short: "errors", Label: "failed requests", Unit: "%", FileUnit: "%", Share: true},
	{Tag: TagGoodput, Short: "goodput", Label: "goodput", Unit: "req/s", FileUnit: "requests/sec", Higher: true},
	{
		Tag: TagGoodShare, Short: "good", Label: "good requests", Unit: "ratio", FileUnit: "ratio",
		Higher: true, Share: true,
	},
	{
		Tag: TagTokenRate, Short: "throughput", Label: "output throughput", Unit: "tok/s", FileUnit: "tokens/sec",
		Tokens: true, Higher: true,
	},
	{
		Tag: TagTotalRate, Short: "total-throughput", Label: "total throughput", Unit: "tok/s", FileUnit: "tokens/sec",
		Tokens: true, Higher: true,
	},
	{
		Tag: TagReqRate, Short: "req-rate", Label: "request rate", Unit: "req/s", FileUnit: "requests/sec",
		Higher: true,
	},
	{Tag: TagOSL, Short: "osl", Unit: "tokens", FileUnit: "tokens", PerRequest: true, Tokens: true},
	{Tag: TagISL, Short: "isl", Unit: "tokens", FileUnit: "tokens", PerRequest: true},

	{
		Tag: TagTTFO, Short: "ttfo", Label: "TTFO", Unit: "ms", FileUnit: "ms", Title: "Time to First Output Token",
		PerRequest: true, Streamed: true, Adjusted: true, Tokens: true,
	},
	{
		Tag: TagDecode, Short: "decode", Label: "decode duration", Unit: "ms", FileUnit: "ms",
		PerRequest: true, Streamed: true, Tokens: true,
	},
	{
		Tag: TagPrefill, Short: "prefill", Label: "prefill throughput", Unit: "tok/s", FileUnit: "tokens/sec/user",
		PerRequest: true, Streamed: true, Higher: true, Tokens: true,
	},
	{
		Tag: TagE2ERate, Short: "e2e-per-user", Label: "end-to-end throughput", Unit: "tok/s", FileUnit: "tokens/sec/user",
		Title: "E2E Output Token Throughput", PerRequest: true, Higher: true, Tokens: true,
	},
	{Tag: TagReasoning, Short: "reasoning", Label: "reasoning tokens", Unit: "tokens", FileUnit: "tokens", PerRequest: true, Tokens: true},
	{Tag: TagOutput, Label: "output tokens", Unit: "tokens", FileUnit: "tokens", PerRequest: true, Tokens: true},
	{
		Tag: TagOSLDiff, Label: "OSL mismatch", Unit: "%", FileUnit: "%", Title: "OSL Mismatch Diff",
		PerRequest: true, Tokens: true,
	},
	{Tag: TagUsagePrompt, Unit: "tokens", FileUnit: "tokens", PerRequest: true},
	{Tag: TagUsageCompletion, Unit: "tokens", FileUnit: "tokens", PerRequest: true, Tokens: true},
	{Tag: TagUsageTotal, Unit: "tokens", FileUnit: "tokens", PerRequest: true},
	{Tag: TagUsageReasoning, Unit: "tokens", FileUnit: "tokens", PerRequest: true, Tokens: true},
	{Tag: TagUsageCacheRead, Unit: "tokens", FileUnit: "tokens", PerRequest: true, Higher: true},
	{Tag: TagUsageCacheWrite, Unit: "tokens", FileUnit: "tokens", PerRequest: true},

	{Tag: TagWaiting, Short: "waiting", Label: "requests waiting", Unit: "requests", FileUnit: "requests", Server: true, Sampled: true},
	{Tag: TagRunning, Short: "running", Label: "requests running", Unit: "requests", FileUnit: "requests", Server: true, Sampled: true},
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

	{Tag: TagGPUPower, Short: "gpu_power", Label: "power per GPU", Unit: "W", FileUnit: "W", Server: true, Sampled: true},
	{Tag: TagGPUUse, Short: "gpu_util", Label: "GPU utilization", Unit: "%", FileUnit: "%", Server: true, Sampled: true},
	{Tag: TagGPUMemory, Short: "gpu_memory", Label: "memory used per GPU", Unit: "GB", FileUnit: "GB", Server: true, Sampled: true},
	{Tag: TagGPUEnergy, Short: "gpu_energy", Label: "energy of all GPUs", Unit: "J", FileUnit: "J", Server: true},
	{
		Tag: TagJoules, Short: "joules_per_token", Label: "energy per output token", Unit: "J/tok", FileUnit: "J/token",
		Server: true, Falls: true,
	},
	{
		Tag: TagTotalJoules, Short: "joules_per_total_token", Label: "energy per token", Unit: "J/tok", FileUnit: "J/token",
		Server: true, Falls: true,
	},
	{
		Tag: TagPerGPU, Short: "per-gpu", Label: "output throughput per GPU", Unit: "tok/s", FileUnit: "tokens/sec/gpu",
		Tokens: true, Higher: true,
	},
	{
		Tag: TagTotalPerGPU, Short: "total-per-gpu", Label: "total throughput per GPU", Unit: "tok/s", FileUnit: "tokens/sec/gpu",
		Higher: true,
	},
	{
		Tag: TagCost, Short: "cost", Label: "cost of a million output tokens", Unit: "per 1M tokens", FileUnit: "per million tokens",
		Tokens: true, Falls: true,
	},
	{
		Tag: TagTotalCost, Short: "total_cost", Label: "cost of a million tokens", Unit: "per 1M tokens",
		FileUnit: "per million tokens", Falls: true,
	},
	{Tag: TagGPUs, Unit: "GPUs", FileUnit: "GPUs"},

	{Tag: TagServerPrompt, Unit: "tokens", FileUnit: "tokens"},
	{Tag: TagServerOutput, Unit: "tokens", FileUnit: "tokens"},
	{Tag: TagLag, Unit: "ms", FileUnit: "ms", PerRequest: true},
	{Tag: TagInputRate, Unit: "tok/s", FileUnit: "tokens/sec", Higher: true},
	{Tag: TagDuration, Unit: "s", FileUnit: "sec"},
	{Tag: TagCount, Unit: "requests", FileUnit: "requests", Count: true},
	{Tag: TagErrors, Unit: "requests", FileUnit: "requests", Count: true},
	{Tag: TagCompleted, Unit: "requests", FileUnit: "requests", Title: "Completed Requests (Success + Error)", Count: true},
	{Tag: TagGoodCount, Unit: "requests", FileUnit: "requests", Count: true},
	{Tag: TagCancelled, Unit: "requests", FileUnit: "requests", Count: true},
	{Tag: TagInFlight, Unit: "requests", FileUnit: "requests"},
	{Tag: TagTotalISL, Unit: "tokens", FileUnit: "tokens", Title: "Total Input Sequence Length"},
	{Tag: TagTotalOSL, Unit: "tokens", FileUnit: "tokens", Title: "Total Output Sequence Length", Tokens: true},
	{Tag: TagCached, Unit: "ratio", FileUnit: "ratio", Higher: true},
	{Tag: TagOSLOff, Unit: "requests", FileUnit: "requests", Title: "OSL Mismatch Count", Tokens: true, Count: true},
	{Tag: TagTotalOutput, Unit: "tokens", FileUnit: "tokens", Tokens: true},
	{Tag: TagTotalReasoning, Unit: "tokens", FileUnit: "tokens", Tokens: true},
	{Tag: TagTotalUsagePrompt, Unit: "tokens", FileUnit: "tokens"},
	{Tag: TagTotalUsageCompletion, Unit: "tokens", FileUnit: "tokens", Tokens: true},
	{Tag: TagTotalUsageTotal, Unit: "tokens", FileUnit: "tokens"},
	{Tag: TagTotalUsageReasoning, Unit: "tokens", FileUnit: "tokens", Tokens: true},
	{Tag: TagTotalUsageCacheRead, Unit: "tokens", FileUnit: "tokens", Higher: true},
	{Tag: TagTotalUsageCacheWrite, Unit: "tokens", FileUnit: "tokens"},
	{Tag: TagCacheReadShare, Unit: "%", FileUnit: "%", Title: "Overall Usage Prompt Cache Read %", Higher: true},
}

// own holds the metrics that were registered, in that order. Registration is once and early,
// in an init function or in TestMain: a limit is read with the table as it is then.
var own struct {
	sync.RWMutex
	metrics []MetricInfo
}

// table returns all metrics, in the order in which errors list the names. The slice is the
// caller's.
func table() []MetricInfo {
	own.RLock()
	defer own.RUnlock()
	return slices.Concat(metrics, own.metrics)
}

// validTag matches tags of metrics.
var validTag = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// Register adds a metric that a Prober or a codec of one's own reports, so that limits can
// name it, in its unit. Tag and Unit are required; FileUnit is Unit if it is empty. A codec
// reports it in codec.Part, a Prober in Request.Values or in Measurement.Metrics. It returns
// an error if a name is taken or is no tag.
func (m MetricInfo) Register() error {
	if !validTag.MatchString(m.Tag) {
		return fmt.Errorf("register metric %q: the tag must consist of lower-case words joined by underscores", m.Tag)
	}
	if m.Unit == "" {
		return fmt.Errorf("register metric %q: Unit is empty; give, for example, ms, tokens or ratio", m.Tag)
	}
	for _, name := range []string{m.Tag, m.Short, m.Alias} {
		if other, taken := LookupMetric(name); taken {
			return fmt.Errorf("register metric %q: the name %s is that of %s; choose another one", m.Tag, name, other.Tag)
		}
	}
	m.FileUnit, m.registered = cmp.Or(m.FileUnit, m.Unit), true
	own.Lock()
	defer own.Unlock()
	own.metrics = append(own.metrics, m)
	return nil
}

// Metrics returns the table of all metrics, first those with short names, and last those
// that were registered. The slice is the caller's.
func Metrics() []MetricInfo { return table() }

// LookupMetric finds a metric by its tag, its short name or its alias. ok is false for a
// name that is not in the table; a custom prober may still report such a metric.
func LookupMetric(name string) (m MetricInfo, ok bool) {
	is := func(m MetricInfo) bool { return name != "" && (m.Tag == name || m.Short == name || m.Alias == name) }
	if i := slices.IndexFunc(metrics, is); i >= 0 {
		return metrics[i], true
	}
	own.RLock()
	defer own.RUnlock()
	if i := slices.IndexFunc(own.metrics, is); i >= 0 {
		return own.metrics[i], true
	}
	return MetricInfo{}, false
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
