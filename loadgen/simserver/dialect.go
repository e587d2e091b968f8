package simserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The APIs that the server has, by their routes below /v1.
const (
	apiChat        = "chat/completions"
	apiCompletions = "completions"
	apiResponses   = "responses"
	apiMessages    = "messages"
	apiEmbeddings  = "embeddings"
	apiRerank      = "rerank"
)

// apis lists them.
var apis = []string{apiChat, apiCompletions, apiResponses, apiMessages, apiEmbeddings, apiRerank}

// scores reports whether an API answers with vectors or scores, which need the prefill alone.
func scores(api string) bool { return api == apiEmbeddings || api == apiRerank }

// known are the body fields of each API.
var known = map[string][]string{
	apiChat: strings.Fields(`model messages prompt max_tokens max_completion_tokens stream stream_options
		temperature top_p n stop seed user presence_penalty frequency_penalty logit_bias logprobs top_logprobs
		response_format tools tool_choice parallel_tool_calls functions function_call metadata store
		service_tier reasoning_effort modalities prediction audio echo best_of suffix
		web_search_options safety_identifier prompt_cache_key verbosity`),
	apiResponses: strings.Fields(`model input instructions max_output_tokens stream temperature top_p user metadata store tools
		tool_choice parallel_tool_calls reasoning text truncation previous_response_id service_tier include background
		prompt_cache_key safety_identifier`),
	apiMessages: strings.Fields(`model messages system max_tokens stream temperature top_p top_k stop_sequences metadata tools
		tool_choice thinking service_tier`),
	apiEmbeddings: strings.Fields("model input encoding_format dimensions user"),
	apiRerank:     strings.Fields("model query documents top_n return_documents max_tokens_per_doc"),
}

// unknownIn returns the first field, by name, that an API does not have; empty if it has all.
func unknownIn(api string, fields map[string]json.RawMessage) string {
	if api == apiCompletions {
		api = apiChat
	}
	var unknown []string
	for f := range fields {
		if !slices.Contains(known[api], f) {
			unknown = append(unknown, f)
		}
	}
	if unknown == nil {
		return ""
	}
	return slices.Min(unknown)
}

// data is an event without a name, and named one with a name, as the later APIs have it. Both
// are without their blank line.
func data(object string) string        { return "data: " + object }
func named(name, object string) string { return "event: " + name + "\ndata: " + object }

// opening returns the events that come as soon as the request is taken up.
func (a *answer) opening() []string {
	switch a.request.api {
	case apiChat:
		if a.server.model.Faults.NoRole {
			return nil
		}
		return []string{data(a.chunk(`{"role":"assistant","content":""}`, "null"))}
	case apiResponses:
		return []string{
			named("response.created", `{"type":"response.created","response":`+a.response("in_progress", "", "")+`}`),
			named("response.output_item.added", `{"type":"response.output_item.added","output_index":0,`+
				`"item":{"type":"message","status":"in_progress","role":"assistant","content":[]}}`),
		}
	case apiMessages:
		usage := ""
		if !a.server.model.Faults.NoUsage {
			usage = fmt.Sprintf(`,"usage":{"input_tokens":%d,"output_tokens":0%s}`, a.request.isl-a.seq.cached, a.cacheRead())
		}
		return []string{
			named("message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"%s","type":"message","role":"assistant","model":%s,`+
				`"content":[],"stop_reason":null%s}}`, a.id(), a.model(), usage)),
			named("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
			named("ping", `{"type":"ping"}`),
		}
	}
	return nil
}

// event returns the event of one token, which is a thought or not.
func (a *answer) event(w string, thought bool) string {
	switch a.request.api {
	case apiResponses:
		kind := "response.output_text.delta"
		if thought {
			kind = "response.reasoning_text.delta"
		}
		return named(kind, `{"type":"`+kind+`","output_index":0,"content_index":0,"delta":" `+w+`"}`)
	case apiMessages:
		delta := `{"type":"text_delta","text":" ` + w + `"}`
		if thought {
			delta = `{"type":"thinking_delta","thinking":" ` + w + `"}`
		}
		return named("content_block_delta", `{"type":"content_block_delta","index":0,"delta":`+delta+`}`)
	case apiChat:
		if thought {
			return data(a.chunk(`{"reasoning_content":" `+w+`"}`, "null"))
		}
	}
	return data(a.word(w))
}

