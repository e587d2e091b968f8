package loadgen

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// Workload says what the requests of a load are like: laws of their lengths, what they
// share with each other, models, pictures. It is plain data, and package workload makes it.
type Workload = laws.Workload

// mixed makes the requests of a Workload.
type mixed struct {
	source *laws.Source
	kinds  []mixedKind
	osl    int     // the most output tokens of a request, but for one in a million
	cached float64 // the share of prompts' tokens that a prefix cache is expected to have
	// cancels says that requests are given up.
	cancels bool
}

// mixedKind is what the requests of one kind have in common.
type mixedKind struct {
	fields   []bodyField // in the order of their names
	pictures []string    // the parts of a message with a picture each, as JSON
	images   int         // the number of pictures of a request
	scripted bool        // the history has recorded answers in place of the model's own
}

// madeRequest is a request with a made-up prompt, and the pictures in it.
type madeRequest struct {
	laws.Request
	images []string
}

// longestSlice is the number of words from which on a prompt is put together from several
// slices of the corpus, which would otherwise be as long as the longest prompt.
const longestSlice = 1 << 16

// follow lets w make the requests of the load's Workload. With a zero one, it changes
// nothing. Errors are *TargetError.
func (w *workload) follow(t Target, l Load) error {
	w.order = l.Workload.Order
	filed := slices.ContainsFunc(w.prompts, func(p prompt) bool { return p.later != nil })
	if l.Workload.Plain() && !filed {
		return nil
	}
	m := &mixed{source: l.Workload.Source(l.ISL, l.OSL, l.Seed), cached: l.Workload.Cached(l.ISL, l.OSL)}
	if filed {
		n := uint64(len(w.prompts))
		m.source.Filed(func(k uint64) int { return 1 + len(w.prompts[w.order.At(w.seed, k, n)].later) })
	}
	for _, kind := range m.source.Kinds() {
		k := mixedKind{images: kind.Images.Count, scripted: kind.Turns.Scripted}
		m.cancels = m.cancels || kind.Cancel.Share > 0
		fields := map[string]any{}
		maps.Copy(fields, kind.Body)
		if kind.Model != "" {
			fields["model"] = kind.Model
		}
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			var value []byte
			if fields[name] != nil {
				var err error
				if value, err = json.Marshal(fields[name]); err != nil {
					return fmt.Errorf("encode the request body (Load.Workload): %w", err)
				}
			}
			k.fields = append(k.fields, newBodyField(name, value))
		}
		// Pictures are made once, and sent in turn. A server that caches what it has seen has
		// as many to cache as the kind says.
		if k.images > 0 {
			if api := t.speaks().Spec(); !api.Images {
				return &TargetError{Field: "Load.Workload",
					Problem: fmt.Sprintf("cannot be used: it has Images, which the %s API does not accept; use the chat protocol", api.Name)}
			}
			k.pictures = picturesOf(kind.Images, w.seed^w.salt)
		}
		m.kinds = append(m.kinds, k)
	}
	var isl int
	isl, m.osl = m.source.Most()
	w.mixed = m
	w.fill(max(min(w.cal.words(isl), longestSlice), w.longest))
	return w.converse(l)
}

// prompt returns the i-th request.
func (m *mixed) prompt(i uint64) prompt {
	r := madeRequest{Request: m.source.Request(i)}
	k := &m.kinds[r.Kind]
	for n := range k.images {
		r.images = append(r.images, k.pictures[(r.Picture+n)%len(k.pictures)])
	}
	return prompt{made: &r, outputs: r.OSL, fields: k.fields}
}

// extend returns the i-th request, which is p of a file, with what its kind says of it. What
// the file says stays.
func (m *mixed) extend(p prompt, i uint64) prompt {
	r := m.source.Request(i)
	if p.outputs == 0 {
		p.outputs = r.OSL
	}
	// Both lists are in the order of their names, as the parts of a body are, and are merged.
	own := p.fields
	p.fields = nil
	for _, f := range m.kinds[r.Kind].fields {
		for len(own) > 0 && own[0].name < f.name {
			p.fields, own = append(p.fields, own[0]), own[1:]
		}
		if len(own) == 0 || own[0].name != f.name {
			p.fields = append(p.fields, f)
		}
	}
	p.fields = append(p.fields, own...)
	return p
}

