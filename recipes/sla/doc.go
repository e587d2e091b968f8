// Package sla decides whether a probe meets its SLA limits, and how certain that
// is.
//
// The text of a limit is read once, by [ParseLimit], into a [Limit]: a statistic
// of a metric, an operator, and a threshold in the metric's display unit. A limit
// writes itself in a form that reads the same:
//
//	l, err := sla.ParseLimit("ttft p95 < 200ms")
//	if err != nil {
//		return err // a *LimitError, which shows the column
//	}
//	fmt.Println(l) // ttft p95 < 200ms
//
// The requests of a probe then become a [Reading], one for each limit:
//
//	r := sla.Read(l, trials, nil)
//	fmt.Println(r.Holds, r.Pass) // the verdict, and the probability that the limit holds
//
// A limit on a percentile, on the error rate or on the share of good requests is a
// rule on shares of requests: p95 < 200ms holds when fewer than 5% of the requests
// take 200ms or longer. Such a limit is decided by counting, and Pass is the
// posterior of the share. Failed requests break every latency limit, since a
// percentile over the successful requests alone would reward a server that drops
// its slow ones. A limit on an average or on a rate is decided by comparing the
// value, and Pass follows from its standard error.
//
// A probe that exists for its verdict alone need not be measured to its end. A
// [Decider] watches the requests of one trial as they finish and says when the
// verdict is settled. It implements loadgen.Decider:
//
//	d := sla.NewDecider(limits, load.Requests, load.Concurrency, 0.98)
//	m, err := generator.Probe(ctx, load, d)
//	r := sla.Read(limits[0], sla.Trials{m}, []*sla.Decider{d})
//
// Everything here is a pure function of requests and limits. The package knows no
// clock, no HTTP, no recipe and no planner.
package sla