// closing returns the events behind the last token.
func (a *answer) closing() (events []string) {
	faults := a.server.model.Faults
	switch a.request.api {
	case apiResponses:
		text := a.text()
		events = []string{
			named("response.output_text.done",
				fmt.Sprintf(`{"type":"response.output_text.done","output_index":0,"content_index":0,"text":%q}`, text)),
		}
		if !faults.NoDone {
			events = append(events, named("response.incomplete", `{"type":"response.incomplete","response":`+
				a.response("incomplete", a.output(text), a.usageUnless())+`}`))
		}
		return events
	case apiMessages:
		usage := ""
		if !faults.NoUsage {
			usage = fmt.Sprintf(`,"usage":{"output_tokens":%d}`, a.seq.osl)
		}
		events = []string{
			named("content_block_stop", `{"type":"content_block_stop","index":0}`),
			named("message_delta", `{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null}`+usage+`}`),
		}
		if !faults.NoDone {
			events = append(events, named("message_stop", `{"type":"message_stop"}`))
		}
		return events
	}
	events = []string{data(a.finish())}
	if a.request.StreamOptions.IncludeUsage && !faults.NoUsage {
		events = append(events, data(a.envelope("[]", a.usage())))
	}
	if !faults.NoDone {
		events = append(events, data("[DONE]"))
	}
	return events
}

// failing returns the events of an engine that fails in mid-stream.
func (a *answer) failing() []string {
	switch a.request.api {
	case apiResponses:
		return []string{named("response.failed", `{"type":"response.failed","response":{"object":"response","status":"failed",`+
			`"error":{"code":"server_error","message":"injected fault"}}}`)}
	case apiMessages:
		return []string{named("error", `{"type":"error","error":{"type":"api_error","message":"injected fault"}}`)}
	}
	if a.server.model.Faults.NoDone {
		return []string{data(errorObject)}
	}
	return []string{data(errorObject), data("[DONE]")}
}

// text is what the whole answer says, without the thoughts.
func (a *answer) text() string {
	var b strings.Builder
	for i := a.thoughts(); i < a.seq.osl; i++ {
		b.WriteString(" " + vocabulary[i%len(vocabulary)])
	}
	return b.String()
}

// thinking is what the thoughts of the whole answer say.
func (a *answer) thinking() string {
	var b strings.Builder
	for i := range a.thoughts() {
		b.WriteString(" " + vocabulary[i%len(vocabulary)])
	}
	return b.String()
}

// thoughts is how many of the answer's tokens are thoughts. The older API of completions has
// none.
func (a *answer) thoughts() int {
	if a.request.api == apiCompletions || scores(a.request.api) {
		return 0
	}
	return min(a.server.model.Thoughts, a.request.osl)
}

