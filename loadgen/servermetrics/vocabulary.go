package servermetrics

import "strings"

// Quantity is what a metric of a server is about, whatever the server calls it.
type Quantity string

// The vocabulary. Times are in seconds and shares from 0 to 1, as Prometheus has them.
const (
	// Running and Waiting are gauges: the requests in the batch, and those that wait for a
	// place in it.
	Running Quantity = "running"
	Waiting Quantity = "waiting"
	// KVCacheUse is a gauge: the share of the KV cache that is in use.
	KVCacheUse Quantity = "kv_cache_use"
	// Preemptions counts the requests that lost their place in the batch to others.
	Preemptions Quantity = "preemptions"
	// PrefixHits and PrefixQueries count prompt tokens that were found in the prefix cache,
	// and those that were looked for. PrefixHitShare is a gauge of servers that count
	// neither; a Window has it of both kinds.
	PrefixHits     Quantity = "prefix_hits"
	PrefixQueries  Quantity = "prefix_queries"
	PrefixHitShare Quantity = "prefix_hit_share"
	// PromptTokens and GenerationTokens count tokens.
	PromptTokens     Quantity = "prompt_tokens"
	GenerationTokens Quantity = "generation_tokens"
	// QueueTime, PrefillTime and DecodeTime are histograms of the parts of a request: until
	// it is first scheduled, until its first token, and until its last.
	QueueTime   Quantity = "queue_time"
	PrefillTime Quantity = "prefill_time"
	DecodeTime  Quantity = "decode_time"
	// TTFT, ITL and Latency are histograms of what the server takes for the times that a
	// client measures.
	TTFT    Quantity = "ttft"
	ITL     Quantity = "itl"
	Latency Quantity = "latency"
	// GPUPower (W), GPUUtilization (from 0 to 100%) and GPUMemory (GB in use) are gauges of
	// each GPU, and GPUEnergy counts joules. They are in Page.GPUs, and in no map.
	GPUPower       Quantity = "gpu_power"
	GPUUtilization Quantity = "gpu_utilization"
	GPUMemory      Quantity = "gpu_memory_used"
	GPUEnergy      Quantity = "gpu_energy"
)

// kind is how the values of a quantity add up.
type kind uint8

const (
	gauge     kind = iota // summed over series
	share                 // a gauge of which the largest series counts
	counter               // summed, and differs over time
	histogram             // buckets summed
)

// kinds says what each quantity is.
var kinds = map[Quantity]kind{
	Running: gauge, Waiting: gauge, KVCacheUse: share, PrefixHitShare: share,
	Preemptions: counter, PrefixHits: counter, PrefixQueries: counter, PromptTokens: counter, GenerationTokens: counter,
	GPUPower: gauge, GPUUtilization: gauge, GPUMemory: gauge, GPUEnergy: counter,
	QueueTime: histogram, PrefillTime: histogram, DecodeTime: histogram, TTFT: histogram, ITL: histogram, Latency: histogram,
}

// name is one server's name of a quantity.
type name struct {
	// family is as normalize returns it.
	family string
	is     Quantity
	// label and value, if not empty, choose series of the family.
	label, value string
	// sum takes the sum of a histogram for a counter: some servers count tokens in no
	// other way.
	sum bool
}

// server is one of the vocabulary's.
type server struct {
	name  string
	names []name
}

