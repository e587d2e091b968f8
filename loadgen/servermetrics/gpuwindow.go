package servermetrics

import (
	"math"
	"slices"
	"time"
)

// GPUWindow is what one GPU did in a window.
type GPUWindow struct {
	Device *Device
	// Power, Utilization and Memory hold the values at the samples, in the units of a GPU.
	Power, Utilization, Memory []float64
	// Energy is what the GPU took in the window, in joules, and Length how long that was. It
	// is NaN if neither energy nor power is known.
	Energy float64
	Length time.Duration
	// Counted says that Energy is of the GPU's own counter, and not of its power at the samples.
	Counted bool
}

// gpusBetween returns what the GPUs of some samples did from the first sample to the last, in
// the order of the last page that has them.
func gpusBetween(samples []Sample) (all []GPUWindow) {
	var order []Device
	tracks := map[Device]*track{}
	for _, s := range samples {
		for _, g := range s.Page.GPUs {
			id := g.Device.id()
			t := tracks[id]
			if t == nil {
				t = &track{}
				tracks[id] = t
				order = append(order, id)
			}
			t.add(s.At, g)
		}
	}
	for _, id := range order {
		all = append(all, tracks[id].window())
	}
	return all
}

// settle makes the counters of energy of the samples of one exporter what they would be if it
// read its GPUs at each of them.
//
// An exporter reads its GPUs at times of its own, dcgm-exporter each 30 seconds unless it is
// told otherwise, and repeats the values until the next. Between two changes of a counter it is
// taken to grow linearly, and before the first and behind the last as fast as beside them: a
// part of a window is shorter than the time between two readings. A counter with fewer than
// three changes, the first value included, says nothing if it stands still for most of the
// samples, and is left out. Refreshed is set where it is longer than the time between samples,
// to the length of the series at least if nothing changed in it, not even the power.
func (s *Series) settle() {
	type point struct {
		at     time.Duration
		joules float64
	}
	counters := map[Device][]*float64{}
	times := map[Device][]time.Duration{}
	alike := map[Device]int{} // samples with the power of the one before
	power := map[Device]float64{}
	for i := range s.Samples {
		gpus := s.Samples[i].Page.GPUs
		for k := range gpus {
			if id := gpus[k].Device.id(); !math.IsNaN(gpus[k].Energy) {
				counters[id] = append(counters[id], &gpus[k].Energy)
				times[id] = append(times[id], s.Samples[i].At)
				if gpus[k].Power == power[id] {
					alike[id]++
				}
				power[id] = gpus[k].Power
			}
		}
	}
	for id, energy := range counters {
		at := times[id]
		known := []point{{at[0], *energy[0]}}
		stale := 0
		for i, was := 1, *energy[0]; i < len(energy); i++ {
			step := increase(was, *energy[i])
			if was = *energy[i]; step == 0 {
				stale++
			} else {
				known = append(known, point{at[i], known[len(known)-1].joules + step})
			}
		}
		seldom := 2*stale > len(energy)-1
		if seldom {
			known = known[1:] // when the first value was read is not known
		}
		switch length := at[len(at)-1] - at[0]; {
		case seldom && len(known) >= 2:
			s.Refreshed = max(s.Refreshed, (known[len(known)-1].at-known[0].at)/time.Duration(len(known)-1))
		case seldom && length >= 3*Every && 2*alike[id] > len(energy)-1: // otherwise the counter alone stands still
			s.Refreshed = max(s.Refreshed, length)
		}
		k := 0
		for i := range energy {
			if len(known) < 2 {
				*energy[i] = math.NaN()
				continue
			}
			for k < len(known)-2 && at[i] > known[k+1].at {
				k++
			}
			a, b := known[k], known[k+1]
			*energy[i] = a.joules + (b.joules-a.joules)*float64(at[i]-a.at)/float64(b.at-a.at)
		}
	}
}

// track holds the samples of one GPU.
type track struct {
	at   []time.Duration
	gpus []GPU
}

func (t *track) add(at time.Duration, g GPU) {
	t.at, t.gpus = append(t.at, at), append(t.gpus, g)
}

