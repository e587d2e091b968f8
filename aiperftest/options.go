package aiperftest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/recipes/sla"
	"github.com/aiperf-go/aiperf/report/history"
)

// Option sets one thing of a run. The order of options does not matter, except that
// the later of two options which set the same thing wins. Endpoint, Header, Body, SLA, SLO
// and Tier add instead. The package comment lists all options by group.
type Option interface{ apply(*config) }

// Options is a list of options, and an option itself, so that the tests of a package
// can share a variable. Nil entries are ignored.
type Options []Option

func (os Options) apply(c *config) {
	for _, o := range os {
		if o != nil {
			o.apply(c)
		}
	}
}

type option func(*config)

func (f option) apply(c *config) { f(c) }

// Endpoint sets the base URL of the endpoint, with or without /v1 or another version
// (/api/v3), or the URL of the whole route. A user and a password in it are sent as basic
// auth, and its query with every request; a Unix socket is unix:///run/server.sock. Given
// several times, requests go to all endpoints in turn. Default: AIPERF_URL. AIPerf: --url.
func Endpoint(url string) Option {
	return option(func(c *config) {
		if t := &c.spec.Target; t.URL == "" {
			t.URL = url
		} else {
			t.Others = append(t.Others, url)
		}
	})
}

// Model names the served model. Default: AIPERF_MODEL, or the only entry of
// /v1/models if that is not set.
func Model(name string) Option { return option(func(c *config) { c.spec.Target.Model = name }) }

// APIKey sets the bearer token. It never reaches a file or a log. Default:
// AIPERF_API_KEY.
func APIKey(key string) Option { return option(func(c *config) { c.spec.Target.APIKey = key }) }

// Header adds a request header; Host is taken, too. Its value never reaches a file or a
// log.
func Header(key, value string) Option {
	return option(func(c *config) {
		if c.spec.Target.Header == nil {
			c.spec.Target.Header = http.Header{}
		}
		c.spec.Target.Header.Add(key, value)
	})
}

// Body adds fields to the body of each request, or overrides the run's own, for example
// temperature, chat_template_kwargs, or another model name (a LoRA adapter). A nil value
// leaves a field out. Only the prompt cannot be overridden. AIPerf: --extra-inputs.
func Body(fields map[string]any) Option {
	return option(func(c *config) {
		if c.spec.Target.Body == nil {
			c.spec.Target.Body = map[string]any{}
		}
		maps.Copy(c.spec.Target.Body, fields)
	})
}

// SamePrompts sends the same prompts in every run and at every request, so that a
// server's prefix cache takes effect. Without it, each prompt begins with words of its own.
func SamePrompts() Option { return option(func(c *config) { c.spec.Target.SamePrompts = true }) }

// CAFile names a PEM file of authorities that are trusted beside the system's.
func CAFile(path string) Option { return option(func(c *config) { c.spec.Target.CAFile = path }) }

// Insecure trusts every certificate of the endpoint.
func Insecure() Option { return option(func(c *config) { c.spec.Target.Insecure = true }) }

// ClientCert names the PEM files of the certificate that the client shows, and of
// its key. keyFile may be empty if certFile holds both.
func ClientCert(certFile, keyFile string) Option {
	return option(func(c *config) { c.spec.Target.CertFile, c.spec.Target.KeyFile = certFile, keyFile })
}

// ServerMetrics names the pages of metrics, in Prometheus' text form, of the servers behind
// the endpoint, for example of each replica behind a gateway: http://replica-0:8000/metrics.
// What they count is summed. Without it, each endpoint is asked for its own page at /metrics;
// with no URL, none is read. A page of an exporter of GPUs, for example http://node:9400/metrics,
// stands beside the others. docs/server-metrics.md says what is made of them. AIPerf:
// --server-metrics, --no-server-metrics, --gpu-telemetry.
func ServerMetrics(urls ...string) Option {
	return option(func(c *config) { c.spec.Target.Metrics = append([]string{}, urls...) })
}

// GPUs sets how many GPUs serve the endpoint, or all of several together, for throughput of a
// GPU, energy of a token and costs. Default: those that a page of an exporter of GPUs shows,
// which ServerMetrics names. docs/server-metrics.md says how they are told apart.
func GPUs(n int) Option {
	return option(func(c *config) {
		c.spec.Target.GPUs = n
		c.nonzero("GPUs", n != 0, "0: give the number of GPUs that serve the endpoint, or leave the option out")
	})
}

