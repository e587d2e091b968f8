package turn

import (
	"os"
	"strconv"
	"syscall"
)

// giveWay lowers the priority of every thread of this process to the least. Linux keeps
// it by thread, and a new thread has that of the one which starts it.
func giveWay() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, 19)
		}
	}
}
