// Package loadgen puts load on an OpenAI-compatible endpoint and measures what
// comes back. It knows HTTP and clocks, nothing of SLAs or of testing.
//
// One probe walks through the files of this package:
//
//  1. A [Target] is an endpoint, a [Load] a level of load: plain data.
//  2. [Generator.Ready] waits for a real inference and learns the model and how
//     words map to prompt tokens.
//  3. [Generator.Probe] brings c slots into flight, each on a connection that
//     is already open, and keeps exactly c requests in flight (slot.go: the hot
//     path is a read, one clock reading, a copy).
//  4. Once the level has held for a turnover the window opens: requests that
//     start in it are measured, each followed to its end under the same load
//     (window.go).
//  5. Ended requests are parsed on another goroutine (record.go) into
//     [Request]s, which a [Decider] may watch to end the probe early.
//  6. A [Measurement] holds AIPerf's metrics of the window, the client's own
//     [Health], and warnings.
//
// The smallest use:
//
//	g, err := loadgen.New(loadgen.Target{URL: "http://127.0.0.1:8000"})
//	if err != nil { … }
//	defer g.Close()
//	if err := g.Ready(ctx); err != nil { … }
//	m, err := g.Probe(ctx, loadgen.Load{Concurrency: 16, ISL: 550, OSL: 128}, nil)
//	ttft, _ := m.Stat(loadgen.TagTTFT, "p95") // milliseconds
//
// The stance: the numbers are the server's, not the client's. TTFT starts just
// before a request's first byte is written, on an open connection; events are
// timed when the read that completed them returned, before anything is parsed;
// what the client adds is measured in every probe and reported beside the
// numbers.
package loadgen
