package simserver

import (
	"sync"
	"time"
)

// A driver runs an engine against the clock. One goroutine carries out the steps as they
// come due. Handlers enter between them, and each first brings the engine up to the
// present, so that a goroutine that wakes late does not move a step.
type driver struct {
	// epoch is the time that the engine's times count from.
	epoch time.Time
	// pause sleeps inside a step. If it is nil, a timer does.
	pause func(time.Duration)
	// wake has a capacity of 1 and says that the engine has begun to step.
	wake chan struct{}
	stop chan struct{}

	// mu guards eng. It is held for moments and never while anything waits.
	mu  sync.Mutex
	eng *engine
}

// newDriver returns a driver for a new engine. Its run must be started.
func newDriver(m Model, pause func(time.Duration), stop chan struct{}) *driver {
	d := &driver{epoch: time.Now(), pause: pause, wake: make(chan struct{}, 1), stop: stop}
	d.eng = newEngine(m, func(s *sequence, _ time.Duration) {
		if s.due == nil || s.due(s.emitted) {
			s.tokens <- struct{}{}
		}
	})
	return d
}

// submit hands a request to the engine, with the blocks of its prompt if there is a prefix
// cache. Its tokens arrive on the sequence's channel, those that due picks by their number from 1
// or, if it is nil, all of them. The channel has room for all, so that the engine never waits for a
// client; an empty struct has no size, so the room costs nothing. Errors are errKVFull and
// errQueueFull.
func (d *driver) submit(isl, osl int, due func(int) bool, blocks ...uint64) (*sequence, error) {
	s := newSequence(isl, osl)
	s.due = due
	s.blocks = blocks
	s.tokens = make(chan struct{}, s.osl)
	d.mu.Lock()
	now := time.Since(d.epoch)
	d.eng.advance(now)
	slept := !d.eng.stepping
	err := d.eng.offer(now, s)
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if slept {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
	return s, nil
}

// cancel gives a request up. It does nothing if the request is complete.
func (d *driver) cancel(s *sequence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.eng.advance(time.Since(d.epoch))
	d.eng.drop(s)
}

// page is the engine's page of metrics as it is now.
func (d *driver) page() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Since(d.epoch)
	d.eng.advance(now)
	return d.eng.page(now)
}

// run carries out steps until stop is closed.
func (d *driver) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		d.mu.Lock()
		d.eng.advance(time.Since(d.epoch))
		busy, end := d.eng.stepping, d.eng.end
		d.mu.Unlock()

		left := end - time.Since(d.epoch)
		switch {
		case busy && left <= 0:
			continue
		case busy && d.pause != nil:
			d.pause(left)
			select {
			case <-d.stop:
				return
			default:
			}
			continue
		case busy:
			timer.Reset(left)
		}
		select {
		case <-timer.C:
		case <-d.wake:
		case <-d.stop:
			return
		}
	}
}
