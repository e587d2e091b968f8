package aiperf_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aiperf-go/aiperf/internal/slow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the real outputs of the README's commands into it")

// TestReadme holds the README to what it shows: its first code block, and doc.go's,
// is capacity_test.go byte for byte, each command that stands above an output prints
// that output, and .ci/run runs every test command as the README writes it.
//
// The commands are really run. What changes from run to run is masked on both
// sides (see masked); with -update the outputs of this run are written instead.
func TestReadme(t *testing.T) {
	slow.Test(t, slow.Processes)
	if testing.Short() {
		t.Skip("the README's commands measure for some twenty seconds")
	}
	if !*update { // which writes the README that the other tests read
		t.Parallel()
	}
	text := page(t, "README.md")

	t.Run("file", func(t *testing.T) {
		_, rest, found := strings.Cut(text, "```")
		require.True(t, found)
		block, _, _ := strings.Cut(rest, "```")
		assert.Equal(t, "go\n"+page(t, "testdata/capacity/capacity_test.go"), block, "the first code block and capacity_test.go differ")
		assert.Contains(t, text[:strings.Index(text, "```")], "capacity_test.go", "the file is not named above the block")
		comment := "//\t" + strings.ReplaceAll(strings.TrimSpace(page(t, "testdata/capacity/capacity_test.go")), "\n", "\n//\t") + "\n"
		assert.Contains(t, page(t, "doc.go"), strings.ReplaceAll(comment, "//\t\n", "//\n"),
			"the code block of doc.go and capacity_test.go differ")
	})

	t.Run("ci", func(t *testing.T) {
		commands := regexp.MustCompile(`(?m)^    (go test .*)$`).FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, commands)
		script := page(t, ".ci/run")
		for _, c := range commands {
			assert.Regexp(t, `(?m)\b`+regexp.QuoteMeta(c[1])+`(;| |$)`, script, "the command is not in .ci/run")
		}
		assert.Contains(t, text, "\n    go test ./...\n")
	})

	runs := shownRuns(text)
	require.Len(t, runs, 2, "one run passes, one fails")
	for i, want := range []struct {
		name, test string
		passes     bool
	}{
		{"met", "TestCapacity", true},
		{"missed", "TestSixtyFour", false},
	} {
		t.Run(want.name, func(t *testing.T) {
			if !*update { // which writes one file
				t.Parallel()
			}
			got, err := ran(runs[i].command)
			for range 4 {
				if *update && !strings.Contains(got, "client not healthy") || masked(runs[i].output) == masked(got) {
					break
				}
				t.Logf("the machine was too busy to measure, or the answer is a point whose verdict is open; once more after\n%s", got)
				got, err = ran(runs[i].command)
			}
			assert.Equal(t, want.passes, err == nil, "%v\n%s", err, got)
			assert.Equal(t, 1, len(regexp.MustCompile(`(?m)^--- (PASS|FAIL): `+want.test+` \(`).FindAllString(got, -1)),
				"the command runs exactly %s:\n%s", want.test, got)
			if *update {
				text = strings.Replace(text, runs[i].output, got, 1)
				require.NoError(t, os.WriteFile("README.md", []byte(text), 0o666))
				return
			}
			assert.Equal(t, masked(runs[i].output), masked(got), "the README shows another output than this; if the change is meant: "+
				"go test -run TestReadme . -update\n%s", got)
		})
	}
}

// ran returns the standard output of a go test command. No variable of ours is set, so the command
// sees no endpoint.
func ran(command string) (string, error) {
	args := strings.Fields(command)
	cmd := exec.Command(args[0], args[1:]...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AIPERF_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "CI=true", "COLUMNS=") // 100 columns, whatever the terminal has
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", command, err, stderr.String())
	}
	return string(out), err
}

// A shownRun is a command of the README and the output that is shown for it.
type shownRun struct{ command, output string }

// shownRuns returns the text blocks of a page, each with the first indented go test
// command after the block before it.
func shownRuns(text string) []shownRun {
	var runs []shownRun
	command, output, inside := "", "", false
	for line := range strings.Lines(text) {
		switch {
		case inside && line == "```\n":
			runs = append(runs, shownRun{command, output})
			command, output, inside = "", "", false
		case inside:
			output += line
		case line == "```text\n" && command != "":
			inside = true
		case strings.HasPrefix(line, "    go test ") && command == "":
			command = strings.TrimSpace(line)
		}
	}
	return runs
}

