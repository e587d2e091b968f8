package loadgen

import (
	"errors"
	"sync/atomic"
)

const (
	// largestAnswer is the greatest number of bytes that are kept of one answer, and
	// leastBudget the least that answers may hold together while a probe runs.
	largestAnswer = 64 << 20
	leastBudget   = 128 << 20
	// bytesPerToken is what a streamed token takes at most where tokens stream one an
	// event. Servers send 150 to 300 bytes, and with log probabilities up to 1,000.
	bytesPerToken = 1 << 10
	// largestKept is the greatest arena that is kept for another request.
	largestKept = 1 << 20
	// bytesPerRead is what a record keeps of one read.
	bytesPerRead = 24
)

// errLarge and errBudget end requests whose answers are too large, by itself and together
// with the others that are in memory.
var (
	errLarge  = errors.New("the answer is too large: larger than 64 MiB")
	errBudget = errors.New("the answer is too large: the answers that are being read hold more memory than a probe may use")
)

// budget bounds the memory of the answers that are being read or wait to be parsed. Every
// answer is kept whole until it has ended, and servers that never end would otherwise fill
// the client's memory with as many times 64 MiB as there are slots.
type budget struct{ most, used atomic.Int64 }

// budgetOf returns how many bytes the answers of a load may hold together: what its slots
// need if all of their answers are complete at the same time. While arenas grow, and until
// the garbage collector has run, the process holds two to three times as much.
func budgetOf(l Load, w *workload) int64 {
	return max(leastBudget, int64(l.Concurrency)*int64(w.mostOutputs(l))*bytesPerToken)
}

// charge notes that rec has grown. It reports false if there is no room for it; rec is then
// to be given up.
func (b *budget) charge(rec *record) bool {
	grown := rec.size() - rec.charged
	rec.charged += grown
	return b.used.Add(grown) <= b.most.Load()
}

// refund notes that rec is done with.
func (b *budget) refund(rec *record) {
	b.used.Add(-rec.charged)
	rec.charged = 0
}

// size is the memory that a record holds, in bytes.
func (r *record) size() int64 { return int64(cap(r.body)) + bytesPerRead*int64(cap(r.reads)) }
