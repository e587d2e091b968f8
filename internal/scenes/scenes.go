// Package scenes simulates servers whose latencies follow a known law in time: what
// searches are held against that assume too much of the requests they see. A
// [Server] is a recipes.Prober with a clock of its own, so that a search of minutes
// takes milliseconds.
package scenes

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/internal/surfaces"
	"github.com/aiperf-go/aiperf/loadgen"
)

// Law is how a server's time to first token scatters.
type Law struct {
	Name string
	// Sigma is the standard deviation of ln TTFT between independent requests.
	Sigma float64
	// Pareto is the tail index of a Pareto law in the place of the log-normal one; 0
	// for none.
	Pareto float64
	// Miss is the factor by which a request that misses a cache is slower; 0 for none.
	// The share of misses rises with the load, and is 5% at the boundary.
	Miss float64
	// AR is the standard deviation of a factor that all requests share, an
	// autoregressive process of the correlation time Tau in seconds; 0 for none.
	AR, Tau float64
	// Stall is how long the server answers nothing, every Every seconds; 0 for never.
	Stall, Every float64
	// Drift is the share by which latencies change over the first minute: negative for
	// a server that warms up, positive for one that is throttled.
	Drift float64
	// Hiccup is the share of requests that are Hiccup's factor slower at any load.
	Hiccup, Slow float64
	// Flat says that latency does not depend on the load up to the boundary.
	Flat bool
}

// Laws are the scenes that searches are held against.
func Laws() []Law {
	return []Law{
		{Name: "log-normal 0.5", Sigma: 0.5},
		{Name: "log-normal 1.5", Sigma: 1.5},
		{Name: "Pareto 1.5", Pareto: 1.5},
		{Name: "hit/miss", Sigma: 0.1, Miss: 8},
		{Name: "AR(1) 0.3, 2 s", Sigma: 0.5, AR: 0.3, Tau: 2},
		{Name: "AR(1) 0.3, 10 s", Sigma: 0.5, AR: 0.3, Tau: 10},
		{Name: "stall 0.5 s each 10 s", Sigma: 0.3, Stall: 0.5, Every: 10},
		{Name: "warming 30%", Sigma: 0.5, Drift: -0.3},
		{Name: "throttling 30%", Sigma: 0.5, Drift: 0.3},
		{Name: "flat, 4% hiccups", Sigma: 0.2, Hiccup: 0.04, Slow: 10, Flat: true},
	}
}

const (
	// Boundary is the concurrency up to which the limit holds.
	Boundary = 100
	// Limit is that of TTFT p95, in ms.
	Limit = 200.0

	decode   = 0.45 // s of a request behind its first token at the boundary
	driftEnd = 60.0 // s after which a drift is over
)

// Server is one simulated server.
type Server struct {
	law    Law
	rng    *rand.Rand
	scale  float64 // ms: median TTFT at the boundary
	now    float64 // s
	ar     float64
	arAt   float64
	phase  float64 // of the stalls, s
	Asked  int     // requests sent
	Probes int
}

// New returns a server of the law, quiet until it is probed.
func New(law Law, seed uint64) *Server {
	s := &Server{law: law, rng: rand.New(rand.NewPCG(seed, 0x5ce7e)), scale: scaleOf(law)}
	s.phase = s.rng.Float64() * max(law.Every, 1)
	s.ar = s.rng.NormFloat64()
	return s
}

// Now is how long the server has been under test, idle times included.
func (s *Server) Now() time.Duration { return time.Duration(s.now * float64(time.Second)) }

// Wait lets time pass without load.
func (s *Server) Wait(_ context.Context, d time.Duration) bool {
	s.now += d.Seconds()
	return true
}

// shared is the factor that all requests at time t share.
func (s *Server) shared(t float64) float64 {
	f := 1.0
	if s.law.AR > 0 {
		if dt := t - s.arAt; dt > 0.02 {
			rho := math.Exp(-dt / s.law.Tau)
			s.ar = rho*s.ar + math.Sqrt(1-rho*rho)*s.rng.NormFloat64()
			s.arAt = t
		}
		f *= math.Exp(s.law.AR * s.ar)
	}
	if d := s.law.Drift; d != 0 {
		left := max(0, 1-t/driftEnd) // what is told is the server as it is in the end
		f *= 1 - d*left/(1+max(d, 0))
	}
	return f
}

