package relay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exchange is one request and its answer, as they passed the relay. Times count from the
// making of the relay.
type Exchange struct {
	// ID is the request's X-Request-ID, which is empty if it had none.
	ID     string `json:"id"`
	Method string `json:"method"`
	Path   string `json:"path"`
	// Status is the status of the answer, 0 if there was none.
	Status int `json:"status"`
	// Complete says that the answer came to its end.
	Complete bool `json:"complete"`
	// Left says that the client closed its connection before that end.
	Left bool `json:"left"`

	// Sent is when the first byte of the request came from the client.
	Sent time.Duration `json:"sent_ns"`
	// Chunks are the times at which the events with content came from the server. They
	// are those of the reads that brought the events' last bytes.
	Chunks []time.Duration `json:"chunks_ns"`
	// End is when the last byte of the answer came.
	End time.Duration `json:"end_ns"`

	// Usage says that the answer had usage, and ISL and OSL are the prompt and
	// completion tokens of the last one.
	Usage bool `json:"usage"`
	ISL   int  `json:"isl"`
	OSL   int  `json:"osl"`
	// Head is the number of tokens that came with the first read that brought content:
	// the usage of its last event, or the number of its events if events have no usage.
	Head int `json:"head"`
}

// TTFT returns the time from the request to the first content.
func (x *Exchange) TTFT() time.Duration { return x.Chunks[0] - x.Sent }

// Latency returns the time from the request to the last content.
func (x *Exchange) Latency() time.Duration { return x.Chunks[len(x.Chunks)-1] - x.Sent }

// ITL returns the time a token behind the first read's, 0 if there is no such token.
func (x *Exchange) ITL() time.Duration {
	if x.OSL <= x.Head {
		return 0
	}
	return (x.Latency() - x.TTFT()) / time.Duration(x.OSL-x.Head)
}

// account returns what passed on all connections.
func account(pairs []*pair) []Exchange {
	var all []Exchange
	for _, p := range pairs {
		all = append(all, exchanges(p, true)...)
	}
	slices.SortStableFunc(all, func(a, b Exchange) int { return cmp.Compare(a.Sent, b.Sent) })
	return all
}

// exchanges reads the requests and answers of one connection, which follow each other
// since nobody pipelines. A request that was not read to its end is left out. Without
// contents, bodies are only skipped.
func exchanges(p *pair, contents bool) []Exchange {
	var list []Exchange
	up, down := cursor{s: streamOf(p.requests)}, cursor{s: streamOf(p.answers)}
	for {
		begun := up.pos
		request, ok := up.head()
		if !ok {
			return list
		}
		line := strings.Fields(request.line)
		if len(line) < 2 {
			return list
		}
		if _, ok := up.body(request.header, false, false); !ok {
			return list
		}
		x := Exchange{Method: line[0], Path: line[1], ID: request.header.Get("X-Request-Id"), Sent: up.s.timeOf(begun + 1)}
		if b, ok := down.answer(&x, p.ended); ok && contents {
			x.read(&b, down.s)
		}
		x.Left = p.left && (!x.Complete || x.End > down.s.reached(p.early))
		list = append(list, x)
	}
}

// stream is everything that was read of one direction, with the offset behind each read.
type stream struct {
	bytes []byte
	ends  []int
	reads []read
}

func streamOf(reads []read) *stream {
	s := &stream{reads: reads}
	for _, r := range reads {
		s.bytes = append(s.bytes, r.data...)
		s.ends = append(s.ends, len(s.bytes))
	}
	return s
}

// reached returns the time of the n-th read, counted from 1, and 0 for none.
func (s *stream) reached(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return s.reads[n-1].at
}

// timeOf returns when the byte at offset end−1 came.
func (s *stream) timeOf(end int) time.Duration {
	i, _ := slices.BinarySearch(s.ends, end)
	return s.reads[min(i, len(s.reads)-1)].at
}

// cursor is a place in a stream of messages.
type cursor struct {
	s   *stream
	pos int
}

// head is the first line of a message and its fields.
type head struct {
	line   string
	header http.Header
}

// head reads one, and reports whether it is there as a whole.
func (c *cursor) head() (h head, ok bool) {
	rest := c.s.bytes[c.pos:]
	end := bytes.Index(rest, []byte("\r\n\r\n"))
	if end < 0 {
		return head{}, false
	}
	lines := strings.Split(string(rest[:end]), "\r\n")
	h = head{lines[0], http.Header{}}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		h.header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	c.pos += end + 4
	return h, true
}

// span is a part of a body: its decoded bytes up to end are followed in the stream by the
// offset raw.
type span struct{ end, raw int }

// content is a decoded body and where its parts were in the stream.
type content struct {
	bytes []byte
	spans []span
}

