// Package slow says which tests the race detector leaves out. It is for tests
// alone.
//
// The detector makes a program several times slower. A test of pure functions then
// costs minutes and can find no race; a test of real times measures the detector;
// and a test that runs other processes runs them without it. Each of these calls
// Test in its first line, where a reader sees the reason, so that nobody keeps a
// list of their names beside the command.
//
// Examples cannot skip: the race step of .ci/run leaves them out with -run '^(Test|Fuzz)'.
package slow

import "testing"

// Why a test is skipped under the race detector.
const (
	Pure      = "it computes with pure functions, which share nothing"
	Covered   = "a quicker test runs the same code in virtual time"
	RealTime  = "it holds real times against bounds, and would measure the detector"
	Processes = "it runs other processes, which are built without the detector"
	Instant   = "it compares what happens in one instant of virtual time, whose order the detector changes"
)

// Test skips the test under the race detector, with the reason.
func Test(t testing.TB, why string) {
	t.Helper()
	if Race {
		t.Skip("not under the race detector: " + why)
	}
}
