package codec

import (
	"encoding/json"
	"strings"
)

// embeddings is OpenAI's API for vectors.
type embeddings struct{}

func (embeddings) Spec() Spec { return Spec{Name: "embeddings", Path: "embeddings"} }

// Body has one input. A batch of them is a workload's: a file, or a body field.
func (embeddings) Body(r Request) (map[string]any, error) {
	return map[string]any{"model": r.Model, "input": joined(r)}, nil
}

// Read counts the vectors. They are not decoded: a vector of 4,096 numbers takes longer to
// read than to receive.
func (embeddings) Read(data []byte, whole bool) (Part, error) {
	var a struct {
		Data []struct {
			Embedding json.RawMessage
		}
		Usage *usage
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return Part{}, err
	}
	p, err := scored(data, a.Data != nil, a.Usage)
	for _, d := range a.Data {
		if !empty(d.Embedding) {
			p.Items++
		}
	}
	return p, err
}

// rerank is Cohere's API for scores, as vLLM, SGLang and Jina have it, too.
type rerank struct{}

func (rerank) Spec() Spec { return Spec{Name: "rerank", Alias: "cohere_rankings", Path: "rerank"} }

// documents is the number of documents that a prompt is divided into, behind a query as long as
// one of them. Servers count the query once for each: with any other share, tokens would not be
// linear in words, and prompts not as long as asked for.
const documents = 8

// Body makes a query of the first ninth of the prompt, and documents of about the same length
// of the rest.
func (rerank) Body(r Request) (map[string]any, error) {
	words := strings.Fields(joined(r))
	n := min(max(len(words)/(documents+1), 1), len(words))
	query, rest := words[:n], words[n:]
	list := []string{}
	for k := range documents {
		from, to := k*len(rest)/documents, (k+1)*len(rest)/documents
		if from < to {
			list = append(list, strings.Join(rest[from:to], " "))
		}
	}
	if len(list) == 0 { // a prompt of one word
		list = append(list, strings.Join(query, " "))
	}
	return map[string]any{"model": r.Model, "query": strings.Join(query, " "), "documents": list}, nil
}

// Read counts the scores.
func (rerank) Read(data []byte, whole bool) (Part, error) {
	type score struct {
		Relevance *float64 `json:"relevance_score"`
		Score     *float64 `json:"score"`
	}
	var a struct {
		Results []score
		Usage   *usage
		Meta    struct {
			Tokens *usage
		}
	}
	// Text Embeddings Inference answers with the list alone.
	if trimmed := strings.TrimSpace(string(data)); strings.HasPrefix(trimmed, "[") {
		if err := json.Unmarshal(data, &a.Results); err != nil {
			return Part{}, err
		}
	} else if err := json.Unmarshal(data, &a); err != nil {
		return Part{}, err
	}
	p, err := scored(data, a.Results != nil, a.Usage)
	p.Usage.Merge(a.Meta.Tokens.said())
	for _, s := range a.Results {
		if s.Relevance != nil || s.Score != nil {
			p.Items++
		}
	}
	return p, err
}

// scored is an answer without tokens: results and usage, or an error. All tokens that are
// counted are those of the prompt.
func scored(data []byte, results bool, u *usage) (Part, error) {
	if !results {
		return readChunk(data)
	}
	p := Part{Answer: true, Finish: "stop", Usage: u.said()}
	if p.Usage.Prompt == 0 {
		p.Usage.Prompt = p.Usage.Total
	}
	return p, nil
}
