package aiperftest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aiperf-go/aiperf/recipes"
)

// TestColumns checks whose width a message has.
func TestColumns(t *testing.T) {
	tty := func() (screen, bool) { return screen{columns: func() int { return 80 }}, true }
	none := func() (screen, bool) { return screen{}, false }
	for _, tt := range []struct {
		why      string
		env      map[string]string
		terminal func() (screen, bool)
		want     int
	}{
		{"the terminal's", map[string]string{"TERM": "xterm"}, tty, 80},
		{"no terminal", map[string]string{"TERM": "xterm"}, none, 0},
		{"CI systems give their jobs terminals of any width", map[string]string{"TERM": "xterm", "CI": "true"}, tty, 0},
		{"what was asked for comes first", map[string]string{"TERM": "xterm", "CI": "true", "COLUMNS": "200"}, tty, 200},
		{"no number is none", map[string]string{"COLUMNS": "wide"}, tty, 0},
	} {
		assert.Equal(t, tt.want, columns(func(k string) string { return tt.env[k] }, tt.terminal), tt.why)
	}
}

// TestTyped checks that a folded command is one that a shell takes.
func TestTyped(t *testing.T) {
	const short = "AIPERF_SEED=7 go test -v -count=1 -run='^TestX$' example.com/serving"
	assert.Equal(t, short, typed(short, 0))
	assert.Equal(t, "AIPERF_URL=http://gateway.example.com:8000 \\\n               AIPERF_SEED=7 go test -v -count=1 \\\n"+
		"               -run='^TestX$' example.com/serving", typed("AIPERF_URL=http://gateway.example.com:8000 "+short, 80))
}

// TestAgain checks that the command that repeats a run has what the environment filled in.
func TestAgain(t *testing.T) {
	t.Setenv("AIPERF_URL", "http://127.0.0.1:8000/a b")
	t.Setenv("AIPERF_MODEL", "llama-3")
	t.Setenv("AIPERF_API_KEY", "secret")
	c := resolve([]Option{Seed(7)})
	assert.Equal(t, "AIPERF_URL='http://127.0.0.1:8000/a b' AIPERF_MODEL=llama-3 AIPERF_SEED=7 go test -v -count=1 -run='^TestAgain$' "+
		"github.com/aiperf-go/aiperf/aiperftest", c.again(t))
	c = resolve([]Option{Seed(7), Endpoint("http://127.0.0.1:1")})
	assert.NotContains(t, c.again(t), "AIPERF_URL", "the code names the endpoint")
}

// TestOverlook checks what is silent of options that tests share.
func TestOverlook(t *testing.T) {
	shared := Options{Concurrency(1, 64), MaxProbes(9), ITL(time.Second)}
	c := resolve([]Option{shared})
	c.overlook(recipes.Fixed(2))
	assert.Nil(t, c.spec.Inputs.Concurrency.Min)
	assert.Nil(t, c.spec.Inputs.MaxProbes)
	assert.NotNil(t, c.spec.Inputs.ITL, "a limit is never overlooked")
	c = resolve([]Option{shared, Concurrency(1, 8)})
	c.overlook(recipes.Fixed(2))
	assert.NotNil(t, c.spec.Inputs.Concurrency.Min, "what this test gives is its own")
}
