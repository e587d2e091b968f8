//go:build !unix

package remote

// serving is false: the tests with processes need signals.
func serving() bool { return false }
