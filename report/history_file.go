package report

import "time"

// history is search_history.json, written by History and read by ReadHistory.
type history struct {
	Schema      string        `json:"schema"`
	Config      historyConfig `json:"config"`
	Iterations  []iteration   `json:"iterations"`
	BestTrials  []bestTrial   `json:"best_trials"`
	Boundary    *boundary     `json:"boundary_summary"`
	Tiers       []tierResult  `json:"tier_results,omitempty"`
	Recipe      string        `json:"recipe"`
	Reason      *string       `json:"convergence_reason"`
	Verdict     string        `json:"verdict"`
	Warnings    []string      `json:"warnings"`
	Environment environment   `json:"environment"`
}

type historyConfig struct {
	Planner            string      `json:"planner"`
	Objectives         []objective `json:"objectives"`
	OutcomeConstraints []filter    `json:"outcome_constraints"`
	MaxIterations      int         `json:"max_iterations"`
	InitialPoints      int         `json:"n_initial_points"`
	Seed               uint64      `json:"random_seed"`
	Patience           int         `json:"improvement_patience"`
	PlateauWindow      int         `json:"plateau_window"`
	PlateauThreshold   float64     `json:"plateau_threshold"`
	Space              []dimension `json:"search_space"`
	Filters            []filter    `json:"sla_filters"`
	Confidence         float64     `json:"confidence"`
	AtLeast            int         `json:"at_least,omitempty"`
	Trials             int         `json:"trials"`
	Workload           workload    `json:"workload"`
}

type objective struct {
	Metric    string   `json:"metric"`
	Stat      string   `json:"stat"`
	Direction string   `json:"direction"`
	Threshold *float64 `json:"threshold"`
	Pooled    bool     `json:"pooled,omitempty"`
}

type dimension struct {
	Path string `json:"path"`
	Lo   num    `json:"lo"`
	Hi   num    `json:"hi"`
	Kind string `json:"kind"`
	Log  bool   `json:"log"`
}

type filter struct {
	Metric    string `json:"metric_tag"`
	Stat      string `json:"stat"`
	Op        string `json:"op"`
	Threshold num    `json:"threshold"`
}

type breach struct {
	filter
	Observed num `json:"observed"`
}

type workload struct {
	ISL      int     `json:"isl"`
	OSL      int     `json:"osl"`
	Requests int     `json:"requests"`
	Window   float64 `json:"window_seconds"`
}

type iteration struct {
	Index        int              `json:"iteration_idx"`
	Values       map[string]whole `json:"variation_values"`
	Objectives   []num            `json:"objective_values"`
	Feasible     bool             `json:"feasible"`
	NonMonotone  bool             `json:"non_monotonic_warning"`
	Observations []reading        `json:"observations"`
	Requests     int              `json:"requests"`
	Wall         float64          `json:"wall_seconds"`
	Verdict      string           `json:"verdict"`
	Certainty    num              `json:"certainty"`
	Health       clientHealth     `json:"client_health"`
	Step         step             `json:"step"`
	Seen         observation      `json:"observation"`

	Metrics map[string]map[string]num `json:"metrics"` // the few that a report shows
}

type reading struct {
	filter
	Observed num  `json:"observed"`
	Adjusted num  `json:"adjusted"`
	Margin   num  `json:"margin"`
	Exceeded int  `json:"exceeded"`
	Of       int  `json:"of"`
	Holds    bool `json:"holds"`
	Pass     num  `json:"pass_probability"`
}

type step struct {
	Size   float64 `json:"size"`
	Full   bool    `json:"full"`
	Reason string  `json:"reason"`
}

type observation struct {
	At       []num        `json:"at"`
	Limits   []marginSeen `json:"limits"`
	Goals    []estimate   `json:"goals"`
	State    string       `json:"state"`
	Requests int          `json:"requests"`
}

type estimate struct {
	Value num `json:"value"`
	SE    num `json:"se"`
}

type marginSeen struct {
	estimate
	Pass num `json:"pass"`
}

type bestTrial struct {
	Index         int              `json:"iteration_idx"`
	Objectives    []num            `json:"objective_values"`
	Values        map[string]whole `json:"variation_values"`
	Feasible      bool             `json:"feasible"`
	FeasibleCount int              `json:"feasible_count"`
	Rank          int              `json:"pareto_rank"`
}

type boundary struct {
	Path string         `json:"swept_dim_path"`
	Max  *feasibleMax   `json:"feasible_max"`
	Min  *infeasibleMin `json:"infeasible_min"`
	// Of style smooth_isotonic, once the run has ended.
	Type     string `json:"boundary_type,omitempty"`
	Binding  string `json:"binding_constraint,omitempty"`
	MarginCI *loHi  `json:"boundary_ci,omitempty"`

	Safe     num  `json:"safe"`
	Estimate num  `json:"estimate"`
	CI       loHi `json:"ci"`
}

// feasibleMax is the largest value that is known to pass, and where it was probed.
type feasibleMax struct {
	Value     whole `json:"value"`
	Index     int   `json:"iteration_idx"`
	Objective num   `json:"objective_value"`
}

// infeasibleMin is the smallest value that was seen to fail.
type infeasibleMin struct {
	Value  whole   `json:"value"`
	Index  int     `json:"iteration_idx"`
	Breach *breach `json:"first_breach"`
}

type tierResult struct {
	Label    string   `json:"label"`
	Filters  []filter `json:"sla_filters"`
	Safe     num      `json:"safe"`
	Estimate num      `json:"estimate"`
	CI       loHi     `json:"ci"`
	Reason   string   `json:"convergence_reason"`
}

type loHi struct {
	Lo num `json:"lo"`
	Hi num `json:"hi"`
}

type environment struct {
	Library string    `json:"library"`
	Go      string    `json:"go"`
	OS      string    `json:"os"`
	Arch    string    `json:"arch"`
	CPUs    int       `json:"cpus"`
	URL     string    `json:"url"`
	Model   string    `json:"model"`
	Server  string    `json:"server_version"`
	Note    string    `json:"note,omitempty"`
	Began   time.Time `json:"began"`
	Wall    float64   `json:"wall_seconds"`
}
