package surfaces

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Dir is the folder of the surfaces: AIPERF_SURFACES, so that the same tests run on
// other surfaces of the same form, otherwise the project's own testdata/surfaces.
func Dir() string {
	_, here, _, _ := runtime.Caller(0)
	return cmp.Or(os.Getenv("AIPERF_SURFACES"), filepath.Join(filepath.Dir(here), "..", "..", "testdata", "surfaces"))
}

// Load reads every surface of a folder. It is an error if there is none, or if one
// has a parameter that is not understood, which would change its metrics unseen.
func Load(dir string) ([]Surface, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no surfaces in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	var all []Surface
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var s Surface
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&s); err != nil {
			return nil, fmt.Errorf("reading surface %s: %w", f, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Named returns the surfaces whose names start with one of the given ones.
func Named(all []Surface, starts ...string) []Surface {
	var out []Surface
	for _, s := range all {
		if slices.ContainsFunc(starts, func(start string) bool { return strings.HasPrefix(s.Name, start) }) {
			out = append(out, s)
		}
	}
	return out
}

// ArePublic reports whether the surfaces are the 14 that AIPerf was measured on.
func ArePublic(all []Surface) bool {
	var numbers []string
	for _, s := range all {
		number, _, _ := strings.Cut(s.Name, "_")
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return strings.Join(numbers, " ") == "p01 p02 p03 p04 p05 p06 p07 p08 p09 p10 p11 p12 p13 p14"
}
