package recipes

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
	"github.com/aiperf-go/aiperf/recipes/sweep"
)

// belief is what all visits of one point say together.
type belief struct {
	plan.Observation
	// pass is the probability that the limits of the first tier hold, by what neighbours
	// lend, too.
	pass float64
}

// beliefs pools what was measured by points.
func (r *run) beliefs() []belief {
	points, pass := r.problem.Pooled(observations(r.out.Probes))
	out := make([]belief, len(points))
	for i := range points {
		out[i] = belief{points[i], pass[i]}
	}
	return out
}

// floors returns the probability that every floor of the first tier holds at a point, as
// if they were independent; 1 without floors.
func (r *run) floors(b belief) float64 {
	pass := 1.0
	for _, k := range r.tier(0) {
		if r.out.Plan.floor(k) && k < len(b.Margins) {
			pass *= b.Margins[k].Pass
		}
	}
	return pass
}

// facts gathers what the verdict of the run rests on. It may be asked at any time: before
// the end for faults that end the run at once, and at the end for the verdict.
//
// Requests and failures are counted over all visits of a point, those that cannot be
// trusted included, since a busy client does not make a server answer 500.
func (r *run) facts() facts {
	o := r.out
	f := facts{
		search: o.Plan.Search != nil, wanted: len(r.problem.List), limits: len(o.Plan.Limits) > 0,
		line: len(r.problem.Dims) == 1, lowest: math.NaN(), cut: r.out.CutShort(),
		confidence: o.Spec.Confidence, least: o.Least(),
		safe: o.Boundary.Safe, ceiling: r.ceiling, best: math.NaN(), knee: math.NaN(),
	}
	if f.line {
		f.lowest = r.problem.Dims[0].Lo
	}
	if o.Best.Found {
		f.best = o.Best.Load.Level()
	}
	for _, l := range o.Plan.Limits {
		f.counted = f.counted || l.Metric == loadgen.TagErrorRate || l.Metric == loadgen.TagGoodShare
	}
	_, own := o.Plan.Derive.(sweep.Custom)
	f.underived = o.Plan.Derive != nil && o.Result == nil && !own
	switch result := o.Result.(type) {
	case sweep.TTFTFit:
		f.underived = result.Problem != ""
	case sweep.ITLSurface:
		f.underived = result.Problem != ""
	}
	if k, ok := o.Knee(); ok {
		f.knee = float64(k.Concurrency)
	}
	if len(o.Plan.Tiers) > 0 {
		for _, t := range o.Tiers {
			f.tiers = append(f.tiers, tierFacts{t.Safe, t.Passed})
		}
	}
	beliefs := r.beliefs()
	for _, visits := range points(o) {
		p := pointFacts{name: place(o, visits[0]), at: o.Probes[visits[0]].Step.At[0], silent: true}
		kinds := map[string]int{}
		for _, i := range visits {
			v := &o.Probes[i]
			p.load = v.Load.Level()
			p.silent = p.silent && !v.trusted()
			p.requests, p.failed = p.requests+v.Observed.Requests, p.failed+v.failures()
			if p.lacks == "" {
				p.lacks = v.lacks
			}
			for _, m := range v.Trials {
				for _, c := range m.Failures {
					kinds[c.Error()] += c.Count
				}
			}
		}
		p.why = frequent(kinds)
		k := slices.IndexFunc(beliefs, func(b belief) bool { return slices.Equal(b.At, o.Probes[visits[0]].Step.At) })
		if k >= 0 {
			p.pass, p.floors = beliefs[k].pass, r.floors(beliefs[k])
		}
		f.points = append(f.points, p)
	}
	return f
}

// failures is how many of the probe's requests failed. A probe that was read back from a
// file has the shares alone. Its state does not tell: a load that the server did not take,
// because it refused some of it, is a failure at which most requests may have succeeded.
func (p *Probe) failures() int {
	n, _ := p.Stat(loadgen.TagCompleted, "avg")
	bad, _ := p.Stat(loadgen.TagErrors, "avg")
	if p.failed > 0 || !(n > 0) {
		return p.failed
	}
	return int(math.Round(float64(p.Observed.Requests) * bad / n))
}

// frequent names the most frequent failure and how often it came, for example
// 23 × shed 429: too many requests.
func frequent(kinds map[string]int) string {
	most := ""
	for text, n := range kinds {
		if most == "" || n > kinds[most] || n == kinds[most] && text < most {
			most = text
		}
	}
	if most == "" {
		return "of unknown causes"
	}
	return strconv.Itoa(kinds[most]) + " × " + most
}

