package report

import (
	"time"

	"github.com/aiperf-go/aiperf/loadgen"
)

// The types of this file are search_history.json, written by History and read by
// ReadHistory. Keys, their order and their nesting are AIPerf's as far as it has
// them; the fields say which are ours. Numbers of type num are null in the file,
// and NaN in memory, where nothing is known.

// history is the whole file.
type history struct {
	// Schema is the version of our own keys. A file of another one is not read.
	Schema string `json:"schema"`

	Config historyConfig `json:"config"`
	// Asked is ours: what else was asked for, beside AIPerf's configuration, which takes no
	// further keys.
	Asked      *asked      `json:"asked,omitempty"`
	Iterations []iteration `json:"iterations"`
	BestTrials []bestTrial `json:"best_trials"`
	// Boundary is that of a search in one dimension; null for all other runs.
	Boundary *boundary `json:"boundary_summary"`
	// Tiers are the answers of the tiers, in the plan's order. Both keys are left out of a run
	// without tiers.
	Tiers        []tierResult  `json:"tier_results,omitempty"`
	TierMetadata *tierMetadata `json:"tier_metadata,omitempty"`

	Recipe string `json:"recipe"`
	// Reason is why the run ended; null while it goes on.
	Reason *string `json:"convergence_reason"`
	// Verdict is ours: met, missed or inconclusive.
	Verdict string `json:"verdict"`
	// Warnings are ours, without secrets, and each as often as it came.
	Warnings []string `json:"warnings"`
	// Environment is ours.
	Environment environment `json:"environment"`
}

// historyConfig is what was asked for, with AIPerf's keys and no others, but for those of
// objectives and dimensions.
type historyConfig struct {
	// Planner is the style by AIPerf's name; "list" where nothing was searched for,
	// and then the keys of a search are zero.
	Planner    string      `json:"planner"`
	Objectives []objective `json:"objectives"`
	// OutcomeConstraints is always empty, since limits are Filters.
	OutcomeConstraints []filter `json:"outcome_constraints"`
	// MaxIterations counts distinct points.
	MaxIterations int    `json:"max_iterations"`
	InitialPoints int    `json:"n_initial_points"`
	Seed          uint64 `json:"random_seed"`
	// Patience, PlateauWindow and PlateauThreshold end a search that gets no better.
	Patience         int     `json:"improvement_patience"`
	PlateauWindow    int     `json:"plateau_window"`
	PlateauThreshold float64 `json:"plateau_threshold"`

	Space   []dimension `json:"search_space"`
	Filters []filter    `json:"sla_filters"`
	// Tiers have the limits of each tier that are not those of all; left out without tiers.
	Tiers []tierAsked `json:"tiers,omitempty"`
}

// valueSet is a path with its value.
type valueSet struct {
	Path  string `json:"path"`
	Value num    `json:"value"`
}

// tierAsked is a tier as it was asked for.
type tierAsked struct {
	Label   string   `json:"label"`
	Filters []filter `json:"filters"`
}

// asked is what else was asked for. Without it no other run could tell whether it asks the
// same question.
type asked struct {
	// SLO has the limits on single requests by tag, in the metric's display unit; left out
	// when no request is judged.
	SLO map[string]float64 `json:"slo,omitempty"`
	// Confidence is the probability from which on a verdict is certain.
	Confidence float64 `json:"confidence"`
	// AtLeast is the concurrency that the answer had to reach, or the rate in requests a
	// second; left out when none was asked for.
	AtLeast float64 `json:"at_least,omitempty"`
	// With has what all points of the search have; left out if there is nothing.
	With []valueSet `json:"with,omitempty"`
	// Trials is how many measurements a probe takes.
	Trials   int      `json:"trials"`
	Workload workload `json:"workload"`
}

// objective is one thing that a search makes best.
type objective struct {
	// Metric is a tag.
	Metric string `json:"metric"`
	Stat   string `json:"stat"`
	// Direction is MAXIMIZE or MINIMIZE.
	Direction string `json:"direction"`
	// Threshold is the reference value for hypervolume; null when it is chosen from
	// the data.
	Threshold *float64 `json:"threshold"`
	// Pooled is ours: the statistic is that of all trials' requests together.
	Pooled bool `json:"pooled,omitempty"`
}

