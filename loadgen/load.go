package loadgen

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// Load is one level of load to measure. It is plain data, so that another process
// can run it. Exactly one of Concurrency and Rate must be set; every other field
// may be zero.
type Load struct {
	// Concurrency is the number of requests that are in flight at all times (a
	// closed loop). With conversations it is the number of users, who have no request in
	// flight while they think. If it is 0, the loop is open, at Rate.
	Concurrency int
	// Rate is the number of requests per second that an open loop starts. With
	// conversations, each is the next turn of the user who has waited longest for one, or
	// the first of another conversation. Of a Workload with Stages it is their mean.
	Rate float64
	// Arrival is how the requests of an open loop arrive: constant (also if
	// empty), poisson, gamma or gamma:SHAPE. SHAPE is positive and 0.5 by default;
	// below 1, arrivals are burstier than poisson.
	Arrival string
	// MostInFlight is the greatest number of requests of an open loop that are in flight at
	// a time. Those that are due then wait for one to end, and are sent late; if that goes on
	// the rate is above what the server serves so many of. 0 means no such limit.
	MostInFlight int

	// ISL is the number of prompt tokens of a request, DefaultISL if 0.
	ISL int
	// OSL is the number of output tokens of a request, DefaultOSL if 0.
	OSL int
	// Workload says more of the requests: laws of their lengths, what they share, models.
	// If it is zero, all requests have the lengths ISL and OSL and share nothing.
	Workload Workload

	// Body has further fields of the request body, which override those of Target.Body. A
	// nil value leaves a field out.
	Body map[string]any

	// Requests is the number of requests in the measured window, DefaultRequests
	// if 0. It is raised to 2·Concurrency, with a warning if it was set. The defaults for a
	// Workload with Stages are all requests of the schedule, and a minute more than its length.
	Requests int
	// Window is the greatest length of the measured window, DefaultWindow if 0. Least is its least
	// length: where Requests have been sent sooner, more are. 0 means that Requests are enough. Stages
	// and a replayed file have a length of their own, and none of these.
	Window, Least time.Duration

	// SLO holds upper limits by metric tag, each in the metric's display unit. A
	// request that is within all of them is good. If SLO is empty, there are no
	// metrics of good requests.
	SLO map[Tag]float64
	// Target names the arm of an A/B run. It is empty if there is only one.
	Target string
	// Seed determines the prompts, the arrivals, and the spread of the first
	// requests. Arrivals differ from one probe of a generator to the next.
	Seed uint64
}

// The size of a probe whose Load does not say otherwise.
const (
	DefaultISL      = 550         // prompt tokens
	DefaultOSL      = 128         // output tokens
	DefaultRequests = 300         // requests in the window
	DefaultWindow   = time.Minute // greatest length of the window
)

