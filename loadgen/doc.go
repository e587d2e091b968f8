// Package loadgen puts load on the endpoint of an inference server and measures what
// comes back. It knows HTTP and clocks, and nothing of SLAs or of testing.
//
// The smallest use measures one level:
//
//	g, err := loadgen.New(loadgen.Target{URL: "http://127.0.0.1:8000"})
//	if err != nil { … }
//	defer g.Close()
//	if err := g.Ready(ctx); err != nil { … }
//	m, err := g.Probe(ctx, loadgen.Load{Concurrency: 16, ISL: 550, OSL: 128}, nil)
//	if err != nil { … }
//	ttft, _ := m.Stat(loadgen.TagTTFT, "p95") // in milliseconds
//
// From the target to the measurement, a probe goes through nine stages, each in a
// file of its own or two:
//
//  1. Target (target.go, endpoint.go, tls.go, prompts.go). A [Target] says where the
//     endpoint is and how to talk to it. [New] checks it and reads the files that it
//     names, but sends nothing. Whatever a server says from then on passes redact.go
//     and harmless.go before it is cut or printed.
//  2. Ready (ready.go, models.go, negotiate.go). [Generator.Ready] waits until the
//     endpoint answers a real inference. It learns the model, how words map to prompt
//     tokens, which fields of a request the server refuses, and how fast an idle server
//     answers. It follows redirects (redirect.go), and tells http from https (mixup.go).
//  3. Probe (load.go, probe.go). [Generator.Probe] measures one [Load]: a number of
//     requests that are always in flight (a closed loop), or a rate at which they
//     arrive (an open loop: pacer.go, open.go, replay.go). workload.go makes the bodies,
//     and mixed.go those of a [Workload], whose laws are in package workload.
//  4. Level (books.go). Slots are added or retired, on connections that are already
//     open (conn.go), until the load is at its level. The load goes on between two
//     probes, so that the next level does not begin from an idle server.
//  5. Slot (slot.go). Each slot sends a request, reads the answer to its end or to
//     [DONE], and at once sends the next. This is the hot path: a read, one clock
//     reading, a copy. budget.go bounds what the answers of all slots hold.
//  6. Record (record.go). What a slot keeps is the bytes of an answer and the times
//     at which they came. A queue hands it to the probe's collector.
//  7. Parse (record.go, decode.go, content.go, tokens.go, likeness.go). The collector,
//     on a goroutine of its own, makes a [Request] of each record, and shows it to the
//     [Decider], which may end the probe early. What an answer says is read by the codec
//     of the target's API, package codec.
//  8. Window (window.go, stage.go). When the level has settled, the window opens.
//     The requests that start in it are the cohort, and each of them is followed to
//     its end under the same load.
//  9. Measurement (measurement.go, stats.go, health.go). A [Measurement] holds
//     AIPerf's metrics of the window (metric.go has the table of them), how the
//     client itself fared, and warnings.
//
// Several generators may carry one load together, each in a process of its own (package
// remote). They go through the same stages, with three differences:
//
//   - Each has its share of the slots, or of the arrivals of the one schedule, and numbers what
//     it sends so that no other sends the same (led.go, and package internal/share).
//   - None of them opens or closes its window. They say what they have come to, and one that
//     sends nothing itself leads: it tells one window the starts of all, in the order of their
//     times (lead.go).
//   - What is parsed goes to the leader (parcel.go), with whatever it must know of the target and
//     of the load before (travel.go, facts.go). Stages 8 and 9 are the leader's.
//
// Beside the stages, scrape.go reads what servers and GPUs say of themselves: pages of metrics,
// on connections and goroutines of their own, once a second and at each edge of the window.
// [Measurement.Join] puts what happened in the window beside the measured numbers, and gpu.go
// works out what a token takes in GPUs, energy and money. slices.go cuts a measurement into
// parts of its time, each of which has all of that, too. Package servermetrics knows the
// pages; a target without one loses nothing else.
//
// The stance is that the numbers are the server's and not the client's. TTFT starts
// just before a request's first byte is written on an open connection. An event has
// the time at which the read that completed it returned, before anything is parsed.
// What the client adds is measured in every probe and reported beside the numbers
// ([Health]).
package loadgen
