package loadgen

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// The values of a probe are sorted by their digits and not by comparisons, since sorting is most
// of what the statistics of long answers cost. A key is a number without a sign whose order is
// that of the value.

const (
	// fewKeys is up to how many keys comparisons are faster.
	fewKeys = 512
	// digitBits is the size of a digit at most: the places of all digits are to stay in the
	// cache that is nearest.
	digitBits = 11
)

// sortValues sorts values as slices.Sort does.
func sortValues(values []float64) {
	if slices.IsSorted(values) { // as counts are, of which all are the same
		return
	}
	if len(values) <= fewKeys || slices.ContainsFunc(values, math.IsNaN) { // no digits say where that belongs
		slices.Sort(values)
		return
	}
	const sign = 1 << 63
	keys := make([]uint64, len(values))
	for i, v := range values {
		b := math.Float64bits(v)
		keys[i] = b ^ (uint64(int64(b)>>63) | sign) // all bits of a negative one
	}
	sortKeys(keys)
	for i, k := range keys {
		values[i] = math.Float64frombits(k ^ (uint64(^int64(k)>>63) | sign))
	}
}

// sortKeys sorts keys by their digits, from the last to the first. There are as many as the
// distance between the least key and the greatest has, three for times of milliseconds.
func sortKeys[K uint32 | uint64](keys []K) {
	if len(keys) <= fewKeys {
		slices.Sort(keys)
		return
	}
	least, most := slices.Min(keys), slices.Max(keys)
	size := bits.Len64(uint64(most - least))
	if size == 0 {
		return
	}
	digits := (size + digitBits - 1) / digitBits
	width := (size + digits - 1) / digits
	var places [1 << digitBits]uint32
	mask := K(1)<<width - 1
	from, to := keys, make([]K, len(keys))
	for shift := 0; shift < size; shift += width {
		clear(places[:mask+1])
		for _, k := range from {
			places[(k-least)>>shift&mask&(1<<digitBits-1)]++
		}
		at := uint32(0)
		for i, n := range places[:mask+1] {
			places[i] = at
			at += n
		}
		for _, k := range from {
			p := &places[(k-least)>>shift&mask&(1<<digitBits-1)]
			to[*p] = k
			*p++
		}
		from, to = to, from
	}
	if digits%2 == 1 {
		copy(keys, from)
	}
}

// gaps collects what passes between the events of answers. There are so many that those which
// fit are kept in four bytes: times up to four seconds.
type gaps struct {
	short []uint32  // in ns
	other []float64 // in ms
}

// add takes in what passes between the events of one answer.
func (g *gaps) add(chunks []time.Duration) {
	before := chunks[0]
	for _, at := range chunks[1:] {
		if d := at - before; uint64(d) <= math.MaxUint32 {
			g.short = append(g.short, uint32(d))
		} else {
			g.other = append(g.other, millis(d))
		}
		before = at
	}
}

// millis returns all of them in milliseconds, in order but for those that are not short.
func (g *gaps) millis() []float64 {
	sortKeys(g.short)
	values := make([]float64, 0, len(g.short)+len(g.other))
	for _, d := range g.short {
		values = append(values, millis(time.Duration(d)))
	}
	return append(values, g.other...)
}