// vocabulary lists the names by servers, in the order of preference: of several names of one
// quantity on a page the first counts, as where a server has a metric under its new name and
// under the old one, or a frontend stands before an engine.
var vocabulary = []server{
	// vLLM, metrics/loggers.py: gpu_cache_usage_perc, gpu_prefix_cache_* and
	// time_per_output_token_seconds are the names before version 0.11.
	{"vLLM", []name{
		{family: "vllm_num_requests_running", is: Running},
		{family: "vllm_num_requests_waiting", is: Waiting},
		{family: "vllm_kv_cache_usage_perc", is: KVCacheUse},
		{family: "vllm_gpu_cache_usage_perc", is: KVCacheUse},
		{family: "vllm_num_preemptions", is: Preemptions},
		{family: "vllm_prefix_cache_hits", is: PrefixHits},
		{family: "vllm_prefix_cache_queries", is: PrefixQueries},
		{family: "vllm_gpu_prefix_cache_hits", is: PrefixHits},
		{family: "vllm_gpu_prefix_cache_queries", is: PrefixQueries},
		{family: "vllm_prompt_tokens", is: PromptTokens},
		{family: "vllm_generation_tokens", is: GenerationTokens},
		{family: "vllm_request_queue_time_seconds", is: QueueTime},
		{family: "vllm_request_prefill_time_seconds", is: PrefillTime},
		{family: "vllm_request_decode_time_seconds", is: DecodeTime},
		{family: "vllm_time_to_first_token_seconds", is: TTFT},
		{family: "vllm_inter_token_latency_seconds", is: ITL},
		{family: "vllm_time_per_output_token_seconds", is: ITL},
		{family: "vllm_e2e_request_latency_seconds", is: Latency},
	}},
	// SGLang, python/sglang/srt/metrics: num_retracted_reqs is a gauge, and no count.
	{"SGLang", []name{
		{family: "sglang_num_running_reqs", is: Running},
		{family: "sglang_num_queue_reqs", is: Waiting},
		{family: "sglang_token_usage", is: KVCacheUse},
		{family: "sglang_num_retractions", is: Preemptions},
		{family: "sglang_num_retracted_requests", is: Preemptions},
		{family: "sglang_cached_tokens", is: PrefixHits},
		{family: "sglang_prompt_tokens", is: PrefixQueries},
		{family: "sglang_cache_hit_rate", is: PrefixHitShare},
		{family: "sglang_prompt_tokens", is: PromptTokens},
		{family: "sglang_generation_tokens", is: GenerationTokens},
		{family: "sglang_queue_time_seconds", is: QueueTime},
		{family: "sglang_per_stage_req_latency_seconds", is: PrefillTime, label: "stage", value: "prefill_forward"},
		{family: "sglang_time_to_first_token_seconds", is: TTFT},
		{family: "sglang_inter_token_latency_seconds", is: ITL},
		{family: "sglang_e2e_request_latency_seconds", is: Latency},
	}},
	// TensorRT-LLM, tensorrt_llm/metrics: trtllm-serve writes trtllm_, Dynamo's worker trtllm:.
	{"TensorRT-LLM", []name{
		{family: "trtllm_num_requests_running", is: Running},
		{family: "trtllm_num_requests_waiting", is: Waiting},
		{family: "trtllm_kv_cache_utilization", is: KVCacheUse},
		{family: "trtllm_kv_cache_hit_rate", is: PrefixHitShare},
		{family: "trtllm_prompt_tokens", is: PromptTokens},
		{family: "trtllm_generation_tokens", is: GenerationTokens},
		{family: "trtllm_request_queue_time_seconds", is: QueueTime},
		{family: "trtllm_request_prefill_time_seconds", is: PrefillTime},
		{family: "trtllm_request_decode_time_seconds", is: DecodeTime},
		{family: "trtllm_time_to_first_token_seconds", is: TTFT},
		{family: "trtllm_time_per_output_token_seconds", is: ITL},
		{family: "trtllm_e2e_request_latency_seconds", is: Latency},
	}},
	// Text Generation Inference, router/src/server.rs: tokens are sums of histograms, and
	// the time per token is a mean of each request.
	{"TGI", []name{
		{family: "tgi_batch_current_size", is: Running},
		{family: "tgi_queue_size", is: Waiting},
		{family: "tgi_request_input_length", is: PromptTokens, sum: true},
		{family: "tgi_request_generated_tokens", is: GenerationTokens, sum: true},
		{family: "tgi_request_queue_duration", is: QueueTime},
		{family: "tgi_request_mean_time_per_token_duration", is: ITL},
		{family: "tgi_request_duration", is: Latency},
	}},
	// llama.cpp, tools/server: it has no histograms, and newer versions no KV cache gauge.
	{"llama.cpp", []name{
		{family: "llamacpp_requests_processing", is: Running},
		{family: "llamacpp_requests_deferred", is: Waiting},
		{family: "llamacpp_kv_cache_usage_ratio", is: KVCacheUse},
		{family: "llamacpp_prompt_tokens", is: PromptTokens},
		{family: "llamacpp_tokens_predicted", is: GenerationTokens},
	}},
	// Dynamo's frontend and components. Its queued requests are those without a first
	// token, in the batch or not; inflight ones are all.
	{"Dynamo", []name{
		{family: "dynamo_frontend_inflight_requests", is: Running},
		{family: "dynamo_frontend_queued_requests", is: Waiting},
		{family: "dynamo_component_kvstats_gpu_cache_usage_percent", is: KVCacheUse},
		{family: "dynamo_component_kvstats_gpu_prefix_cache_hit_rate", is: PrefixHitShare},
		{family: "dynamo_frontend_input_sequence_tokens", is: PromptTokens, sum: true},
		{family: "dynamo_frontend_output_tokens", is: GenerationTokens},
		{family: "dynamo_frontend_output_sequence_tokens", is: GenerationTokens, sum: true},
		{family: "dynamo_frontend_time_to_first_token_seconds", is: TTFT},
		{family: "dynamo_frontend_inter_token_latency_seconds", is: ITL},
		{family: "dynamo_frontend_request_duration_seconds", is: Latency},
	}},
	// The endpoint picker of llm-d and of the Gateway API's inference extension. Its pool
	// gauges are means over the pods.
	{"llm-d EPP", []name{
		{family: "inference_pool_average_running_requests", is: Running},
		{family: "inference_pool_per_pod_queue_size", is: Waiting},
		{family: "inference_pool_average_queue_size", is: Waiting},
		{family: "inference_pool_average_kv_cache_utilization", is: KVCacheUse},
		{family: "inference_objective_running_requests", is: Running},
		{family: "inference_model_running_requests", is: Running},
		{family: "inference_objective_input_tokens", is: PromptTokens, sum: true},
		{family: "inference_model_input_tokens", is: PromptTokens, sum: true},
		{family: "inference_objective_output_tokens", is: GenerationTokens, sum: true},
		{family: "inference_model_output_tokens", is: GenerationTokens, sum: true},
		{family: "inference_objective_request_duration_seconds", is: Latency},
		{family: "inference_model_request_duration_seconds", is: Latency},
	}},
}

// Quantities lists the whole vocabulary, in the order in which texts have it.
func Quantities() []Quantity {
	return []Quantity{Running, Waiting, KVCacheUse, Preemptions, PrefixHits, PrefixQueries, PrefixHitShare,
		PromptTokens, GenerationTokens, QueueTime, PrefillTime, DecodeTime, TTFT, ITL, Latency,
		GPUPower, GPUUtilization, GPUMemory, GPUEnergy}
}

// Kind returns gauge, counter or histogram, as Prometheus has it.
func (q Quantity) Kind() string {
	switch kinds[q] {
	case counter:
		return "counter"
	case histogram:
		return "histogram"
	}
	return "gauge"
}

// normalize is a family's name without what differs between versions and exporters of one
// server: a colon or an underscore behind the server's name, and the suffix of counters.
func normalize(family string) string {
	return strings.TrimSuffix(strings.Replace(family, ":", "_", 1), "_total")
}
