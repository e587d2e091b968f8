// Package report turns an outcome into bytes: text for a test's log, files for
// people and tools. It measures and decides nothing.
//
// Every format is a function of an [io.Writer] and an outcome:
//
//	Expansion    what the recipe expanded to, before the first probe
//	ProbeLine    one line as a probe ends
//	Finding      the answer, first line complete alone
//	History      search_history.json
//	Profile      profile_export_aiperf.json of one measurement
//	Records      profile_export.jsonl, a line a request
//
// [Dir] writes them as files, each whole or not at all, in AIPerf's layout: its
// Update is made to be a recipes.Spec's Observe.
package report