// dimension is one searched parameter with its inclusive bounds.
type dimension struct {
	Path string `json:"path"`
	Lo   num    `json:"lo"`
	Hi   num    `json:"hi"`
	// Kind is int or real.
	Kind string `json:"kind"`
	// Prior is log-uniform if points are spread over the logarithm, and uniform otherwise. Log
	// said the same in files of schema 1, and is not written.
	Prior string `json:"prior"`
	Log   bool   `json:"log,omitempty"`
}

// filter is one SLA limit.
type filter struct {
	Metric string `json:"metric_tag"`
	Stat   string `json:"stat"`
	// Op is lt, le, gt or ge.
	Op string `json:"op"`
	// Threshold is in the metric's display unit.
	Threshold num `json:"threshold"`
}

// breach is a limit that was missed, and what was seen of it.
type breach struct {
	filter
	Observed num `json:"observed"`
}

// workload is what a probe of the run sends, ours: without it no other run could
// tell whether it asks the same question.
type workload struct {
	// ISL and OSL are the lengths of prompt and answer in tokens.
	ISL int `json:"isl"`
	OSL int `json:"osl"`
	// Requests is how many a probe measures, within Window seconds.
	Requests int     `json:"requests"`
	Window   float64 `json:"window_seconds"`
	// Says is what else was said of the requests: laws of lengths, what they share. It is
	// left out if nothing was.
	Says *loadgen.Workload `json:"says,omitempty"`
	// Arrival is how requests at a rate arrive; left out for a closed loop.
	Arrival string `json:"arrival,omitempty"`
}

// iteration is one probe. AIPerf has its keys up to Observations.
type iteration struct {
	// Index counts the run's probes from 0.
	Index  int              `json:"iteration_idx"`
	Values map[string]whole `json:"variation_values"`
	// Objectives are in the order of the config's.
	Objectives []num `json:"objective_values"`
	// Feasible says that every limit is believed to hold.
	Feasible bool `json:"feasible"`
	// NonMonotone says that this contradicts an earlier probe.
	NonMonotone bool `json:"non_monotonic_warning"`

	// Observations are the readings, in the order of the config's filters.
	Observations []reading `json:"observations"`
	// Requests counts failed ones, too.
	Requests int `json:"requests"`
	// Wall is the time of all trials, ramps included.
	Wall float64 `json:"wall_seconds"`
	// Verdict is met, missed, open, untrusted or unmeasured.
	Verdict string `json:"verdict"`
	// Certainty is the probability of the verdict, between 0.5 and 1.
	Certainty num          `json:"certainty"`
	Health    clientHealth `json:"client_health"`
	// Step is what the planner asked for, and Seen what it got: both are needed to
	// resume.
	Step step        `json:"step"`
	Seen observation `json:"observation"`

	// Metrics has the few that a report shows, by tag and statistic.
	Metrics map[string]map[string]num `json:"metrics"`
}

// reading is how a probe stands to one limit.
type reading struct {
	filter
	// Observed is of the successful requests, and Adjusted counts failed ones as
	// infinitely slow; both are in the metric's display unit.
	Observed num `json:"observed"`
	Adjusted num `json:"adjusted"`
	// Margin is the logarithm of value over threshold, positive when the limit is
	// missed.
	Margin num `json:"margin"`
	// Exceeded of Of requests are beyond the threshold.
	Exceeded int  `json:"exceeded"`
	Of       int  `json:"of"`
	Holds    bool `json:"holds"`
	// Pass is the probability that the limit holds.
	Pass num `json:"pass_probability"`
}

// step is what a planner asked for.
type step struct {
	// Size is the probe's length as a multiple of the usual one; 0 means 1.
	Size float64 `json:"size"`
	// Full says that the probe was not to end once its verdict was certain.
	Full bool `json:"full"`
	// Reason is why the planner chose this point.
	Reason string `json:"reason"`
	// Apart is the seconds that were waited before the probe; left out when none were.
	Apart float64 `json:"apart_seconds,omitempty"`
}

// observation is a probe as its planner saw it.
type observation struct {
	// At has a coordinate a dimension.
	At []num `json:"at"`
	// Limits are in the order of the config's filters, Goals in that of its objectives.
	Limits []marginSeen `json:"limits"`
	Goals  []estimate   `json:"goals"`
	// State is full, cut, failed, unmeasured or untrusted.
	State string `json:"state"`
	// Requests is how many the values rest on; 0 when that is unknown.
	Requests int `json:"requests"`
	// Lasted is the seconds that the visit took; left out when that is unknown.
	Lasted float64 `json:"lasted_seconds,omitempty"`
}

// estimate is a value with its standard error.
type estimate struct {
	Value num `json:"value"`
	SE    num `json:"se"`
}

