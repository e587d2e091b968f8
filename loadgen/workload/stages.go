package workload

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Stage is a part of a schedule of rates. Within it, the rate changes linearly with time.
type Stage struct {
	// From and To are the rates at its two ends, in requests a second. A From of 0 goes on
	// where the stage before it ends, and a To of 0 stands for From: the rate then stays.
	From float64 `json:"from,omitempty"`
	To   float64 `json:"to,omitempty"`
	// Over is how long it lasts, in JSON in nanoseconds.
	Over time.Duration `json:"over"`
}

// Stages is a schedule of rates, in the order of time: a ramp from 5 to 20 requests a second
// in 2 minutes, 10 minutes at 20, and a step down to 5 for a minute are
//
//	workload.Stages{{From: 5, To: 20, Over: 2 * time.Minute}, {Over: 10 * time.Minute}, {From: 5, Over: time.Minute}}
//
// A schedule that all methods but Validate are called on must be valid.
type Stages []Stage

// What a schedule may have at most.
const (
	mostStages = 10_000
	mostRate   = 1e6
)

// Validate reports the first thing that is wrong with the schedule, as a sentence that
// continues one about it. It returns nil for a schedule without stages.
func (ss Stages) Validate() error {
	if len(ss) > mostStages {
		return fmt.Errorf("has %d stages; give %d at most", len(ss), mostStages)
	}
	for i, s := range ss {
		switch {
		case s.Over <= 0:
			return fmt.Errorf("has a stage %d that lasts %v; give how long it takes, for example 2 minutes", i+1, s.Over)
		case !(s.From >= 0 && s.From <= mostRate) || !(s.To >= 0 && s.To <= mostRate):
			return fmt.Errorf("has a stage %d from %v to %v requests/s; give rates from 0 to %g", i+1, s.From, s.To, mostRate)
		case i == 0 && s.From == 0:
			return fmt.Errorf("has a stage 1 that does not say from which rate; only later stages go on where another ends")
		}
	}
	return nil
}

// Filled returns the schedule with the rates at both ends of every stage.
func (ss Stages) Filled() Stages {
	out := make(Stages, len(ss))
	rate := 0.0
	for i, s := range ss {
		if s.From == 0 {
			s.From = rate
		}
		if s.To == 0 {
			s.To = s.From
		}
		rate = s.To
		out[i] = s
	}
	return out
}

// Times returns the schedule with all rates times a factor.
func (ss Stages) Times(factor float64) Stages {
	out := make(Stages, len(ss))
	for i, s := range ss {
		s.From, s.To = s.From*factor, s.To*factor
		out[i] = s
	}
	return out
}

// Length is how long the schedule lasts.
func (ss Stages) Length() (d time.Duration) {
	for _, s := range ss {
		d += s.Over
	}
	return d
}

// requests is how many requests are due in a stage whose rates are filled in.
func (s Stage) requests() float64 { return (s.From + s.To) / 2 * s.Over.Seconds() }

// Requests is how many requests are due in the whole schedule: the integral of its rate. It
// need not be a whole number.
func (ss Stages) Requests() (n float64) {
	for _, s := range ss.Filled() {
		n += s.requests()
	}
	return n
}

// Mean is the mean rate of the schedule, in requests a second.
func (ss Stages) Mean() float64 { return ss.Requests() / ss.Length().Seconds() }

// Clock returns the function that says when so many requests are due, counted from the
// beginning of the schedule: the inverse of the integral of its rate. Before the schedule
// begins, where n is negative, its first rate holds, and behind its end its last.
//
// A renewal process in n, whose gaps have a mean of 1, is so turned into arrivals at the
// rates of the schedule: the time-rescaling theorem (Papangelou 1972; Daley and Vere-Jones
// 2003, section 7.4).
func (ss Stages) Clock() func(n float64) time.Duration {
	filled := ss.Filled()
	return func(n float64) time.Duration {
		if n < 0 {
			return seconds(n / filled[0].From)
		}
		at := time.Duration(0)
		for _, s := range filled {
			if due := s.requests(); n >= due {
				n, at = n-due, at+s.Over
				continue
			}
			// From·t + (To−From)/(2·Over)·t² = n, in the form that stays exact where From and
			// To are the same.
			rise := (s.To - s.From) / s.Over.Seconds()
			return at + seconds(2*n/(s.From+math.Sqrt(s.From*s.From+2*rise*n)))
		}
		return at + seconds(n/filled[len(filled)-1].To)
	}
}

// seconds rounds seconds to a duration.
func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// At returns the index of the stage that runs at a time since the beginning: the first one
// before the beginning, and the last one behind the end.
func (ss Stages) At(since time.Duration) int {
	for i, s := range ss {
		if since -= s.Over; since < 0 {
			return i
		}
	}
	return len(ss) - 1
}

// String describes a stage whose rates are filled in, for example "5 to 20 requests/s over
// 2m0s" or "20 requests/s for 10m0s".
func (s Stage) String() string {
	rate := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	if s.From == s.To || s.To == 0 {
		return fmt.Sprintf("%s requests/s for %v", rate(s.From), s.Over)
	}
	return fmt.Sprintf("%s to %s requests/s over %v", rate(s.From), rate(s.To), s.Over)
}

// String describes the schedule: up to three stages in full, and of more their number, the
// range of their rates and their length.
func (ss Stages) String() string {
	filled := ss.Filled()
	if len(filled) <= 3 {
		var parts []string
		for _, s := range filled {
			parts = append(parts, s.String())
		}
		return strings.Join(parts, ", then ")
	}
	least, most := math.Inf(1), 0.0
	for _, s := range filled {
		least, most = min(least, s.From, s.To), max(most, s.From, s.To)
	}
	return fmt.Sprintf("%d stages of %.4g to %.4g requests/s over %v", len(filled), least, most, ss.Length())
}