// TestMasked checks that two outputs are masked alike if they differ only in what
// is measured, and not if they differ in a word or in a number that the code sets.
func TestMasked(t *testing.T) {
	run := func(old, new string) string {
		const text = `=== RUN   TestCapacity
    recipe r: highest throughput
        search concurrency in [4, 256], style sequential, at most 30 points
        128/32 tokens in/out, 300 requests a probe in at most 1m0s, seed 324
        model simulated at http://127.0.0.1:34885, version simserver-1
    probe 1, concurrency 8: met; ttft p95 13.2ms, 1318 tok/s (the start, 2.8s)
    capacity_test.go:18: recipe r: SLA met up to concurrency 27
            limit      want      got (at concurrency 27)
            ttft p95   < 200ms   197ms   95% CI [196ms, 198ms]   2% headroom
            output throughput 2349 tok/s, 76.5 req/s; next concurrency tried, 30, missed ttft p95
                (215ms)
            why: TTFT rises because requests wait for a place in the batch: 23.8 waiting at 30, none
                at 8; queue time 129ms at 30, 3.9ms at 8
            server (vLLM) at concurrency 27: waiting 0.545 (max 3), running 14.9
            probes:
              conc   req/s
                 8    42.4
            6 probes, 611 requests, 16s (measuring 69%, ramps 30%; stopped:
                sequential_precision_reached); client healthy (p99 send lag 90.4µs, CPU 5%)
--- PASS: TestCapacity (16.00s)
`
		require.Contains(t, text, old)
		return masked(strings.Replace(text, old, new, 1))
	}
	for _, c := range []struct {
		reason, old, new string
		same             bool
	}{
		{"another seed", "seed 324", "seed 3247604209", true},
		{"another port", ":34885", ":80", true},
		{"another duration, in another unit", "(16.00s)", "(1m16.00s)", true},
		{"a number of four digits", "611 requests", "1,611 requests", true},
		{"a wider column", "p95   < 200ms   197ms ", "p95   < 200ms     97.1ms ", true},
		{"a row that is longer", "                 8    42.4", "                18   142.4", true},
		{"a line that need not be folded",
			"2349 tok/s, 76.5 req/s; next concurrency tried, 30, missed ttft p95\n                (215ms)",
			"9 tok/s, 7 req/s; next concurrency tried, 30, missed ttft p95 (215ms)", true},
		{"no next concurrency", "; next concurrency tried, 30, missed ttft p95\n                (215ms)", "", true},
		{"a probe with another verdict and reason", ": met; ttft p95 13.2ms, 1318 tok/s (the start, 2.8s)",
			": open (likely met); ttft p95 413ms, 1318 tok/s (jump\n        along the secant, 2.8s)", true},
		{"a reason with parentheses", "(the start, 2.8s)", "(refinement (ITP), 2.8s)", true},
		{"a probe that is made again, since the client was late", "    capacity_test.go:18: recipe r: SLA",
			"    probe 2, concurrency 31: not trusted; ttft p95 155ms, 1121 tok/s (jump along the secant,\n        3.8s)\n" +
				"    probe 3, concurrency 31: met; ttft p95 57.5ms, 1266 tok/s (once more:\n        untrusted, 1.8s)\n" +
				"    capacity_test.go:18: recipe r: SLA", true},
		{"its row, and that of the next", "                 8    42.4\n",
			"                 8    42.4   not trusted\n                 8    42.4\n", true},
		{"what the summary says of that", "client healthy (p99 send lag 90.4µs, CPU 5%)\n",
			"client not\n                healthy (p99 wake-up lag 8.71ms, CPU 6%)\n" +
				"            warning: the client was late at concurrency 8: goroutines woke 80.45ms late (p99,\n" +
				"                allowed 10ms) and the limit is nearer than that\n", true},
		{"another warning", "CPU 5%)\n", "CPU 5%)\n            warning: the probe was not steady\n", false},
		{"other evidence of the same cause", "waiting at 30, none\n                at 8; queue time 129ms at 30, 3.9ms at 8",
			"waiting at 51, 0.2\n                at 8; queue time 187ms at 51, 4ms at 8; the batch stays at 16", true},
		{"nobody waited", "waiting 0.545 (max 3)", "waiting 0", true},
		{"another cause", "requests wait for a place in the batch", "the KV cache is full", false},
		{"another word", "tok/s", "tokens/s", false},
		{"another limit", "< 200ms", "< 40ms", false},
		{"another range", "[4, 256]", "[4, 200]", false},
		{"another workload", "128/32", "550/128", false},
		{"another line of the test", "_test.go:18: recipe r: SLA", "_test.go:19: recipe r: SLA", false},
		{"one line more", "            probes:\n", "            probes:\n            warning: late\n", false},
		{"another verdict", "SLA met up to", "SLA missed at", false},
		{"another result", "--- PASS", "--- FAIL", false},
	} {
		assert.Equal(t, c.same, run("", "") == run(c.old, c.new), "%s:\n%s", c.reason, run(c.old, c.new))
	}
}

