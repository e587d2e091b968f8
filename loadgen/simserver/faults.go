package simserver

import (
	"math/rand/v2"
	"slices"
)

// Faults are the ways in which a server misbehaves. The zero value injects none.
//
// Status, Stall, Cut, Malformed and ErrorEvent are shares of the inferences, each from 0
// to 1. An inference has at most one of these faults, so their sum should not exceed 1.
// Which inference is hit depends on its number of arrival and on Model.Seed alone.
type Faults struct {
	// Status maps an HTTP status to the share that is answered with it and a JSON
	// error instead of an inference.
	Status map[int]float64
	// Stall is the share whose stream falls silent until the client leaves or the
	// server closes.
	Stall float64
	// Cut is the share whose connection is closed in the middle of an event.
	Cut float64
	// Malformed is the share in which one event is broken JSON. The stream then goes
	// on.
	Malformed float64
	// ErrorEvent is the share whose stream ends with an error object and [DONE].
	ErrorEvent float64

	// After is the number of content events before a Stall, Cut, Malformed or
	// ErrorEvent. If it is 0, the fault takes the place of the first. Beyond the
	// output length, the fault comes just before the finish chunk. Without streaming,
	// the answer itself is withheld, cut in half, broken, or the error object.
	After int

	// NoRole lets the first chat chunk carry content. Real servers send one with the
	// role alone before it.
	NoRole bool
	// NoUsage suppresses usage.
	NoUsage bool
	// NoDone ends streams without [DONE].
	NoDone bool
	// CloseAfter closes each connection after one answer, although keep-alive is
	// advertised.
	CloseAfter bool
	// RejectUnknown answers body fields outside of OpenAI's API, such as ignore_eos,
	// with 400.
	RejectUnknown bool
	// DieAfter is the number of inferences after which the next to arrive closes the
	// listener and all connections for good. 0 means never.
	DieAfter int
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

// draw reports what happens to the n-th inference, and the code if that is a status.
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
