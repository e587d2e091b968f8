package loadgen_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aiperf-go/aiperf/loadgen"
)

// fault is one way of answering, and what the engine must make of it.
type fault struct {
	why    string
	answer answer
	kind   loadgen.FailureKind // empty: valid
	says   string
	osl    int  // of a valid answer
	counts bool // the valid answer's tokens come from the server's usage

	sockets  bool                                  // needs TCP: what a pipe cannot do
	dial     error                                 // every second dial fails with it
	spoilTLS bool                                  // every second handshake fails
	replays  int                                   // of all requests
	check    func(t *testing.T, q loadgen.Request) // of each strange request
}

// reset closes with RST instead of FIN.
func reset(c net.Conn) bool {
	c.(*net.TCPConn).SetLinger(0)
	return false
}

// silent waits until the client leaves.
func silent(c net.Conn) bool {
	io.Copy(io.Discard, c)
	return false
}

func then(answers ...answer) answer {
	return func(c net.Conn) bool {
		keep := true
		for _, a := range answers {
			keep = a(c)
		}
		return keep
	}
}

// drip sends a streamed body one byte each pause, each in a chunk of its own.
func drip(b string, pause time.Duration) answer {
	return func(c net.Conn) bool {
		io.WriteString(c, streamHead)
		for i := range len(b) {
			time.Sleep(pause)
			if _, err := io.WriteString(c, chunked(b[i:i+1])); err != nil {
				return false
			}
		}
		_, err := io.WriteString(c, "0\r\n\r\n")
		return err == nil
	}
}

