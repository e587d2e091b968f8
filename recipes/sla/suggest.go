package sla

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// meanings are names that people use for what is called otherwise here, in lower case: of
// statistics, metrics, styles and samplers.
var meanings = map[string][]string{
	"avg":             {"mean", "average"},
	"p50":             {"median", "med"},
	"min":             {"minimum", "lowest"},
	"max":             {"maximum", "highest", "p100"},
	"e2e":             {"latency", "e2el", "response_time", "request_time", "total_time", "duration"},
	"ttft":            {"first_token", "prefill", "time_to_first"},
	"itl":             {"tbt", "time_between_tokens", "inter_token", "decode"},
	"errors":          {"error", "failures", "failed", "error_rate"},
	"throughput":      {"tps", "tokens/s", "tok/s", "tokens", "token_rate"},
	"req-rate":        {"rps", "qps", "requests", "requests/s", "req/s", "rate"},
	"bo":              {"bayes", "bayesian", "gaussian"},
	"monotonic":       {"binary", "bisect", "bisection", "binary-search"},
	"smooth_isotonic": {"isotonic", "smooth", "pava"},
	"optuna":          {"tpe", "botorch"},
	"grid":            {"linear", "all", "exhaustive", "sweep"},
	"sequential":      {"sprt", "wald", "fast"},
}

// meant is the known name with the meaning of the given one; empty when there is none. A
// number is a percentile, of which the nearest counts: 95, 95%, 95th and p98 are p95 and p99.
func meant(name string, known []string) string {
	for k, others := range meanings {
		if slices.Contains(others, name) && slices.Contains(known, k) {
			return k
		}
	}
	share := func(s string) (float64, bool) {
		s = strings.TrimRight(strings.TrimPrefix(s, "p"), "%thndrs")
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && v >= 0 && v <= 100
	}
	asked, ok := share(name)
	if !ok {
		return ""
	}
	best, distance := "", math.Inf(1)
	for _, k := range known {
		// Of two that are as near the higher one: who asks for a rare percentile means a tail.
		if v, ok := share(k); ok && strings.HasPrefix(k, "p") && math.Abs(v-asked) <= distance {
			best, distance = k, math.Abs(v-asked)
		}
	}
	return best
}

// Suggest returns `; did you mean "x"?` for the known name that is meant by the given one
// or, where none is, for the nearest. It is empty when none is near: more than half of the
// name's letters would have to change, and no known name contains it.
func Suggest(name string, known []string) string {
	if m := meant(strings.ToLower(name), known); m != "" {
		return `; did you mean "` + m + `"?`
	}
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		// A part of a name is a common way of asking for it.
		for _, k := range known {
			if len(name) >= 3 && strings.Contains(k, strings.ToLower(name)) {
				best = k
				break
			}
		}
	}
	if best == "" {
		return ""
	}
	return `; did you mean "` + best + `"?`
}

// editDistance counts the insertions, deletions and substitutions of bytes that
// turn a into b (Wagner and Fischer 1974).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