// roomOf returns a size in bytes into which nearly every body with the prompt fits.
func (w *workload) roomOf(p prompt) int {
	if p.made == nil {
		return w.room + len(p.body)
	}
	words := w.sharedWords(p.made.System) + w.sharedWords(p.made.Shared) + w.ownWords(*p.made)
	// A tenth is for words that are longer than the corpus's are on average, and half a
	// kilobyte for fields, quotes and commas. Too little costs one more allocation.
	n := 512 + len(w.head) + len(w.tail) + len(w.corpus)*words*11/10/(len(w.offsets)-1)
	for _, url := range p.made.images {
		n += len(url)
	}
	return n
}

// sharedWords returns the number of words that make about so many tokens inside of a
// prompt.
func (w *workload) sharedWords(tokens int) int {
	if tokens == 0 {
		return 0
	}
	if w.cal.slope <= 0 {
		return tokens
	}
	return max(int(float64(tokens)/w.cal.slope+0.5), 1)
}

// ownWords returns the number of words of a prompt's own part. In the first turn of a
// conversation, the part makes up for the tokens that the server adds to a prompt.
func (w *workload) ownWords(r madeRequest) int {
	if r.Turn > 0 {
		return w.sharedWords(r.ISL)
	}
	return w.cal.words(r.ISL)
}

// madePrompt returns the i-th prompt as JSON: a list of messages if chat, and a string
// otherwise. No word needs escaping. Of a later turn of a conversation, it is what the user
// says then.
func (w *workload) madePrompt(r madeRequest, i uint64, chat bool) []byte {
	b := make([]byte, 0, w.roomOf(prompt{made: &r}))
	if !chat {
		b = append(b, '"')
		if r.System > 0 && r.Turn == 0 {
			b = append(w.system(b, r), ' ')
		}
		return append(w.user(b, r, i), '"')
	}
	b = append(b, '[')
	if r.System > 0 && r.Turn == 0 {
		b = append(b, `{"content":"`...)
		b = append(w.system(b, r), `","role":"system"},`...)
	}
	b = append(b, `{"content":`...)
	if r.images == nil {
		b = append(w.user(append(b, '"'), r, i), '"')
	} else {
		b = append(b, '[')
		for _, part := range r.images {
			b = append(append(b, part...), ',')
		}
		b = append(b, `{"text":"`...)
		b = append(w.user(b, r, i), `","type":"text"}]`...)
	}
	return append(b, `,"role":"user"}]`...)
}

// The streams of random numbers that the texts of system prompts, of groups and of made-up
// answers come from.
const (
	systemText = 0x73797374656d // "system"
	groupText  = 0x67726f7570   // "group"
	answerText = 0x616e73776572 // "answer"
)

// system appends the text of the system prompt.
func (w *workload) system(b []byte, r madeRequest) []byte {
	return w.shared(b, systemText, uint64(r.Text), w.sharedWords(r.System))
}

// user appends what the i-th request's user says: first what the group shares, and then
// words of the request's own.
func (w *workload) user(b []byte, r madeRequest, i uint64) []byte {
	if r.Shared > 0 && r.Turn == 0 {
		b = append(w.shared(b, groupText, uint64(r.Group), w.sharedWords(r.Shared)), ' ')
	}
	n := w.ownWords(r)
	b = w.prompt(b, i, min(n, w.longest))
	return w.more(b, n-w.longest)
}

// shared appends a text of n words that is the same for the same stream and number. Its
// first words are random, so that no two texts begin alike.
func (w *workload) shared(b []byte, stream, number uint64, n int) []byte {
	rng := rand.NewPCG(w.seed^w.salt^stream, number)
	opening := min(uniqueWords, n)
	for k := range opening {
		if k > 0 {
			b = append(b, ' ')
		}
		b = append(b, words[rng.Uint64()%uint64(len(words))]...)
	}
	return w.more(b, n-opening)
}

