package loadgen

import (
	"fmt"
	"strings"
	"time"

	laws "github.com/aiperf-go/aiperf/loadgen/workload"
)

// stages is the schedule of a load whose rate changes with time. It begins with requests at
// its first rate, whose answers are under way when the window opens; the window opens with
// the first request of the schedule itself, and closes with the first one behind its end, so
// that requests which are sent late are part of it.
type stages struct {
	// rates are those of the load, with both ends of every stage.
	rates laws.Stages
	clock func(n float64) time.Duration
	// lead has where the requests stand that are sent before the window opens, in requests
	// before the schedule: negative, in ascending order. at is where the next one behind
	// them stands.
	lead []float64
	at   float64
	sent int
	// total is how many requests the schedule has.
	total float64
}

// newStages returns the schedule of a load whose Rate is known, nil if it has none.
func newStages(l Load) *stages {
	rates := l.Schedule()
	if rates == nil {
		return nil
	}
	return &stages{rates: rates, clock: rates.Clock(), total: rates.Requests()}
}

// begin draws so many requests before the window opens, backwards from there.
func (s *stages) begin(p *pacer, lead int) {
	s.lead = make([]float64, lead)
	at := 0.0
	for i := range s.lead {
		at -= p.gap(1)
		s.lead[lead-1-i] = at
	}
}

// next returns when the next request is due, counted from the first of them all.
func (s *stages) next(p *pacer) (due time.Duration, t turn) {
	began := time.Duration(0)
	if len(s.lead) > 0 {
		began = s.clock(s.lead[0])
	}
	t.timed = true
	if s.sent < len(s.lead) {
		due = s.clock(s.lead[s.sent])
	} else {
		// Rates are rounded, and the end of a schedule must not be missed for that.
		due, t.opens, t.ends = s.clock(s.at), true, s.at >= s.total-1e-6
		s.at += p.gap(1)
	}
	s.sent++
	return due - began, t
}

// staged sets the metrics of each stage of the load's schedule, and warns of those in which
// the server fell behind. Behind the last one nothing follows in which it could catch up.
func (m *Measurement) staged(p *probe) {
	if len(m.Requests) == 0 {
		return
	}
	rates, began := p.pacer.stages.rates, m.Requests[0].Scheduled
	parts := make([]*Measurement, len(rates))
	for i := range parts {
		parts[i] = &Measurement{Load: m.Load, Metrics: map[Tag]Metric{}}
	}
	for _, q := range m.Requests {
		part := parts[rates.At(q.Scheduled-began)]
		part.Requests = append(part.Requests, q)
	}
	if l := m.Load; l.MostInFlight > 0 && heldBack(l.Rate, p.stage.held, m.Window) {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: the last request of the schedule was sent %v late, because %d were in flight",
			ErrUnstable, p.stage.held.Round(time.Millisecond), l.MostInFlight))
	}
	// What a stage served is counted over all requests, since those of the stage before it end
	// in it, too.
	all := [][]Request{m.Others, m.Requests}
	var behind []string
	for i, part := range parts {
		part.perRequest(p.stream)
		open := span{began, began + rates[i].Over}
		part.rates(spans{open}, all, p.running)
		began = open.close
		m.Stages = append(m.Stages, part.Metrics)
		offered, served, fell := fellBehind(open, part.Requests, all)
		says := fmt.Sprintf("in stage %d, %s, %.3g requests/s were offered and %.3g served", i+1, rates[i], offered, served)
		switch {
		case fell && i == len(parts)-1:
			m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", ErrUnstable, says))
		case fell:
			behind = append(behind, says)
		}
	}
	if len(behind) > 0 {
		m.Warnings = append(m.Warnings, fmt.Errorf("%w: %s", ErrBehind, strings.Join(behind, "; ")))
	}
}

// fellBehind reports whether the requests of a stage pile up, and how many a second were
// offered and served in its second half. cohort are those that were due in the stage, and
// all are those of the whole probe.
func fellBehind(stage span, cohort []Request, all [][]Request) (offered, served float64, behind bool) {
	var starts, latencies []float64
	for i := range cohort {
		if q := &cohort[i]; q.Failure == nil {
			starts = append(starts, (q.Start - stage.open).Seconds())
			latencies = append(latencies, (q.EOF - q.Start).Seconds())
		}
	}
	// In its first half a stage may still be busy with what a steeper one before it left behind.
	middle := stage.open + (stage.close-stage.open)/2
	within := func(at time.Duration) bool { return at >= middle && at < stage.close }
	for _, list := range all {
		for i := range list {
			if within(list[i].Start) {
				offered++
			}
			if within(list[i].EOF) {
				served++
			}
		}
	}
	half := (stage.close - middle).Seconds()
	offered, served = offered/half, served/half
	return offered, served, rising(starts, latencies) && served < keptUp*offered
}