// window turns samples into what happened.
func (t *track) window() GPUWindow {
	w := GPUWindow{Device: t.gpus[len(t.gpus)-1].Device, Length: t.at[len(t.at)-1] - t.at[0], Energy: math.NaN()}
	for _, g := range t.gpus {
		for _, v := range []struct {
			to *[]float64
			is float64
		}{{&w.Power, g.Power}, {&w.Utilization, g.Utilization}, {&w.Memory, g.Memory}} {
			if !math.IsNaN(v.is) {
				*v.to = append(*v.to, v.is)
			}
		}
	}
	if w.Length <= 0 {
		return w
	}
	if joules, ok := t.counted(); ok {
		w.Energy, w.Counted = joules, true
	} else if joules, ok := t.integral(); ok {
		w.Energy = joules
	}
	return w
}

// counted is the energy by the GPU's counter. One that falls was reset, and counts from 0.
// Where samples at the ends lack it, they are taken for the mean.
func (t *track) counted() (joules float64, ok bool) {
	first, last := -1, -1
	for i, g := range t.gpus {
		if math.IsNaN(g.Energy) {
			continue
		}
		if last < 0 {
			first = i
		} else {
			joules += increase(t.gpus[last].Energy, g.Energy)
		}
		last = i
	}
	if first == last || joules == 0 {
		return 0, false
	}
	return joules * float64(t.at[len(t.at)-1]-t.at[0]) / float64(t.at[last]-t.at[first]), true
}

// increase is by how much a counter has grown.
func increase(was, is float64) float64 {
	if is < was {
		return is
	}
	return is - was
}

// integral is the energy by the power at the samples, linear in between.
func (t *track) integral() (joules float64, ok bool) {
	var known time.Duration
	was := -1
	for i, g := range t.gpus {
		if math.IsNaN(g.Power) {
			continue
		}
		if was >= 0 {
			step := t.at[i] - t.at[was]
			joules += (g.Power + t.gpus[was].Power) / 2 * step.Seconds()
			known += step
		}
		was = i
	}
	if known <= 0 {
		return 0, false
	}
	return joules * float64(t.at[len(t.at)-1]-t.at[0]) / float64(known), true
}

// chain adds what the GPU did in a later part of the window.
func (w *GPUWindow) chain(o GPUWindow) {
	w.Device = o.Device
	w.Power = append(slices.Clip(w.Power), o.Power...)
	w.Utilization = append(slices.Clip(w.Utilization), o.Utilization...)
	w.Memory = append(slices.Clip(w.Memory), o.Memory...)
	w.Energy, w.Length = w.Energy+o.Energy, w.Length+o.Length
	w.Counted = w.Counted && o.Counted
}

// withGPUs adds the GPUs of another window: those of a later part of the same one if later is
// true, and of another page otherwise. A GPU that two pages have counts once.
func (w *Window) withGPUs(o Window, later bool) {
	for _, g := range o.GPUs {
		i := slices.IndexFunc(w.GPUs, func(was GPUWindow) bool { return was.Device.id() == g.Device.id() })
		switch {
		case i < 0:
			w.GPUs = append(w.GPUs, g)
		case later:
			w.GPUs[i].chain(g)
		}
	}
}

// Only returns the window with those of its GPUs that another one has.
func (w Window) Only(gpus []GPUWindow) Window {
	var kept []GPUWindow
	for _, g := range w.GPUs {
		if slices.ContainsFunc(gpus, func(o GPUWindow) bool { return o.Device.id() == g.Device.id() }) {
			kept = append(kept, g)
		}
	}
	w.GPUs = kept
	return w
}

// Energy is what all GPUs took together, in joules, and over how long. ok is false if it is
// not known of all of them.
func (w Window) Energy() (joules float64, length time.Duration, ok bool) {
	for _, g := range w.GPUs {
		joules += g.Energy
		length = max(length, g.Length)
	}
	return joules, length, length > 0 && !math.IsNaN(joules)
}

// ofGPUs are the values of a quantity at all samples of all GPUs.
func (w Window) ofGPUs(q Quantity) (values []float64) {
	for _, g := range w.GPUs {
		switch q {
		case GPUPower:
			values = append(values, g.Power...)
		case GPUUtilization:
			values = append(values, g.Utilization...)
		case GPUMemory:
			values = append(values, g.Memory...)
		}
	}
	return values
}