// marginSeen is a margin, and the probability that its limit holds.
type marginSeen struct {
	estimate
	Pass num `json:"pass"`
	// Excess is plan.Margin's; it is absent where the limit does not count requests.
	Excess *float64 `json:"excess,omitempty"`
}

// bestTrial is an answer of the search.
type bestTrial struct {
	Index      int              `json:"iteration_idx"`
	Objectives []num            `json:"objective_values"`
	Values     map[string]whole `json:"variation_values"`
	Feasible   bool             `json:"feasible"`
	// FeasibleCount is how many probes of the run were feasible.
	FeasibleCount int `json:"feasible_count"`
	// Rank is always 0: only the front itself is listed.
	Rank int `json:"pareto_rank"`
}

// boundary is the answer of a search in one dimension.
type boundary struct {
	Path string         `json:"swept_dim_path"`
	Max  *feasibleMax   `json:"feasible_max"`
	Min  *infeasibleMin `json:"infeasible_min"`

	// Type, Binding and MarginCI are of style smooth_isotonic, once the run has ended.
	// Binding is the limit nearest to breaking, and MarginCI the interval of its
	// margin at the boundary.
	Type     string `json:"boundary_type,omitempty"`
	Binding  string `json:"binding_constraint,omitempty"`
	MarginCI *loHi  `json:"boundary_ci,omitempty"`

	// Safe, Estimate and CI are ours: the largest value that certainly passes with
	// all below it, where the boundary most likely is, and between which values.
	Safe     num  `json:"safe"`
	Estimate num  `json:"estimate"`
	CI       loHi `json:"ci"`
}

// feasibleMax is the largest value that is known to pass, and where it was probed.
type feasibleMax struct {
	Value whole `json:"value"`
	Index int   `json:"iteration_idx"`
	// Objective is the first one's value there.
	Objective num `json:"objective_value"`
}

// infeasibleMin is the smallest value that was seen to fail.
type infeasibleMin struct {
	Value whole `json:"value"`
	Index int   `json:"iteration_idx"`
	// Breach is the first limit that was missed there; null when no single limit was.
	Breach *breach `json:"first_breach"`
}

// tierResult is the answer of one tier. AIPerf has its keys down to Filters. Its concurrencies
// are null in a search over the request rate, which only our own keys have the answer of.
type tierResult struct {
	Label string `json:"label"`
	// Boundary and Lower are the answer, and Upper is the smallest concurrency above it that
	// was measured and missed.
	Boundary *int `json:"boundary_concurrency"`
	// Status is converged, partial, no_pass_in_range or no_failure_in_range.
	Status string `json:"convergence_status"`
	Reason string `json:"convergence_reason"`
	// Binding is the first limit that was missed at Upper.
	Binding *filter `json:"binding_constraint"`
	Lower   *int    `json:"bracket_lower"`
	Upper   *int    `json:"bracket_upper"`
	// Interval is that of the boundary; null if either end is open.
	Interval *lowHigh `json:"confidence_interval"`
	// Probes counts those that say something of the tier.
	Probes  int      `json:"probe_count"`
	Filters []filter `json:"filters"`

	Safe     num  `json:"safe"`
	Estimate num  `json:"estimate"`
	CI       loHi `json:"ci"`
}

// lowHigh is an interval as AIPerf's tiers have it.
type lowHigh struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// tierMetadata counts what the tiers rest on. All of them are judged by every probe, so that
// no order among them is made use of.
type tierMetadata struct {
	Probes      int                 `json:"actual_probe_count"`
	Evaluations int                 `json:"tier_evaluation_count"`
	Ordered     bool                `json:"ordering_detected"`
	Pairs       []map[string]string `json:"ordering_pairs"`
}

// loHi are the ends of an interval or of a bracket; null at an open end.
type loHi struct {
	Lo num `json:"lo"`
	Hi num `json:"hi"`
}

// environment is where the run was made, and with what.
type environment struct {
	// Library is this module's path and version.
	Library string `json:"library"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	// CPUs is GOMAXPROCS of the client.
	CPUs int `json:"cpus"`
	// URL has no user and no password.
	URL    string `json:"url"`
	Model  string `json:"model"`
	Server string `json:"server_version"`
	Note   string `json:"note,omitempty"`
	// Began is UTC, and Wall the seconds since then at the last probe.
	Began time.Time `json:"began"`
	Wall  float64   `json:"wall_seconds"`
}
