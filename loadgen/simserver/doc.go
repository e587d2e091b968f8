// Package simserver is an inference server to test against: a real HTTP server
// with OpenAI's API, shaped like net/http/httptest.Server, over a simulated
// continuous-batching engine.
package simserver
