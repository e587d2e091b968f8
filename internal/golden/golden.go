// Package golden reads the vectors of other programs that tests are held against,
// and compares with them. It is for tests alone.
package golden

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Dir is the folder of the golden files: AIPERF_GOLDEN, so that the same tests run
// on other files of the same form, otherwise the project's own testdata/golden.
func Dir() string {
	_, here, _, _ := runtime.Caller(0)
	return cmp.Or(os.Getenv("AIPERF_GOLDEN"), filepath.Join(filepath.Dir(here), "..", "..", "testdata", "golden"))
}

// Cases reads the cases of a golden file. A file without any fails the test.
func Cases[C any](t *testing.T, name string) []C {
	t.Helper()
	return cases[C](t, name, false)
}

// AllOf is Cases for a C that takes in every field: an unknown one fails the test,
// since it would otherwise go uncompared.
func AllOf[C any](t *testing.T, name string) []C {
	t.Helper()
	return cases[C](t, name, true)
}

func cases[C any](t *testing.T, name string, strict bool) []C {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(), name))
	if os.IsNotExist(err) {
		b, err = os.ReadFile(filepath.Join(Dir(), "public", name))
	}
	require.NoError(t, err)
	var file struct {
		Note, Encoding string
		Cases          []C
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if strict {
		d.DisallowUnknownFields()
	}
	require.NoError(t, d.Decode(&file), name)
	require.NotEmpty(t, file.Cases, "%s holds no case", name)
	return file.Cases
}

// Same compares decoded JSON by the golden files' tolerance, 1e-9 relative and 1e-12 absolute.
// The words of error_reason are ours.
func Same(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		require.True(t, ok, "%s: %v is not an object", at, got)
		for key := range g {
			assert.Contains(t, want, key, "%s.%s is not AIPerf's", at, key)
		}
		for key, w := range want {
			v, ok := g[key]
			require.True(t, ok, "%s.%s is missing", at, key)
			if key == "error_reason" {
				assert.NotEmpty(t, v)
				continue
			}
			Same(t, at+"."+key, w, v)
		}
	case []any:
		g, ok := got.([]any)
		require.True(t, ok, "%s: %v is not a list", at, got)
		require.Len(t, g, len(want), at)
		for i := range want {
			Same(t, fmt.Sprintf("%s[%d]", at, i), want[i], g[i])
		}
	case float64:
		g, ok := got.(float64)
		require.True(t, ok, "%s: %v is not a number, want %v", at, got, want)
		assert.InDelta(t, want, g, max(1e-12, 1e-9*math.Abs(want)), at)
	case string:
		if slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, want) {
			assert.Nil(t, got, "%s: what is not finite is null", at)
			return
		}
		assert.Equal(t, want, got, at)
	default:
		assert.Equal(t, want, got, at)
	}
}
