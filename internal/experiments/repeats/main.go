// Command repeats searches engines over HTTP, several times each with new seeds, and
// says how far apart the answers lie and how far from the truth.
//
//	go run ./internal/experiments/repeats -runs 10
//
// Searches mostly wait, so that some run at once (-parallel), each in a process of its own with
// its server: in one process a search that computes its next point keeps the others' clients from
// their answers for up to 10 ms. With the defaults the command takes 23 minutes on two cores. With -engine
// mixed it searches an engine under requests of many lengths with shared prefixes and
// conversations instead, whose truth takes it half a minute. It also searches an engine that
// is described by flags:
//
//	go run ./internal/experiments/repeats -step 6ms -perseq 120us -perprompt 8us -chunk 512 -isl 80 -osl 12 -limit 40ms
package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aiperf-go/aiperf/internal/repeats"
	"github.com/aiperf-go/aiperf/recipes"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("repeats: ")
	var own repeats.Engine
	runs := flag.Int("runs", 10, "searches of an engine in a style")
	styles := flag.String("styles", "sequential,smooth_isotonic,monotonic", "styles, joined by commas")
	only := flag.String("engine", "", "engines whose name contains this, or one of repeats.Others, or mixed; empty for all")
	seed := flag.Uint64("seed", 1, "of the first search")
	parallel := flag.Int("parallel", 10, "searches at once")
	one := flag.Bool("one", false, "search once, and write the answer for the process that asks for it")
	flag.DurationVar(&own.Model.Step, "step", 0, "an engine of one's own: its step without sequences")
	flag.DurationVar(&own.Model.PerSeq, "perseq", 100*time.Microsecond, "what a decoding sequence adds to a step")
	flag.DurationVar(&own.Model.PerPromptToken, "perprompt", 10*time.Microsecond, "what a prompt token adds to a step")
	flag.IntVar(&own.Model.Chunk, "chunk", 2048, "prompt tokens of a step at most")
	flag.IntVar(&own.Model.MaxBatch, "batch", 0, "sequences at once at most; zero means any number")
	flag.IntVar(&own.ISL, "isl", 64, "tokens of a prompt")
	flag.IntVar(&own.OSL, "osl", 16, "tokens of an answer")
	flag.DurationVar(&own.Limit, "limit", 30*time.Millisecond, "of TTFT p95")
	flag.Parse()
	engines := repeats.Engines()
	mixed, _ := repeats.Mixed()
	for _, e := range append(repeats.Others(), mixed) {
		if e.Name == *only {
			engines = []repeats.Engine{e}
		}
	}
	if own.Model.Step > 0 {
		own.Name = "own"
		engines = []repeats.Engine{own}
	}
	if *runs < 1 || *parallel < 1 {
		log.Fatal("-runs and -parallel must be 1 or more")
	}
	if *one {
		answerTo(os.Stdout, engines, *only, recipes.Style(*styles), *seed)
		return
	}
	var rows []*row
	for _, e := range engines {
		if !strings.Contains(e.Name, *only) {
			continue
		}
		truth := e.Truth(repeats.Restarts)
		for _, style := range strings.Split(*styles, ",") {
			rows = append(rows, &row{engine: e, style: recipes.Style(style), truth: truth, answers: make([]repeats.Answer, *runs)})
		}
	}
	measure(rows, *runs, *seed, *parallel)
	fmt.Println("| engine | style | truth | answers | mean | CV | > 5% above | > 10% above | interval holds | seconds |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Println(r)
	}
}

// row is an engine searched in a style.
type row struct {
	engine  repeats.Engine
	style   recipes.Style
	truth   int
	answers []repeats.Answer
}

// measure fills the rows, by so many searches at once.
func measure(rows []*row, runs int, seed uint64, parallel int) {
	gate := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range runs {
		for _, r := range rows {
			gate <- struct{}{}
			wg.Go(func() {
				defer func() { <-gate }()
				a, err := r.ask(seed + uint64(i))
				if err != nil {
					log.Fatal(err)
				}
				r.answers[i] = a
				fmt.Fprintf(os.Stderr, "%s %s: %.0f [%.1f, %.1f] %v %s, %d requests, %.0f s\n",
					r.engine.Name, r.style, a.Safe, a.Lo, a.Hi, a.Verdict, a.Reason, a.Requests, a.Took.Seconds())
			})
		}
	}
	wg.Wait()
}

// ask searches once in a process of its own, which has the flags of this one but for those that
// follow them.
func (r *row) ask(seed uint64) (a repeats.Answer, err error) {
	args := append(slices.Clone(os.Args[1:]), "-one", "-engine", r.engine.Name,
		"-styles", string(r.style), "-seed", strconv.FormatUint(seed, 10))
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // two threads need half as much CPU again
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return a, fmt.Errorf("search in a process of its own: %w", err)
	}
	return a, gob.NewDecoder(bytes.NewReader(out)).Decode(&a)
}

// answerTo searches the engine of that name once, and writes the answer as gob, which has NaN.
func answerTo(w io.Writer, engines []repeats.Engine, name string, style recipes.Style, seed uint64) {
	for _, e := range engines {
		if e.Name != name {
			continue
		}
		a, err := e.Search(context.Background(), style, seed)
		if err != nil {
			log.Fatal(err)
		}
		if err := gob.NewEncoder(w).Encode(a); err != nil {
			log.Fatal(err)
		}
	}
}

func (r *row) String() string {
	var list []string
	for _, a := range r.answers {
		list = append(list, fmt.Sprintf("%.0f", a.Safe))
	}
	s := repeats.Summarize(r.answers, r.truth)
	return fmt.Sprintf("| %s | %s | %d | %s | %.1f | %.1f%% | %d | %d | %d of %d | %.0f |", r.engine.Name, r.style, r.truth,
		strings.Join(list, " "), s.Mean, 100*s.CV, s.Above5, s.Above, s.Holds, s.N-s.Without, s.Seconds)
}