// paced is a streamed answer of the given events, with a pause before each.
func paced(pause time.Duration, data ...string) answer {
	return func(c net.Conn) bool {
		io.WriteString(c, streamHead)
		for _, d := range data {
			time.Sleep(pause)
			io.WriteString(c, event(d))
		}
		_, err := io.WriteString(c, "0\r\n\r\n")
		return err == nil
	}
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func lines(eol string, data ...string) string {
	var b strings.Builder
	for _, d := range data {
		b.WriteString("data: " + d + eol + eol)
	}
	return b.String()
}

func faults() []fault {
	usual := lines("\n", word, word, finish, used, "[DONE]")
	json := "Content-Type: application/json\r\n"
	return []fault{
		// Forms of a sound answer.
		{why: "the usual form", answer: events(word, word, finish, used, "[DONE]"), osl: 2, counts: true},
		{why: "CRLF line ends", answer: body(lines("\r\n", word, word, finish, used, "[DONE]")), osl: 2, counts: true},
		{why: "CR line ends", answer: body(lines("\r", word, word, finish, used, "[DONE]")), osl: 2, counts: true},
		{why: "all events in one read", answer: body(usual), osl: 2, counts: true},
		{why: "comments and ids", answer: body(": ping\n\nid: 1\ndata: " + word + "\n\n: ping\n\ndata: " + finish + "\n\ndata: [DONE]\n\n"),
			osl: 1},
		{why: "data over several lines", answer: body("data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n"),
			osl: 1},
		{why: "slow: a byte every 30 ms", answer: drip(usual, 30*time.Millisecond), osl: 2, counts: true,
			check: func(t *testing.T, q loadgen.Request) {
				first := len("data: " + word + "\n\n")
				assert.Equal(t, time.Duration(first)*30*time.Millisecond, q.Chunks[0]-q.Start, "the event is there when its blank line is")
				assert.Equal(t, time.Duration(first)*30*time.Millisecond, q.Chunks[1]-q.Chunks[0])
			}},
		{why: "UTF-8 split over reads", answer: then(
			text(streamHead, chunked("data: {\"choices\":[{\"delta\":{\"content\":\"\xe4\xb8")),
			text(chunked("\x96\xf0\x9f"), chunked("\x98\x80\"}}]}\n"), chunked("\n"), event(finish), event("[DONE]"), "0\r\n\r\n")),
			osl: 1},
		{why: "text that is no UTF-8", answer: events(`{"choices":[{"delta":{"content":"`+"\xff\xfe"+`"}}]}`, "[DONE]"), osl: 1},
		{why: "a chunked trailer", answer: text(streamHead, chunked(usual), "0\r\nX-Trailer: 1\r\n\r\n"), osl: 2, counts: true},
		{why: "HTTP/1.0, ended by the connection's end", answer: closing(text("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
			usual)), osl: 2, counts: true},
		{why: "100 and 103 before the answer", answer: then(text("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "+
			"</x>\r\n\r\n"), body(usual)), osl: 2, counts: true},
		{why: "keep-alive that lies", answer: closing(events(word, word, finish, used, "[DONE]")), osl: 2, counts: true},
		{why: "[DONE] and no end of the body: what follows does not count", answer: then(text(streamHead, chunked(usual)), closing(text())),
			osl: 2, counts: true},
		{why: "[DONE] and silence: the slot goes on", answer: then(text(streamHead, chunked(usual)), silent), osl: 2, counts: true,
			check: func(t *testing.T, q loadgen.Request) {
				assert.LessOrEqual(t, q.EOF-q.End, 5*time.Millisecond)
			}},
		{why: "a missing [DONE] behind a finish reason", answer: events(word, word, finish), osl: 2},
		{why: "no usage: events are counted", answer: events(word, word, word, "[DONE]"), osl: 3},
		{why: "usage null", answer: events(word, `{"choices":[],"usage":null}`, "[DONE]"), osl: 1},
		{why: "usage of nothing for an answer of something",
			answer: events(word, word, word, `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`, "[DONE]"), osl: 3},
		{why: "negative usage", answer: events(word, word, word, `{"choices":[],"usage":{"prompt_tokens":-4,"completion_tokens":-1}}`,
			"[DONE]"), osl: 3},
		{why: "usage in fractions and powers", answer: events(word,
			`{"choices":[],"usage":{"prompt_tokens":2.0e1,"completion_tokens":7.0}}`, "[DONE]"), osl: 7, counts: true},
		{why: "usage beyond all numbers", answer: events(word, `{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":1e300}}`,
			"[DONE]"), osl: 1},
		{why: "usage in words", answer: events(word, `{"choices":[],"usage":{"prompt_tokens":"20","completion_tokens":"many"}}`, "[DONE]"),
			osl: 1},
		{why: "usage in strings", answer: events(word, `{"choices":[],"usage":{"prompt_tokens":"20","completion_tokens":"3"}}`, "[DONE]"),
			osl: 3, counts: true},
		{why: "usage by its later names", answer: events(word, `{"choices":[],"usage":{"input_tokens":20,"output_tokens":3}}`, "[DONE]"),
			osl: 3, counts: true},
		{why: "usage where Groq has it", answer: events(word, `{"choices":[],"x_groq":{"usage":{"prompt_tokens":20,"completion_tokens":3}}}`,
			"[DONE]"), osl: 3, counts: true},
		{why: "[DONE] without data", answer: body(lines("\n", word, word, used) + "[DONE]\n\n"), osl: 2, counts: true},
		{why: "[DONE] without data and without a line end", answer: body(lines("\n", word, word, used) + "[DONE]"), osl: 2, counts: true},
		{why: "[DONE] in quotation marks", answer: events(word, word, used, `"[DONE]"`), osl: 2, counts: true},
		{why: "[done]", answer: events(word, word, used, "[done]"), osl: 2, counts: true},
		{why: "an event named done", answer: body(lines("\n", word, word, used) + "event: done\ndata: bye\n\n"), osl: 2, counts: true},
		{why: "an event named end, with usage", answer: body(lines("\n", word, word) + "event: end\ndata: " + used + "\n\n"),
			osl: 2, counts: true},
		{why: "thoughts by another name", answer: events(`{"choices":[{"delta":{"thinking":"hm"}}]}`,
			`{"choices":[{"delta":{"reasoning_text":"hm"}}]}`,
			`{"choices":[{"delta":{"thinking_blocks":[{"thinking":"hm"}]}}]}`, "[DONE]"), osl: 3},
		{why: "sound counts as content", answer: events(`{"choices":[{"delta":{"audio":{"data":"AAAA"}}}]}`, "[DONE]"), osl: 1},
		{why: "content that is an object", answer: events(`{"choices":[{"delta":{"content":{"type":"text","text":{"value":"w"}}}}]}`, "[DONE]"),
			osl: 1},
		{why: "tool calls that are no list", answer: events(`{"choices":[{"delta":{"content":"w","tool_calls":{}}}]}`, "[DONE]"), osl: 1},
		{why: "usage that is no object", answer: events(word, `{"choices":[],"usage":[3]}`, "[DONE]"), osl: 1},
		{why: "usage without the prompt's tokens", answer: events(word, `{"choices":[],"usage":{"completion_tokens":4}}`, "[DONE]"), osl: 4,
			check: func(t *testing.T, q loadgen.Request) {
				assert.Equal(t, 20, q.ISL, "not zero: the words that were sent")
				assert.True(t, q.Estimated)
			}},
		{why: "usage in every event: the last counts", answer: paced(10*time.Millisecond,
			`{"choices":[{"delta":{"content":"a b"}}],"usage":{"prompt_tokens":20,"completion_tokens":2}}`,
			`{"choices":[{"delta":{"content":" c"}}],"usage":{"prompt_tokens":20,"completion_tokens":3}}`, "[DONE]"), osl: 3, counts: true,
			check: func(t *testing.T, q loadgen.Request) {
				assert.Equal(t, 2, q.FirstTokens)
			}},
		{why: "reasoning text counts as content", answer: events(`{"choices":[{"delta":{"reasoning_content":"hm"}}]}`, word, "[DONE]"),
			osl: 2},
		{why: "a tool call counts as content", answer: events(`{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}`, "[DONE]"), osl: 1},
		{why: "two choices in one event are one event", answer: events(`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,`+
			`"delta":{"content":"b"}}]}`, "[DONE]"), osl: 1},
		{why: "a duplicate choice", answer: events(`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":0,`+
			`"delta":{"content":"a"}}]}`, used, "[DONE]"), osl: 2, counts: true, check: func(t *testing.T, q loadgen.Request) {
			assert.Len(t, q.Chunks, 1)
		}},
		{why: "null for an error is none", answer: events(`{"error":null,"choices":[{"delta":{"content":"a"}}]}`, "[DONE]"), osl: 1},
		{why: "a huge event", answer: events(`{"choices":[{"delta":{"content":"`+strings.Repeat("x", 1<<20)+`"}}]}`, "[DONE]"), osl: 1},
		{why: "a stream that calls itself plain text", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: "+
			"chunked\r\n\r\n", chunked(usual), "0\r\n\r\n"), osl: 2, counts: true},
		{why: "a stream without a content type", answer: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(usual),
			"0\r\n\r\n"), osl: 2, counts: true},
		{why: "a whole answer where a stream was asked for",
			answer: status(200, json, `{"choices":[{"message":{"content":"one two"}}],"usage":{"prompt_tokens":20,"completion_tokens":2}}`),
			osl:    2, counts: true, check: func(t *testing.T, q loadgen.Request) {
				_, ok := q.Value(loadgen.TagTTFT)
				assert.False(t, ok, "it has no TTFT")
			}},

		// What the transport does.
		{why: "reset in the headers", sockets: true, answer: then(text("HTTP/1.1 200 OK\r\nContent-"), reset), kind: loadgen.FailedBroken},
		{why: "reset before the first event", sockets: true, answer: then(text(streamHead), reset), kind: loadgen.FailedBroken,
			says: "reset by peer"},
		{why: "reset in mid-event", sockets: true, answer: then(text(streamHead, event(word), "20\r\ndata: {\"ch"), reset),
			kind: loadgen.FailedBroken, says: "reset by peer"},
		{why: "half-closed in mid-answer", sockets: true, answer: func(c net.Conn) bool {
			io.WriteString(c, streamHead+event(word))
			c.(*net.TCPConn).CloseWrite()
			return silent(c)
		}, kind: loadgen.FailedBroken, says: "closed in the middle of the answer"},
		{why: "half-closed by a server that reads no more", sockets: true, answer: then(func(c net.Conn) bool {
			return c.(*net.TCPConn).CloseRead() == nil
		}, closing(events(word, word, finish, used, "[DONE]"))), osl: 2, counts: true},
		{why: "closed before anything: sent again on a new connection, and said so", answer: closing(text()), osl: 2, counts: true,
			replays: 3},
		{why: "closed in the headers", answer: closing(text("HTTP/1.1 200 OK\r\nContent-")), kind: loadgen.FailedBroken},
		{why: "closed in mid-event", answer: closing(text(streamHead, event(word), "20\r\ndata: {\"ch")), kind: loadgen.FailedBroken,
			says: "closed in the middle of the answer"},
		{why: "shorter than its Content-Length", answer: closing(text("HTTP/1.1 200 OK\r\nContent-Type: "+
			"text/event-stream\r\nContent-Length: 9999\r\n\r\n", lines("\n", word, word, finish, used))), kind: loadgen.FailedBroken,
			says: "closed in the middle of the answer"},
		{why: "a broken chunk size", answer: closing(text(streamHead, "zz\r\n")), kind: loadgen.FailedBroken, says: "chunk"},
		{why: "no HTTP at all", answer: closing(text("hello\r\n\r\n")), kind: loadgen.FailedBroken, says: "malformed HTTP"},
		{why: "endless 1xx answers", answer: closing(text(
			strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 1000)+"\r\n\r\n", 2000))), kind: loadgen.FailedBroken},
		{why: "an answer without end", answer: func(c net.Conn) bool {
			io.WriteString(c, streamHead)
			for comment := chunked(": " + strings.Repeat("x", 1<<20) + "\n"); ; {
				if _, err := io.WriteString(c, comment); err != nil {
					return false
				}
			}
		}, kind: loadgen.FailedLarge, says: "larger than 64 MiB"},
		{why: "silence", answer: silent, kind: loadgen.FailedIdle, says: "idle timeout", check: func(t *testing.T, q loadgen.Request) {
			assert.Equal(t, 2*time.Minute, q.EOF-q.Start)
		}},
		{why: "silence in mid-stream", answer: then(text(streamHead, event(word)), silent), kind: loadgen.FailedIdle, says: "idle timeout"},
		{why: "never silent and never over", answer: drip(strings.Repeat(": ping\n\n", 1<<10), 20*time.Second), kind: loadgen.FailedTimeout,
			says: "request timeout", check: func(t *testing.T, q loadgen.Request) {
				assert.Equal(t, 10*time.Minute, q.EOF-q.Start)
			}},
		{why: "refused", answer: sound, dial: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
			kind: loadgen.FailedDial, says: "connection refused"},
		{why: "DNS failure", answer: sound, dial: &net.DNSError{Err: "no such host", Name: "raw", IsNotFound: true},
			kind: loadgen.FailedDial, says: "no such host"},
		{why: "a dial that gets no answer", answer: sound, dial: errStalls, kind: loadgen.FailedDial, says: "idle timeout"},
		{why: "TLS failure", answer: sound, spoilTLS: true, kind: loadgen.FailedDial, says: "tls"},

		// What the protocol does not allow.
		{why: "the stream ends early", answer: events(word), kind: loadgen.FailedTruncated, says: "after 1 content events"},
		{why: "an empty body", answer: text(streamHead, "0\r\n\r\n"), kind: loadgen.FailedTruncated, says: "after 0 content events"},
		{why: "no [DONE] and no finish reason", answer: events(word, used), kind: loadgen.FailedTruncated,
			says: "neither [DONE] nor a finish reason"},
		{why: "broken JSON in an event", answer: events(word, `{"choices":[`, "[DONE]"), kind: loadgen.FailedMalformed, says: "in event"},
		{why: "JSON of another shape", answer: events(word, `{"choices":"none"}`, "[DONE]"), kind: loadgen.FailedMalformed,
			says: "choices must not be a string in event"},
		{why: "NaN in JSON", answer: events(`{"choices":[],"usage":{"prompt_tokens":NaN}}`, "[DONE]"), kind: loadgen.FailedMalformed,
			says: "in event"},
		{why: "an error object inside the stream", answer: events(word, `{"error":{"message":"out of memory"}}`, "[DONE]"),
			kind: loadgen.FailedError, says: "out of memory"},
		{why: "an error in the event's name alone", answer: body("event: error\ndata: {\"message\":\"out of memory\"}\n\ndata: [DONE]\n\n"),
			kind: loadgen.FailedError, says: "out of memory"},
		{why: "an error inside of a choice", answer: events(word,
			`{"choices":[{"delta":{},"finish_reason":"error","error":{"message":"the provider is gone","code":502}}]}`, "[DONE]"),
			kind: loadgen.FailedError, says: "the provider is gone"},
		{why: "an error by its code alone", answer: events(`{"text":"NETWORK ERROR","error_code":50001}`), kind: loadgen.FailedError,
			says: "NETWORK ERROR"},
		{why: "an error by its message alone", answer: events(word, `{"error_type":"overloaded","error_message":"too many"}`),
			kind: loadgen.FailedError, says: "too many"},
		{why: "an error of MiniMax's", answer: status(200, json, `{"choices":null,"base_resp":{"status_code":1008,"status_msg":"no balance"}}`),
			kind: loadgen.FailedError, says: "no balance"},
		{why: "an answer of another API", answer: status(200, json, `{"id":"x","status":"queued"}`), kind: loadgen.FailedEmpty,
			says: `the answer has no content: {"id":"x","status":"queued"}`},
		{why: "a page in mid-stream", answer: body(lines("\n", word) + "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n" +
			"<h1>502 Bad Gateway</h1></body>\n</html>\n"), kind: loadgen.FailedTruncated,
			says: `broke off after 1 content events with "502 Bad Gateway"`},
		{why: "words in mid-stream", answer: body(lines("\n", word) + "Internal Server Error"), kind: loadgen.FailedTruncated,
			says: `with "Internal Server Error"`},
		{why: "words for a stream", answer: body("upstream connect error"), kind: loadgen.FailedTruncated, says: `with "upstream connect error"`},
		{why: "an event that is cut off", answer: body(lines("\n", word) + "event: x\ndata: {\"choi"), kind: loadgen.FailedTruncated,
			says: "neither [DONE] nor a finish reason"},
		{why: "an answer that timed out", answer: events(word, `{"choices":[{"delta":{},"finish_reason":"timed_out"}]}`, "[DONE]"),
			kind: loadgen.FailedAborted, says: "timed_out"},
		{why: "an answer that was preempted", answer: events(word, `{"choices":[{"delta":{},"finish_reason":"preempted"}]}`, "[DONE]"),
			kind: loadgen.FailedAborted, says: "preempted"},
		{why: "nothing but tokens that nobody sees", answer: events(`{"choices":[{"delta":{},"finish_reason":"length"}]}`, used, "[DONE]"),
			kind: loadgen.FailedEmpty, says: "although usage counts 2 tokens"},
		{why: "nothing but a role", answer: events(`{"choices":[{"delta":{"role":"assistant","content":""}}]}`, finish, "[DONE]"),
			kind: loadgen.FailedEmpty, says: "no content"},
		{why: "gzip that nobody asked for", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+
			"gzip\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(gzipped(usual)), "0\r\n\r\n"), osl: 2, counts: true},
		{why: "an encoding that nobody knows", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+
			"br\r\nTransfer-Encoding: chunked\r\n\r\n", chunked("\x0b\x02\x80data\x03"), "0\r\n\r\n"), kind: loadgen.FailedMalformed,
			says: "compressed (br)"},
		{why: "an encoding that is named and not used", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+
			"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(usual), "0\r\n\r\n"), osl: 2, counts: true},
		{why: "deflate without a header", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+
			"deflate\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(deflated(usual)), "0\r\n\r\n"), osl: 2, counts: true},
		{why: "gzip that is broken", answer: text("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: "+
			"gzip\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(gzipped(usual)[:8]+usual), "0\r\n\r\n"), kind: loadgen.FailedMalformed,
			says: "compressed (gzip)"},
		{why: "a web page", answer: status(200, "Content-Type: text/html; charset=utf-8\r\n", "<html>data: 1</html>"),
			kind: loadgen.FailedMalformed, says: "text/html"},
		{why: "an error with status 200", answer: status(200, json, `{"error":"overloaded"}`), kind: loadgen.FailedError,
			says: "overloaded"},
		{why: "whole JSON that is broken", answer: status(200, json, `{"choices":`), kind: loadgen.FailedMalformed},

		// What HTTP says.
		{why: "204", answer: status(204, "", ""), kind: loadgen.FailedStatus, says: "204"},
		{why: "301 is not followed", answer: status(301, "Location: /elsewhere\r\n", ""), kind: loadgen.FailedStatus,
			says: "301: Location: /elsewhere"},
		{why: "400", answer: status(400, "", `{"error":{"message":"too long"}}`), kind: loadgen.FailedStatus, says: "400: too long"},
		{why: "401 in mid-run", answer: status(401, "", `{"error":{"message":"expired key"}}`), kind: loadgen.FailedStatus,
			says: "401: expired key"},
		{why: "404", answer: status(404, "", "no such page"), kind: loadgen.FailedStatus, says: "404: no such page"},
		{why: "413", answer: status(413, "", ""), kind: loadgen.FailedStatus, says: "413"},
		{why: "422 with FastAPI's detail", answer: status(422, "", `{"detail":[{"msg":"field required"}]}`), kind: loadgen.FailedStatus,
			says: "field required"},
		{why: "429 is shed load", answer: status(429, "Retry-After: 7\r\n", `{"error":{"message":"slow down"}}`), kind: loadgen.FailedShed,
			says: "Retry-After 7: slow down"},
		{why: "500", answer: status(500, "", "oops"), kind: loadgen.FailedStatus, says: "500: oops"},
		{why: "503", answer: status(503, "", ""), kind: loadgen.FailedStatus, says: "503"},
	}
}

// TestFaults checks that each way of answering gives a classified failure, or a valid
// request with the right metrics. None hangs, panics, leaves a goroutine behind or
// spoils the requests beside it: those have, to the nanosecond, the times of a sound
// server. Time is virtual, except for what only TCP can do.
func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.why, func(t *testing.T) {
			if !f.sockets {
				synctest.Test(t, func(t *testing.T) {
					l := newPipes()
					probeFault(t, f, l, l.Dial)
				})
				return
			}
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			probeFault(t, f, l, func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
			})
		})
	}
}

