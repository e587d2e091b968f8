// Package remote puts the load of a probe on several machines. A [Pool] is a
// recipes.Prober that measures with workers; each worker is a process that runs [Serve],
// for example the command aiperf-worker:
//
//	client, worker, err := remote.NewKeys(24 * time.Hour)
//	if err != nil { … }
//	// Each worker: remote.Serve(ctx, listener, remote.Options{Keys: worker})
//	p := &remote.Pool{
//		Target: loadgen.Target{URL: "http://10.0.0.7:8000"},
//		N:      4,
//		Keys:   client,
//		Dial: func(ctx context.Context, i int) (net.Conn, error) {
//			return new(net.Dialer).DialContext(ctx, "tcp", hosts[i])
//		},
//	}
//	defer p.Close()
//	if err := p.Ready(ctx); err != nil { … }
//	m, err := p.Probe(ctx, loadgen.Load{Concurrency: 4000}, nil)
//
// What decides stays where the pool is: the search, the sequential test, the verdict.
// What moves is the load, as plain data: a target, a [loadgen.Load], and the number of the
// worker among the others. A worker needs none of the test's code.
//
// A probe over N workers is one probe. Each worker has its share of the slots, or of the
// arrivals of one seeded schedule; no request waits for a message. The window opens once
// every worker says that its level has settled, which is a barrier of states and not of
// clocks. What comes back are requests and not histograms, so that every statistic of N
// workers is that of one process on the same requests, bit for bit; and the measurement of
// a pool of one worker is that of a [loadgen.Generator].
//
// A connection is a lease. When it ends, the worker's load ends within the time of one
// cancelled request, and a second pool is refused as long as it holds. A worker that is
// lost voids the probe, since fewer slots would be another load: the pool lets go of all
// workers, the probe's error is a [*WorkerError], and the next Probe dials all of them
// again, for up to StartTimeout.
//
// # Where workers come from
//
// The pool knows neither hosts nor pods. Dial opens a connection to worker i, whatever that
// takes, and is called again, also while a worker is being replaced. It may wait until the
// worker is there, and may return an error that has the method Final() bool if waiting
// longer is no use: Ready or Probe then ends with it, and otherwise dials again until
// StartTimeout. Worker names worker i in messages, and Kind says what workers and their
// places are called, as in "8 pods on 5 nodes".
package remote