// Price sets what one GPU costs an hour, in any currency: the cost of a million tokens is then
// reported, and can be limited, for example by SLA("cost < 2.5"). Default: costs are not known.
func Price(perGPUHour float64) Option {
	return option(func(c *config) {
		c.spec.Target.Price = perGPUHour
		c.nonzero("Price", perGPUHour != 0, "0: give the price of a GPU-hour, or leave the option out")
	})
}

// Timeout sets how long a request may last before it has failed. Default: 6 hours. AIPerf:
// --request-timeout-seconds.
func Timeout(d time.Duration) Option { return option(func(c *config) { c.spec.Target.Timeout = d }) }

// IdleTimeout sets how long a request may go without receiving anything before it has
// failed. Default: 5 minutes, or twice ProbeTime if that is longer.
func IdleTimeout(d time.Duration) Option {
	return option(func(c *config) { c.spec.Target.IdleTimeout = d })
}

// EndpointType chooses the API: "chat" (the default), "completions", "responses",
// "messages" (Anthropic's), "embeddings", "rerank", or that of a codec of one's own, see
// package loadgen/codec. A URL that names a whole route chooses it by itself. AIPerf:
// --endpoint-type.
func EndpointType(protocol string) Option {
	return option(func(c *config) { c.spec.Target.Protocol = protocol })
}

// Streaming asks for event streams (the default) or, with false, for whole
// answers; TTFT and ITL then have no values, and recipes on them are refused.
func Streaming(on bool) Option { return option(func(c *config) { c.spec.Inputs.Streaming = &on }) }

// Tokenizer sets the path of the model's tokenizer.json (byte-level BPE: GPT-2,
// Llama 3, Qwen 2 and their kin). It counts prompts and answers where the server
// reports no usage; without it they are estimated. AIPerf: --tokenizer.
func Tokenizer(path string) Option {
	return option(func(c *config) { c.spec.Target.Tokenizer = path })
}

// Ready sets how long to wait for an endpoint that is not ready, before the first probe
// and when it is lost in mid-run. Default: 2 minutes.
func Ready(d time.Duration) Option {
	return option(func(c *config) {
		c.spec.Target.ReadyTimeout = d
		c.nonzero("Ready", d != 0, "0: give how long to wait, for example time.Second")
	})
}

// Simulated runs against the embedded server instead of an endpoint. Every
// report then says so. The zero Model is valid.
func Simulated(m simserver.Model) Option { return option(func(c *config) { c.simulated = &m }) }

// TTFT limits the time to first token: p95 below d (per request for
// max-goodput-under-slo). AIPerf: --ttft-sla-ms.
func TTFT(d time.Duration) Option { return option(func(c *config) { c.spec.Inputs.TTFT = millis(d) }) }

// ITL limits the inter-token latency: p95 below d. AIPerf: --itl-sla-ms.
func ITL(d time.Duration) Option { return option(func(c *config) { c.spec.Inputs.ITL = millis(d) }) }

// TPOT is another name of ITL. AIPerf: --tpot-sla-ms.
func TPOT(d time.Duration) Option { return option(func(c *config) { c.spec.Inputs.TPOT = millis(d) }) }

// E2E limits the request latency: p99 below d. AIPerf: --e2e-sla-ms.
func E2E(d time.Duration) Option { return option(func(c *config) { c.spec.Inputs.E2E = millis(d) }) }

// ErrorRate limits the share of failed requests, a fraction in (0, 1): 0.01 is
// 1%. AIPerf: --error-rate-sla.
func ErrorRate(fraction float64) Option {
	return option(func(c *config) { c.spec.Inputs.ErrorRate = &fraction })
}

// Attainment sets the share of requests that must be good, a fraction in (0, 1].
// Default: 0.95. AIPerf: --slo-attainment-fraction.
func Attainment(fraction float64) Option {
	return option(func(c *config) { c.spec.Inputs.Attainment = &fraction })
}

// SLA adds limits in text, for example "request_latency p99 < 2s" or "errors <= 1%";
// AIPerf's tag:stat:op:threshold works too. See sla.ParseLimit.
func SLA(limits ...string) Option {
	return option(func(c *config) {
		for _, text := range limits {
			l, err := sla.ParseLimit(text)
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			c.spec.Inputs.Limits = append(c.spec.Inputs.Limits, l)
		}
	})
}

