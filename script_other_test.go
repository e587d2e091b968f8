//go:build !unix

package aiperf_test

import "github.com/rogpeppe/go-internal/testscript"

// interrupts needs process groups. Scripts use it only under the condition [unix].
func interrupts(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("there are no process groups here")
}
