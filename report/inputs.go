package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
)

// largestInputs bounds the payloads in one inputs.json, in bytes. A file of
// default size has one MiB; 300 prompts of 32 768 tokens would have 60.
const largestInputs = 32 << 20

// inputsFile writes inputs.json of one trial (from 0) of the i-th probe: a
// session for each request of the cohort, in order of start, with the payload
// that was sent, or for each conversation with those of its turns. AIPerf replays such a file as it is (dataset type inputs_json).
// Bodies are made one at a time, from the seed, and are not kept.
//
// Sessions beyond 32 MiB are left out, and counted in prompts.omitted: a sweep
// over long prompts must not fill a disk. Where the measurement knows no bodies
// (a prober of one's own) there are no sessions.
func (v *view) inputsFile(w io.Writer, i, trial int) error {
	return v.inputsUpTo(w, i, trial, largestInputs)
}

// inputsUpTo writes inputs.json with at most so many bytes of payloads, and the one
// that goes beyond.
func (v *view) inputsUpTo(w io.Writer, i, trial, most int) error {
	m := v.probes[i].Trials[trial]
	b := bufio.NewWriter(w)
	// Written by hand: encoding/json would want all payloads in memory.
	b.WriteString(`{"data":[`) // a bufio.Writer keeps its first error for Flush
	size, omitted, sessions := 0, 0, 0
	for _, turns := range bySession(m) {
		if m.Body == nil || size > most {
			omitted += len(turns)
			continue
		}
		var payloads [][]byte
		for _, q := range turns {
			payload, err := v.starPayload(m.Body(q))
			if err != nil {
				return err
			}
			payloads = append(payloads, payload)
			size += len(payload)
		}
		if sessions++; sessions > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "\n{\"session_id\":%q,\"payloads\":[%s]}", session(m, turns[0]), bytes.Join(payloads, []byte(",")))
	}
	prompts, err := json.Marshal(struct {
		Library  string            `json:"library"`
		Seed     uint64            `json:"seed"`
		ISL      int               `json:"isl"`
		Workload *loadgen.Workload `json:"workload,omitempty"`
		Unique   bool              `json:"unique"`
		Omitted  int               `json:"omitted"`
	}{library(), m.Load.Seed, m.Load.ISL, said(m.Load.Workload), !v.Spec.Target.SamePrompts, omitted})
	if err != nil {
		return fmt.Errorf("encode what makes the prompts: %w", err)
	}
	fmt.Fprintf(b, "],\n\"prompts\":%s}\n", prompts)
	return b.Flush()
}

// bySession returns the requests of a measurement by their sessions, both in order of start.
// A session is one request or, in conversations, the turns of one that are measured. A
// conversation that was under way when the window opened, or when it closed, has the others
// outside of it; the payloads of its turns have all that was said before them, so that AIPerf
// replays each of them as it was.
func bySession(m *loadgen.Measurement) (sessions [][]*loadgen.Request) {
	place := map[uint64]int{} // of a conversation
	for _, q := range sent(m) {
		k, begun := place[q.Conversation]
		if !begun || !talks(m) {
			k = len(sessions)
			sessions = append(sessions, nil)
			place[q.Conversation] = k
		}
		sessions[k] = append(sessions[k], q)
	}
	return sessions
}

// said returns the workload for a file, nil if it says nothing beyond the lengths of the
// load, which the files have in keys of their own.
func said(w loadgen.Workload) *loadgen.Workload {
	if w.IsZero() {
		return nil
	}
	return &w
}

// starPayload is a request body with the secrets in the user's part of it
// starred; the rest of it is the bytes that were sent.
func (v *view) starPayload(body []byte) ([]byte, error) {
	named := !strings.Contains(v.Server.Model, "***") // the server's own name for the model has no secrets
	if len(v.Spec.Target.Body) == 0 && named {
		return bytes.TrimSpace(body), nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("read the request body that was sent: %w", err)
	}
	for k, field := range v.Spec.Target.RedactedBody() {
		raw, err := json.Marshal(field)
		if err != nil {
			return nil, fmt.Errorf("encode %q of the request body (Target.Body): %w", k, err)
		}
		// A field without secrets is left as it was sent: a file of prompts may have
		// another value for it.
		if given, err := json.Marshal(v.Spec.Target.Body[k]); err == nil && bytes.Equal(given, raw) {
			continue
		}
		fields[k] = raw
	}
	if !named {
		name, err := json.Marshal(v.Server.Model)
		if err != nil {
			return nil, fmt.Errorf("encode the name of the model: %w", err)
		}
		fields["model"] = name
	}
	return json.Marshal(fields)
}