// raw returns the offset in the stream behind the decoded byte at offset end−1.
func (b *content) raw(end int) int {
	i, _ := slices.BinarySearchFunc(b.spans, end, func(s span, end int) int { return cmp.Compare(s.end, end) })
	return b.spans[i].raw - (b.spans[i].end - end)
}

func (b *content) add(part []byte, raw int) {
	b.bytes = append(b.bytes, part...)
	b.spans = append(b.spans, span{len(b.bytes), raw})
}

// body reads what follows a head: chunks, as many bytes as the header says, or, of an
// answer whose header says nothing, everything up to the close of the connection. ok is
// false if the end is missing; the content is then what there is.
func (c *cursor) body(h http.Header, answer, ended bool) (b content, ok bool) {
	if strings.EqualFold(h.Get("Transfer-Encoding"), "chunked") {
		return c.chunks()
	}
	rest := c.s.bytes[c.pos:]
	size, err := strconv.Atoi(h.Get("Content-Length"))
	if err != nil && !answer {
		return b, true
	}
	ok = len(rest) >= size
	if err != nil {
		size, ok = len(rest), ended
	}
	size = min(size, len(rest))
	c.pos += size
	b.add(rest[:size], c.pos)
	return b, ok
}

// chunks reads a chunked body.
func (c *cursor) chunks() (b content, ok bool) {
	for {
		rest := c.s.bytes[c.pos:]
		line, _, found := bytes.Cut(rest, []byte("\r\n"))
		text, _, _ := strings.Cut(string(line), ";")
		size, err := strconv.ParseUint(strings.TrimSpace(text), 16, 31)
		if !found || err != nil {
			return b, false
		}
		begin, end := len(line)+2, len(line)+2+int(size)
		if len(rest) < end+2 {
			if begin < len(rest) {
				b.add(rest[begin:min(end, len(rest))], c.pos+min(end, len(rest)))
			}
			c.pos = len(c.s.bytes)
			return b, false
		}
		if size > 0 {
			b.add(rest[begin:end], c.pos+end)
		}
		c.pos += end + 2
		if size == 0 {
			return b, true
		}
	}
}

// answer fills in what there is of the answer to a request but for its body, which it
// returns. ok is false if there is none. ended says that the server has closed the
// connection.
func (c *cursor) answer(x *Exchange, ended bool) (b content, ok bool) {
	begun := c.pos
	h, ok := c.head()
	if !ok {
		return b, false
	}
	if line := strings.Fields(h.line); len(line) > 1 {
		x.Status, _ = strconv.Atoi(line[1])
	}
	switch {
	case x.Status < 200: // 100 Continue: the answer follows
		return c.answer(x, ended)
	case x.Status == http.StatusNoContent:
		x.Complete = true
	default:
		b, x.Complete = c.body(h.header, true, ended)
	}
	x.End = c.s.timeOf(max(c.pos, begun+1))
	return b, true
}

// read reads the body of an answer.
func (x *Exchange) read(b *content, s *stream) {
	if bytes.HasPrefix(bytes.TrimSpace(b.bytes), []byte("{")) {
		x.chunk(b.bytes)
		return
	}
	x.events(b, s)
}

// events reads the events of a streamed answer.
func (x *Exchange) events(b *content, s *stream) {
	pos := 0
	for {
		end := bytes.Index(b.bytes[pos:], []byte("\n\n"))
		if end < 0 {
			return
		}
		event := b.bytes[pos : pos+end]
		pos += end + 2
		at := s.timeOf(b.raw(pos))
		for line := range bytes.Lines(event) {
			data, ok := bytes.CutPrefix(line, []byte("data:"))
			if !ok {
				continue
			}
			text, tokens := x.chunk(data)
			if !text {
				continue
			}
			x.Chunks = append(x.Chunks, at)
			if at == x.Chunks[0] {
				x.Head = max(x.Head+1, tokens)
			}
		}
	}
}

// chunk reads an object of an answer. It reports whether there is text in it, and its
// completion tokens, 0 if it has none.
func (x *Exchange) chunk(data []byte) (text bool, tokens int) {
	type said struct {
		Content   string `json:"content"`
		Reasoning string `json:"reasoning"`
		Thought   string `json:"reasoning_content"`
	}
	var o struct {
		Choices []struct {
			Delta said   `json:"delta"`
			Text  string `json:"text"`
		} `json:"choices"`
		Usage *struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if json.Unmarshal(data, &o) != nil { // [DONE], a page
		return false, 0
	}
	if o.Usage != nil {
		x.Usage, x.ISL, x.OSL = true, o.Usage.Prompt, o.Usage.Completion
		tokens = o.Usage.Completion
	}
	for _, c := range o.Choices {
		text = text || c.Delta != said{} || c.Text != ""
	}
	return text, tokens
}
