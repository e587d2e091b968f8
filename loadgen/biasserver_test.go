package loadgen_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aiperf-go/aiperf/internal/turn"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("AIPERF_TEST_BIAS_SERVER") != "" {
		serveStamped()
		return
	}
	goleak.VerifyTestMain(turn.M{M: m, Parallel: 4, Memory: true})
}

// serveStamped is a server in a process of its own: to each request it sends
// max_tokens events, one every 20 ms on an absolute schedule, each with the time
// at which it was sent. It prints its address, and ends with its standard input.
// GET /sent tells how many events it has sent so far, and GET /metrics is a page of
// vLLM's. It writes HTTP by hand, so as to leave the cores to the client.
func serveStamped() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var sent atomic.Int64
	every, _ := time.ParseDuration(os.Getenv("AIPERF_TEST_BIAS_SERVER"))
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go stamped(c, every, &sent)
		}
	}()
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func stamped(c net.Conn, every time.Duration, sent *atomic.Int64) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		begun := time.Now()
		body := make([]byte, max(req.ContentLength, 0))
		for n := 0; n < len(body); {
			k, err := req.Body.Read(body[n:])
			n += k
			if err != nil && n < len(body) {
				return
			}
		}
		if req.Method != http.MethodPost {
			kind, text := "application/json", `{"data":[{"id":"stamped"}]}`
			switch req.URL.Path {
			case "/sent":
				text = strconv.FormatInt(sent.Load(), 10)
			case "/metrics":
				page, _ := os.ReadFile("servermetrics/testdata/vllm.txt")
				kind, text = "text/plain; version=0.0.4", string(page)
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(text), text)
			continue
		}
		tokens := maxTokens(body)
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		buf := make([]byte, 0, 512)
		for i := range tokens {
			time.Sleep(time.Until(begun.Add(time.Duration(i+1) * every)))
			event := fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" %d\"}}]}\n\n", time.Now().UnixNano())
			buf = fmt.Appendf(buf[:0], "%x\r\n%s\r\n", len(event), event)
			if i == tokens-1 {
				last := fmt.Sprintf("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":%d}}\n\ndata: [DONE]\n\n",
					tokens)
				buf = fmt.Appendf(buf, "%x\r\n%s\r\n0\r\n\r\n", len(last), last)
			}
			sent.Add(1)
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}
}

// maxTokens reads the request's max_tokens without parsing the rest.
func maxTokens(body []byte) int {
	const key = `"max_tokens":`
	for i := 0; i+len(key) < len(body); i++ {
		if string(body[i:i+len(key)]) == key {
			end := i + len(key)
			for end < len(body) && body[end] >= '0' && body[end] <= '9' {
				end++
			}
			n, _ := strconv.Atoi(string(body[i+len(key) : end]))
			return n
		}
	}
	return 1
}
