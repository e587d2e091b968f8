package recipes

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// Spec is everything that a run needs besides its recipe. It needs a Target or a
// Prober; the zero value of any other field is a default. In Outcome.Spec it says what
// was used, with the defaults filled in.
type Spec struct {
	// Target is the endpoint. Only its GPUs and Price are read when Prober is set.
	Target loadgen.Target
	// Workload has the lengths, the size and the seed of a normal probe, and in its own
	// Workload the laws of the lengths and what requests share. What the plan varies, which
	// is mostly the concurrency, comes from the plan instead.
	Workload loadgen.Load
	// Inputs are those of the recipe.
	Inputs Inputs
	// Trials is the number of measurements in a probe; 0 means 1.
	Trials int
	// Converge adds trials at the points of a sweep until a metric is known well
	// enough; nil means none.
	Converge *Convergence

	// AtLeast is the load that the answer must reach for the verdict Met, in requests in
	// flight or, of a plan over the request rate, in requests a second; 0 means that any
	// answer will do. LeastRate takes its place for rates that are no whole numbers; 0 means
	// AtLeast.
	AtLeast   int
	LeastRate float64
	// Confidence is the probability, between 0.5 and 1, from which the verdict on a
	// probe is certain; 0 means plan.DefaultConfidence.
	Confidence float64
	// FullProbes measures every probe to its end. If false, a probe that exists for
	// its verdict alone ends once that is certain.
	FullProbes bool

	// Prober runs the probes. If nil, they are HTTP load on Target.
	Prober Prober
	// Spread, if not nil and there is no Prober, returns what puts the load on the run's target
	// from somewhere else than this process, for example a remote.Pool. It is called once a
	// run, when the outcome has its Spec and its Plan, and nothing else.
	Spread func(context.Context, *Outcome) (Prober, error)
	// Who is what others are told of this run while they wait for what it holds, for example
	// the test's name and its process; empty if there is nothing to say.
	Who string
	// Setup, if not nil, prepares the server for a point, for example by a restart with
	// other settings. It is called before the first probe and whenever the values under
	// PathServer differ from those of the probe before or, if none are varied, whenever any
	// value does. at has all values of the point. No load runs meanwhile, and behind it the
	// server has the target's time to be ready again. An error ends the run.
	Setup func(ctx context.Context, at map[Path]float64) error
	// Observe, if not nil, is called before the first probe, after each, and at the
	// end. Its error becomes a warning.
	Observe func(*Outcome) error
	// Resume is an interrupted run of the same question to continue; nil means to
	// start from the beginning.
	Resume *Outcome
	// Baseline is a finished run of the same question. The search starts from its
	// boundary; nil means that there is none.
	Baseline *Outcome
	// Gate asks only whether the boundary is still where an earlier run found it. If
	// nil, the boundary is searched for.
	Gate *Gate
	// Precise continues a sequential search until half the boundary's 95% interval is
	// at most this share of it. 0 means to end when the style does.
	Precise float64
	// paced says that a probe at a rate is as long as the rate, or its schedule, asks for,
	// since the user has not said how many requests it has.
	paced bool
	// Note is what every report must say about this run, for example that the server
	// is simulated.
	Note string
	// Label names the run beside its recipe, for example "nightly" or "fp8". It stands in
	// the first line of the finding and in the title of the page; empty means none.
	Label string
	// Facts are what else is to be known of the run when it is one of many, by name, for
	// example the version of a driver or the server's arguments. They change nothing of what
	// is measured; nil means none.
	Facts map[string]string
}

// Prober runs one probe: it turns a load into a measurement. loadgen.Generator does it
// over HTTP. Tests plug in analytic response surfaces, and other executors can be
// added without changing a planner.
//
// A Prober may also have any of these methods, which are called if it does:
//
//	Ready(context.Context) error    before the first probe
//	Server() loadgen.Server         after Ready; what the endpoint says about itself
//	Where() string                  after Ready; where the load comes from, for reports
//	Alive(context.Context) error    after a probe of which every request failed
//	Rest()                          to end the load that is kept up between probes
//	Close() error                   at the end of the run
type Prober interface {
	// Probe measures at the load. It may keep up that load until the next Probe, the
	// end of the context, or Close. The Decider may be nil; otherwise it is told
	// about each request, and may end the probe.
	Probe(context.Context, loadgen.Load, loadgen.Decider) (*loadgen.Measurement, error)
}

