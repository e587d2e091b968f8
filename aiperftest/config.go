package aiperftest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
	"github.com/aiperf-go/aiperf/report"
)

// config is the run that options and environment ask for.
type config struct {
	spec       recipes.Spec
	simulated  *simserver.Model
	seeded     bool
	trials     bool
	reportOnly bool
	artifacts  string
	noCharts   bool
	llmd       bool // write llm-d's report of each trial
	slice      time.Duration
	resume     string
	baseline   string
	tolerance  float64
	past       *past // the history of the run; nil for none
	ctx        context.Context
	talk       talk
	// smoking says that the run is a smoke probe, which leaves no files.
	smoking bool
	// workers are the addresses of the workers that carry the load; nil for none.
	workers []string
	// own are the inputs that were given to this run alone, and in no shared Options.
	own recipes.Inputs
	// filled has what the environment filled in and may be shown: names and values.
	filled [][2]string

	// old is the other endpoint of an A/B run; nil for all other runs.
	old *recipes.Spec
	// judge, if not nil, compares a finished run with another one. old is nil unless the
	// run is an A/B run.
	judge func(old, new *recipes.Outcome)
	// keep, if not nil, writes the baseline once the run has ended, and says in kept
	// what became of it.
	keep func(*recipes.Outcome, error)
	kept string

	// zeros are the errors of options that were given a zero, by their names: a zero would
	// stand for the default, which is hardly what its author meant.
	zeros map[string]error

	// errs are the errors of options and environment; the run reports all of them.
	errs []error
}

// Environment variables that fill in what the code leaves out. Flags of the test
// binary were tried and rejected: `go test ./... -aiperf.url=x` breaks every
// package that does not link the flag.
const (
	envURL       = "AIPERF_URL"
	envModel     = "AIPERF_MODEL"
	envKey       = "AIPERF_API_KEY"
	envArtifacts = "AIPERF_ARTIFACTS"
	envSeed      = "AIPERF_SEED"
	envRequire   = "AIPERF_REQUIRE"
	envUpdate    = "AIPERF_UPDATE_BASELINE"
	envLive      = "AIPERF_LIVE"
	envWorkers   = "AIPERF_WORKERS"
	envKeys      = "AIPERF_WORKER_KEYS"
)

// resolve folds options and environment.
func resolve(opts []Option) *config {
	c := &config{}
	Options(opts).apply(c)
	var alone config
	for _, o := range opts {
		if _, shared := o.(Options); !shared && o != nil {
			o.apply(&alone)
		}
	}
	c.own = alone.spec.Inputs
	if c.live() {
		t := &c.spec.Target
		c.fill(&t.URL, envURL)
		c.fill(&t.Model, envModel)
		t.APIKey = or(t.APIKey, os.Getenv(envKey))
	}
	if !c.seeded {
		c.seed()
	}
	c.spreads()
	c.earlier()
	c.checkHistory()
	for _, name := range slices.Sorted(maps.Keys(c.zeros)) {
		c.errs = append(c.errs, c.zeros[name])
	}
	if c.trials && c.spec.Trials < 1 {
		c.errs = append(c.errs, fmt.Errorf("use aiperftest.Trials(%d): give at least 1", c.spec.Trials))
	}
	return c
}

// nonzero notes the error of an option whose value is not ok, or that the last value of it is.
func (c *config) nonzero(name string, ok bool, format string, args ...any) {
	if ok {
		delete(c.zeros, name)
		return
	}
	if c.zeros == nil {
		c.zeros = map[string]error{}
	}
	c.zeros[name] = fmt.Errorf("cannot use aiperftest.%s(…) with %s", name, fmt.Sprintf(format, args...))
}

// fill sets an empty field to a variable of the environment, and remembers that it did.
func (c *config) fill(field *string, name string) {
	if v := os.Getenv(name); *field == "" && v != "" {
		*field = v
		c.filled = append(c.filled, [2]string{name, v})
	}
}

// earlier reads the files of earlier runs.
func (c *config) earlier() {
	if c.resume != "" {
		o, err := report.ReadHistoryFile(c.resume)
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing to go on from
		case err != nil:
			c.errs = append(c.errs, fmt.Errorf("use aiperftest.Resume(%q): %w", c.resume, err))
		default:
			c.spec.Resume = o
		}
	}
	if c.baseline != "" {
		o, err := report.ReadHistoryFile(c.baseline)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.errs = append(c.errs, fmt.Errorf("use aiperftest.Baseline(%q): there is no such file; run once with aiperftest.Artifacts(dir), "+
				"and give the search_history.json that it leaves there", c.baseline))
			return
		case err != nil:
			c.errs = append(c.errs, fmt.Errorf("use aiperftest.Baseline(%q): %w", c.baseline, err))
			return
		}
		c.spec.Baseline = o
		if c.spec.Inputs.Style == "" {
			c.spec.Inputs.Style = recipes.Sequential
		}
	}
}

// live reports whether the run loads an endpoint that others may load, too.
func (c *config) live() bool { return c.simulated == nil && c.spec.Prober == nil }

// seed takes AIPERF_SEED or, if that is not set, a new seed short enough to be typed.
func (c *config) seed() {
	text := os.Getenv(envSeed)
	if text == "" {
		c.spec.Workload.Seed = uint64(rand.Uint32())
		return
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		c.errs = append(c.errs, fmt.Errorf("read %s=%q: it must be a non-negative integer", envSeed, text))
	}
	c.spec.Workload.Seed = n
}

// required reports whether a test without an endpoint fails instead of being skipped.
func required() bool { return enabled(envRequire) }

// updating reports whether gates write their baselines instead of comparing.
func updating() bool { return enabled(envUpdate) }

// enabled reports whether a variable is set to anything but 0 and false.
func enabled(name string) bool {
	v := strings.ToLower(os.Getenv(name))
	return v != "" && v != "0" && v != "false"
}

// or returns s, or the other string if s is empty.
func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