// own is a request's own factor at concurrency c.
func (s *Server) own(c float64) float64 { return draw(s.law, c, s.rng) }

func draw(l Law, c float64, rng *rand.Rand) float64 {
	f := math.Exp(l.Sigma * rng.NormFloat64())
	if l.Pareto > 0 {
		f = math.Pow(1-rng.Float64(), -1/l.Pareto)
	}
	if l.Miss > 0 && rng.Float64() < min(0.05*math.Pow(c/Boundary, 2), 1) {
		f *= l.Miss
	}
	if l.Hiccup > 0 && rng.Float64() < l.Hiccup {
		f *= l.Slow
	}
	return f
}

// level is how TTFT grows with the load; 1 at the boundary.
func (l Law) level(c float64) float64 {
	if l.Flat {
		return 0.5 + 0.5*math.Pow(c/Boundary, 6)
	}
	if l.Miss > 0 {
		return 0.5 + 0.5*c/Boundary
	}
	return c / Boundary
}

// Exceeds is the true share of requests above the limit at concurrency c. With stalls it is
// that of a long closed loop, since a stall also holds up the slots that are decoding, whose
// next requests it then does not catch.
func (l Law) Exceeds(c float64) float64 {
	if l.Stall > 0 {
		return l.stalled(int(c), scaleOf(l))
	}
	rng := rand.New(rand.NewPCG(7, 7))
	const n = 200000
	scale, bad := scaleOf(l), 0
	for range n {
		if scale*l.level(c)*draw(l, c, rng)*math.Exp(l.AR*rng.NormFloat64()) >= Limit {
			bad++
		}
	}
	return float64(bad) / n
}

// stalled is the share of requests above the limit in a long closed loop of c slots.
func (l Law) stalled(c int, scale float64) float64 {
	s := &Server{law: l, rng: rand.New(rand.NewPCG(5, 5)), scale: scale}
	bad, n := 0, 0
	for _, q := range s.play(c, 30000, 0, 1e9, nil) {
		n++
		if ttft(q) >= Limit {
			bad++
		}
	}
	return float64(bad) / float64(n)
}

// scaleOf is the median TTFT in ms at which 5% of all requests exceed the limit at
// the boundary.
var (
	scales  = map[string]float64{}
	scaleMu sync.Mutex
)

func scaleOf(l Law) float64 {
	scaleMu.Lock()
	defer scaleMu.Unlock()
	if v, ok := scales[l.Name]; ok {
		return v
	}
	if l.Miss > 0 {
		// Hits are far below the limit and misses above it: the boundary is where the
		// share of misses says.
		scales[l.Name] = Limit / 3
		return scales[l.Name]
	}
	if l.Stall > 0 {
		scales[l.Name] = stallScale(l)
		return scales[l.Name]
	}
	rng := rand.New(rand.NewPCG(3, 9))
	vs := make([]float64, 400000)
	for i := range vs {
		vs[i] = draw(l, Boundary, rng) * math.Exp(l.AR*rng.NormFloat64())
	}
	slices.Sort(vs)
	scales[l.Name] = Limit / vs[len(vs)*95/100]
	return scales[l.Name]
}

