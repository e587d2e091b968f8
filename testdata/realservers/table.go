package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/aiperf-go/aiperf/testdata/realservers/relay"
)

// server is what run.sh left in the folder of a server.
type server struct {
	dir, name, version string
	account            []relay.Exchange
	// before and after are the server's own counters, by name without labels.
	before, after map[string]float64
	runs          []run
}

// run is the line that package measure wrote of a run, and where its artifacts are.
type run struct {
	Run     string
	Passed  bool
	Finding string
	Probes  int
	Seconds float64
	dir     string
}

// counters are the names of servers' counters: those that add up to all prompt tokens, and
// that of output tokens. llama.cpp counts prompt tokens from its cache apart.
var counters = []struct {
	prompt []string
	output string
}{
	{[]string{"vllm:prompt_tokens_total"}, "vllm:generation_tokens_total"},
	{[]string{"llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total"}, "llamacpp:tokens_predicted_total"},
}

// tables writes the tables of all servers in a folder.
func tables(args []string, w io.Writer) error {
	flags := flag.NewFlagSet("table", flag.ExitOnError)
	date := flags.String("date", "", "date of the measurement")
	_ = flags.Parse(args)
	dirs, err := filepath.Glob(filepath.Join(flags.Arg(0), "*", "relay.jsonl"))
	if err != nil || len(dirs) == 0 {
		return fmt.Errorf("there is no relay.jsonl in any folder of %q", flags.Arg(0))
	}
	var servers []*server
	for _, path := range dirs {
		s, err := readServer(filepath.Dir(path))
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	fmt.Fprintf(w, "%s, %d cores (%s), %s.\n", *date, runtime.NumCPU(), processor(), runtime.Version())
	fmt.Fprint(w, "\n## Request by request\n\n"+
		"| server | load | requests | failed | not in the account | token mismatches | TTFT | E2E | ITL | mean, median |\n"+
		"|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range servers {
		if err := s.joins(w); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "\n## Totals\n\n"+
		"| server | requests | left early | sent again | prompt tokens | by the server's counter | output tokens | by the server's counter | |\n"+
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range servers {
		s.totals(w)
	}
	fmt.Fprint(w, "\n## Recipes\n\n| server | run | finding | probes | s | test |\n|---|---|---|---|---|---|\n")
	for _, s := range servers {
		for _, r := range s.runs {
			fmt.Fprintf(w, "| %s | %s | %s | %d | %.0f | %s |\n", s.name, r.Run, r.Finding, r.Probes, r.Seconds, map[bool]string{true: "passed", false: "failed"}[r.Passed])
		}
	}
	fmt.Fprint(w, "\n## Versions\n\n| server | version |\n|---|---|\n")
	for _, s := range servers {
		fmt.Fprintf(w, "| %s | %s |\n", s.name, s.version)
	}
	return nil
}

func readServer(dir string) (*server, error) {
	s := &server{dir: dir, name: filepath.Base(dir)}
	var err error
	if s.account, err = relay.Read(filepath.Join(dir, "relay.jsonl")); err != nil {
		return nil, err
	}
	version, _ := os.ReadFile(filepath.Join(dir, "version"))
	s.version = strings.TrimSpace(string(version))
	s.before, s.after = readCounters(filepath.Join(dir, "before.prom")), readCounters(filepath.Join(dir, "after.prom"))
	lines, err := filepath.Glob(filepath.Join(dir, "runs", "*", "line.json"))
	if err != nil {
		return nil, err
	}
	began := map[string]int64{}
	for _, path := range lines {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		r := run{dir: filepath.Dir(path)}
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		began[r.Run] = info.ModTime().UnixNano()
		s.runs = append(s.runs, r)
	}
	slices.SortFunc(s.runs, func(a, b run) int { return int(min(max(began[a.Run]-began[b.Run], -1), 1)) })
	return s, nil
}

// joins writes a row for each fixed load, and one for the recipes together.
func (s *server) joins(w io.Writer) error {
	together := new(relay.Joined)
	for _, r := range s.runs {
		j, err := relay.Join(r.dir, s.account)
		if err != nil {
			return err
		}
		if strings.HasPrefix(r.Run, "fixed") || strings.HasPrefix(r.Run, "completions") {
			row(w, s.name, r.Run, j)
			continue
		}
		together.Add(j)
	}
	if together.Requests+together.Failed > 0 {
		row(w, s.name, "recipes", together)
	}
	return nil
}

func row(w io.Writer, name, load string, j *relay.Joined) {
	ours, relayed := j.MeanITL()
	itl, by := "–", "–"
	if relayed > 0 {
		var shares []float64
		for _, v := range j.ITL {
			shares = append(shares, 100*(v[0]/v[1]-1))
		}
		itl = fmt.Sprintf("%.3f / %.3f", ours, relayed)
		by = fmt.Sprintf("%+.2f%%, %+.2f%%", 100*(ours/relayed-1), relay.Quantile(shares, 0.5))
	}
	fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d | %s | %s | %s | %s |\n",
		name, load, j.Requests, j.Failed, j.Unmatched, j.Mismatches, quantiles(j.TTFT), quantiles(j.E2E), itl, by)
}

// quantiles describes differences in milliseconds.
func quantiles(values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	within := 0
	for _, v := range values {
		if math.Abs(v) <= 1 {
			within++
		}
	}
	return fmt.Sprintf("%.3f / %.3f, %.0f%%", relay.Quantile(values, 0.5), relay.Quantile(values, 0.99), 100*float64(within)/float64(len(values)))
}

// totals writes the account's sum of tokens beside the growth of the server's counters.
func (s *server) totals(w io.Writer) {
	t := relay.Total(s.account)
	prompt, output, equal := "–", "–", ""
	for _, names := range counters {
		if _, known := s.after[names.output]; !known {
			continue
		}
		p, o := 0, int(s.after[names.output]-s.before[names.output])
		for _, name := range names.prompt {
			p += int(s.after[name] - s.before[name])
		}
		prompt, output, equal = strconv.Itoa(p), strconv.Itoa(o), "equal"
		if p != t.ISL || o != t.OSL {
			equal = "**differ**"
		}
	}
	if t.Unknown > 0 {
		equal += fmt.Sprintf(", %d answers without usage", t.Unknown)
	}
	fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %s | %d | %s | %s |\n", s.name, t.Requests, t.Left, t.Unanswered, t.ISL, prompt, t.OSL, output, equal)
}

var sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})? (\S+)$`)

// readCounters reads a file in Prometheus's text format, and adds up what differs in labels
// alone. A file that cannot be read has no counters.
func readCounters(path string) map[string]float64 {
	sums := map[string]float64{}
	f, err := os.Open(path)
	if err != nil {
		return sums
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := sample.FindStringSubmatch(lines.Text()); m != nil {
			if v, err := strconv.ParseFloat(m[2], 64); err == nil && !math.IsNaN(v) {
				sums[m[1]] += v
			}
		}
	}
	return sums
}

// processor returns the kind of the machine's processor.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
