package report

import "github.com/aiperf-go/aiperf/recipes/plan"

// standing is how a probe stands to the limits. Every table, chart and file has
// its word for it from here, so that no two of them disagree:
//
//	standing     in messages                     in files     in charts
//	unmeasured   not measured                    unmeasured   not to be trusted
//	untrusted    not trusted                     untrusted    not to be trusted
//	measured     measured                        met          measured
//	met          met                             met          meets the SLA
//	likely       open (likely met)               open         likely meets it
//	unlikely     open (likely missed: ttft p95)  open         likely misses it
//	missed       missed (ttft p95)               missed       misses the SLA
type standing uint8

const (
	// unmeasured, the zero value, is a probe without a measurement. It says nothing.
	unmeasured standing = iota
	// untrusted is one whose numbers are the client's, or of another load than was
	// asked for.
	untrusted
	// measured is one that no limit was put on.
	measured
	// met and missed are certain at the run's confidence; likely and unlikely are
	// what is believed and is not certain.
	met
	likely
	unlikely
	missed
)

// silent reports whether a probe in that state says nothing of the server, and how
// it stands then.
func silent(state plan.State) (s standing, ok bool) {
	switch state {
	case plan.Unmeasured:
		return unmeasured, true
	case plan.Untrusted:
		return untrusted, true
	}
	return 0, false
}

// judged is the standing of a verdict.
func judged(pass, certain bool) standing {
	switch {
	case pass && certain:
		return met
	case pass:
		return likely
	case certain:
		return missed
	}
	return unlikely
}
