package workload

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Workload says what requests are like. The zero Workload is made-up prompts and answers
// of the lengths that the load has, which share nothing with each other.
type Workload struct {
	// ISL and OSL are the laws of the lengths, in tokens: of the part of a prompt that is
	// the request's own, and of its answer. If one is zero, the load's length is used.
	ISL Lengths `json:"isl,omitzero"`
	OSL Lengths `json:"osl,omitzero"`

	// System is the length of a system prompt that all requests begin with, in tokens. 0
	// means none. Prefixes are groups of requests that share what comes next. Both come on
	// top of ISL. A server that caches prefixes computes them once; see Cached.
	System   int      `json:"system,omitempty"`
	Prefixes []Prefix `json:"prefixes,omitempty"`

	// Model is the model to ask for, for example the name of a LoRA adapter. If it is empty,
	// it is the target's.
	Model string `json:"model,omitempty"`
	// Body holds further fields of the request body. They replace the target's and the
	// generator's own fields of the same name, except for the prompt. A nil value leaves a
	// field out.
	Body map[string]any `json:"body,omitempty"`
	// Images are pictures inside the message of the user. They need the chat protocol.
	Images Images `json:"images,omitzero"`

	// Turns makes conversations of the requests, and Cancel gives up a share of them.
	Turns  Turns  `json:"turns,omitzero"`
	Cancel Cancel `json:"cancel,omitzero"`

	// File is the path of a file of requests, which are sent in place of made-up ones. Then
	// ISL, System, Prefixes and Images must be zero; OSL is for requests whose answers the
	// file says no length of.
	File string `json:"file,omitempty"`
	// FileSum is the SHA-256 of the file in hexadecimal. A run fills it in, so that another
	// file of the same name is another workload.
	FileSum string `json:"file_sha256,omitempty"`
	// Order is the order in which the requests of the file are sent.
	Order Order `json:"order,omitempty"`
	// Replay, if not 0, sends the requests at the times that the file has for them, so many
	// times as fast: 1 is as recorded, and 2 in half the time. A load that has a rate is
	// replayed at that mean rate. Behind the end of the file, it begins anew. The later turns of
	// a conversation follow after their delays, as many times as fast, or at their own times.
	Replay float64 `json:"replay,omitempty"`
	// SkipUnread sends the rest of a file of which lines cannot be read. Each of them is
	// named in a warning. If it is false, such a file is refused.
	SkipUnread bool `json:"skip_unread,omitempty"`

	// Stages are rates at which requests are sent one after the other: ramps and steps, in
	// place of one rate. A load that has a rate has it as the mean of the schedule, whose
	// rates are all multiplied by one factor; without one, they are as they stand.
	Stages Stages `json:"stages,omitempty"`

	// Mix has the kinds of requests if there are several, each with its Weight. What a kind
	// does not say is as outside of it, and Body and Prefixes are put together.
	Mix []Workload `json:"mix,omitempty"`
	// Weight is how often this kind is sent, in proportion to the others of its mix. 0
	// stands for 1.
	Weight float64 `json:"weight,omitempty"`

	system int // the number of the system prompt's text; see number
}

// Prefix is a number of groups of requests. Those of one group begin with the same text.
type Prefix struct {
	// Groups is the number of groups, and Tokens the length of what each shares. 0 groups
	// stand for 1.
	Groups int `json:"groups,omitempty"`
	Tokens int `json:"tokens"`
	// Share is the share of the requests that are in one of these groups, in (0, 1]. The
	// groups have equal parts of it. The shares of all prefixes are 1 at most; the rest of
	// the requests are in no group.
	Share float64 `json:"share"`

	first int // the number of the first group; see number
}