// stallScale is found by simulation: a stall catches more than those that start in
// it.
func stallScale(l Law) float64 {
	lo, hi := 1.0, Limit
	for range 24 {
		mid := (lo + hi) / 2
		if l.stalled(Boundary, mid) < 0.05 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func ttft(q loadgen.Request) float64 { return float64(q.Chunks[0]-q.Start) / float64(time.Millisecond) }

// play runs a closed loop of c slots from now until n requests have started in least seconds or
// more, or the window is over, and returns them in start order. stop may end it early.
func (s *Server) play(c, n int, least, window float64, stop func(loadgen.Request) bool) []loadgen.Request {
	cf := float64(c)
	period := decode * (0.5 + 0.5*cf/Boundary)
	next := make([]float64, c) // when each slot is free
	for i := range next {
		next[i] = s.now + s.rng.Float64()*period
	}
	s.now += period // the ramp
	open := s.now
	var out []loadgen.Request
	end := open
	for {
		i := 0
		for k := range next {
			if next[k] < next[i] {
				i = k
			}
		}
		start := next[i]
		if start-open > window || len(out) >= n && start-open >= least {
			break
		}
		first := s.scale * s.law.level(cf) * s.own(cf) * s.shared(start) / 1000
		first = s.thawed(start, first)
		done := s.thawed(start+first, period*(0.95+0.1*s.rng.Float64()))
		next[i] = start + first + done
		s.Asked++
		if start < open {
			continue
		}
		at := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
		q := loadgen.Request{
			Index: len(out), Scheduled: at(start), Start: at(start), Chunks: []time.Duration{at(start + first), at(start + first + done)},
			End: at(start + first + done), EOF: at(start + first + done), ISL: 64, OSL: 16, Streamed: true,
		}
		out = append(out, q)
		end = max(end, start+first+done)
		if stop != nil && stop(q) {
			end = start + first + done
			break
		}
	}
	s.now = end
	return out
}

// thawed is how long something takes that begins at t and would take d, with the
// stalls that fall into it.
func (s *Server) thawed(t, d float64) float64 {
	if s.law.Stall == 0 {
		return d
	}
	end := t + d
	for k := math.Floor((t - s.phase) / s.law.Every); ; k++ {
		from := s.phase + k*s.law.Every
		to := from + s.law.Stall
		if from >= end {
			return end - t
		}
		if to <= t {
			continue
		}
		end += to - max(from, t)
	}
}

// Probe measures a load on the server's own clock.
func (s *Server) Probe(_ context.Context, l loadgen.Load, d loadgen.Decider) (*loadgen.Measurement, error) {
	s.Probes++
	n := max(l.Requests, 2*l.Concurrency)
	began := s.now
	m := &loadgen.Measurement{Load: l, Ended: loadgen.EndedRequests, Metrics: map[string]loadgen.Metric{}}
	var stop func(loadgen.Request) bool
	if d != nil {
		stop = func(q loadgen.Request) bool {
			if d.Seen(q) {
				m.Ended = loadgen.EndedDecided
				return true
			}
			return false
		}
	}
	m.Requests = s.play(l.Concurrency, n, l.Least.Seconds(), l.Window.Seconds(), stop)
	if len(m.Requests) < n && m.Ended == loadgen.EndedRequests {
		m.Ended = loadgen.EndedTime
	}
	m.Wall = time.Duration((s.now - began) * float64(time.Second))
	m.Ramp = m.Wall / 10
	var vs []float64
	for _, q := range m.Requests {
		vs = append(vs, ttft(q))
	}
	m.Metrics[loadgen.TagTTFT] = surfaces.Percentiles(vs, 0.5, 0.95, 0.99)
	one := func(tag, unit string, v float64) {
		m.Metrics[tag] = loadgen.Metric{Unit: unit, Stats: map[string]float64{"avg": v}}
	}
	length := max(s.now-began, 1e-3)
	one(loadgen.TagReqRate, "requests/sec", float64(len(vs))/length)
	one(loadgen.TagTokenRate, "tokens/sec", 16*float64(len(vs))/length)
	one(loadgen.TagCompleted, "requests", float64(len(vs)))
	one(loadgen.TagErrors, "requests", 0)
	one(loadgen.TagErrorRate, "%", 0)
	m.Window = time.Duration(length * float64(time.Second))
	return m, nil
}

// Quantile is the true q-quantile of TTFT in ms at concurrency c, of a law without
// stalls and drift.
func (l Law) Quantile(c, q float64) float64 {
	rng := rand.New(rand.NewPCG(11, 13))
	vs := make([]float64, 100000)
	scale := scaleOf(l)
	for i := range vs {
		vs[i] = scale * l.level(c) * draw(l, c, rng) * math.Exp(l.AR*rng.NormFloat64())
	}
	slices.Sort(vs)
	return vs[int(q*float64(len(vs)-1))]
}
