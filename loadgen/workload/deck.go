package workload

import "math/rand/v2"

// deckSize is the number of requests that share a deck. It is a hundred because shares
// are given in percent.
const deckSize = 100

// The decks that a request draws from. Each is shuffled by itself, so that what is drawn
// from one says nothing of what is drawn from another.
const (
	deckMix uint64 = iota + 1
	deckISL
	deckOSL
	deckPrefix
	deckPicture
	deckOrder
	deckTurns
	deckThink
	deckCancel
)

// draw returns the number in [0, 1) that request i draws from a deck. Requests 100·k to
// 100·k+99 draw one number from each hundredth of the interval, in an order that depends
// on the seed, on the deck and on k.
//
// Note: Sobol and Kronecker sequences were considered. They are even over any stretch of
// requests, and thereby follow each other in patterns that no traffic has: a long prompt
// never comes after a long prompt. A shuffled deck has such neighbors.
func draw(seed, deck, i uint64) float64 {
	rng := rand.NewPCG(stream(seed, deck), i/deckSize)
	var cards [deckSize]uint8
	for k := range cards {
		cards[k] = uint8(k)
	}
	for k := deckSize - 1; k > 0; k-- { // Fisher and Yates
		j := rng.Uint64() % uint64(k+1)
		cards[k], cards[j] = cards[j], cards[k]
	}
	within := rand.NewPCG(stream(seed, deck)+1, i)
	return (float64(cards[i%deckSize]) + float64(within.Uint64()>>12)/(1<<52)*(1-gap)) / deckSize
}

// stream returns a seed of its own for each deck, by the golden ratio.
func stream(seed, deck uint64) uint64 { return seed ^ deck*0x9e3779b97f4a7c15 }

// gap keeps a card away from the next one, so that no rounding moves it there. It is a
// millionth of a card.
const gap = 1e-6

// pick returns which of the weights a number in [0, 1) falls on, and where in it, again in
// [0, 1). Weights are in proportion, and their sum is positive.
func pick(u float64, weights []float64) (k int, within float64) {
	sum, last := 0.0, 0
	for k, w := range weights {
		if sum += w; w > 0 {
			last = k
		}
	}
	below := 0.0
	for k, w := range weights {
		// The sum of ten shares of 0.1 is not 1. A number that is a billionth below the end
		// of a share belongs to the next one, of which it is the first card.
		if end := below + w/sum; w > 0 && (u < end-deckGap || k == last) {
			return k, min(max((u-below)*sum/w, 0), 1-gap)
		}
		below += w / sum
	}
	return last, u
}

// deckGap is what rounding may move the end of a share by: a tenth of the gap between two
// cards.
const deckGap = gap / deckSize / 10
