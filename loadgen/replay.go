package loadgen

import (
	"fmt"
	"math"
	"time"
)

// replay is the schedule of a file whose requests are sent at the times that the file has
// for them. It begins with the end of the file, whose requests arrive while the level is
// reached, so that the window opens with the first request. Behind the last one it begins
// anew. Of conversations it has the first turns; the later ones follow when their users have
// thought, or at their own times.
type replay struct {
	prompts []prompt
	period  time.Duration // from one beginning of the file to the next, as recorded
	scale   float64       // the seconds that a recorded second takes
	lead    int           // the number of requests before the window opens
	sent    int
	base    uint64 // the item of the request that the window opens with, a whole number of passes
}

// ownRate returns the mean number of requests a second of a file that is replayed as it was
// recorded.
func ownRate(prompts []prompt, w Workload) float64 {
	return float64(turnsIn(prompts, w)) / period(prompts).Seconds()
}

// turnsIn returns the number of requests of a file, all turns of conversations that are sent
// included.
func turnsIn(prompts []prompt, w Workload) (n int) {
	for _, p := range prompts {
		turns := 1 + len(p.later)
		if most := w.Turns.Count; !most.IsZero() {
			turns = min(turns, most.Most())
		}
		n += turns
	}
	return n
}

// newReplay returns the schedule of a load, nil if it has none. For a load without a rate it
// is as fast as Load.Workload says; rate is the mean rate that it then has, and otherwise
// that of the load. Errors are *TargetError.
func newReplay(l Load, prompts []prompt) (r *replay, rate float64, err error) {
	if l.Workload.Replay == 0 {
		return nil, l.Rate, nil
	}
	if l.Concurrency > 0 {
		return nil, 0, &TargetError{Field: "Load.Concurrency",
			Problem: "is set for a replay, which sends requests at the times of a file; set Rate, or neither"}
	}
	r = &replay{prompts: prompts, period: period(prompts)}
	own := ownRate(prompts, l.Workload)
	if rate = l.Rate; rate == 0 {
		rate = own * l.Workload.Replay
	}
	if !(rate > 0) || math.IsInf(rate, 0) {
		return nil, 0, &TargetError{Field: "Load.Rate", Problem: fmt.Sprintf("is %v; it must be positive and finite", rate)}
	}
	r.scale = own / rate
	return r, rate, nil
}

// begin sets how many requests are sent before the window opens. used is the number of items
// that earlier probes have sent: each pass over the file has items of its own, so that
// prompts which share nothing never begin alike.
func (r *replay) begin(lead int, used uint64) {
	n := uint64(len(r.prompts))
	r.lead = min(lead, 10*len(r.prompts))
	r.base = (used + uint64(r.lead) + n - 1) / n * n
}

// next returns when the next request is due, counted from the start of the schedule, and
// which request it is.
func (r *replay) next() (due time.Duration, t turn) {
	k := r.sent - r.lead
	r.sent++
	return r.at(k) - r.at(-r.lead), turn{item: r.base + uint64(int64(k)), fixed: true, timed: true, opens: k >= 0}
}

// at returns when request k of the schedule is due, counted from request 0.
func (r *replay) at(k int) time.Duration {
	n := len(r.prompts)
	pass := math.Floor(float64(k) / float64(n))
	recorded := pass*float64(r.period) + float64(r.prompts[k-int(pass)*n].at)
	return time.Duration(math.Round(recorded * r.scale))
}
