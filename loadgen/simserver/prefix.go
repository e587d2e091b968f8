package simserver

import (
	"container/list"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/aiperf-go/aiperf/loadgen/workload"
)

// prefixBlock is the number of prompt tokens of a block of the prefix cache, as in vLLM. A
// prompt shares whole blocks with those before it.
const prefixBlock = 16

// prefixCache holds the blocks of prompts that were prefilled and of answers that were
// decoded, the least recently used of which make room for others. A nil cache holds nothing.
type prefixCache struct {
	room   int // in blocks
	blocks map[uint64]*list.Element
	used   *list.List // of uint64, the most recently used first
}

// newPrefixCache returns a cache for so many tokens, nil for 0.
func newPrefixCache(tokens int) *prefixCache {
	if tokens <= 0 {
		return nil
	}
	return &prefixCache{room: max(tokens/prefixBlock, 1), blocks: map[uint64]*list.Element{}, used: list.New()}
}

// held returns how many of the blocks of a prompt, from its beginning, the cache holds.
func (c *prefixCache) held(blocks []uint64) (n int) {
	if c == nil {
		return 0
	}
	for n < len(blocks) && c.blocks[blocks[n]] != nil {
		n++
	}
	// A block is of no use without those before it, which therefore are used last.
	for k := n - 1; k >= 0; k-- {
		c.used.MoveToFront(c.blocks[blocks[k]])
	}
	return n
}

// add takes up the blocks of a prompt and of what is there of its answer.
func (c *prefixCache) add(blocks []uint64) {
	if c == nil {
		return
	}
	for k := len(blocks) - 1; k >= 0; k-- {
		if e := c.blocks[blocks[k]]; e != nil {
			c.used.MoveToFront(e)
			continue
		}
		c.blocks[blocks[k]] = c.used.PushFront(blocks[k])
	}
	for c.used.Len() > c.room {
		delete(c.blocks, c.used.Remove(c.used.Back()).(uint64))
	}
}

// blocksOf returns the blocks of a prompt of tokens. Each stands for everything up to its
// end, so that two prompts have the same block only if they begin alike.
func blocksOf(tokens []string) (blocks []uint64) {
	h := fnv.New64a()
	for i, token := range tokens {
		_, _ = io.WriteString(h, token)
		_, _ = h.Write([]byte{0})
		if (i+1)%prefixBlock == 0 {
			blocks = append(blocks, h.Sum64())
		}
	}
	return blocks
}

// blocksFor returns the blocks of a request of a workload and of its answer as blocksOf does
// of their text: the same ones as far as its prompt is that of others, and ones of its
// conversation's own behind. With scripted answers, the conversation goes on with another
// answer than the server's.
func blocksFor(r workload.Request, template int, scripted bool) (blocks []uint64) {
	system, prompt := template+r.System, template+r.Prompt()
	for end := prefixBlock; end <= prompt+r.OSL; end += prefixBlock {
		h := fnv.New64a()
		switch {
		case end <= system:
			fmt.Fprint(h, "system ", r.Text, end)
		case end <= system+r.Shared:
			fmt.Fprint(h, "group ", r.Text, r.Group, end)
		case end > prompt && scripted:
			fmt.Fprint(h, "answer ", r.Conversation, " ", r.Turn, " ", end)
		default:
			fmt.Fprint(h, "own ", r.Conversation, " ", end)
		}
		blocks = append(blocks, h.Sum64())
	}
	return blocks
}
