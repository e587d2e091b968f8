//go:build !linux

package simserver

import "time"

// pause is nil where the runtime's own timers are as good as the system's.
var pause func(time.Duration)
