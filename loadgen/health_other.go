//go:build !unix

package loadgen

import "time"

// cpuTime returns 0: this system does not tell what a process has used.
func cpuTime() time.Duration { return 0 }