func probeFault(t *testing.T, f fault, l net.Listener, dial dialFunc) {
	const n = 6 // requests measured, every other one strange
	s := &rawServer{strange: f.answer}
	target := loadgen.Target{URL: "http://raw.test", Dial: dial, Timeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute}
	switch {
	case f.dial != nil:
		s.strange = nil
		s.always = closing(sound) // so that each request dials
		target.Dial = everyOther(dial, f.dial)
	case f.spoilTLS:
		cert, pool := selfSigned(t, "raw.test")
		target.URL, target.TLS = "https://raw.test", &tls.Config{RootCAs: pool, NextProtos: []string{"http/1.1"}}
		s.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.strange, s.always, s.spoil = nil, closing(sound), true
	}
	served := make(chan struct{})
	go func() { defer close(served); s.serve(l) }()

	g, err := loadgen.New(target)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, g.Close())
		l.Close()
		<-served
		s.wait()
	}()
	require.NoError(t, g.Ready(t.Context()))
	m, err := g.Probe(t.Context(), loadgen.Load{Concurrency: 1, ISL: 20, OSL: 2, Requests: n, Window: 2 * time.Hour}, nil)
	require.NoError(t, err)
	require.Len(t, m.Requests, n)

	plain := f.kind == "" && f.osl == 2 && f.counts && f.check == nil // not to be told from a sound one by its counts
	strange := 0
	for _, q := range m.Requests {
		if q.Failure == nil && q.OSL == 2 && !q.Estimated && q.Streamed && len(q.Chunks) == 2 &&
			(plain || f.sockets || q.Chunks[1]-q.Chunks[0] == 10*time.Millisecond) {
			if !f.sockets && !plain {
				assert.Equal(t, 50*time.Millisecond, q.Chunks[0]-q.Start, "TTFT of the requests beside it")
				assert.Equal(t, 60*time.Millisecond, q.End-q.Start)
			}
			continue
		}
		strange++
		if f.check != nil {
			f.check(t, q)
		}
		if f.kind != "" {
			if assert.NotNil(t, q.Failure) {
				assert.Equal(t, f.kind, q.Failure.Kind, "%v", q.Failure)
				assert.Contains(t, q.Failure.Error(), f.says)
			}
			continue
		}
		assert.Nil(t, q.Failure)
		assert.Equal(t, f.osl, q.OSL)
		assert.Equal(t, !f.counts, q.Estimated, "estimated")
	}
	want := n / 2
	if plain {
		want = 0
	}
	assert.Equal(t, want, strange)

	replays := 0
	for _, q := range m.Requests {
		replays += q.Replays
	}
	assert.GreaterOrEqual(t, replays, f.replays, "replays")

	stat := func(tag, stat string) float64 { v, _ := m.Stat(tag, stat); return v }
	assert.EqualValues(t, n, stat(loadgen.TagErrors, "avg")+stat(loadgen.TagCount, "avg"), "every request is counted")
	if f.kind != "" {
		assert.EqualValues(t, n/2, stat(loadgen.TagErrors, "avg"))
		assert.EqualValues(t, 50, stat(loadgen.TagErrorRate, "avg"))
		require.Len(t, m.Failures, 1)
		assert.Equal(t, f.kind, m.Failures[0].Kind)
		assert.Equal(t, n/2, m.Failures[0].Count)
		assert.EqualValues(t, n/2, stat(loadgen.TagTTFT, "count"))
		assert.Equal(t, math.Inf(1), stat(loadgen.TagTTFT, "adj_p95"), "a failed request exceeds")
		if !f.sockets {
			assert.EqualValues(t, 50, stat(loadgen.TagTTFT, "max"), "the failures leave the others' TTFT alone")
			assert.EqualValues(t, 10, stat(loadgen.TagITL, "max"))
		}
	}
	for _, q := range m.Requests {
		assert.GreaterOrEqual(t, q.Start, q.Scheduled, fmt.Sprint(q))
		assert.GreaterOrEqual(t, q.EOF, q.Start)
	}
}

// TestStalledDials checks that a server which accepts no connection any more is
// unreachable within the idle timeout, although nothing refuses.
func TestStalledDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := &rawServer{always: closing(sound)}
		served := make(chan struct{})
		go func() { defer close(served); s.serve(l) }()
		gone := false
		g, err := loadgen.New(loadgen.Target{URL: "http://raw.test",
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if gone {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return l.Dial(ctx, network, addr)
			}})
		require.NoError(t, err)
		require.NoError(t, g.Ready(t.Context()))
		gone = true
		begun := time.Now()
		_, err = g.Probe(t.Context(), loadgen.Load{Concurrency: 3, ISL: 20, OSL: 2}, nil)
		assert.ErrorAs(t, err, new(*loadgen.UnreachableError))
		assert.Less(t, time.Since(begun), 5*time.Minute, "the dials ahead and the slots' own, two minutes each")
		require.NoError(t, g.Close())
		l.Close()
		<-served
		s.wait()
	})
}
