package loadgen

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"image/jpeg"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// mixedBody is a request body as a server reads it.
type mixedBody struct {
	Model    string
	Prompt   string
	Messages []struct {
		Role    string
		Content json.RawMessage
	}
	Max         int `json:"max_tokens"`
	Temperature *float64
	IgnoreEOS   *bool `json:"ignore_eos"`
}

// text returns the text of the message of a role, empty if there is none.
func (b mixedBody) text(role string) (text string) {
	for _, m := range b.Messages {
		if m.Role == role {
			_ = json.Unmarshal(m.Content, &text)
		}
	}
	return text
}

// mixedBodies returns what makes the bodies of a load, with the calibration of a server that
// adds 5 tokens to a prompt and has 2 tokens a word.
func mixedBodies(t *testing.T, target Target, l Load) func(i uint64) (mixedBody, *workload) {
	t.Helper()
	target.URL = "http://h"
	g, err := New(target)
	require.NoError(t, err)
	t.Cleanup(func() { g.Close() })
	l.Concurrency = 1
	l, err = l.withDefaults()
	require.NoError(t, err)
	w, err := newWorkload(g.target, "m", l, calibration{base: 5, slope: 2}, fields{})
	require.NoError(t, err)
	w.salt = g.salt
	w.send(g.prompts)
	require.NoError(t, w.follow(g.target, l))
	return func(i uint64) (b mixedBody, _ *workload) {
		require.NoError(t, json.Unmarshal(w.body(i), &b), "%s", w.body(i))
		return b, w
	}
}

// TestMixedBodies checks that what a workload says of its requests is in their bodies: the
// lengths, what they share, models, and fields.
func TestMixedBodies(t *testing.T) {
	l := Load{Seed: 3, Workload: Workload{
		ISL: laws.Uniform(50, 400), OSL: laws.Uniform(5, 50), System: 40,
		Prefixes: []laws.Prefix{{Groups: 2, Tokens: 60, Share: 0.5}},
		Mix: []Workload{
			{Weight: 3},
			{Weight: 1, Model: "adapter", Body: map[string]any{"temperature": 0.5, "ignore_eos": nil}},
		},
	}}
	source := l.Workload.Source(DefaultISL, DefaultOSL, l.Seed)
	body := mixedBodies(t, Target{}, l)
	systems, groups, tails := map[string]bool{}, map[int]string{}, map[string]bool{}
	for i := range uint64(200) {
		r := source.Request(i)
		b, w := body(i)
		assert.Equal(t, r.OSL, b.Max)
		own, osl := w.lengths(i)
		assert.Equal(t, [2]int{40 + r.Shared + r.ISL, r.OSL}, [2]int{own, osl})
		systems[b.text("system")] = true
		user := strings.Fields(b.text("user"))
		assert.Len(t, user, r.Shared/2+w.cal.words(r.ISL), "60 tokens are 30 words")
		assert.Equal(t, 20+len(user), w.promptTokens(i))
		if r.Group >= 0 {
			shared := strings.Join(user[:30], " ")
			assert.Equal(t, shared, cmp.Or(groups[r.Group], shared))
			groups[r.Group] = shared
			user = user[30:]
		}
		tails[strings.Join(user[:uniqueWords], " ")] = true
		if r.Kind == 1 {
			assert.Equal(t, "adapter", b.Model)
			assert.Equal(t, 0.5, *b.Temperature)
			assert.Nil(t, b.IgnoreEOS, "a nil value leaves the field out")
		} else {
			assert.Equal(t, "m", b.Model)
			assert.Nil(t, b.Temperature)
		}
	}
	assert.Len(t, systems, 1)
	assert.Len(t, tails, 200, "behind what it shares, each prompt has words of its own")
	assert.Len(t, groups, 2)
	assert.NotEqual(t, groups[0][:12], groups[1][:12])

	// The completions API has one text.
	body = mixedBodies(t, Target{Protocol: Completions}, l)
	b, w := body(0)
	assert.Len(t, strings.Fields(b.Prompt), w.promptTokens(0))
	assert.NotContains(t, b.Prompt, "  ")
}

