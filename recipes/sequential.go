package recipes

import (
	"math"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// sequential ends a probe as soon as its verdict is known. It watches the
// requests of one trial in start order and holds each limit that is a rule on
// shares (percentiles, the error rate, the share of good requests; a failed
// request breaks a latency limit) against two tests:
//
//   - exact curtailment: the remaining requests cannot change the count
//     verdict, so that it is that of the whole probe;
//   - Wald's sequential probability ratio test, at an error that the limits
//     share (see [wald]): it says something about the server, not only about
//     the sample, and usually comes first.
//
// The probe fails when one limit fails and passes when all pass. Limits on
// averages and rates want the whole window: with one of those a probe can fail
// early and never pass. No verdict comes before 2·concurrency requests, two
// turnovers of the slots.
//
// It is pure: no clock, no I/O.
type sequential struct {
	counters []counter // one per limit
	planned  int       // requests of the whole probe
	floor    int       // requests before which nothing is decided
	seen     int
}

// newSequential returns the decider of one trial of n requests at concurrency c.
// confidence is 1 minus the error that the verdict may have each way.
func newSequential(limits []Limit, n, c int, confidence float64) *sequential {
	s := &sequential{planned: max(n, 2*c), floor: 2 * c}
	shares := 0
	for _, l := range limits {
		r, ok := ruleOf(l)
		s.counters = append(s.counters, counter{rule: r, counted: ok, blocks: newBlocks(c)})
		if ok {
			shares++
		}
	}
	for i := range s.counters {
		if k := &s.counters[i]; k.counted {
			k.test = newWald(k.rule.allowed, (1-confidence)/float64(shares))
		}
	}
	return s
}

// Seen takes the next request and reports whether the verdict is settled.
func (s *sequential) Seen(q loadgen.Request) (stop bool) {
	s.seen++
	if len(s.counters) == 0 {
		return false
	}
	left := max(s.planned-s.seen, 0)
	all := true
	for i := range s.counters {
		k := &s.counters[i]
		k.count(&q)
		if s.seen >= s.floor {
			k.decide(left)
		}
		if k.failed() {
			stop = true
		}
		all = all && k.passed()
	}
	return stop || all
}

// counter is one limit as far as a trial has come.
type counter struct {
	counted bool // the limit is a rule on shares; the rest of the fields need it
	rule    rule
	tally   tally
	blocks  blocks
	test    wald

	verdict ruling  // of the sequential test, kept once it is there
	exact   ruling  // of the curtailment
	ratio   float64 // log odds that the evidence gives, at the verdict or now; positive speaks against the limit
	next    int     // requests at which the test looks again
}

// ruling is a verdict on one limit.
type ruling int8

const (
	open ruling = iota
	holds
	breaks
)

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

func (k *counter) decide(left int) {
	if !k.counted {
		return
	}
	if k.exact == open {
		k.exact = k.rule.curtail(k.tally, left)
	}
	if k.verdict == open && k.test.alpha > 0 && (k.tally.n >= k.next || left == 0) {
		// A look at every request would cost more than it saves.
		k.next = k.tally.n + max(1, k.tally.n/32)
		favour, against := k.test.evidence(&k.blocks, k.rule.allowed)
		k.ratio = against
		if favour > against {
			k.ratio = -favour
		}
		k.verdict = k.test.ruling(favour, against)
	}
}

func (k *counter) inflation() float64 {
	weight := weightFor
	if k.ratio > 0 {
		weight = weightAgainst
	}
	return k.blocks.inflation(k.rule.allowed, weight)
}

func (k *counter) failed() bool { return k.verdict == breaks || k.verdict == open && k.exact == breaks }
func (k *counter) passed() bool { return k.verdict == holds || k.verdict == open && k.exact == holds }

// conclusion is what the trials of a probe concluded about one limit.
type conclusion struct {
	ruling    ruling  // of the sequential tests; open: none of them came to an end
	pass      float64 // P(the limit holds); meaningless while open
	inflation float64 // variance of the count over that of independent requests
}

// conclude pools what the trials' deciders say about limit i.
func conclude(deciders []*sequential, i int) conclusion {
	c := conclusion{inflation: 1}
	ratio, alpha := 0.0, 0.0
	for _, s := range deciders {
		k := &s.counters[i]
		if !k.counted {
			return c
		}
		c.inflation = max(c.inflation, k.inflation())
		ratio += k.ratio
		alpha = k.test.alpha
		if k.verdict != open && c.ruling == open {
			c.ruling = k.verdict
		}
	}
	switch {
	case c.ruling == open:
		return c
	case len(deciders) > 1: // evidence adds up, also that of trials that contradict
		c.pass = 1 / (1 + math.Exp(ratio))
		c.ruling = holds
		if ratio > 0 {
			c.ruling = breaks
		}
	case c.ruling == holds: // rounding must not take away a certainty at the boundary
		c.pass = max(1/(1+math.Exp(ratio)), 1-alpha)
	default:
		c.pass = min(1/(1+math.Exp(ratio)), alpha)
	}
	return c
}

// settle gives a probe that ended early the certainty that its deciders came to.
// A test that stayed open leaves the reading as it is, but for the dependence of
// the requests, which the deciders know better: they saw whole blocks.
func (c conclusion) settle(r *Reading, l *plan.Margin) {
	if r.Of == 0 {
		return
	}
	if c.ruling != open {
		r.Pass, r.Holds = c.pass, c.ruling == holds
		l.Pass, l.Value = r.Pass, signed(l.Value, r.Holds)
	}
}