// complete fills in defaults.
func (s *Spec) complete(p *Plan) {
	s.Target.NoStream = s.Target.NoStream || !s.Inputs.streaming()
	if api := s.Target.Speaks(); s.Prober == nil && api.Name != "" {
		s.Target.NoStream = s.Target.NoStream || !api.Streams
	}
	s.Trials = max(s.Trials, 1)
	if s.Confidence == 0 {
		s.Confidence = plan.DefaultConfidence
	}
	s.open(p)
	w := &s.Workload
	w.ISL = cmp.Or(w.ISL, loadgen.DefaultISL)
	w.OSL = cmp.Or(w.OSL, loadgen.DefaultOSL)
	if s.Tokenless() {
		w.OSL = 1 // one result; there is no other length
	}
	// The verdict of two seconds knows nothing of a stall each ten. A search sees its answer again at other
	// times, a grid goes through its points twice, and who says how many requests a probe has, that it
	// is shorter, or that it is repeated, has said how long it lasts.
	said := w.Requests > 0 || 0 < w.Window && w.Window < leastVerdict || s.repeats() || s.Gate != nil || w.Workload.Timed()
	if p.Search == nil && p.Passes < 2 && len(p.Limits) > 0 && !said {
		w.Least = cmp.Or(w.Least, leastVerdict)
	}
	w.Requests = cmp.Or(w.Requests, loadgen.DefaultRequests)
	if p.Search != nil && p.Search.Time > 0 {
		// Who says how long a probe may take, or how often it is made, has the time for it. So
		// have several tiers, and a gate and its baseline, whose false alarms rest on the length
		// of their visits.
		if w.Window > 0 || s.repeats() || len(p.Tiers) > 1 || s.Gate != nil || s.Precise > 0 {
			p.Search.Time = 0
		} else {
			w.Window = searchWindow
		}
	}
	w.Window = cmp.Or(w.Window, loadgen.DefaultWindow)
	w.SLO = p.SLO
	if p.Search != nil || s.repeats() || w.Requests < p.Passes*leastOfPass {
		p.Passes = 1
	}
}

// repeats reports that each probe is repeated on the user's word: by trials, or until they converge.
func (s *Spec) repeats() bool { return s.Trials > 1 || s.Converge != nil }

// leastVerdict is how long a load is measured at least on whose one visit a verdict rests.
const leastVerdict = 10 * time.Second

// leastOfPass is how many requests a visit has at least where points are visited in passes: of fewer, a
// p95 is decided by less than five.
const leastOfPass = 100

// load returns the workload at the point of a step, with the size that the step asks
// for. A length that the plan varies takes the place of a law of the same length, in all
// kinds of requests; what requests share, and the models that they ask for, stay.
func (s *Spec) load(p *Plan, step plan.Step) loadgen.Load {
	l := s.Workload
	if p.Search != nil {
		for _, v := range p.Search.With {
			l = setTo(l, v.Path, v.Value)
		}
	}
	for i, path := range p.Paths() {
		l = setTo(l, path, step.At[i])
	}
	if l.Concurrency == 0 && l.Rate == 0 {
		l.Concurrency = s.Workload.Concurrency
	}
	if s.paced && len(l.Workload.Stages) > 0 {
		l.Requests = l.Due()
	} else if s.paced {
		l.Requests = max(l.Requests, int(math.Ceil(l.Rate*leastPaced.Seconds())))
	}
	if step.Size > 0 && len(l.Workload.Stages) == 0 { // a schedule is sent whole
		l.Requests = int(math.Ceil(float64(l.Requests) * step.Size))
		l.Window = time.Duration(float64(l.Window) * step.Size)
		l.Least = time.Duration(float64(l.Least) * step.Size)
	}
	return l
}

// setTo returns the load with the value of one path. Paths of the server change nothing, and
// those of the workload have been found settable.
func setTo(l loadgen.Load, path Path, v float64) loadgen.Load {
	switch path {
	case PathConcurrency:
		l.Concurrency = int(v)
	case PathRate:
		l.Rate = v
	case PathISL:
		l.ISL, l.Workload = int(v), l.Workload.Fixed(int(v), 0)
	case PathOSL:
		l.OSL, l.Workload = int(v), l.Workload.Fixed(0, int(v))
	default:
		if name, ok := strings.CutPrefix(path, PathBody); ok {
			return withField(l, name, v)
		}
		l.Workload, _ = numbered(l.Workload, path, v) // found settable, before anything was sent
	}
	return l
}