// TestMixedSame checks that two generators make the same requests of one seed, word for word
// with SamePrompts, and otherwise with words of their own.
func TestMixedSame(t *testing.T) {
	l := Load{Seed: 5, Workload: Workload{ISL: laws.LogNormal(200, 100), Prefixes: []laws.Prefix{{Groups: 9, Tokens: 64, Share: 0.5}}}}
	for _, same := range []bool{true, false} {
		one, two := mixedBodies(t, Target{SamePrompts: same}, l), mixedBodies(t, Target{SamePrompts: same}, l)
		for i := range uint64(100) {
			a, _ := one(i)
			b, _ := two(99 - i)
			c, _ := two(i)
			assert.Equal(t, a.Max, c.Max)
			assert.Equal(t, len(strings.Fields(a.text("user"))), len(strings.Fields(c.text("user"))))
			assert.Equal(t, same, a.text("user") == c.text("user"))
			assert.NotEqual(t, a.text("user")[:8]+b.text("user"), a.text("user"))
		}
	}
}

// TestLongPrompts checks that prompts longer than the corpus have all their words.
func TestLongPrompts(t *testing.T) {
	l := Load{Workload: Workload{ISL: laws.Table([]int{400_005, 9}, nil), System: 200_000}}
	body := mixedBodies(t, Target{}, l)
	for i := range uint64(4) {
		b, w := body(i)
		assert.Len(t, strings.Fields(b.text("system")), 100_000)
		isl, _ := w.lengths(i)
		assert.Len(t, strings.Fields(b.text("user")), w.cal.words(isl-200_000))
	}
}

// TestImages checks that pictures stand in the message of the user as data URLs that decode.
func TestImages(t *testing.T) {
	l := Load{Workload: Workload{Images: laws.Images{Count: 2, Width: 40, Height: 24}, System: 10}}
	body := mixedBodies(t, Target{}, l)
	seen := map[string]bool{}
	for i := range uint64(50) {
		b, w := body(i)
		require.Len(t, b.Messages, 2)
		var parts []struct {
			Type, Text string
			Image      struct{ URL string } `json:"image_url"`
		}
		require.NoError(t, json.Unmarshal(b.Messages[1].Content, &parts))
		require.Len(t, parts, 3)
		assert.Len(t, strings.Fields(parts[2].Text), w.cal.words(DefaultISL))
		for _, p := range parts[:2] {
			assert.Equal(t, "image_url", p.Type)
			data, ok := strings.CutPrefix(p.Image.URL, "data:image/jpeg;base64,")
			require.True(t, ok)
			seen[data] = true
			raw, err := base64.StdEncoding.DecodeString(data)
			require.NoError(t, err)
			img, err := jpeg.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
			assert.Equal(t, [2]int{40, 24}, [2]int{img.Bounds().Dx(), img.Bounds().Dy()})
		}
		assert.NotEqual(t, parts[0].Image, parts[1].Image)
	}
	assert.Len(t, seen, 16)

	g, err := New(Target{URL: "http://h", Protocol: Completions})
	require.NoError(t, err)
	defer g.Close()
	_, err = g.Probe(t.Context(), Load{Concurrency: 1, Workload: l.Workload}, nil)
	assert.ErrorContains(t, err, "it has Images, which the completions API does not accept")
	_, err = g.Probe(t.Context(), Load{Concurrency: 1, Workload: Workload{OSL: laws.Normal(5, 0)}}, nil)
	assert.ErrorContains(t, err, "Load.Workload cannot be used: OSL has a standard deviation of 0 tokens")
}

