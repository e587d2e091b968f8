package remote

import (
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// leader is who leads a probe, as loadgen's Generator.Lead returns it. It has no lock of its own.
type leader interface {
	Told(rank int, r share.Report, offset time.Duration) error
	News() bool
	Done() bool
	Orders(rank int) []share.Order
	Due() (in time.Duration, ok bool)
	Expire()
}

// hearing hears what the workers say of one probe. The goroutines that read from them tell the
// leader, and wake the one that carries out the probe when there is something to do: a report
// that goes from one goroutine to another wakes a thread, which costs more than what it says.
type hearing struct {
	pool   *Pool
	probe  uint64
	active []*member // by rank
	// news has room for one wake-up.
	news chan struct{}

	mu   sync.Mutex
	lead leader
	// wrong is whatever went wrong first, and faulty says that it is the error of a worker that
	// is still there.
	wrong  error
	faulty bool
	// over says that nothing is heard any more.
	over bool
}

// ear is a hearing as the worker of a rank has it.
type ear struct {
	*hearing
	rank int
}

// said takes in a report or a fault of the probe, or nil when the worker is lost.
func (e ear) said(u *up) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.active[e.rank]
	switch {
	case e.over || e.wrong != nil:
		return
	case u == nil:
		e.wrong = e.pool.failed(m.i, m, m.loss(nil))
	case u.Fault != nil:
		e.wrong, e.faulty = u.Fault.errorOf(), true
	default:
		if err := e.lead.Told(e.rank, u.Report.Report, m.offset()); err != nil {
			e.wrong = e.pool.failed(m.i, m, err)
		}
	}
	if e.wrong != nil || e.lead.News() {
		select {
		case e.news <- struct{}{}:
		default:
		}
	}
}

// todo is what is to be done by what was heard: an error that ends the probe, orders by rank, and
// the end of the probe, or in what time the leader's patience is over, if it is timed.
func (h *hearing) todo() (orders [][]share.Order, in time.Duration, timed, done bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong != nil {
		return nil, 0, false, false, h.wrong
	}
	for rank := range h.active {
		orders = append(orders, h.lead.Orders(rank))
	}
	in, timed = h.lead.Due()
	return orders, in, timed, h.lead.Done(), nil
}

// expire tells the leader that its patience is over.
func (h *hearing) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lead.Expire()
}

// stop ends the hearing. The leader is the caller's alone from then on.
func (h *hearing) stop() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	for _, m := range h.active {
		m.hears.Store(nil)
	}
}
