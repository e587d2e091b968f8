package loadgen

import (
	"fmt"
	"time"
)

// Load is one level of load to measure: plain data, so that another process can
// run it.
type Load struct {
	Concurrency int     // requests in flight at all times (closed loop); 0: open loop at Rate
	Rate        float64 // requests per second (open loop)
	Arrival     string  // how an open loop's requests arrive: constant (the default), poisson, gamma or gamma:SHAPE (0.5 by default; below 1 is burstier than poisson)

	ISL int // prompt tokens of a request; 0: DefaultISL
	OSL int // output tokens of a request; 0: DefaultOSL

	Requests int           // requests in the measured window; 0: DefaultRequests; raised to 2·Concurrency
	Window   time.Duration // length of the measured window at most; 0: DefaultWindow

	SLO    map[string]float64 // metric tag → limit in its display unit; a request that meets all is good
	Target string             // the arm of an A/B run; empty: the only one
	Seed   uint64             // makes the prompts
}

// The size of a probe where a Load does not say otherwise.
const (
	DefaultISL      = 550
	DefaultOSL      = 128
	DefaultRequests = 300
	DefaultWindow   = time.Minute
)

// withDefaults returns l with its zero fields filled in and its request count
// raised to two turnovers of the slots: fewer would measure the opening burst.
func (l Load) withDefaults() (Load, error) {
	switch {
	case l.Concurrency == 0 && l.Rate == 0:
		return l, &TargetError{Field: "Load", Problem: "has neither Concurrency nor Rate; set one of them"}
	case l.Concurrency < 0:
		return l, &TargetError{Field: "Load.Concurrency", Problem: fmt.Sprintf("is %d; it must be at least 1", l.Concurrency)}
	case l.Concurrency > 0 && l.Rate != 0:
		return l, &TargetError{Field: "Load", Problem: "has both Concurrency and Rate; set one of them"}
	case l.ISL < 0 || l.OSL < 0 || l.Requests < 0 || l.Window < 0:
		return l, &TargetError{Field: "Load", Problem: fmt.Sprintf("has a negative size (ISL %d, OSL %d, Requests %d, Window %v)", l.ISL, l.OSL, l.Requests, l.Window)}
	}
	if l.ISL == 0 {
		l.ISL = DefaultISL
	}
	if l.OSL == 0 {
		l.OSL = DefaultOSL
	}
	if l.Requests == 0 {
		l.Requests = DefaultRequests
	}
	if l.Window == 0 {
		l.Window = DefaultWindow
	}
	l.Requests = max(l.Requests, 2*l.Concurrency)
	return l, nil
}

// Decider watches a probe and may end it early. Seen is called from one
// goroutine, once for each request of the window in the order of their starts,
// failures included, each as soon as it has ended; true asks to stop, which
// loses nothing but time if it comes late.
type Decider interface {
	Seen(Request) (stop bool)
}

// level names the load's level: "concurrency 64" or "rate 12/s".
func (l Load) level() string {
	if l.Rate != 0 {
		return fmt.Sprintf("rate %g/s", l.Rate)
	}
	return fmt.Sprintf("concurrency %d", l.Concurrency)
}