// validate checks what does not depend on the recipe's inputs, and what of them
// contradicts the plan: a question whose answer is known before it is asked.
func (s *Spec) validate(p *Plan) error {
	w := s.Workload
	switch {
	case s.Trials < 0:
		return wrong(inputTrials, "%d is negative; give at least 1", s.Trials)
	case s.AtLeast < 0:
		return wrong(inputAtLeast, "%d is negative; give a concurrency of at least 1", s.AtLeast)
	case s.LeastRate < 0 || math.IsNaN(s.LeastRate) || math.IsInf(s.LeastRate, 0):
		return wrong(inputAtLeast, "%v is no rate; give requests a second, above 0", s.LeastRate)
	case w.ISL < 0 || w.OSL < 0:
		return wrong(inputTokens, "%d and %d tokens cannot be; give lengths of at least 1", w.ISL, w.OSL)
	case w.Requests < 0:
		return wrong(inputRequests, "%d is negative; give at least 1", w.Requests)
	case w.Window < 0:
		return wrong(inputProbeTime, "%v is negative; give how long a probe may take", w.Window)
	case s.Confidence != 0 && !(s.Confidence > 0.5 && s.Confidence < 1):
		return wrong(inputConfidence, "%v is not a probability between 0.5 and 1", s.Confidence)
	case s.Target.Prompts != "" && slices.Contains(p.Paths(), PathISL):
		return inputError([]Input{inputPrompts}, "sweeps prompt lengths and cannot send prompts from a file; leave out %s", inputPrompts)
	case s.Prober == nil && s.Target.URL == "":
		return inputError([]Input{inputEndpoint}, "has no endpoint to load: give %s, or a Prober", inputEndpoint)
	}
	return cmp.Or(s.arrives(p), s.reachable(p), s.valued(p))
}

// The next two checks need the defaults of no field, so that they may run before complete.

// reachable refuses an AtLeast that no point of the plan reaches.
func (s *Spec) reachable(p *Plan) error {
	least := s.least(p)
	if least == 0 {
		return nil
	}
	highest, what := 0.0, "the search's range"
	if p.Search == nil {
		what = "the list of loads"
	}
	for k, path := range p.Paths() {
		if path != PathConcurrency && path != PathRate {
			continue
		}
		if p.Search != nil {
			highest = max(highest, p.Search.Space[k].Hi)
			continue
		}
		for _, at := range p.points() {
			highest = max(highest, at[k])
		}
	}
	if highest > 0 && least > highest {
		return inputError([]Input{inputAtLeast}, "cannot reach %s(%s): %s ends at %s; ask for less, or measure more", inputAtLeast,
			number(least), what, number(highest))
	}
	return nil
}

// valued refuses limits that can have no value with this workload, whatever the server, and
// limits that no search can look for the end of.
func (s *Spec) valued(p *Plan) error {
	between := []string{loadgen.TagITL, loadgen.TagICL, loadgen.TagTTST, loadgen.TagPerUser}
	asked := slices.Collect(maps.Keys(p.SLO))
	floors := 0
	for k, l := range p.Limits {
		asked = append(asked, l.Metric)
		if p.floor(k) {
			floors++
		}
		// A prober of the user's own may know which request is good.
		if p.SLO == nil && s.Prober == nil && (l.Metric == loadgen.TagGoodput || l.Metric == loadgen.TagGoodShare) {
			return wrong(inputSLA, "%q has no value here: no limits say which request is good; give them with %s", l.String(), inputSLO)
		}
		if priced := l.Metric == loadgen.TagCost || l.Metric == loadgen.TagTotalCost; priced && s.Prober == nil && s.Target.Price == 0 {
			return wrong(inputSLA, "%q has no value here: the price of a GPU is not known; set Target.Price", l.String())
		}
	}
	for _, tag := range asked {
		if slices.Contains(between, tag) && s.Workload.OSL == 1 && !slices.Contains(p.Paths(), PathOSL) {
			m, _ := loadgen.LookupMetric(tag)
			return wrong(inputTokens, "%s has no value for answers of 1 token; ask for 2 or more", m.Name())
		}
	}
	if p.Search != nil && p.Search.Boundary && floors > 0 && floors == len(p.Limits) {
		return wrong(inputSLA, "%q holds from some load up and breaks at none above it, so that there is no largest load to search for; "+
			"add a limit on latency", p.Limits[0].String())
	}
	return nil
}
