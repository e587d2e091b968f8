package simserver

import (
	"sync"
	"time"
)

// A driver runs an engine against the clock. One goroutine carries out the
// steps as they come due; handlers enter between, each first bringing the
// engine up to the present, so that a goroutine that wakes late moves no step.
type driver struct {
	epoch time.Time
	pause func(time.Duration) // sleeps inside a step; nil: a timer
	wake  chan struct{}       // capacity 1: the engine has begun to step
	stop  chan struct{}

	mu  sync.Mutex // held for moments only, never while waiting
	eng *engine
}

func newDriver(m Model, pause func(time.Duration), stop chan struct{}) *driver {
	d := &driver{epoch: time.Now(), pause: pause, wake: make(chan struct{}, 1), stop: stop}
	d.eng = newEngine(m, func(s *sequence, _ time.Duration) { s.tokens <- struct{}{} })
	return d
}

// submit hands a request to the engine. Its tokens arrive on the sequence's
// channel, which has room for them all, for free: an empty struct has no size.
func (d *driver) submit(isl, osl int) (*sequence, error) {
	s := newSequence(isl, osl)
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

// cancel gives a request up.
func (d *driver) cancel(s *sequence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.eng.advance(time.Since(d.epoch))
	d.eng.drop(s)
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