// SLO says which single request is good, with one or several upper limits in text, for
// example SLO("ttft < 200ms") or SLO("ttft < 200ms", "itl < 20ms", "e2e < 5s"). It works
// with every recipe and every load: goodput and the share of good requests are measured,
// and can be limited, for example by SLA("good >= 95%"). In max-goodput-under-slo it stands
// beside TTFT, ITL and E2E or in their place. The ITL of an answer that came in one read is taken
// to be its latency, shared among the tokens. See sla.ParseSLO. AIPerf: --goodput.
func SLO(limits ...string) Option {
	return option(func(c *config) {
		for _, text := range limits {
			tag, threshold, err := sla.ParseSLO(text)
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			if c.spec.Inputs.SLO == nil {
				c.spec.Inputs.SLO = map[string]float64{}
			}
			c.spec.Inputs.SLO[tag] = threshold
		}
	})
}

// Rate bounds the search of a recipe over the request rate, in requests a second. Default:
// 1 to 1000. AIPerf: --request-rate, --search-space.
func Rate(lo, hi float64) Option {
	return option(func(c *config) { c.spec.Inputs.Rate = [2]float64{lo, hi} })
}

// Arrival chooses how requests at a rate arrive: "poisson" (the default), "constant",
// "gamma" or "gamma:SHAPE", where a shape below 1, by default 0.5, is burstier than
// poisson. AIPerf: --arrival-pattern, --arrival-smoothness.
func Arrival(process string) Option {
	return option(func(c *config) { c.spec.Workload.Arrival = process })
}

// MostInFlight limits what is in flight at a rate: requests that are due then wait for one to
// end. A rate that is not reached so is missed. Default: no limit. AIPerf: --concurrency
// beside --request-rate.
func MostInFlight(n int) Option {
	return option(func(c *config) { c.spec.Workload.MostInFlight = n })
}

// AtLeast turns an answer into an assertion: the run is met only if the answer reaches
// this load, in requests in flight or, of a recipe over the request rate, in requests a
// second. Default: any answer is met.
func AtLeast[N int | float64](load N) Option {
	return option(func(c *config) {
		c.spec.AtLeast, c.spec.LeastRate = int(math.Ceil(float64(load))), float64(load)
		c.nonzero("AtLeast", load != 0, "0: any answer reaches that; give a load above 0, or leave the option out")
	})
}

// Tier adds a set of limits with a boundary of its own: one search answers all of
// its 2 to 10 tiers. AIPerf: --search-sla-tier.
func Tier(label string, limits ...string) Option {
	return option(func(c *config) {
		t := recipes.Tier{Label: label}
		for _, text := range limits {
			l, err := sla.ParseLimit(text)
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			t.Limits = append(t.Limits, l)
		}
		c.spec.Inputs.Tiers = append(c.spec.Inputs.Tiers, t)
	})
}

// Tokens sets the lengths of prompts and answers, the same for all requests. Default: 550
// in, 128 out. A length that the recipe sweeps takes precedence. AIPerf: --isl, --osl.
func Tokens(isl, osl int) Option {
	return option(func(c *config) {
		w := &c.spec.Workload
		w.ISL, w.OSL, w.Workload = isl, osl, w.Workload.Fixed(isl, osl)
		c.nonzero("Tokens", isl != 0 && osl != 0, "%d, %d: give lengths of at least 1", isl, osl)
	})
}

// Workload says what requests are like where they are not all of one length: laws of the
// lengths, a system prompt and prefixes that prompts share, conversations with turns and time
// to think, requests that are given up, models or LoRA adapters with weights, body fields,
// images. Package loadgen/workload has the laws and describes the
// fields; what w does not say is as without it. A request depends on Seed and on its number
// alone, so that two runs of one seed send the same lengths in the same order.
//
//	aiperftest.Workload(loadgen.Workload{
//		ISL:      workload.LogNormal(550, 300).Between(16, 4096),
//		OSL:      workload.Normal(128, 40),
//		Prefixes: []workload.Prefix{{Groups: 3, Tokens: 512, Share: 0.6}},
//	})
//
// Of lengths in Tokens and in w, those that are given later win. AIPerf: --isl-stddev,
// --osl-stddev, --seq-dist, --shared-system-prompt-length, --num-prefix-prompts,
// --conversation-turn-mean, --conversation-turn-delay-mean, --request-cancellation-rate.
func Workload(w loadgen.Workload) Option {
	return option(func(c *config) { c.spec.Workload.Workload = w })
}

