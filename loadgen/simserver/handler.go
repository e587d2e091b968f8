package simserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// version is what GET /version reports, so that a report can name the server.
const version = "simserver-1"

// routes returns the server's endpoints.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, h http.HandlerFunc) {
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			s.count.update(func(st *Stats) { st.Requests[path]++ })
			if s.model.Faults.CloseAfter {
				w.Header().Set("Connection", "keep-alive")
			}
			h(w, r)
		})
	}
	handle("GET", "/health", func(w http.ResponseWriter, r *http.Request) {})
	handle("GET", "/version", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": version})
	})
	handle("GET", "/metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(s.driver.page())
	})
	handle("GET", "/v1/models", s.models)
	for _, api := range apis {
		handle("POST", "/v1/"+api, func(w http.ResponseWriter, r *http.Request) { s.infer(w, r, api) })
	}
	handle("POST", "/v2/rerank", func(w http.ResponseWriter, r *http.Request) { s.infer(w, r, apiRerank) }) // Cohere's own
	return mux
}

// models lists the one model and its adapters.
func (s *Server) models(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(r) {
		writeError(w, http.StatusUnauthorized, "invalid_api_key", "", errUnauthorized.Error())
		return
	}
	data := []map[string]any{{"id": s.model.Name, "object": "model", "created": 0, "owned_by": "simserver"}}
	for _, name := range s.model.Adapters { // as vLLM lists them
		data = append(data, map[string]any{"id": name, "object": "model", "created": 0, "owned_by": "simserver", "parent": s.model.Name})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

// errUnauthorized is OpenAI's own wording.
var errUnauthorized = errors.New("incorrect API key provided")

// authorized reports whether the request has the key, if one is required.
func (s *Server) authorized(r *http.Request) bool {
	return s.model.APIKey == "" || r.Header.Get("Authorization") == "Bearer "+s.model.APIKey || r.Header.Get("X-Api-Key") == s.model.APIKey
}

// infer handles an inference from its arrival to its end.
func (s *Server) infer(w http.ResponseWriter, r *http.Request, api string) {
	n := s.count.enter()
	a := &answer{server: s, w: w, ctx: r.Context(), number: n}
	// This is deferred because a fault ends the handler by a panic. The end of the
	// body is written after the handler has returned, so that a client is never
	// counted twice at once.
	defer func() { s.count.leave(a.end, a.sent) }()

	if limit := s.model.Faults.DieAfter; limit > 0 && n > int64(limit) {
		a.end = failed
		s.die()
		panic(http.ErrAbortHandler)
	}
	if !s.authorized(r) {
		a.end = rejected
		refuse(w, api, http.StatusUnauthorized, "invalid_api_key", "", errUnauthorized.Error())
		return
	}
	q, err := s.readRequest(w, r, api)
	if err != nil {
		if r.Context().Err() != nil {
			return // the client left while it was sending
		}
		a.end = rejected
		code := http.StatusBadRequest
		if large := new(http.MaxBytesError); errors.As(err, &large) {
			code = http.StatusRequestEntityTooLarge
		}
		refuse(w, api, code, "", "", err.Error())
		return
	}
	if q.Model != s.model.Name && !slices.Contains(s.model.Adapters, q.Model) {
		a.end = rejected
		refuse(w, api, http.StatusNotFound, "model_not_found", "model", fmt.Sprintf("The model `%s` does not exist.", q.Model))
		return
	}
	f, code := s.model.Faults.draw(s.model.Seed, n)
	if f == status {
		a.end = failed
		refuse(w, api, code, "", "", "injected fault")
		return
	}
	a.request, a.fault = q, f
	seq, err := s.driver.submit(q.isl, q.osl, a.due, q.blocks...)
	if err != nil {
		a.end = refused
		code := http.StatusServiceUnavailable
		if errors.Is(err, errQueueFull) {
			code = http.StatusTooManyRequests
		}
		refuse(w, api, code, "", "", err.Error())
		return
	}
	s.count.update(func(st *Stats) { st.PromptTokens += int64(q.isl) })
	defer s.driver.cancel(seq) // does nothing once it is complete

	a.seq = seq
	if f != none {
		a.end = failed
	}
	if q.Stream {
		a.stream()
	} else {
		a.whole()
	}
}

// writeError answers with OpenAI's error object.
func writeError(w http.ResponseWriter, status int, code, param, message string) {
	kind := "invalid_request_error"
	switch {
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
		w.Header().Set("Retry-After", strconv.Itoa(1))
	case status >= 500:
		kind = "server_error"
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": message, "type": kind, "param": orNull(param), "code": orNull(code),
	}})
}

// orNull returns null in place of "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// writeJSON answers with v as JSON.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
