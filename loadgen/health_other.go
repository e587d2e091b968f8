//go:build !unix

package loadgen

import "time"

// cpuTime returns 0: this system does not tell what a process has used.
func cpuTime() time.Duration { return 0 }

// openFiles returns 0: this system has no such limit, or does not tell it.
func openFiles() int { return 0 }
