package aiperftest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// interrupted has the signal that ended a run of this process; the runs after it
// do not begin. What it holds is an os.Signal.
var interrupted atomic.Value

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string {
	return fmt.Sprintf("cancelled by signal %q; a second signal ends the process", e.signal)
}

// untilSignal returns a context that Ctrl-C and SIGTERM end, so that a run can
// conclude, write its artifacts and report. Without it the process dies at once
// and leaves what the last probe wrote. The first signal restores what signals did
// before the run, and so does stop: a second one ends the process. After a run
// that was ended by a signal there is an error.
func untilSignal(ctx context.Context) (_ context.Context, stop func(), _ error) {
	if s, ok := interrupted.Load().(os.Signal); ok {
		return nil, nil, &signalError{s}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			interrupted.CompareAndSwap(nil, s)
			cancel(&signalError{s})
		case <-done:
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		wg.Wait()
		cancel(nil)
	}, nil
}
