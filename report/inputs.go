package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/aiperf-go/aiperf/recipes"
)

// InputsFile writes inputs.json of one trial (from 0) of the i-th probe: a
// session for each request of the cohort, with its payload as AIPerf has it. The
// text of prompts is not kept: it is a function of the seed, and a long search
// would fill a disk with it; its place in the payload is empty.
func InputsFile(w io.Writer, o *recipes.Outcome, i, trial int) error {
	m := o.Probes[i].Trials[trial]
	body := object{"model": o.Server.Model, "max_tokens": m.Load.OSL, "stream": !o.Spec.Target.NoStream}
	if protocolOf(o) == "chat" {
		body["messages"] = []object{{"role": "user", "content": ""}}
	} else {
		body["prompt"] = ""
	}
	if !o.Spec.Target.NoStream {
		body["stream_options"] = object{"include_usage": true}
	}
	for k, v := range starBody(o, o.Spec.Target.Body) {
		body[k] = v
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request body (Target.Body): %w", err)
	}
	type session struct {
		ID       string            `json:"session_id"`
		Payloads []json.RawMessage `json:"payloads"`
	}
	type prompts struct {
		Library string `json:"library"`
		Seed    uint64 `json:"seed"`
		ISL     int    `json:"isl"`
		Unique  bool   `json:"unique"`
	}
	file := struct {
		Data    []session `json:"data"`
		Prompts prompts   `json:"prompts"` // what makes the texts that are left out
	}{[]session{}, prompts{Library(), m.Load.Seed, m.Load.ISL, !o.Spec.Target.SamePrompts}}
	for k := range m.Requests {
		file.Data = append(file.Data, session{conversation(m.Requests[k].Index), []json.RawMessage{payload}})
	}
	return json.NewEncoder(w).Encode(file)
}
