package loadgen

import (
	"encoding/json"
	"net/http"
	"strings"
)

// served is what a list of models says of one of them.
type served struct {
	id string
	// context is the greatest number of tokens of a prompt and its answer together, 0
	// if the list does not say.
	context int
}

// readModels reads the answer to GET /v1/models in OpenAI's form ({"data": [{"id": …}]}),
// in Ollama's and llama.cpp's ({"models": [{"name": …}]}), or as a bare list of either, each
// also inside of an object that a gateway puts around it. ok is false if it has none of
// these forms; an empty list is a list.
func readModels(body []byte) (models []served, ok bool) {
	var list struct {
		Data, Models, Result json.RawMessage
	}
	var entries []json.RawMessage
	if json.Unmarshal(body, &list) != nil {
		list.Data = body
	}
	for _, raw := range []json.RawMessage{list.Data, list.Models, list.Result} {
		var some []json.RawMessage
		var inner struct{ Data, Models json.RawMessage }
		switch {
		case json.Unmarshal(raw, &some) == nil:
			entries, ok = append(entries, some...), true
		case json.Unmarshal(raw, &inner) == nil: // {"code": 0, "data": {"models": […]}}
			for _, raw := range []json.RawMessage{inner.Data, inner.Models} {
				if json.Unmarshal(raw, &some) == nil {
					entries, ok = append(entries, some...), true
				}
			}
		}
	}
	seen := map[string]bool{}
	for _, raw := range entries {
		m, ok := readModel(raw)
		m.id = modelName(m.id)
		if ok && m.id != "" && !seen[m.id] { // llama.cpp lists each twice, in both forms
			seen[m.id] = true
			models = append(models, m)
		}
	}
	return models, ok
}

// readModel reads one entry of a list: an object, or the model's name alone. The length of
// the context goes by several names: vLLM and SGLang say max_model_len, OpenRouter
// context_length, Groq context_window, LM Studio and Mistral max_context_length, and
// llama.cpp meta.n_ctx.
func readModel(raw json.RawMessage) (m served, ok bool) {
	if json.Unmarshal(raw, &m.id) == nil {
		return m, m.id != ""
	}
	var e struct {
		ID, Name, Model string
		MaxModelLen     tokens `json:"max_model_len"`
		MaxContext      tokens `json:"max_context_length"`
		ContextLength   tokens `json:"context_length"`
		ContextWindow   tokens `json:"context_window"`
		NCtx            tokens `json:"n_ctx"`
		Meta            struct {
			NCtx tokens `json:"n_ctx"`
		} `json:"meta"`
	}
	if json.Unmarshal(raw, &e) != nil && e.ID == "" && e.Name == "" && e.Model == "" {
		return m, false
	}
	for _, id := range []string{e.ID, e.Model, e.Name} {
		if m.id == "" {
			m.id = id
		}
	}
	for _, n := range []tokens{e.MaxModelLen, e.MaxContext, e.ContextLength, e.ContextWindow, e.NCtx, e.Meta.NCtx} {
		if m.context == 0 {
			m.context = int(n)
		}
	}
	return m, m.id != ""
}

// longestName is the most bytes of a model's name that are kept.
const longestName = 256

// modelName returns a name that the server lists as it is, unless it is no name but a text
// that is too long or would spoil the log.
func modelName(id string) string {
	id = unmarked(strings.Join(strings.Fields(visible(id[:min(len(id), mostRead)])), " "))
	return strings.ToValidUTF8(id[:min(len(id), longestName)], "")
}

// fill takes over what the list says of the models.
func (s *Server) fill(models []served) {
	s.Models = nil
	for _, m := range models {
		s.Models = append(s.Models, m.id)
		if m.id == s.Model || strings.TrimSuffix(m.id, ":latest") == s.Model {
			s.Context = m.context
		}
	}
}

// passing reports whether an answer's status may be another one soon: the server starts,
// its workers register, a gateway waits for what is behind it, or load is shed.
func passing(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked, http.StatusTooEarly,
		http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= http.StatusInternalServerError
}

// accepted reports whether a status says that there is an answer: any 2xx that has a body.
func accepted(status int) bool {
	return status >= 200 && status < 300 && status != http.StatusNoContent && status != http.StatusResetContent
}
