// Package codec says how the APIs of inference servers are spoken: what the body of a
// request is, and what an answer says. It knows neither HTTP nor clocks.
//
// A [Codec] goes by its name, which is plain data: a target names its API, and another
// process that has the same codecs sends the same requests.
//
//	loadgen.Target{URL: "http://127.0.0.1:8000", Protocol: "embeddings"}
//
// There are six from the start:
//
//	chat         POST /v1/chat/completions   OpenAI's, tokens, event streams
//	completions  POST /v1/completions        OpenAI's older one, tokens, event streams
//	responses    POST /v1/responses          OpenAI's later one, tokens, event streams
//	messages     POST /v1/messages           Anthropic's, tokens, event streams
//	embeddings   POST /v1/embeddings         vectors
//	rerank       POST /v1/rerank             scores (Cohere's form, as vLLM, SGLang and Jina have it)
//
// A codec of one's own is registered, usually in an init function or in TestMain:
//
//	if err := codec.Register(generate{}); err != nil { … }
//
// An answer is read in parts. The data of each event of a stream is one, and so is an answer
// that came whole. A codec reads them one by one, on its own time: nothing is read before a
// request has ended, so that a slow codec spoils no measurement.
package codec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Codec is one API. Its methods are called from several goroutines at once.
type Codec interface {
	// Spec says what the API is. It is always the same.
	Spec() Spec
	// Body returns the fields of the body of a request. They must be values that
	// encoding/json can write, and the map is the caller's. Fields that the target or the
	// workload has of its own replace them, except for those that depend on the prompt.
	Body(Request) (map[string]any, error)
	// Read returns what a part of an answer says: the data of an event or, if whole, an
	// answer in one piece. An error says that the data cannot be read, and fails the
	// request.
	Read(data []byte, whole bool) (Part, error)
}

// Spec says what an API is.
type Spec struct {
	// Name is what a target names the API by: lower-case letters and digits, with dashes
	// or underscores between words. Alias is AIPerf's name if that is another one.
	Name, Alias string
	// Path is where requests are posted, below the base URL and its version, for example
	// chat/completions. One that begins with a slash stands outside of the version, for
	// example /generate.
	Path string
	// Tokens says that answers are tokens. Without it, they have no length: nothing is
	// known of them but when they came, and whether they failed.
	Tokens bool
	// Streams says that answers may come as event streams.
	Streams bool
	// Messages says that a list of messages can be sent, and Images that pictures can.
	Messages, Images bool
	// Limits names the field of the body that bounds an answer's length, and behind it
	// other names of the same, which are tried if a server refuses the first.
	Limits []string
	// Header holds further request headers, and KeyHeader names one that carries the API
	// key beside Authorization. Both may be empty.
	Header    map[string]string
	KeyHeader string

	// alike says that events which differ in the value of one text key, and in a
	// sequence_number, say the same but for that text.
	alike bool
}

// Alike reports whether events of the API that differ in one text alone need not all be
// read. It is so for built-in codecs alone.
func (s Spec) Alike() bool { return s.alike }

// Request is what the body of a request is made of. Either Messages is set, or Text with
// what is before it.
type Request struct {
	// Model is the model to ask for.
	Model string
	// System is the system prompt, which may be empty.
	System string
	// Text is the prompt, or what the user says.
	Text string
	// Images are pictures beside Text, as data URLs. There are none unless the Spec
	// allows them.
	Images []string
	// Messages is a list of messages in the form of OpenAI's chat API, as JSON. It is nil
	// unless the Spec allows them.
	Messages json.RawMessage
	// Outputs is the number of tokens that the answer is to have.
	Outputs int
	// Stream asks for an event stream.
	Stream bool
}

// Part is what a part of an answer says. The zero Part says nothing, as an event that only
// opens an answer does.
type Part struct {
	// Content is what the model says, by choices. It is empty in most parts that are not
	// text.
	Content []Content
	// Items is the number of results in an answer that has no tokens, for example of
	// vectors or of scores. Without any, such an answer is empty.
	Items int
	// Finish is why the answer ended, for example stop or length, empty if the part does
	// not say. Aborted says that the server gave the answer up for this reason: it is then
	// a failure, however fast it came.
	Finish  string
	Aborted bool
	// Done says that nothing follows.
	Done bool
	// Usage is what the server counted up to this part.
	Usage Usage
	// Error says that the part is an error in place of an answer. Its words are found
	// in the data, wherever they stand.
	Error bool
	// Answer says that the part is one of an answer, even if it has no content. It makes
	// the difference between an answer that is empty and something else.
	Answer bool
	// Values are metrics of the codec's own, by tag. What comes later in a stream
	// replaces what came before. See loadgen.MetricInfo.
	Values map[string]float64
}

