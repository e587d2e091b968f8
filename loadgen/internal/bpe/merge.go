package bpe

import "container/heap"

// word is one piece being merged. Its storage is used again for the next piece.
type word struct {
	// ids holds the tokens of the symbols, −1 for one that was merged into the symbol
	// before it.
	ids []int
	// prev and next are the symbols beside each, −1 for none.
	prev, next []int
	queue      queue
}

// candidate is a merge that was possible when it was found.
type candidate struct {
	// at is the left symbol.
	rank, at int
	// left and right were the tokens then. If one of them has changed, the merge is no
	// longer possible.
	left, right int
	id          int
}

// queue is a heap of candidates, the lowest rank first and the leftmost of equals.
type queue []candidate

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(candidate)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}

// merge returns the tokens of a piece. They are valid until w's next use. The pair of the
// lowest rank, the leftmost of equals, is merged until there is none.
//
// Note: the time is n·log n. The scan of all pairs for each merge, which is simpler, would
// take minutes on a megabyte without a space.
func (t *Tokenizer) merge(w *word, piece string) []int {
	w.ids, w.prev, w.next, w.queue = w.ids[:0], w.prev[:0], w.next[:0], w.queue[:0]
	for i := range len(piece) {
		w.ids = append(w.ids, t.bytes[piece[i]])
		w.prev = append(w.prev, i-1)
		w.next = append(w.next, i+1)
	}
	w.next[len(piece)-1] = -1
	for i := range len(piece) - 1 {
		if m, ok := t.merges[pair{w.ids[i], w.ids[i+1]}]; ok {
			w.queue = append(w.queue, candidate{m.rank, i, w.ids[i], w.ids[i+1], m.id})
		}
	}
	heap.Init(&w.queue)
	for len(w.queue) > 0 {
		c := heap.Pop(&w.queue).(candidate)
		right := w.next[c.at]
		if w.ids[c.at] != c.left || right < 0 || w.ids[right] != c.right {
			continue
		}
		w.ids[c.at], w.ids[right] = c.id, -1
		w.next[c.at] = w.next[right]
		if after := w.next[c.at]; after >= 0 {
			w.prev[after] = c.at
			t.offer(w, c.at, after)
		}
		if before := w.prev[c.at]; before >= 0 {
			t.offer(w, before, c.at)
		}
	}
	out := w.ids[:0]
	for _, id := range w.ids {
		if id >= 0 {
			out = append(out, id)
		}
	}
	return out
}

// offer puts the merge of two symbols into the queue, if there is one.
func (t *Tokenizer) offer(w *word, left, right int) {
	if m, ok := t.merges[pair{w.ids[left], w.ids[right]}]; ok {
		heap.Push(&w.queue, candidate{m.rank, left, w.ids[left], w.ids[right], m.id})
	}
}
