package aiperftest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHead: the commit is read off the files that git keeps, in each form that they have.
func TestHead(t *testing.T) {
	const sha, other = "9c25bd3f0a1b2c3d4e5f60718293a4b5c6d7e8f9", "292bbff00a1b2c3d4e5f60718293a4b5c6d7e8f9"
	for _, tt := range []struct {
		why   string
		files map[string]string
		want  string
		found bool
	}{
		{"no repository", nil, "", false},
		{"a branch", map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": sha + "\n"}, sha, true},
		{"a detached HEAD", map[string]string{".git/HEAD": sha + "\n"}, sha, true},
		{"a branch among packed ones", map[string]string{".git/HEAD": "ref: refs/heads/main\n",
			".git/packed-refs": "# pack-refs with: peeled fully-peeled sorted\n" + other + " refs/heads/old\n" + sha +
				" refs/heads/main\n"}, sha, true},
		{"a branch without a commit", map[string]string{".git/HEAD": "ref: refs/heads/main\n"}, "", true},
		{"a work tree", map[string]string{".git": "gitdir: repo/worktrees/w\n", "repo/worktrees/w/HEAD": "ref: refs/heads/w\n",
			"repo/worktrees/w/commondir": "../..\n", "repo/refs/heads/w": sha + "\n"}, sha, true},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		}
		got, found := head(filepath.Join(dir, ".git"))
		assert.Equal(t, tt.want, got, tt.why)
		assert.Equal(t, tt.found, found, tt.why)
	}
	t.Setenv("GITHUB_SHA", sha)
	assert.Equal(t, "9c25bd3f0a1b", commit())
	assert.Equal(t, "9c25", short12("9c25"))
}
