package turn

import (
	"os"
	"strconv"
	"syscall"
)

// aside is the priority of those who give way: a tenth of a processor beside somebody of the
// usual one. At the least, 19, a test starves beside anything else that the machine does.
const aside = 10

// giveWay lowers the priority of every thread of this process. Linux keeps it by thread, and
// a new thread has that of the one which starts it.
func giveWay() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, aside)
		}
	}
}
