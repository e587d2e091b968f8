package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// exact sends max_tokens events to each request, one every so often on an
// absolute schedule that begins with the request.
type exact struct {
	*http.ServeMux
	every time.Duration

	mu           sync.Mutex
	first, later []time.Duration // from the request to its first event, from each event to the next
}

func newExact(every time.Duration) *exact {
	e := &exact{ServeMux: http.NewServeMux(), every: every}
	e.HandleFunc("POST /v1/chat/completions", e.chat)
	e.HandleFunc("GET /account", e.account)
	for _, path := range []string{"GET /v1/models", "GET /health"} {
		e.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"object":"list","data":[{"id":"measured","object":"model"}]}`)
		})
	}
	return e
}

const chunk = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"measured\",\"choices\":[%s]%s}\n\n"

func (e *exact) chat(w http.ResponseWriter, r *http.Request) {
	last := time.Now()
	begun := last
	var q struct {
		MaxTokens           int  `json:"max_tokens"`
		MaxCompletionTokens int  `json:"max_completion_tokens"`
		Stream              bool `json:"stream"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || !q.Stream {
		http.Error(w, `{"error":{"message":"send a streaming chat completion"}}`, http.StatusBadRequest)
		return
	}
	tokens := max(q.MaxTokens, q.MaxCompletionTokens, 1)
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	gaps := make([]time.Duration, 0, tokens)
	for i := range tokens {
		time.Sleep(time.Until(begun.Add(time.Duration(i+1) * e.every)))
		finish := "null"
		if i == tokens-1 {
			finish = `"length"`
		}
		fmt.Fprintf(w, chunk, `{"index":0,"delta":{"content":" word"},"finish_reason":`+finish+`}`, "")
		now := time.Now() // before the write: once it is out, the client's time runs
		gaps = append(gaps, now.Sub(last))
		last = now
		if i == tokens-1 {
			fmt.Fprintf(w, chunk, "", fmt.Sprintf(`,"usage":{"prompt_tokens":64,"completion_tokens":%d,"total_tokens":%d}`, tokens, tokens+64))
			fmt.Fprint(w, "data: [DONE]\n\n")
		}
		if flush.Flush() != nil {
			return // the client has left
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.first = append(e.first, gaps[0])
	e.later = append(e.later, gaps[1:]...)
}

// account writes what was sent since the last account, times in milliseconds.
func (e *exact) account(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	first, later := e.first, e.later
	e.first, e.later = nil, nil
	e.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{
		"requests": len(first), "ttft": percentiles(first), "chunk": percentiles(later),
	})
}

func percentiles(d []time.Duration) map[string]float64 {
	slices.Sort(d)
	out := map[string]float64{}
	for _, p := range []int{50, 95, 99} {
		if len(d) > 0 {
			out[fmt.Sprintf("p%d", p)] = float64(d[len(d)*p/100]) / 1e6
		}
	}
	return out
}