// Prompts sends the requests of a file, in its order and as they are, in place of
// made-up ones: texts, conversations, request bodies and traces in the forms of other
// load generators, which docs/inputs.md lists. A length of the answer that the file has
// replaces that of Tokens. Recipes that sweep prompt lengths refuse it. It is short for the
// File of a Workload, which also has another order, the recorded times, and lines that
// cannot be read. AIPerf: --input-file.
func Prompts(path string) Option { return option(func(c *config) { c.spec.Target.Prompts = path }) }

// Requests sets how many requests a probe measures. Default: 300; where a verdict rests on one
// visit, as that of a fixed load, also as many more as are sent in ten seconds. A probe with more
// than half as many requests in flight measures two per slot. Requests(0) is the default
// again, where shared options have another number.
func Requests(n int) Option { return option(func(c *config) { c.spec.Workload.Requests = n }) }

// ProbeTime bounds the measured window of a probe. Default: one minute. A search that
// leaves it unset has probes of 18 seconds at most, and ends within some four minutes; with
// ProbeTime it takes as long as it needs.
func ProbeTime(d time.Duration) Option {
	return option(func(c *config) {
		c.spec.Workload.Window = d
		c.nonzero("ProbeTime", d != 0, "0: give how long a probe may take, for example 30*time.Second")
	})
}

// Style chooses how an adaptive recipe searches. Default: the recipe's own, bo or
// smooth_isotonic. AIPerf: --search-style.
func Style(s recipes.Style) Option { return option(func(c *config) { c.spec.Inputs.Style = s }) }

// Concurrency bounds the search or the sweep, in requests in flight. Default: 1 to
// 1000, and 1 to 200 for decode-itl-curve. AIPerf: --concurrency-min,
// --concurrency-max.
func Concurrency(lo, hi int) Option {
	return option(func(c *config) { c.spec.Inputs.Concurrency = recipes.Bounds{Min: &lo, Max: &hi} })
}

// Steps sets the grid steps of the recipe's first axis, 2 to 1000, log-spaced.
// Default: 8, and 6 for decode-itl-curve's concurrencies. AIPerf:
// --concurrency-steps, --isl-steps.
func Steps(n int) Option { return option(func(c *config) { c.spec.Inputs.Steps = &n }) }

// OSLSteps sets the grid steps of decode-itl-curve's answer lengths, 2 to 1000,
// log-spaced. Default: 4. AIPerf: --osl-steps.
func OSLSteps(n int) Option { return option(func(c *config) { c.spec.Inputs.OSLSteps = &n }) }

// ConcurrencyList sets the concurrencies of pareto-sweep. Default: 1, 4, 16, 64,
// 256. AIPerf: --concurrency.
func ConcurrencyList(concurrencies ...int) Option {
	return option(func(c *config) { c.spec.Inputs.ConcurrencyList = append([]int{}, concurrencies...) })
}

// Pairs sets the workload shapes of pareto-sweep, prompt and answer lengths in
// tokens, for example "128/128,512/256". AIPerf: --isl-osl-pairs.
func Pairs(pairs string) Option { return option(func(c *config) { c.spec.Inputs.Pairs = &pairs }) }

// ISL bounds the prompt lengths of prefill-ttft-curve, in tokens. Default: 256 to
// 32,768. AIPerf: --isl-min, --isl-max.
func ISL(lo, hi int) Option {
	return option(func(c *config) { c.spec.Inputs.ISL = recipes.Bounds{Min: &lo, Max: &hi} })
}

// OSL bounds the answer lengths of decode-itl-curve, in tokens. Default: 64 to
// 1024. AIPerf: --osl-min, --osl-max.
func OSL(lo, hi int) Option {
	return option(func(c *config) { c.spec.Inputs.OSL = recipes.Bounds{Min: &lo, Max: &hi} })
}

// Degradation sets the share by which concurrency-ramp's metric may rise above its
// value at the lowest concurrency, a fraction, and which metric that is, for example
// Degradation(0.2, "ttft p95"). Default: 0.20 of "e2e p99". AIPerf: --degradation-threshold,
// --degradation-metric-tag, --degradation-stat.
func Degradation(fraction float64, of ...string) Option {
	return option(func(c *config) {
		c.spec.Inputs.Degradation = &fraction
		if of = strings.Fields(strings.Join(of, " ")); len(of) > 0 {
			c.spec.Inputs.DegradationMetric, c.spec.Inputs.DegradationStat = of[0], strings.Join(of[1:], " ")
		}
	})
}

