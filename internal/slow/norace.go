//go:build !race

package slow

// Race reports whether the race detector is built in.
const Race = false
