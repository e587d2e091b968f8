package report

import "runtime/debug"

// module is this library's own path.
const module = "github.com/aiperf-go/aiperf"

// library names in files what wrote them: it is this library and, where the binary knows it, its version.
func library() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return module
	}
	if info.Main.Path == module {
		return module + " " + version(info.Main.Version)
	}
	// Usually the library is a dependency of the module under test.
	for _, d := range info.Deps {
		if d.Path == module {
			return module + " " + version(d.Version)
		}
	}
	return module
}

// A version tells files of different releases apart; the tests of this module run from
// a checkout.

// version writes a module's version; a build from a checkout has none, and is "devel".
func version(v string) string {
	if v == "" || v == "(devel)" {
		return "devel"
	}
	return v
}
