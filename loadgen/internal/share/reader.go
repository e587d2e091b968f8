package share

import (
	"encoding/binary"
	"time"
)

// Reader reads numbers, texts and times off bytes from another process, as package
// encoding/binary appends them. What is missing or makes no sense is zero, and Bad from then on.
type Reader struct {
	// Rest is what has not been read.
	Rest []byte
	// Bad says that something could not be read. Rest is empty then.
	Bad bool
}

// fail gives up what is left.
func (r *Reader) fail() { r.Rest, r.Bad = nil, true }

// skip goes on behind a number of n bytes. Package encoding/binary returns zero, and no length,
// for one that cannot be read.
func (r *Reader) skip(n int) {
	if n <= 0 {
		r.fail()
		return
	}
	r.Rest = r.Rest[n:]
}

// Uint reads an unsigned number.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	r.skip(n)
	return v
}

// Num reads a number.
func (r *Reader) Num() int64 {
	v, n := binary.Varint(r.Rest)
	r.skip(n)
	return v
}

// Time reads a time or a distance, in nanoseconds.
func (r *Reader) Time() time.Duration { return time.Duration(r.Num()) }

// Times reads times, each a distance from the one before it, and returns the last. There are so
// many of these that the rest is kept out of memory meanwhile.
func (r *Reader) Times(to []time.Duration, last time.Duration) time.Duration {
	rest := r.Rest
	for i := range to {
		v, n := binary.Varint(rest)
		if n <= 0 {
			r.fail()
			return last
		}
		rest = rest[n:]
		last += time.Duration(v)
		to[i] = last
	}
	r.Rest = rest
	return last
}

// Bytes takes the next n bytes; nil if there are not so many.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.Rest)) {
		r.fail()
		return nil
	}
	b := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return b
}

// Text reads a text with its length before it.
func (r *Reader) Text() string { return string(r.Bytes(r.Uint())) }

// Count returns n, the number of things that follow, of at least the given size in bytes each. More
// than there is room for is a mistake, so that nobody can ask for memory that was not sent.
func (r *Reader) Count(n uint64, size int) int {
	if n > uint64(len(r.Rest)/size) {
		r.fail()
		return 0
	}
	return int(n)
}