// Images are the pictures of a request. They are made up, 16 different ones of each size,
// and are sent as data URLs. How many tokens a picture is, only the server knows.
type Images struct {
	// Count is the number of pictures in each request. 0 means none.
	Count int `json:"count,omitempty"`
	// Width and Height are in pixels, 512 if 0.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// Size returns Width and Height with their defaults.
func (im Images) Size() (width, height int) { return cmp.Or(im.Width, 512), cmp.Or(im.Height, 512) }

// What a workload may have at most. The numbers are beyond what a server takes, and within
// what a client can hold.
const (
	mostKinds  = 1000
	mostGroups = 1_000_000
	mostImages = 100
	mostPixels = 1 << 24
)

// IsZero reports whether w says nothing, so that requests are as the load says.
func (w Workload) IsZero() bool {
	return w.Plain() && w.File == "" && w.FileSum == "" && w.Order == "" && w.Replay == 0 && !w.SkipUnread && len(w.Stages) == 0
}

// Timed reports that the workload says when requests are sent, and so how long they take together: by
// Stages, or by the times of a file that is replayed.
func (w Workload) Timed() bool { return len(w.Stages) > 0 || w.Replay != 0 }

// Plain reports whether w says nothing of single requests: only which file they come from,
// and in which order.
func (w Workload) Plain() bool {
	return w.ISL.IsZero() && w.OSL.IsZero() && w.System == 0 && len(w.Prefixes) == 0 && w.Model == "" && len(w.Body) == 0 &&
		w.Images == (Images{}) && w.Turns.IsZero() && w.Cancel == (Cancel{}) && len(w.Mix) == 0 && w.Weight == 0
}

// Validate reports the first thing that is wrong with w: the name of the field, what it
// holds, and what to give in its place.
func (w Workload) Validate() error {
	if w.Weight != 0 {
		return invalid("Weight", "is %v outside of a Mix; leave it out", w.Weight)
	}
	if err := w.validateFile(); err != nil {
		return err
	}
	switch err := w.Stages.Validate(); {
	case err != nil:
		return fmt.Errorf("Stages %w", err)
	case len(w.Stages) > 0 && w.Replay != 0:
		return invalid("Stages", "are rates, and Replay sends requests at the times of a file; leave out one of them")
	}
	return w.validate()
}

// invalid is the error of a field, whose name comes first: the caller says of what.
func invalid(field, format string, args ...any) error {
	return fmt.Errorf("%s "+format, append([]any{field}, args...)...)
}

// validateFile checks what is said of a file.
func (w Workload) validateFile() error {
	switch {
	case !w.Order.known():
		return invalid("Order", "is %q; use %q, %q, or leave it empty for the order of the file", w.Order, Shuffled, Sampled)
	case w.Replay < 0 || w.Replay != 0 && !weighs(w.Replay):
		return invalid("Replay", "is %v; give how many times as fast as recorded, for example 1", w.Replay)
	case w.File == "" && (w.Order != "" || w.Replay != 0 || w.SkipUnread):
		return fmt.Errorf("Order, Replay and SkipUnread are about the requests of a file, and File is empty")
	case w.Replay != 0 && w.Order != "":
		return invalid("Replay", "has an order of its own, that of the times in the file; leave out Order")
	}
	if w.File == "" {
		return nil
	}
	for _, k := range w.Kinds() {
		if !k.ISL.IsZero() || k.System != 0 || len(k.Prefixes) > 0 || k.Images.Count > 0 {
			return invalid("File", "has prompts of its own; leave out ISL, System, Prefixes and Images, or the file")
		}
		if k.Turns.Share != 0 {
			return invalid("Turns.Share", "is %v, and the turns are those of File; leave it out", k.Turns.Share)
		}
	}
	return nil
}

// validate is Validate of a kind of requests.
func (w Workload) validate() error {
	for _, l := range []struct {
		name string
		law  Lengths
	}{{"ISL", w.ISL}, {"OSL", w.OSL}} {
		if err := l.law.Validate(); err != nil {
			return fmt.Errorf("%s %w", l.name, err)
		}
		if l.law.Weight != 0 {
			return fmt.Errorf("%s has a weight of %v, which only the parts of a mixture have", l.name, l.law.Weight)
		}
	}
	if err := cmp.Or(w.Turns.validate(), w.Cancel.validate()); err != nil {
		return err
	}
	share := 0.0
	for i, p := range w.Prefixes {
		switch {
		case p.Groups < 0 || p.Groups > mostGroups:
			return invalid(fmt.Sprintf("Prefixes[%d]", i), "has %d groups; give 1 to %d", p.Groups, mostGroups)
		case p.Tokens < 1 || p.Tokens > MostTokens:
			return invalid(fmt.Sprintf("Prefixes[%d]", i), "has %d tokens; give 1 to %d", p.Tokens, MostTokens)
		case !(p.Share > 0 && p.Share <= 1):
			return invalid(fmt.Sprintf("Prefixes[%d]", i), "has a share of %v; give a fraction above 0 and at most 1", p.Share)
		}
		share += p.Share
	}
	im := w.Images
	width, height := im.Size()
	switch {
	case share > 1+1e-9:
		return invalid("Prefixes", "have shares of %s together; give 100%% at most", percent(share))
	case w.System < 0 || w.System > MostTokens:
		return invalid("System", "is %d tokens; give 0 to %d", w.System, MostTokens)
	case im.Count < 0 || im.Count > mostImages:
		return fmt.Errorf("Images has %d pictures; give 0 to %d", im.Count, mostImages)
	case width < 1 || height < 1 || width > mostPixels || width*height > mostPixels:
		return fmt.Errorf("Images has pictures of %d×%d pixels; give up to %d pixels", width, height, mostPixels)
	case w.Weight != 0 && !weighs(w.Weight):
		return invalid("Weight", "is %v; give a positive number", w.Weight)
	case len(w.Mix) > mostKinds:
		return invalid("Mix", "has %d kinds; give %d at most", len(w.Mix), mostKinds)
	}
	for _, own := range []struct{ field, says string }{
		{"messages", "replaces the prompt"}, {"prompt", "replaces the prompt"},
		{"max_tokens", "sets the length of answers, which OSL is for"},
		{"max_completion_tokens", "sets the length of answers, which OSL is for"},
		{"model", "names a model, which Model is for"}, {"stream", "says whether answers are streamed, which the target does"},
	} {
		if _, has := w.Body[own.field]; has {
			return invalid("Body", "%s; remove the field %q from it", own.says, own.field)
		}
	}
	if _, err := json.Marshal(w.Body); err != nil {
		return invalid("Body", "cannot be written as JSON: %w", err)
	}
	for i, kind := range w.Mix {
		if err := kind.validate(); err != nil {
			return fmt.Errorf("Mix[%d].%w", i, err)
		}
		if len(kind.Stages) > 0 {
			return fmt.Errorf("Mix[%d].Stages cannot be; rates are those of all kinds together, outside of the Mix", i)
		}
		if kind.File != "" || kind.Order != "" || kind.Replay != 0 || kind.SkipUnread {
			return fmt.Errorf("Mix[%d].File cannot be; a file stands outside of the Mix", i)
		}
		if err := w.with(kind).prefixes(); err != nil {
			return fmt.Errorf("Mix[%d].%w", i, err)
		}
	}
	return nil
}

// prefixes checks the shares of a kind and of what is outside of it together.
func (w Workload) prefixes() error {
	share := 0.0
	for _, p := range w.Prefixes {
		share += p.Share
	}
	if share > 1+1e-9 {
		return invalid("Prefixes", "and those outside of it have shares of %s together; give 100%% at most", percent(share))
	}
	return nil
}

// with returns a kind of the mix of w with what w says where the kind does not.
func (w Workload) with(kind Workload) Workload {
	out := kind
	if out.ISL.IsZero() {
		out.ISL = w.ISL
	}
	if out.OSL.IsZero() {
		out.OSL = w.OSL
	}
	if out.System == 0 {
		out.System, out.system = w.System, w.system
	}
	out.Model = cmp.Or(out.Model, w.Model)
	if out.Images == (Images{}) {
		out.Images = w.Images
	}
	if out.Turns.IsZero() {
		out.Turns = w.Turns
	}
	if out.Cancel == (Cancel{}) {
		out.Cancel = w.Cancel
	}
	out.Prefixes = slices.Concat(w.Prefixes, kind.Prefixes)
	if len(w.Body) > 0 {
		out.Body = map[string]any{}
		for _, fields := range []map[string]any{w.Body, kind.Body} {
			for k, v := range fields {
				out.Body[k] = v
			}
		}
	}
	return out
}

// number gives each system prompt and each group of w a number of its own, from those given
// on, and returns the next ones. What comes from outside of a mix is one thing in all of its
// kinds; what two kinds say themselves are two.
func (w *Workload) number(system, group int) (nextSystem, nextGroup int) {
	if w.System > 0 {
		w.system = system
		system++
	}
	w.Prefixes = slices.Clone(w.Prefixes)
	for i := range w.Prefixes {
		w.Prefixes[i].first = group
		group += cmp.Or(w.Prefixes[i].Groups, 1)
	}
	w.Mix = slices.Clone(w.Mix)
	for i := range w.Mix {
		system, group = w.Mix[i].number(system, group)
	}
	return system, group
}

// Kinds returns the kinds of requests with everything that holds for each, and with weights
// whose sum is 1. A workload without a Mix is one kind.
func (w Workload) Kinds() []Workload {
	if len(w.Mix) == 0 {
		w.Weight = 1
		return []Workload{w}
	}
	sum := 0.0
	for _, kind := range w.Mix {
		sum += cmp.Or(kind.Weight, 1)
	}
	var out []Workload
	for _, kind := range w.Mix {
		weight := cmp.Or(kind.Weight, 1) / sum
		for _, k := range w.with(kind).Kinds() {
			k.Weight *= weight
			out = append(out, k)
		}
	}
	return out
}

// Lengths returns w with the lengths of a load where w has none, in all of its kinds.
func (w Workload) Lengths(isl, osl int) Workload {
	if w.ISL.IsZero() {
		w.ISL = Constant(isl)
	}
	if w.OSL.IsZero() {
		w.OSL = Constant(osl)
	}
	return w
}

// Fixed returns w with constant lengths in place of its laws, in all of its kinds. A length
// of 0 leaves the law as it is.
func (w Workload) Fixed(isl, osl int) Workload {
	if isl > 0 {
		w.ISL = Lengths{}
	}
	if osl > 0 {
		w.OSL = Lengths{}
	}
	mix := w.Mix
	w.Mix = nil
	for _, kind := range mix {
		w.Mix = append(w.Mix, kind.Fixed(isl, osl))
	}
	return w
}

// Alone returns w without what prompts share, also with earlier turns, in all of its kinds.
func (w Workload) Alone() Workload {
	w.System, w.Prefixes, w.Turns = 0, nil, Turns{}
	mix := w.Mix
	w.Mix = nil
	for _, kind := range mix {
		w.Mix = append(w.Mix, kind.Alone())
	}
	return w
}

// Means returns the mean tokens of a prompt, with all that it shares with others, of an
// answer, and of the part of a prompt that a server finds in its cache if it keeps all that
// is shared, and all that was said before in a conversation. Lengths that w does not have are
// those given.
func (w Workload) Means(isl, osl int) (prompt, answer, cached float64) {
	var requests float64
	for _, k := range w.Lengths(isl, osl).Kinds() {
		in, _ := k.ISL.Moments()
		out, _ := k.OSL.Moments()
		shared := float64(k.System)
		for _, p := range k.Prefixes {
			shared += p.Share * float64(p.Tokens)
		}
		// Turn j of n, from 0, has j turns before it, which are (n² − n)/2 in all of them.
		turns, squares := k.Turns.Moments()
		said := (squares - turns) / 2 * (in + out)
		requests += k.Weight * turns
		prompt += k.Weight * (turns*(in+shared) + said)
		answer += k.Weight * turns * out
		cached += k.Weight * (turns*shared + said)
	}
	return prompt / requests, answer / requests, cached / requests
}

// Cached returns the share of the prompts' tokens that a server finds in its cache if it
// keeps all that is shared: the hit rate to expect once each group was seen.
func (w Workload) Cached(isl, osl int) float64 {
	prompt, _, cached := w.Means(isl, osl)
	return cached / prompt
}

// Same reports whether two workloads make the same requests, as their JSON tells. A file
// whose checksum is known may have any name.
func (w Workload) Same(other Workload) bool {
	if w.FileSum != "" && other.FileSum != "" {
		w.File, other.File = "", ""
	}
	a, errA := json.Marshal(w)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Sum returns a short checksum of all that w says, in hexadecimal. Workloads that are the Same
// have the same.
func (w Workload) Sum() string {
	b, err := json.Marshal(w)
	if err != nil {
		return "invalid"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// String describes the requests in a line without the values of Body, for example
// "log-normal 550±300/normal 128±40 tokens in/out, 3 prefixes of 512 tokens for 60%".
func (w Workload) String() string { return w.Describe(0, 0) }

// Describe is String with the lengths that the load has.
func (w Workload) Describe(isl, osl int) string {
	if isl > 0 && w.ISL.IsZero() && w.lacks(func(w Workload) Lengths { return w.ISL }) {
		w.ISL = Constant(isl)
	}
	if osl > 0 && w.OSL.IsZero() && w.lacks(func(w Workload) Lengths { return w.OSL }) {
		w.OSL = Constant(osl)
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if w.File != "" {
		add("prompts of %s", w.File)
		w.ISL = Lengths{}
	}
	if w.Order != "" {
		add("%s", w.Order)
	}
	if w.Replay == 1 {
		add("replayed")
	} else if w.Replay != 0 {
		add("replayed %s times as fast", strconv.FormatFloat(w.Replay, 'g', 4, 64))
	}
	if len(w.Stages) > 0 {
		add("%s", w.Stages)
	}
	switch in, out := !w.ISL.IsZero(), !w.OSL.IsZero(); {
	case in && out:
		add("%s/%s tokens in/out", w.ISL, w.OSL)
	case in:
		add("%s tokens in", w.ISL)
	case out:
		add("%s tokens out", w.OSL)
	}
	if w.System > 0 {
		add("a system prompt of %d tokens", w.System)
	}
	for _, p := range w.Prefixes {
		if n := cmp.Or(p.Groups, 1); n > 1 {
			add("%d prefixes of %d tokens for %s", n, p.Tokens, percent(p.Share))
		} else {
			add("a prefix of %d tokens for %s", p.Tokens, percent(p.Share))
		}
	}
	if t := w.Turns; !t.Count.IsZero() {
		text := "conversations of " + t.Count.String() + " turns"
		if t.Share != 0 && t.Share != 1 {
			text = fmt.Sprintf("%s of %s", percent(t.Share), text)
		}
		add("%s", text)
	}
	if !w.Turns.Think.IsZero() {
		add("think time %s ms", w.Turns.Think)
	}
	if w.Turns.Scripted {
		add("scripted answers")
	}
	if c := w.Cancel; c.Share > 0 {
		add("%s cancelled after %v", percent(c.Share), c.After)
	}
	if w.Model != "" {
		add("model %s", w.Model)
	}
	if len(w.Body) == 1 {
		add("1 body field")
	} else if len(w.Body) > 1 {
		add("%d body fields", len(w.Body))
	}
	if n := w.Images.Count; n > 0 {
		width, height := w.Images.Size()
		add("%d images of %d×%d", n, width, height)
	}
	if len(w.Mix) > 0 {
		weights := make([]float64, len(w.Mix))
		for i, kind := range w.Mix {
			weights[i] = cmp.Or(kind.Weight, 1)
		}
		var kinds []string
		for i, share := range shares(weights) {
			text := w.Mix[i].Describe(0, 0)
			if text == "" {
				text = "as it is"
			}
			kinds = append(kinds, share+" "+text)
		}
		add("mix (%s)", strings.Join(kinds, "; "))
	}
	return strings.Join(parts, ", ")
}

// lacks reports whether a kind of w has no law of a length of its own.
func (w Workload) lacks(law func(Workload) Lengths) bool {
	for _, kind := range w.Mix {
		if law(kind).IsZero() && kind.lacks(law) {
			return true
		}
	}
	return len(w.Mix) == 0
}