// object is the whole answer in the words of its API.
func (a *answer) object() string {
	switch a.request.api {
	case apiResponses:
		return a.response("incomplete", a.output(a.text()), a.usageUnless())
	case apiMessages:
		usage := ""
		if !a.server.model.Faults.NoUsage {
			usage = fmt.Sprintf(`,"usage":{"input_tokens":%d,"output_tokens":%d%s}`, a.request.isl-a.seq.cached, a.seq.osl, a.cacheRead())
		}
		thoughts := ""
		if a.thoughts() > 0 {
			thoughts = fmt.Sprintf(`{"type":"thinking","thinking":%q},`, a.thinking())
		}
		return fmt.Sprintf(`{"id":"%s","type":"message","role":"assistant","model":%s,"content":[%s{"type":"text","text":%q}],`+
			`"stop_reason":"max_tokens","stop_sequence":null%s}`, a.id(), a.model(), thoughts, a.text(), usage)
	case apiEmbeddings:
		var list []string
		for i := range a.request.items {
			list = append(list, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[0.25,-0.5,0.125,1e-3]}`, i))
		}
		return fmt.Sprintf(`{"object":"list","data":[%s],"model":%s%s}`, strings.Join(list, ","), a.model(), a.promptUsage())
	case apiRerank:
		var list []string
		for i := range a.request.items {
			list = append(list, fmt.Sprintf(`{"index":%d,"relevance_score":%.4f}`, i, 1/float64(i+1)))
		}
		return fmt.Sprintf(`{"id":"%s","model":%s,"results":[%s]%s}`, a.id(), a.model(), strings.Join(list, ","), a.promptUsage())
	}
	choice := fmt.Sprintf(`[{"index":0,"text":%q,"logprobs":null,"finish_reason":"length"}]`, a.text())
	if a.request.chat {
		thoughts := ""
		if a.thoughts() > 0 {
			thoughts = fmt.Sprintf(`"reasoning_content":%q,`, a.thinking())
		}
		choice = fmt.Sprintf(`[{"index":0,"message":{"role":"assistant",%s"content":%q},"finish_reason":"length"}]`, thoughts, a.text())
	}
	return a.envelope(choice, a.usageUnless())
}

// usageUnless is the usage of the two APIs of completions and of responses, empty if the
// server reports none.
func (a *answer) usageUnless() string {
	if a.server.model.Faults.NoUsage {
		return ""
	}
	return a.usage()
}

// promptUsage is the usage of answers without tokens, as a further key of an object.
func (a *answer) promptUsage() string {
	if a.server.model.Faults.NoUsage {
		return ""
	}
	return fmt.Sprintf(`,"usage":{"prompt_tokens":%d,"total_tokens":%d}`, a.request.isl, a.request.isl)
}

// cacheRead is the part of usage about the prefix cache in Anthropic's words, as further keys.
func (a *answer) cacheRead() string {
	if a.server.model.PrefixCache == 0 {
		return ""
	}
	return fmt.Sprintf(`,"cache_read_input_tokens":%d,"cache_creation_input_tokens":0`, a.seq.cached)
}

// output is the list of outputs of a response.
func (a *answer) output(text string) string {
	thoughts := ""
	if a.thoughts() > 0 {
		thoughts = fmt.Sprintf(`{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":%q}]},`, a.thinking())
	}
	return fmt.Sprintf(`%s{"type":"message","role":"assistant","content":[{"type":"output_text","text":%q,"annotations":[]}]}`, thoughts, text)
}

// response is an object of the responses API.
func (a *answer) response(status, output, usage string) string {
	details := "null"
	if status == "incomplete" {
		details = `{"reason":"max_output_tokens"}`
	}
	if usage == "" {
		usage = "null"
	}
	return fmt.Sprintf(`{"id":"%s","object":"response","created_at":%d,"status":"%s","model":%s,"error":null,"incomplete_details":%s,`+
		`"output":[%s],"usage":%s}`, a.id(), time.Now().Unix(), status, a.model(), details, output, usage)
}

// model is the name of the served model as JSON.
func (a *answer) model() string {
	name, _ := json.Marshal(a.server.model.Name)
	return string(name)
}

// refuse answers with the error object of an API.
func refuse(w http.ResponseWriter, api string, status int, code, param, message string) {
	if api != apiMessages {
		writeError(w, status, code, param, message)
		return
	}
	kind := map[int]string{
		http.StatusUnauthorized: "authentication_error", http.StatusNotFound: "not_found_error", http.StatusTooManyRequests: "rate_limit_error",
		http.StatusServiceUnavailable: "overloaded_error", http.StatusRequestEntityTooLarge: "request_too_large",
	}[status]
	switch {
	case kind != "":
	case status >= http.StatusInternalServerError:
		kind = "api_error"
	default:
		kind = "invalid_request_error"
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, map[string]any{"type": "error", "error": map[string]any{"type": kind, "message": message}})
}