// Input sets an input that the recipe declares itself, of the type that it says. AIPerf has
// none.
func Input(name string, value any) Option {
	return option(func(c *config) {
		if c.spec.Inputs.Own == nil {
			c.spec.Inputs.Own = map[recipes.Input]any{}
		}
		c.spec.Inputs.Own[recipes.Input(name)] = value
	})
}

// MaxProbes bounds the distinct points of a search, 2 to 200. Default: 30, and 20
// for style monotonic. AIPerf: --search-max-iterations.
func MaxProbes(n int) Option { return option(func(c *config) { c.spec.Inputs.MaxProbes = &n }) }

// InitialPoints sets how many points bo and optuna spread before they model, 1 to
// 199 and fewer than MaxProbes. Over one value they ascend, and the first that fails is
// the last. Default: 5. AIPerf: --search-initial-points.
func InitialPoints(n int) Option { return option(func(c *config) { c.spec.Inputs.InitialPoints = &n }) }

// Replicates sets how often style smooth_isotonic probes its answer at least, 0
// to 20, before it ends. Default: as often as it takes for the verdict to be certain.
// AIPerf: sla_replicates in its configuration file.
func Replicates(n int) Option { return option(func(c *config) { c.spec.Inputs.Replicates = &n }) }

// Trials sets how many measurements a probe takes, at least 1. They are pooled.
// Default: 1. AIPerf: --num-profile-runs.
func Trials(n int) Option { return option(func(c *config) { c.spec.Trials = n; c.trials = true }) }

// Converge takes further trials at each point of a sweep or a fixed load until a
// metric's 95% confidence interval is within the given share of its mean, but no more
// than ten. A criterion takes the place of the interval, "ci_width": the trials' coefficient
// of variation, "cv", or "distribution", which compares the requests of the last trial with
// those of the others; see recipes.Convergence. AIPerf: --convergence-metric,
// --convergence-stat, --convergence-threshold, --convergence-mode.
func Converge(metric, stat string, within float64, criterion ...string) Option {
	return option(func(c *config) {
		c.spec.Converge = &recipes.Convergence{Metric: metric, Stat: stat, Within: within, Criterion: strings.Join(criterion, " ")}
	})
}

// Seed fixes prompts, initial points and everything else that is random. Default:
// AIPERF_SEED, or a new seed, which is printed, if that is not set.
func Seed(n uint64) Option {
	return option(func(c *config) { c.spec.Workload.Seed, c.seeded = n, true })
}

// Sampler chooses the sampler of style optuna, "tpe" or "gp". AIPerf:
// --optuna-sampler.
func Sampler(name string) Option { return option(func(c *config) { c.spec.Inputs.Sampler = name }) }

// Confidence sets how certain a probe's verdict must be, a probability between 0.5
// and 1. Default: 0.98.
func Confidence(p float64) Option {
	return option(func(c *config) {
		c.spec.Confidence = p
		c.nonzero("Confidence", p != 0, "0: give a probability between 0.5 and 1")
	})
}

// ReportOnly reports the finding without failing the test, so that the caller can
// make assertions of its own.
func ReportOnly() Option { return option(func(c *config) { c.reportOnly = true }) }

// Label names the run beside its recipe, for example "nightly" or "fp8": in the first line of
// the finding and in the title of the page. With a value it is a fact of the run instead, for
// example Label("driver", "570.86") or Label("args", "--max-num-seqs=64"), of which there may be
// several; facts stand on the page and in the History.
func Label(text string, value ...string) Option {
	return option(func(c *config) {
		if len(value) == 0 {
			c.spec.Label = text
			return
		}
		if _, err := history.Key(text); err != nil {
			c.errs = append(c.errs, fmt.Errorf("use aiperftest.Label(%q, …): %w", text, err))
			return
		}
		c.spec.Facts = maps.Clone(c.spec.Facts) // Options are shared
		if c.spec.Facts == nil {
			c.spec.Facts = map[string]string{}
		}
		c.spec.Facts[text] = strings.Join(value, " ")
	})
}