// Content is what one of the choices of an answer says.
type Content struct {
	// Choice is the number of the choice, from 0.
	Choice int
	// Text is said to the user, Reasoning is thought, and Call is asked of a tool.
	Text, Reasoning, Call string
}

// size is the number of bytes of the content.
func (c Content) size() int { return len(c.Text) + len(c.Reasoning) + len(c.Call) }

// Size returns the number of bytes of content, 0 if there is none. A role alone, which
// servers send before the first token is there, is none.
func (p Part) Size() (n int) {
	for _, c := range p.Content {
		n += c.size()
	}
	return n
}

// Output reports whether the part has something else than reasoning.
func (p Part) Output() bool {
	return slices.ContainsFunc(p.Content, func(c Content) bool { return c.Text != "" || c.Call != "" })
}

// Reasoning returns the number of bytes of the part that are thoughts.
func (p Part) Reasoning() (n int) {
	for _, c := range p.Content {
		n += len(c.Reasoning)
	}
	return n
}

// The built-in codecs.
var (
	Chat        Codec = chat{}
	Completions Codec = completions{}
	Responses   Codec = responses{}
	Messages    Codec = messages{}
	Embeddings  Codec = embeddings{}
	Rerank      Codec = rerank{}
)

// registry holds all codecs, the built-in ones first.
var registry = struct {
	sync.RWMutex
	codecs []Codec
}{codecs: []Codec{Chat, Completions, Responses, Messages, Embeddings, Rerank}}

// All returns all codecs: first the built-in ones, and then those that were registered, in
// that order.
func All() []Codec {
	registry.RLock()
	defer registry.RUnlock()
	return slices.Clone(registry.codecs)
}

// Names returns the names of all codecs.
func Names() (names []string) {
	for _, c := range All() {
		names = append(names, c.Spec().Name)
	}
	return names
}

// Lookup finds a codec by its name or its alias. ok is false if there is none.
func Lookup(name string) (c Codec, ok bool) {
	registry.RLock()
	defer registry.RUnlock()
	return find(registry.codecs, name)
}

// find is Lookup among the given codecs.
func find(codecs []Codec, name string) (c Codec, ok bool) {
	i := slices.IndexFunc(codecs, func(c Codec) bool { s := c.Spec(); return name != "" && (s.Name == name || s.Alias == name) })
	if i < 0 {
		return nil, false
	}
	return codecs[i], true
}

// validName matches names of codecs.
var validName = regexp.MustCompile(`^[a-z0-9]+([-_][a-z0-9]+)*$`)

// Register adds a codec, so that a target can name it. It returns an error if the name is
// taken, or if the Spec makes no sense.
func Register(c Codec) error {
	if c == nil {
		return fmt.Errorf("register a codec: it is nil")
	}
	s := c.Spec()
	switch {
	case !validName.MatchString(s.Name):
		return fmt.Errorf("register codec %q: the name must consist of lower-case words joined by dashes or underscores", s.Name)
	case strings.Trim(s.Path, "/") == "" || strings.ContainsAny(s.Path, "?# "):
		return fmt.Errorf("register codec %q: Path is %q; give where requests are posted, for example chat/completions or /generate",
			s.Name, s.Path)
	case s.Streams && !s.Tokens:
		return fmt.Errorf("register codec %q: Streams is set and Tokens is not; what has no tokens comes in one piece", s.Name)
	}
	registry.Lock()
	defer registry.Unlock()
	for _, name := range []string{s.Name, s.Alias} {
		if _, taken := find(registry.codecs, name); taken {
			return fmt.Errorf("register codec %q: the name %s is taken; choose another one", s.Name, name)
		}
	}
	registry.codecs = append(registry.codecs, c)
	return nil
}

// ByPath finds the codec whose route a URL's path ends in, and returns the path before it.
// ok is false if it is none's.
func ByPath(path string) (c Codec, base string, ok bool) {
	longest := 0
	for _, each := range All() {
		route := "/" + strings.Trim(each.Spec().Path, "/")
		if rest, ends := strings.CutSuffix(path, route); ends && len(route) > longest {
			c, base, ok, longest = each, rest, true, len(route)
		}
	}
	return c, base, ok
}
