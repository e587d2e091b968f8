package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/aiperf-go/aiperf/internal/surfaces"
)

// TestRun runs the quickest form, and the flags that make no sense.
func TestRun(t *testing.T) {
	slow.Test(t, slow.Pure)
	require.NoError(t, options{seeds: 1, dir: surfaces.Dir(), style: "grid", details: true}.run())
	for _, tt := range []struct {
		why  string
		o    options
		says string
	}{
		{"no seeds", options{dir: surfaces.Dir()}, "-seeds 0 is not a positive integer"},
		{"an unknown style", options{seeds: 1, dir: surfaces.Dir(), style: "gird"}, `there is no style "gird"`},
		{"half a document", options{seeds: 20, dir: surfaces.Dir(), style: "grid", out: "docs"}, "-out writes the whole tables"},
		{"no surfaces", options{seeds: 1, dir: t.TempDir()}, "no surfaces in"},
	} {
		t.Run(tt.why, func(t *testing.T) { assert.ErrorContains(t, tt.o.run(), tt.says) })
	}
}

// TestDocumented holds the rows of the quick styles in docs/accuracy.md against what the command
// measures today, and what it measures against its bounds: the command is run by hand.
func TestDocumented(t *testing.T) {
	slow.Test(t, slow.Pure)
	page, err := os.ReadFile("../../../docs/accuracy.md")
	require.NoError(t, err)
	all, err := surfaces.Load("../../../testdata/surfaces") // those of the page, whatever AIPERF_SURFACES says
	require.NoError(t, err)
	quick := slices.DeleteFunc(slices.Clone(surfaces.Styles), func(st surfaces.Style) bool {
		return st.Name != "grid" && st.Name != "monotonic" && st.Name != "sequential"
	})
	_, table, bad, err := options{seeds: 20}.styles(quick, all, true)
	require.NoError(t, err)
	assert.Empty(t, bad)
	for row := range strings.Lines(table) {
		assert.True(t, strings.Contains(string(page), row),
			"docs/accuracy.md lacks %sgo run ./internal/experiments/accuracy -out docs writes it", row)
	}
}

// A table goes between its markers, and the rest of the page stays.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "accuracy.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n<!-- random -->\nold\n<!-- end of random -->\nafter\n"), 0o666))
	require.NoError(t, writeTable(dir, "random", "| new |\n"))
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "before\n<!-- random -->\n| new |\n<!-- end of random -->\nafter\n", string(page))
	assert.ErrorContains(t, writeTable(dir, "surfaces", ""), "has no place for the table surfaces")

	require.NoError(t, writePictures(dir, []spot{{"sequential", 7490, 2.5, 2.5}}))
	for _, name := range []string{"accuracy-error.svg", "accuracy-violations.svg"} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(svg), "sequential")
		assert.Contains(t, string(svg), "optuna GP")
	}
}