var (
	// fixed matches the numbers that the test's code determines, and number matches
	// any other with its unit of time.
	fixed = `(?:_test\.go:\d+|[<>]=? [\d.]+(?:ms|s|%)?|\[\d+, \d+\]|\d+/\d+ tokens|` +
		`\d+ requests (?:a probe in at most \S+,|in flight)|at most \d+ points|95% CI|concurrency(?: |-)64\b)`
	number = `\b\d[\d.]*(?:[, \x{a0}\x{2009}\x{202f}]\d{3}\b)*(?:µs|ms|m[\d.]+s|s)?`
	either = regexp.MustCompile(fixed + `|` + number)

	verdict = regexp.MustCompile(`: (?:met|missed \(ttft p95\)|open \(likely (?:met|missed: ttft p95)\)); ([^(]*) \(.*, #\)$`)
	// late matches the lines of a probe whose client was late, which is measured again, and unwell
	// what the summary says of that client.
	late     = regexp.MustCompile(`: not trusted; | not trusted$|^warning: the client was late at `)
	unwell   = regexp.MustCompile(`client (?:not )?healthy \(p99 (?:send|wake-up) lag #`)
	evidence = regexp.MustCompile(`(why: TTFT rises because [a-zA-Z ]+): .*`)
	optional = regexp.MustCompile(`, best throughput at #|, # visits|; next concurrency tried, #, missed ttft p95 \(#\)| \(max #\)`)
)

// masked returns an output of go test without what changes from run to run: the
// numbers that are measured, seeds and ports, the width of table columns, where a
// long line is folded, how many probes a search made and why, and which of them were made
// again because the client was late. The words, the lines and the numbers that the code
// determines stay.
func masked(output string) string {
	var lines []string
	inProbe := false
	for line := range strings.Lines(strings.ReplaceAll(output, "127.0.0.1:", "127.0.0.1 ")) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimLeft(line, " ")
		indent := len(line) - len(text)
		first, _, _ := strings.Cut(text, " ")
		last := len(lines) - 1
		switch {
		// report folds at 100 columns and indents the rest by four.
		case indent == 8 && inProbe, indent == 16 && len([]rune(lines[last]))+1+len([]rune(first)) > 100:
			lines[last] += " " + text
		default:
			inProbe = regexp.MustCompile(`^    probe \d+, `).MatchString(line)
			lines = append(lines, line)
		}
	}
	var kept []string
	for _, line := range lines {
		text := strings.TrimLeft(line, " ")
		indent := min(len(line)-len(text), 14) // the rows of a table are set flush right
		text = either.ReplaceAllStringFunc(text, func(m string) string {
			if regexp.MustCompile(`^` + fixed + `$`).MatchString(m) {
				return m
			}
			return "#"
		})
		text = strings.Join(strings.Fields(text), " ")
		text = verdict.ReplaceAllString(text, ": <verdict>; $1 (<why>, #)")
		text = optional.ReplaceAllString(text, "")
		text = evidence.ReplaceAllString(text, "$1: <evidence>")
		text = unwell.ReplaceAllString(text, "client <health> (<lag>")
		if !late.MatchString(text) {
			kept = append(kept, strings.Repeat(" ", indent)+text)
		}
	}
	return strings.Join(slices.Compact(kept), "\n")
}
