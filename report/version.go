package report

import "runtime/debug"

const module = "github.com/aiperf-go/aiperf"

// Library names this library and, where the binary knows it, its version.
func Library() string {
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

func version(v string) string {
	if v == "" || v == "(devel)" {
		return "devel"
	}
	return v
}
