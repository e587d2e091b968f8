package recipes

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenCases reads a golden file: AIPerf's own answers. The folder is
// AIPERF_GOLDEN, so that the same tests run on other files of the same form.
func goldenCases[T any](t *testing.T, name string) []T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("AIPERF_GOLDEN"), filepath.Join("..", "testdata", "golden")), name))
	require.NoError(t, err)
	var file struct{ Cases []T }
	require.NoError(t, json.Unmarshal(raw, &file))
	require.NotEmpty(t, file.Cases, "%s holds no case", name)
	return file.Cases
}