// TestMixedMeasured measures 10,000 requests of a workload in virtual time. The server's own
// counts have the moments and the shares that were asked for, and its prefix cache hits as
// often as was known in advance.
func TestMixedMeasured(t *testing.T) {
	t.Parallel()
	const n = 10_000
	load := Load{Concurrency: 50, Requests: n, Window: time.Hour, Seed: 9, Workload: Workload{
		ISL: laws.LogNormal(160, 80), OSL: laws.Normal(8, 2), System: 64,
		Prefixes: []laws.Prefix{{Groups: 3, Tokens: 128, Share: 0.6}, {Tokens: 256, Share: 0.1}},
	}}
	source := load.Workload.Source(DefaultISL, DefaultOSL, load.Seed)
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{PrefixCache: 1 << 20})
		defer srv.Close()
		g, err := New(Target{URL: srv.URL, Dial: srv.Dial})
		require.NoError(t, err)
		defer g.Close()
		require.NoError(t, g.Ready(t.Context()))
		m, err := g.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		require.Len(t, m.Requests, n)

		groups := map[int]int{}
		var isl, osl, square, prompts, cached float64
		for i := range m.Requests {
			q := &m.Requests[i]
			require.Nil(t, q.Failure)
			r := source.Request(q.item)
			assert.Equal(t, r.Prompt(), q.ISL)
			assert.Equal(t, r.OSL, q.OSL)
			assert.Equal(t, 64+r.Shared, q.Cached, "all of the text that is shared, which is whole blocks of 16 tokens")
			groups[r.Group]++
			own := float64(r.ISL)
			isl, square, osl = isl+own, square+own*own, osl+float64(q.OSL)
			prompts, cached = prompts+float64(q.ISL), cached+float64(q.Cached)
		}
		isl, osl, square = isl/n, osl/n, square/n
		assert.InDelta(t, 160, isl, 1)
		assert.InDelta(t, 80, math.Sqrt(square-isl*isl), 2)
		assert.InDelta(t, 8, osl, 0.02)
		// The window opens inside of a deck of 100 and closes inside of another.
		for group, want := range map[int]int{0: 2000, 1: 2000, 2: 2000, 3: 1000, -1: 3000} {
			assert.InDelta(t, want, groups[group], 30, "group %d", group)
		}
		assert.InDelta(t, load.Workload.Cached(DefaultISL, DefaultOSL), cached/prompts, 0.005)
		assert.Empty(t, m.Warnings, "the lengths and the hits are those that were asked for")
	})
}

// TestMixedWarnings checks what is said where the server's counts are not those that were
// drawn.
func TestMixedWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := simserver.NewInMemory(simserver.Model{PrefixCache: 1 << 20})
		defer srv.Close()
		// Each generator is changed before its slots run.
		generator := func(same bool) *Generator {
			g, err := New(Target{URL: srv.URL, Dial: srv.Dial, SamePrompts: same})
			require.NoError(t, err)
			require.NoError(t, g.Ready(t.Context()))
			return g
		}
		g := generator(false)
		defer g.Close()
		g.cal = calibration{slope: 2}
		load := Load{Concurrency: 4, Requests: 100, Workload: Workload{ISL: laws.Uniform(100, 200), OSL: laws.Uniform(4, 8)}}
		m, err := g.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], ErrPrompts)
		assert.Regexp(t, `they have 7\d\.\d tokens on average, not the 1[45]\d\.\d that were drawn for them`, m.Warnings[0])

		g.Rest() // the server is the other generator's alone
		again := generator(true)
		defer again.Close()
		again.cal, again.salt = calibration{slope: 1}, 0
		load.Workload.System = 16
		m, err = again.Probe(t.Context(), load, nil)
		require.NoError(t, err)
		require.Len(t, m.Warnings, 1)
		assert.ErrorIs(t, m.Warnings[0], ErrCached)
		assert.Regexp(t, `\d\d% of the prompts' tokens were not computed, and 10% are shared`, m.Warnings[0])
	})
}
