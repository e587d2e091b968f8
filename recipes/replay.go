package recipes

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// replay measures a file of requests at the times that it has for them. Workload.Replay says
// how many times as fast they are sent.
//
// Note: it has a name of its own rather than a rate of its own, because the rate is in the
// file, and the plan of a recipe is a function of its inputs alone.
var replay = &Recipe{
	Name: "replay",
	Doc:  "send a file of requests at the times that were recorded",
	Uses: []Input{inputTTFT, inputITL, inputTPOT, inputE2E, inputErrorRate, inputSLA},
	Axes: Axes{XMetric: loadgen.TagLatency, XStat: "p95", YMetric: loadgen.TagTokenRate, YStat: "avg"},
	Expand: func(in Inputs) (*Plan, error) {
		return &Plan{Scenarios: []Scenario{{Name: "replay", Values: []Value{{PathRate, ownRate}}}}, Limits: in.limits()}, nil
	},
}

// ownRate in a scenario stands for the mean rate that the workload itself has: of a replayed
// file that at which it was recorded, times the speed of the replay, and of a schedule of
// rates their mean.
const ownRate = 0

// file makes one of the two ways to name a file of requests, and notes its checksum. It
// checks the workload. A file that cannot be read is for the generator to refuse.
func (s *Spec) file() error {
	w := &s.Workload.Workload
	if w.File != "" && s.Target.Prompts != "" && w.File != s.Target.Prompts {
		return inputError([]Input{inputPrompts, inputWorkload}, "cannot send both %s of %s and the File %s of %s; leave one of them out",
			inputPrompts, s.Target.Prompts, w.File, inputWorkload)
	}
	if w.File == "" {
		w.File = s.Target.Prompts
	}
	if err := s.Workload.CheckWorkload(); err != nil {
		return wrong(inputWorkload, "%v", err)
	}
	s.Target = s.Target.For(*w)
	// The checksum is in search_history.json: a run that goes on from it, or is compared with
	// it, must send the same file, wherever that is.
	if f, err := os.Open(w.File); err == nil {
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err == nil {
			w.FileSum = hex.EncodeToString(sum.Sum(nil))
		}
	}
	return nil
}

// schedule puts what a replayed file or a schedule of rates says of its times in place of what
// the plan and the spec leave open: the rate, the number of requests, and the length of the
// window. It checks that either has a plan over rates, and the plan either of them.
func (s *Spec) schedule(p *Plan) error {
	w := &s.Workload
	var open []*float64
	for i := range p.Scenarios {
		for j := range p.Scenarios[i].Values {
			if v := &p.Scenarios[i].Values[j]; v.Path == PathRate && v.Value == ownRate {
				open = append(open, &v.Value)
			}
		}
	}
	// A replay at a rate of the plan's leaves the size of a probe to the spec, since a search
	// need not send the whole file at every rate.
	switch {
	case len(w.Workload.Stages) > 0 && !p.varies(PathRate):
		return wrong(inputWorkload, "its Stages are rates, and this recipe varies none; use recipe %q", soak.Name)
	case len(w.Workload.Stages) > 0:
		s.staged(open)
		return nil
	case w.Workload.Replay == 0 && len(open) > 0:
		return missing("the times of the requests; give a File and its Replay, for example 1, or Stages", inputWorkload)
	case w.Workload.Replay == 0:
		return nil
	case !p.varies(PathRate):
		return wrong(inputWorkload, "its Replay sends requests at the times of a file, and this recipe varies no rate; use recipe %q",
			replay.Name)
	case len(open) == 0:
		return nil
	}
	n, took, err := s.Target.Recorded()
	if err != nil {
		return targetInput(err)
	}
	for _, rate := range open {
		*rate = float64(n) / took.Seconds()
	}
	if w.Requests == 0 {
		w.Requests = n
	}
	// The whole file is sent, and what is late has another minute.
	if w.Window == 0 {
		w.Window = took + time.Minute
	}
	return nil
}