// withDefaults returns l with its zero fields filled in and its request count
// raised to two turnovers of the slots, since fewer would measure the opening
// burst. Errors are *TargetError.
func (l Load) withDefaults() (Load, error) {
	switch {
	case l.Concurrency == 0 && l.Rate == 0 && l.Workload.Replay == 0 && len(l.Workload.Stages) == 0:
		return l, &TargetError{Field: "Load", Problem: "has neither Concurrency nor Rate; set one of them"}
	case l.Concurrency < 0:
		return l, &TargetError{Field: "Load.Concurrency", Problem: fmt.Sprintf("is %d; it must be at least 1", l.Concurrency)}
	case l.Concurrency > 0 && len(l.Workload.Stages) > 0:
		return l, &TargetError{Field: "Load.Concurrency", Problem: "is set for Stages, which are rates; set Rate, or neither"}
	case l.Concurrency > 0 && l.Rate != 0:
		return l, &TargetError{Field: "Load", Problem: "has both Concurrency and Rate; set one of them"}
	case l.MostInFlight < 0 || l.MostInFlight > 0 && l.Rate == 0:
		return l, &TargetError{Field: "Load.MostInFlight", Problem: fmt.Sprintf("is %d; it must be positive, and is for a Rate", l.MostInFlight)}
	case l.ISL < 0 || l.OSL < 0 || l.Requests < 0 || l.Window < 0 || l.Least < 0:
		return l, &TargetError{Field: "Load", Problem: fmt.Sprintf("has a negative size (ISL %d, OSL %d, Requests %d, Window %v, Least %v)",
			l.ISL, l.OSL, l.Requests, l.Window, l.Least)}
	}
	if err := l.CheckWorkload(); err != nil {
		return l, &TargetError{Field: "Load.Workload", Problem: fmt.Sprintf("cannot be used: %v", err)}
	}
	if stages := l.Workload.Stages; len(stages) > 0 {
		l.Rate = cmp.Or(l.Rate, stages.Mean())
		if l.Window == 0 {
			l.Window = stages.Length() + time.Minute // for what is late
		}
		if l.Requests == 0 {
			l.Requests = l.Due()
		}
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
	if l.Workload.Timed() {
		l.Least = 0
	}
	l.Requests = max(l.Requests, 2*l.Concurrency)
	return l, nil
}

// Due returns how many requests a load at a Rate whose Workload has Stages has at most. Those
// that arrive by chance are more than its rates say now and then, and the end of the schedule
// closes the window.
func (l Load) Due() int {
	n := l.Rate * l.Workload.Stages.Length().Seconds()
	if l.Arrival != "" && l.Arrival != "constant" {
		n += 10*math.Sqrt(n) + 10
	}
	return int(math.Ceil(n - 1e-6))
}

// Schedule returns the stages of a load at a Rate with the rates that they then have, at both
// ends of each; nil for a load without stages.
func (l Load) Schedule() laws.Stages {
	stages := l.Workload.Stages
	if len(stages) == 0 {
		return nil
	}
	return stages.Filled().Times(l.Rate / stages.Mean())
}

// Validate reports what makes a load impossible, as a *TargetError: sizes, and an arrival
// process that there is none of.
func (l Load) Validate() error {
	l, err := l.withDefaults()
	if err == nil && l.Rate != 0 {
		_, err = newPacer(l.Rate, l.Arrival, l.Seed)
	}
	return err
}

// Level returns the load's level as a number: the requests in flight of a closed loop, the
// requests per second of an open one.
func (l Load) Level() float64 {
	if l.Rate != 0 {
		return l.Rate
	}
	return float64(l.Concurrency)
}

// Lengths describes the lengths of prompts and answers and whatever else the workload says,
// for example "550/128 tokens in/out".
func (l Load) Lengths() string {
	return l.Workload.Describe(cmp.Or(l.ISL, DefaultISL), cmp.Or(l.OSL, DefaultOSL))
}

// CheckWorkload reports what is wrong with the load's Workload, beginning with the field at
// fault. Secrets in it are refused: it is plain data, which is written to files, and those of
// a target are kept out of them.
func (l Load) CheckWorkload() error {
	if err := l.Workload.Validate(); err != nil {
		return err
	}
	for _, kind := range l.Workload.Kinds() {
		for _, name := range slices.Sorted(maps.Keys(kind.Body)) {
			if secretName(name) {
				return fmt.Errorf("%s has a field %q, which looks confidential; set it with Target.Body, which is not written to files", "Body", name)
			}
		}
	}
	return nil
}

// Largest returns the tokens of the prompt and of the answer of the load's largest request,
// as far as 10,000 requests show.
func (l Load) Largest() (isl, osl int) {
	isl, osl = cmp.Or(l.ISL, DefaultISL), cmp.Or(l.OSL, DefaultOSL)
	if l.Workload.IsZero() {
		return isl, osl
	}
	return l.Workload.Source(isl, osl, l.Seed).Largest()
}

// means returns the mean tokens of a prompt and of an answer of the load.
func (l Load) means() (isl, osl float64) {
	isl, osl, _ = l.Workload.Means(cmp.Or(l.ISL, DefaultISL), cmp.Or(l.OSL, DefaultOSL))
	return isl, osl
}

// Moments returns the means and the standard deviations of the tokens of prompts and of
// answers, as 10,000 requests of the load have them.
func (l Load) Moments() (isl, osl [2]float64) {
	source := l.Workload.Source(cmp.Or(l.ISL, DefaultISL), cmp.Or(l.OSL, DefaultOSL), l.Seed)
	var in, out []float64
	for r := range source.All() {
		in, out = append(in, float64(r.Prompt())), append(out, float64(r.OSL))
		if len(in) == 10_000 {
			break
		}
	}
	isl[0], isl[1] = stat.PopMeanStdDev(in, nil)
	osl[0], osl[1] = stat.PopMeanStdDev(out, nil)
	return isl, osl
}

// String names the load's level, for example "concurrency 64" or "12.5 requests/s". Of a
// schedule of rates it is their mean, and the text says so.
func (l Load) String() string {
	if l.Rate != 0 && len(l.Workload.Stages) > 0 {
		return fmt.Sprintf("%.4g requests/s on average", l.Rate)
	}
	if l.Rate != 0 {
		return fmt.Sprintf("%.4g requests/s", l.Rate)
	}
	return fmt.Sprintf("concurrency %d", l.Concurrency)
}

// Decider watches a probe and may end it early. Seen is called from one goroutine,
// once for each request of the window, failures included, in the order of their
// starts and as soon as each has ended. It returns true to stop the probe. Requests
// that end before the probe has stopped are still part of the measurement, so a
// late stop costs time and nothing else.
type Decider interface {
	Seen(Request) (stop bool)
}
