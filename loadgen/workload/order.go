package workload

import "math/rand/v2"

// Order is the order in which the requests of a file are sent. The empty Order is that of
// the file, over and over.
type Order string

// The orders.
const (
	Shuffled Order = "shuffled" // each request once, in a random order, and then in another
	Sampled  Order = "sampled"  // any request each time
)

// known reports whether there is such an order.
func (o Order) known() bool { return o == "" || o == Shuffled || o == Sampled }

// At returns which of n requests the i-th is, from 0 to n−1. It depends on the order, the
// seed, i and n alone.
func (o Order) At(seed, i, n uint64) uint64 {
	switch o {
	case Shuffled:
		return shuffled(stream(seed, deckOrder), i/n, i%n, n)
	case Sampled:
		return rand.NewPCG(stream(seed, deckOrder), i).Uint64() % n
	}
	return i % n
}

// shuffled returns where k of n lands in a shuffle, which the seed and the number of the
// pass choose. It is a Feistel network on as many bits as n needs, whose results beyond n
// are put in again (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
//
// Note: a list that is shuffled for each pass would have to be kept, and made again by
// whoever asks for a request of another pass.
func shuffled(seed, pass, k, n uint64) uint64 {
	half := uint(1)
	for n-1 >= 1<<(2*half) {
		half++
	}
	mask := uint64(1)<<half - 1
	for {
		left, right := k>>half, k&mask
		for round := range uint64(6) {
			rng := rand.NewPCG(seed+round, pass<<32^right)
			left, right = right, left^rng.Uint64()&mask
		}
		if k = left<<half | right; k < n {
			return k
		}
	}
}