// History adds the run to the file at path, or to history.txt where path is a folder, as
// benchmark lines with the date, the facts of Label and the commit; benchstat reads the file. It
// writes history.html beside the run's other files, with a chart of each metric over the last
// 60 runs and the changes of their levels.
//
// With a rule it is a gate, too: the run is missed if it is worse than those before it, by more
// than such runs differ from day to day. The zero Rule is wrong about 1% of the runs of an
// unchanged server at most, and finds a loss of 10% within two runs where they scatter by 3%.
// A run with AIPERF_UPDATE_BASELINE=1 begins a new level. See package report/history.
func History(path string, worseThan ...history.Rule) Option {
	return option(func(c *config) { c.past = &past{path: path, rules: slices.Clone(worseThan)} })
}

// Charts draws the run's charts (the default) or, with false, leaves them out.
func Charts(on bool) Option { return option(func(c *config) { c.noCharts = !on }) }

// Slices cuts the time of each probe into parts of length d, for AIPerf's files of time slices
// and a chart of TTFT, throughput and requests waiting over the probe that is shown. Default:
// none. AIPerf: --slice-duration.
func Slices(d time.Duration) Option { return option(func(c *config) { c.slice = d }) }

// Resume continues an interrupted run of the same recipe from its
// search_history.json, and only measures the probes that it lacks. A file of another
// recipe, workload, endpoint, model or version is refused, and so is one of a finished
// run, or one of more than a day ago. If there is no file at the path, the run starts from
// the beginning.
func Resume(path string) Option { return option(func(c *config) { c.resume = path }) }

// Baseline starts from the answer in an earlier search_history.json of the same
// recipe, model and workload: an unchanged server is confirmed in a few probes.
// It implies style sequential unless another is set.
func Baseline(path string) Option { return option(func(c *config) { c.baseline = path }) }

// Tolerance sets the share by which a gate's capacity may fall, or one of its metrics
// may be worse, without failing: a fraction between 0 and 1. Default: 0.05. See Gate
// and Compare.
func Tolerance(fraction float64) Option { return option(func(c *config) { c.tolerance = fraction }) }

// Artifacts sets the directory of the run's files. Default, also of "": a folder of the test
// under AIPERF_ARTIFACTS or, if that is not set, the test's own artifact directory. Further
// forms are written beside AIPerf's: "llm-d" is llm-d's benchmark report, version 0.2, of each
// trial. AIPerf: --artifact-dir.
func Artifacts(dir string, forms ...string) Option {
	return option(func(c *config) {
		c.artifacts, c.llmd = dir, slices.Contains(forms, "llm-d")
		for _, form := range forms {
			if form != "llm-d" {
				c.errs = append(c.errs, fmt.Errorf("use aiperftest.Artifacts(%q, %q): there is no such form of a run's files; "+
					`use "llm-d", or none`, dir, form))
			}
		}
	})
}

// Context bounds the run by ctx instead of the test's own context, for example by
// Ginkgo's SpecContext.
func Context(ctx context.Context) Option { return option(func(c *config) { c.ctx = ctx }) }

// Prober replaces the HTTP load generator. Such runs are not serialized per endpoint,
// may be cached by go test, and handle signals only through Context.
func Prober(p recipes.Prober) Option { return option(func(c *config) { c.spec.Prober = p }) }

// Workers lets processes on other machines carry the load, each an aiperf-worker at host:port.
// Everything else is as without them, and stays in this process. Their keys are in the
// directory that AIPERF_WORKER_KEYS names; without keys, workers are on this machine. Default:
// AIPERF_WORKERS, with commas. See docs/workers.md.
func Workers(addrs ...string) Option {
	return option(func(c *config) { c.workers = append([]string{}, addrs...) })
}

// Spread lets what spread returns carry the load on the endpoint, for example pods of a cluster
// (kube.Pods). It is given the run's Spec and Plan. Unlike with a Prober, runs take turns, handle
// signals and are kept out of the test cache, as those of this process. AIPerf: kube sweep.
func Spread(spread func(context.Context, *recipes.Outcome) (recipes.Prober, error)) Option {
	return option(func(c *config) { c.spec.Spread = spread })
}

// Setup prepares the server for each point of a sweep or a search, for example by a restart
// with other settings: at has the point's values by their paths, those of the server's under
// recipes.PathServer. The run waits until the server is ready again. See recipes.Spec.
func Setup(hook func(ctx context.Context, at map[recipes.Path]float64) error) Option {
	return option(func(c *config) { c.spec.Setup = hook })
}

// millis is a duration in milliseconds, the unit of latency limits.
func millis(d time.Duration) *float64 {
	ms := float64(d) / float64(time.Millisecond)
	return &ms
}
