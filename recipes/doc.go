// Package recipes answers questions about an LLM server by measuring it: at which
// concurrency the limits still hold, how TTFT grows with the prompt, which load gives
// the best trade of latency against throughput.
//
// The smallest complete program asks one question of one server:
//
//	func main() {
//		r, err := recipes.Lookup("max-concurrency-under-sla")
//		if err != nil {
//			log.Fatal(err)
//		}
//		ttft := 200.0 // ms, at the 95th percentile
//		out, err := recipes.Run(context.Background(), r, recipes.Spec{
//			Target: loadgen.Target{URL: "http://127.0.0.1:8000"},
//			Inputs: recipes.Inputs{TTFT: &ttft},
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//		fmt.Println(out.Verdict, out.Best.Concurrency()) // for example: met 48
//	}
//
// A run goes through these stages, in this order:
//
//  1. A [Recipe] is the question. [Lookup] finds one by name; [Fixed], [FixedRate],
//     [Sweep] and [Explicit] make one, and [Register] gives one of your own a name.
//  2. [Inputs] are what the user wants of it: limits, ranges, a style of search. Each
//     recipe lists in Uses which of them it reads.
//  3. [Recipe].Expand turns inputs into a [Plan]: an adaptive [Search], a grid, or
//     named scenarios, with the SLA limits. It is a pure function.
//  4. A [Spec] adds what is not part of the question: the endpoint, the workload, the
//     number of trials. It is checked together with the plan before anything is sent.
//  5. [Run] asks the planner of package plan for the next point, and so on until the
//     planner is done.
//  6. A [Prober] measures the point and returns a loadgen.Measurement for each trial.
//     The measurements of one visit are a [Probe].
//  7. Package sla decides the probe: one reading for each limit. A probe that says
//     nothing about the server, because the client was too slow, is not trusted.
//  8. When the planner, a deadline or an error ends the run, it is concluded: the
//     boundary, the best point, and a [Verdict].
//  9. The plan's derivation, of package sweep, reads its result off the finished
//     sweep.
//  10. The [Outcome] holds all of that as plain data. Package report writes it.
//
// Three kinds of result are kept apart. An error means that the question could not be
// asked, or not be measured. A verdict is the answer: [Met], [Missed], or
// [Inconclusive] when neither is certain. A warning, in Outcome.Warnings, is something
// to know when reading the numbers.
//
// Run never writes a file and never waits without its context. Planners and decisions
// are pure functions of data, so that an interrupted run can be resumed from what was
// measured, with Spec.Resume.
package recipes
