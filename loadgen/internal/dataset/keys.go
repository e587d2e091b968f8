package dataset

import (
	"slices"
	"strings"
)

// meaning is what a key of an object is for.
type meaning uint8

const (
	unknown     meaning = iota
	promptText          // the prompt, or a list of messages
	manyTexts           // several texts of one prompt
	messageList         // messages in OpenAI's form
	systemText          // the text of a message before the prompt
	promptSize          // how many tokens the prompt has
	answerSize          // how many tokens the answer has
	answerText          // the answer that was recorded
	blockIDs            // names of the parts of a prompt that is made up
	media               // pictures and sounds
	whenSent            // milliseconds from the trace's begin
	waited              // milliseconds since the request before
	sessionID           // names the conversation
	more                // an object of further fields of the body
	bodyField           // a field of the body that is sent as it is
	ownField            // a field of the body that the load chooses
	label               // says nothing about the request
)

// keys lists the spellings of each key in lower case, with _ for spaces and points. They
// are AIPerf's, genai-perf's, GuideLLM's, vLLM's, OpenAI's, and those of the collections
// and traces (ShareGPT, Alpaca, MT-Bench, Mooncake, Bailian, BurstGPT, Azure) that these
// tools read.
var keys = meanings(map[meaning]string{
	promptText:  "text prompt text_input question instruction query content input",
	manyTexts:   "texts",
	messageList: "messages",
	systemText:  "system system_prompt system_message",
	promptSize: `input_length input_len input_tokens input_tokens_count input_token_count prompt_tokens prompt_tokens_count
		prompt_token_count prompt_length prompt_len num_prompt_tokens num_input_tokens request_tokens context_tokens contexttokens isl`,
	answerSize: `output_length output_len output_tokens output_tokens_count output_token_count completion_tokens
		completion_tokens_count completion_length response_tokens generated_tokens generatedtokens max_tokens max_new_tokens
		max_completion_tokens max_output_tokens num_output_tokens expected_output_len expected_output_tokens osl`,
	answerText: "output response answer completion reply chosen",
	blockIDs:   "hash_ids",
	media:      "image images image_uuids audio audios video videos input_audio multi_modal_data",
	whenSent:   "timestamp arrival_time arrived_at",
	waited:     "delay",
	sessionID:  "session_id conversation_id chat_id",
	more:       "extra extra_body",
	bodyField: `tools tool_choice parallel_tool_calls functions function_call temperature top_p top_k min_p typical_p stop
		stop_token_ids seed n best_of echo suffix frequency_penalty presence_penalty repetition_penalty length_penalty logit_bias
		logprobs top_logprobs prompt_logprobs response_format reasoning_effort reasoning min_tokens chat_template
		chat_template_kwargs add_generation_prompt guided_json guided_regex guided_choice guided_grammar structured_outputs
		skip_special_tokens service_tier user priority lora_adapter nvext`,
	ownField: "model stream stream_options",
	label: `id custom_id request_id question_id prompt_id parent_chat_id turn type method url role name category source language
		lang subset split tags title reference metadata total_tokens log_type message_mode context_mode block_size index task
		dataset rejected`,
})

// meanings turns the table round.
func meanings(table map[meaning]string) map[string]meaning {
	out := map[string]meaning{}
	for m, names := range table {
		for _, name := range strings.Fields(names) {
			out[name] = m
		}
	}
	return out
}

// canonical returns the name of a column as the table of keys has it. Columns are written
// in many ways, for example "Response tokens".
func canonical(column string) string {
	return strings.NewReplacer(" ", "_", "-", "_", ".", "_").Replace(strings.ToLower(strings.TrimSpace(column)))
}

// nearestKey returns a hint at the key that was probably meant, empty if none is near.
func nearestKey(key string) string {
	best, least := "", 3 // as many changes are no slip of the pen
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if d := distance(strings.ToLower(key), name); d < least && d*3 <= len(key) {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return `, did you mean "` + best + `"?`
}

// distance is Levenshtein's: the fewest letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
