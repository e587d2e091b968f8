// Package workload says what the requests of a load are like. A [Workload] is plain
// data: it can be written as JSON, compared, and handed to another process, which then
// makes the same requests.
//
//	w := workload.Workload{
//		ISL:      workload.LogNormal(550, 300).Between(16, 4096),
//		OSL:      workload.Normal(128, 40).Between(1, 512),
//		System:   200,
//		Prefixes: []workload.Prefix{{Groups: 3, Tokens: 512, Share: 0.6}},
//	}
//
// From the data to a request there are three steps:
//
//  1. Lengths (lengths.go). A law says how long prompts and answers are: a constant, a
//     distribution with bounds, a mixture of laws, or a table of what was counted.
//  2. Workload (workload.go, turns.go). Lengths, the beginnings that prompts share, the turns
//     of conversations, models, body fields and pictures make up a kind of request, and Mix
//     puts several kinds together.
//  3. Source (source.go, deck.go). A [Source] is a workload with a seed. Its i-th request
//     depends on the seed and on i alone, however many processes ask for it, and in
//     whatever order.
//
// The stance is that shares are exact and lengths are not lucky. Requests are dealt from
// decks of 100: of 100 requests in a row, counted from a multiple of 100, a group with a
// share of 0.3 has exactly 30, and each hundredth of a law's probability has one. Which of
// the 100 comes when is random. Two probes of 300 requests then have the same load, where
// independent draws of a long-tailed law differ by as much as what is to be measured.
package workload