// points groups the indexes of all probes by their points, those that say nothing
// included.
func points(o *Outcome) [][]int {
	var groups [][]int
	for i := range o.Probes {
		k := slices.IndexFunc(groups, func(g []int) bool { return slices.Equal(o.Probes[g[0]].Step.At, o.Probes[i].Step.At) })
		if k < 0 {
			groups, k = append(groups, nil), len(groups)
		}
		groups[k] = append(groups[k], i)
	}
	return groups
}

// place names the point of a probe, for example "concurrency 64" or "isl 512, osl 128".
func place(o *Outcome, i int) string {
	var at []string
	for k, path := range o.Plan.Paths() {
		if path == PathRate {
			at = append(at, loadgen.Load{Rate: o.Probes[i].Step.At[k]}.String())
			continue
		}
		at = append(at, sweep.Leaf(path)+" "+number(o.Probes[i].Step.At[k]))
	}
	return strings.Join(at, ", ")
}

// CutShort says in words what ended the run before its planner did, for example "the
// deadline"; it is empty when nothing did, or while the run goes on. Only a planner that saw
// nothing else gives untrusted and unmeasured as its reason, and a search whose time was over
// once its answer lay between a pass and a failure was not cut short.
func (o *Outcome) CutShort() string {
	switch o.Reason {
	case ReasonDeadline:
		return "the deadline"
	case ReasonCancelled:
		return "its cancellation"
	case ReasonAborted:
		return "the loss of the endpoint"
	case plan.ReasonOutOfTime:
		return "the end of its time"
	case "untrusted":
		return "probes that cannot be trusted"
	case "unmeasured":
		return "probes that could not be measured"
	}
	return ""
}

// A limit without a value is not one that is missed. TTFT, for example, has none where the
// server does not stream, and ITL none where answers have one token or come in one read.

// lacking names the first limit that has no value at a probe although requests succeeded,
// with the reason; empty when every limit has one. Such a limit is neither met nor missed,
// whatever the load: the server does not give what it is about.
func (p *Probe) lacking(pl *Plan) string {
	if p.Observed.Requests <= p.failed {
		return ""
	}
	valid, whole, burst, spread := 0, 0, 0, 0
	has := map[string]bool{}
	metrics := make([]string, 0, len(pl.Limits)+len(pl.SLO))
	for _, l := range pl.Limits {
		metrics = append(metrics, l.Metric)
	}
	metrics = slices.AppendSeq(metrics, maps.Keys(pl.SLO))
	for _, m := range p.Trials {
		for i := range m.Requests {
			q := &m.Requests[i]
			if q.Failure != nil {
				continue
			}
			valid++
			if !q.Streamed {
				whole++
			}
			switch n := len(q.Chunks); {
			case n == 0 || q.OSL < 2:
			case q.End == q.Chunks[0]:
				burst++
			default:
				spread++
			}
			for _, tag := range metrics {
				if _, ok := q.Value(tag); ok {
					has[tag] = true
				}
			}
		}
	}
	for _, tag := range metrics {
		m, known := loadgen.LookupMetric(tag)
		first := []loadgen.Tag{loadgen.TagTTFT, loadgen.TagTTFO, loadgen.TagPrefill, loadgen.TagDecode}
		between := known && m.Streamed && !slices.Contains(first, m.Tag)
		switch {
		case known && m.Streamed && 2*whole > valid:
			return fmt.Sprintf("%s (%d of %d answers were not streamed: the server or a proxy sends them whole)", m.Name(), whole, valid)
		case between && burst > spread:
			return fmt.Sprintf("%s (every token of %d in %d answers came in one read: a proxy buffers them)", m.Name(), burst, burst+spread)
		}
	}
	for k, tag := range metrics {
		m, _ := loadgen.LookupMetric(tag)
		switch valueless := k < len(p.read) && math.IsNaN(p.read[k].Value); {
		case valueless && m.Absent() != "":
			return fmt.Sprintf("%s (%s)", m.Name(), m.Absent())
		case valueless && !has[tag], k >= len(p.read) && valid > 0 && !has[tag]:
			return fmt.Sprintf("%s (none of %d successful requests has one)", cmp.Or(m.Name(), tag), p.Observed.Requests-p.failed)
		}
	}
	return ""
}
