package report

import "runtime/debug"

// module is this library's own path.
const module = "github.com/aiperf-go/aiperf"

// library names this library and, where the binary knows it, its version.
func library() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return module
	}
	if info.Main.Path == module {
		return module + " " + version(info.Main.Version)
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return module + " " + version(d.Version)
		}
	}
	return module
}

// version writes a module's version; a build from a checkout has none, and is "devel".
func version(v string) string {
	if v == "" || v == "(devel)" {
		return "devel"
	}
	return v
}
