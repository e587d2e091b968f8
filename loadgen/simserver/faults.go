package simserver

import (
	"math/rand/v2"
	"slices"
)

// Faults are the ways in which a server is to misbehave. The zero value
// injects none.
//
// The shares say which part of the inferences is hit, each 0 to 1; an
// inference has one fault at most, so together they should not pass 1. Which
// inference is hit depends on its number of arrival and Model.Seed alone.
type Faults struct {
	Status     map[int]float64 // HTTP status → share answered with it and a JSON error instead of an inference
	Stall      float64         // share whose stream falls silent until the client leaves or the server closes
	Cut        float64         // share whose connection is closed in the middle of an event
	Malformed  float64         // share in which one event is broken JSON; the stream then goes on
	ErrorEvent float64         // share whose stream ends with an error object and [DONE]

	// After is how many content events go before a Stall, Cut, Malformed or
	// ErrorEvent; 0: the fault takes the place of the first. Beyond the output
	// length it comes just before the finish chunk. Without streaming, the
	// answer itself is withheld, cut in half, broken, or the error object.
	After int

	NoRole        bool // the first chat chunk carries content at once; real servers send one with the role alone before it
	NoUsage       bool // usage is never reported
	NoDone        bool // streams end without [DONE]
	CloseAfter    bool // keep-alive is advertised, yet each connection is closed after one answer
	RejectUnknown bool // body fields outside OpenAI's API, such as ignore_eos, are answered with 400
	DieAfter      int  // when one more than so many inferences have arrived, the listener and all connections close for good; 0: never
}

// A fault is what happens to one inference.
type fault uint8

const (
	none fault = iota
	status
	stall
	cut
	malformed
	errorEvent
)

// draw reports what happens to the n-th inference, and for status the code.
func (f Faults) draw(seed uint64, n int64) (fault, int) {
	u := rand.New(rand.NewPCG(seed, uint64(n)+1)).Float64()
	var codes []int
	for code := range f.Status {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	for _, code := range codes {
		if u -= f.Status[code]; u < 0 {
			return status, code
		}
	}
	for _, c := range []struct {
		share float64
		fault fault
	}{{f.Stall, stall}, {f.Cut, cut}, {f.Malformed, malformed}, {f.ErrorEvent, errorEvent}} {
		if u -= c.share; u < 0 {
			return c.fault, 0
		}
	}
	return none, 0
}