// more appends n words from the beginning of the corpus, over and over.
func (w *workload) more(b []byte, n int) []byte {
	for n > 0 {
		k := min(n, len(w.offsets)-1)
		b = append(b, w.corpus[:w.offsets[k]]...)
		n -= k
	}
	return b
}

// madeTokens counts the tokens of the i-th prompt, or its words if there is no tokenizer,
// without what was said in earlier turns.
func (w *workload) madeTokens(r madeRequest, i uint64) int {
	if r.Turn > 0 {
		r.System, r.Shared = 0, 0
	}
	if w.tokenizer == nil {
		return w.sharedWords(r.System) + w.sharedWords(r.Shared) + w.ownWords(r)
	}
	n := w.tokenizer.Count(string(w.user(nil, r, i)))
	if r.System > 0 {
		n += w.tokenizer.Count(string(w.system(nil, r)))
	}
	return n
}

// mostOutputs returns the most output tokens that a request of the load asks for, but for
// one in a million.
func (w *workload) mostOutputs(l Load) int {
	most := l.OSL
	if w.mixed != nil {
		most = w.mixed.osl
	}
	for _, p := range w.prompts {
		most = max(most, p.outputs)
		for _, turn := range p.later {
			most = max(most, turn.outputs)
		}
	}
	return most
}

// expected returns the share of the prompts' tokens that a server's prefix cache is expected
// to have; 0 if requests share nothing. In conversations it is that of the given requests.
func (w *workload) expected(requests []Request) float64 {
	if w == nil || w.mixed == nil {
		return 0
	}
	if !w.talks() {
		return w.mixed.cached
	}
	prompt, known := 0, 0
	for i := range requests {
		q := &requests[i]
		if q.Failure != nil || q.guessed.isl {
			continue
		}
		prompt += q.ISL
		if q.Turn > 0 { // all but what the user says last
			known += max(q.ISL-w.promptTokens(q.item), 0)
		} else if w.prompts == nil {
			known += w.mixed.source.Request(q.item).Known()
		}
	}
	return float64(known) / float64(max(prompt, 1))
}

// pictures reports whether requests have pictures, whose tokens only the server knows.
func (w *workload) pictures() bool {
	return w.mixed != nil && slices.ContainsFunc(w.mixed.kinds, func(k mixedKind) bool { return k.images > 0 })
}

// What stands around the URL of a picture in a message.
const pictureHead, pictureTail = `{"image_url":{"url":"`, `"},"type":"image_url"}`

// pictureURL returns the data URL of a part of a message with a picture.
func pictureURL(part string) string {
	return strings.TrimSuffix(strings.TrimPrefix(part, pictureHead), pictureTail)
}

// picturesOf returns made-up pictures as parts of a message. They are waves of color with
// noise in them, which a JPEG file neither shrinks to nothing nor blows up.
func picturesOf(im laws.Images, seed uint64) (parts []string) {
	const number = 16 // as laws.Images says
	width, height := im.Size()
	for k := range number {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		img := image.NewRGBA(image.Rect(0, 0, width, height))
		x0, y0 := 20+80*rng.Float64(), 20+80*rng.Float64()
		for y := range height {
			for x := range width {
				wave := 100 + 80*math.Sin(float64(x)/x0+float64(k))*math.Cos(float64(y)/y0)
				noise := rng.Uint32()
				img.SetRGBA(x, y, color.RGBA{uint8(wave + float64(noise&31)), uint8(wave + float64(noise>>8&31)), uint8(200 - wave), 255})
			}
		}
		var b bytes.Buffer
		b.WriteString(pictureHead + `data:image/jpeg;base64,`)
		enc := base64.NewEncoder(base64.StdEncoding, &b)
		_ = jpeg.Encode(enc, img, nil) // a buffer takes everything
		_ = enc.Close()
		b.WriteString(pictureTail)
		parts = append(parts, b.String())
	}
	return parts
}
