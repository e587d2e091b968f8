// Package share is what generators that measure one probe together are told, and what they
// say. It is plain data, which package remote carries from one process to another; package
// loadgen has both ends.
//
// The one that leads tells each generator its [Part] of the probe, and then gives [Order]s.
// The generators answer with [Report]s. All times in an Order or a Report are on the
// clock of the generator that it is for or from.
//
//	leads                     a generator
//	Part                  →
//	                      ←   Prepared            of an open loop: it waits for its beginning
//	Begin                 →
//	                      ←   Settled             the level is reached and has turned over
//	Open                  →
//	                      ←   Opened, then tickets and requests
//	Rephase               →                       the phases of all slots are to be drawn anew
//	                      ←   Drained
//	Restart               →
//	                      ←   Settled …
//	Shut, or Cut          →
//	                      ←   End
//
// A generator that is alone opens, divides and closes its window itself, as it does without
// anybody who leads: it takes no order but Cut.
package share

import (
	"fmt"
	"strings"
	"time"
)

// Part is a generator's part of a probe.
type Part struct {
	// Index is the generator's place among the Of of the run, from 0. Requests, prompts and
	// conversations are numbered by it, so that no two generators send the same one.
	Index, Of int
	// Rank is the generator's place among the Active that have a part in this probe, from 0.
	Rank, Active int
	// Probes is how many probes the run has had before this one.
	Probes int
	// Used is how many requests of a file the run has used before this probe.
	Used uint64
	// Patient says that nothing is decided by single requests, so that they may be told in lots.
	Patient bool
}

// Whole is the part of a generator that shares with nobody.
var Whole = Part{Of: 1, Active: 1}

// Alone reports whether the generator is the only one of its probe.
func (p Part) Alone() bool { return p.Active == 1 }

// Share returns the part's share of n things of which each is in one part.
func (p Part) Share(n int) int {
	if p.Rank < n%p.Active {
		return n/p.Active + 1
	}
	return n / p.Active
}

// Has reports whether the thing with the number k, from 0, is in the part.
func (p Part) Has(k int) bool { return k%p.Active == p.Rank }

// Number returns the number in the run of the generator's own k-th thing.
func (p Part) Number(k uint64) uint64 { return k*uint64(p.Of) + uint64(p.Index) }

// What an Order says.
type What uint8

// The orders.
const (
	Begin   What = iota + 1 // the schedule of an open loop starts at At
	Open                    // the window opens at once
	Rephase                 // the part of the window closes: all slots wait behind their requests
	Restart                 // they go on, each after a random part of Mean
	Shut                    // the window closes; what has started is followed to its end
	Cut                     // the probe ends where it stands
)

// Order tells a generator what to do.
type Order struct {
	Do What
	// At is when the schedule starts, Lead how many requests it has before its window, and
	// Used as in Part. They are those of Begin.
	At   time.Duration
	Lead int
	Used uint64
	// Calm is how many requests of the part of the window that opens may start before their
	// starts are waited for, 0 if they always are. It is that of Open.
	Calm int
	// Mean is the mean time of a request, that of Restart.
	Mean time.Duration
	// Why is the reason of Cut, one of loadgen.Ended.
	Why string
}

// State is what a generator has come to.
type State uint8

// The states.
const (
	Prepared State = iota + 1
	Settled
	Opened
	Drained
)

// Mark says when a state was reached.
type Mark struct {
	State State
	At    time.Duration
}

// Report is what a generator says since the one before.
type Report struct {
	// At is when it was made: every request that started before is in this report or in an
	// earlier one.
	At time.Duration
	// Run is part of the names of the generator's requests. It is in the first report.
	Run   uint64
	Marks []Mark
	// Lead and Used are those that the generator's schedule needs, with the mark Prepared.
	Lead int
	Used uint64
	// Tickets are the times at which requests of the window started, in order. Requests are those
	// that have ended, whatever they are of, as loadgen writes them.
	Tickets  []time.Duration
	Requests []byte
	Tempo    Tempo
	// End is the last thing that a generator says of a probe; nil before.
	End *End
}

// Tempo is how long the requests of a level take.
type Tempo struct {
	// Sum is the time of N requests, and Moved by how much Pairs of them differed from the one
	// before them in their slot.
	Sum   time.Duration
	N     int
	Moved time.Duration
	Pairs int
	// Sheds says that the server did not take a request of this level.
	Sheds bool
}

// Add returns the tempo of both.
func (t Tempo) Add(o Tempo) Tempo {
	return Tempo{Sum: t.Sum + o.Sum, N: t.N + o.N, Moved: t.Moved + o.Moved, Pairs: t.Pairs + o.Pairs, Sheds: t.Sheds || o.Sheds}
}

// Mean is a request's time; 0 when none has ended.
func (t Tempo) Mean() time.Duration {
	if t.N == 0 {
		return 0
	}
	return t.Sum / time.Duration(t.N)
}

// End is how a generator's part ended.
type End struct {
	// Spans are the times in which its window was open, from and to.
	Spans [][2]time.Duration
	// Ended is why it ended, one of loadgen.Ended, and Served how many requests a second an
	// overloaded server served. They are those of a generator that is alone.
	Ended  string
	Served float64
	// Begun and Over are the times of the whole part.
	Begun, Over time.Duration
	// Running holds the starts of requests that a cut left in flight, Skipped counts those that
	// were due and not sent, and Held is how long the last of the window had to wait.
	Running []time.Duration
	Skipped int
	Held    time.Duration
	// Used is as in Part.
	Used uint64
	// How the process itself fared; see loadgen.Health.
	BeatLag, GCPause time.Duration
	CPU              float64
	// Unreachable is what the network said of an endpoint that is gone, empty otherwise. A part
	// that ends so has measured nothing.
	Unreachable string
}

// Facts is what a generator has learnt of its endpoint in Ready, for others.
type Facts struct {
	Model, Version string
	Models         []string
	Context        int
	Cold           time.Duration
	Notes          []string
	// Bases are the base URLs of the endpoints, behind redirects.
	Bases []string
	// Without lists the fields of a request that the server refuses, and Completion says that it
	// wants the other name of the answer's length. Hides says that answers begin with what is
	// not shown.
	Without           []string
	Completion, Hides bool
	// Base and Slope map words to tokens, and First and Token are the pace of an idle server.
	Base, Slope  float64
	First, Token time.Duration
	// Salt makes the prompts of the run differ from those of any other.
	Salt uint64
}

// Target is a target as data: its fields as JSON, and the files that it names by their paths.
type Target struct {
	Fields []byte
	Files  map[string][]byte
}

// CannotReach says that these of n workers, of which there are several, cannot reach the
// endpoint, and what to do. remedy is empty if it is all of them: the server may not run.
func CannotReach(workers []string, n int) (text, remedy string) {
	const most = 5
	k := len(workers)
	if k == n {
		return fmt.Sprintf("none of the %d workers can", n), ""
	}
	names := strings.Join(workers[:min(k, most)], ", ")
	if k > most {
		names += fmt.Sprintf(" and %d more", k-most)
	}
	return fmt.Sprintf("%d of the %d workers cannot (%s)", k, n, names),
		"look for what stands between these workers and the endpoint, such as a firewall or a NetworkPolicy"
}
