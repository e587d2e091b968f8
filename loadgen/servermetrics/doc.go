// Package servermetrics reads what an inference server says of itself: its page of metrics
// in Prometheus' text form, which nearly all of them serve at /metrics.
//
// It walks in three steps, each a function of the one before:
//
//	page, err := servermetrics.Parse(body)          one page, in one vocabulary
//	watch := scraper.Watch(now)                     pages, once a second, and at marks
//	window := servermetrics.Summarize(samples, …)   what happened between two of them
//
// # The vocabulary
//
// Each server has its own names, and Parse maps those of vLLM, SGLang, TensorRT-LLM, Text
// Generation Inference, llama.cpp, Dynamo and the endpoint picker of llm-d to one Quantity
// each. A page of another server may have none of them, and is then empty.
//
// Series that differ only in their labels (engines, models, ranks) are summed. Those of
// tensor and pipeline parallel ranks other than 0 are left out, since every rank of such a
// group counts the same requests. A share, such as the use of the KV cache, is the largest of
// its series: a replica that is full is not made less full by one that is idle.
//
// # The GPUs
//
// GPUs have a page of their own, of an exporter on their node: NVIDIA's dcgm-exporter or AMD's
// device-metrics-exporter. Power, energy, utilization and memory are told apart by GPU, in
// Page.GPUs, and [Mine] says which of a node's GPUs are a server's. Energy is that of the GPU's
// counter, or of its power at the samples where it has none.
//
// # The window
//
// Counters count by difference; one that falls has been reset, by a restart of its server,
// and counts from 0. A histogram's observations of a window are the difference of its
// buckets, so that its mean is exact, and its percentiles are as fine as the server's
// buckets. Gauges are known at the samples alone, once a second, and say nothing of what
// happened between them.
package servermetrics
