package sla

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
)

// Decider ends a trial as soon as its verdict is settled. It watches the requests
// of one trial in the order in which they started, and holds each limit that is a
// rule on shares (percentiles, the error rate, the share of good requests) against
// two tests:
//
//   - exact curtailment: the remaining requests cannot change the count
//     verdict, so that it is that of the whole trial;
//   - Wald's sequential probability ratio test, at an error that the limits
//     share (see [wald]): it says something about the server, not only about
//     the sample, and usually comes first.
//
// The trial fails when one limit fails, and passes when all pass. A failed request
// breaks a latency limit. Limits on averages and rates need the whole window, so
// that with one of them a trial can fail early but never pass early.
//
// A Decider is a pure function of the requests that it has seen: it has no clock
// and does no I/O. Use one for a single trial, and from a single goroutine.
type Decider struct {
	// counters has one entry for each limit.
	counters []counter
	// planned is the number of requests of the whole trial.
	planned int
	// least is the number of requests before which nothing is decided.
	least int
	// seen is the number of requests so far.
	seen int
	// Every says that the verdict on each limit is wanted, as where limits are of several
	// tiers: the trial then goes on when one has failed. If false, the first failure ends it.
	Every bool
}

// NewDecider returns the decider of one trial of n requests at concurrency c.
// confidence, between 0.5 and 1, is 1 minus the error that the verdict may have
// each way; the limits on shares divide that error among themselves (Bonferroni).
//
// No verdict comes before 2·c requests, which are two turnovers of the slots.
func NewDecider(limits []Limit, n, c int, confidence float64) *Decider {
	d := &Decider{planned: max(n, 2*c), least: 2 * c}
	shares := 0
	for _, l := range limits {
		r, ok := ruleOf(l)
		d.counters = append(d.counters, counter{limit: l, rule: r, counted: ok, blocks: newBlocks(c)})
		if ok {
			shares++
		}
	}
	for i := range d.counters {
		if k := &d.counters[i]; k.counted {
			k.test = newWald(k.rule.allowed, (1-confidence)/float64(shares))
		}
	}
	return d
}

// Seen takes the next request and reports whether the verdict is settled, so that
// the trial can end. Without limits nothing is ever settled.
func (d *Decider) Seen(q loadgen.Request) (stop bool) {
	d.seen++
	if len(d.counters) == 0 {
		return false
	}
	left := max(d.planned-d.seen, 0)
	all, settled := true, true
	for i := range d.counters {
		k := &d.counters[i]
		k.count(&q)
		if d.seen >= d.least {
			k.decide(left)
		}
		if k.failed() {
			stop = true
		}
		all = all && k.passed()
		settled = settled && (k.passed() || k.failed())
	}
	if d.Every {
		return settled
	}
	return stop || all
}

// counter is the state of one limit within a trial.
type counter struct {
	limit Limit
	// counted says that the limit is a rule on shares. The fields below are only
	// used when it is.
	counted bool
	rule    rule
	tally   tally
	blocks  blocks
	test    wald

	// verdict is the ruling of the sequential test. Once it is not open, it stays.
	verdict ruling
	// exact is the ruling of the curtailment.
	exact ruling
	// ratio is the log likelihood ratio of the evidence, at the verdict or by now;
	// a positive one speaks against the limit.
	ratio float64
	// next is the number of counted requests at which the test looks again.
	next int
}

// ruling is a verdict on one limit; the zero value is open.
type ruling int8

const (
	open ruling = iota
	holds
	breaks
)

// count adds a request to the counts, if it says anything about the limit.
func (k *counter) count(q *loadgen.Request) {
	if !k.counted {
		return
	}
	bad, counts := k.rule.worse(q)
	if !counts {
		return
	}
	k.tally.n++
	if bad {
		k.tally.bad++
	}
	k.blocks.add(bad)
}

// decide asks both tests for a ruling; at most left requests are still to come.
func (k *counter) decide(left int) {
	if !k.counted {
		return
	}
	if k.exact == open {
		k.exact = k.rule.curtail(k.tally, left)
	}
	if k.verdict == open && k.test.alpha > 0 && (k.tally.n >= k.next || left == 0) {
		// Looking after every request would cost more than it saves, so the
		// looks are about 3% (1/32) of the requests apart. The error of the test
		// holds for any schedule of looks.
		k.next = k.tally.n + max(1, k.tally.n/32)
		favour, against := k.test.evidence(&k.blocks, k.rule.allowed)
		k.ratio = against
		if favour > against {
			k.ratio = -favour
		}
		k.verdict = k.test.ruling(favour, against)
	}
}

// failed and passed report the ruling of the limit. The sequential test speaks
// about the server and goes before the curtailment, which speaks about the sample.
func (k *counter) failed() bool { return k.verdict == breaks || k.verdict == open && k.exact == breaks }
func (k *counter) passed() bool { return k.verdict == holds || k.verdict == open && k.exact == holds }

// conclusion is what the trials of a probe together conclude about one limit.
type conclusion struct {
	// ruling is that of the sequential tests; it is open when none of them ended.
	ruling ruling
	// pass is P(the limit holds). It has no meaning while the ruling is open.
	pass float64
}

// conclude pools what the deciders of the trials say about a limit. The log
// likelihood ratios of independent trials add up. The result is open for a limit
// that is not a rule on shares.
func conclude(deciders []*Decider, l Limit) conclusion {
	var c conclusion
	ratio, alpha := 0.0, 0.0
	for _, d := range deciders {
		k := d.counterOf(l)
		if k == nil || !k.counted {
			return c
		}
		ratio += k.ratio
		alpha = k.test.alpha
		if k.verdict != open && c.ruling == open {
			c.ruling = k.verdict
		}
	}
	switch {
	case c.ruling == open:
		return c
	case len(deciders) > 1: // trials may contradict each other, and the sum decides
		c.pass = 1 / (1 + math.Exp(ratio))
		c.ruling = holds
		if ratio > 0 {
			c.ruling = breaks
		}
	case c.ruling == holds: // rounding must not undo a certainty that was just reached
		c.pass = max(1/(1+math.Exp(ratio)), 1-alpha)
	default:
		c.pass = min(1/(1+math.Exp(ratio)), alpha)
	}
	return c
}

// counterOf returns the counter of a limit, or nil for a limit that the decider
// was not asked about.
func (d *Decider) counterOf(l Limit) *counter {
	for i := range d.counters {
		if d.counters[i].limit == l {
			return &d.counters[i]
		}
	}
	return nil
}

// settle gives the reading of a probe that ended early the certainty that its
// deciders reached. A test that stayed open leaves the reading unchanged.
func (c conclusion) settle(r *Reading) {
	if r.Of == 0 || c.ruling == open {
		return
	}
	r.Pass, r.Holds = c.pass, c.ruling == holds
	r.Margin = signed(r.Margin, r.Holds)
}
