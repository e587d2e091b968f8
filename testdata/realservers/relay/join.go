package relay

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Joined is what the load generator reports of requests, held against the relay's
// account of the same requests.
type Joined struct {
	// Requests is the number of requests that the load generator reports as good.
	// Failed are those that it reports as failed, which are not compared.
	Requests, Failed int
	// Unmatched is the number of good requests that the relay has not seen, and Mismatches
	// that of those whose prompt or output tokens are not the server's.
	Unmatched, Mismatches int
	// TTFT and E2E are the differences, reported minus relayed, in milliseconds, one for
	// each request. The relay sits between, so that they are the time of both
	// connections to it.
	TTFT, E2E []float64
	// ITL holds the reported and the relayed ITL of each request that has one, in
	// milliseconds.
	ITL [][2]float64
}

// MeanITL returns the means of the reported and of the relayed ITL in milliseconds, 0 if no
// request has one.
func (j *Joined) MeanITL() (ours, relayed float64) {
	for _, v := range j.ITL {
		ours += v[0] / float64(len(j.ITL))
		relayed += v[1] / float64(len(j.ITL))
	}
	return ours, relayed
}

// Add adds the requests of another join.
func (j *Joined) Add(more *Joined) {
	j.Requests += more.Requests
	j.Failed += more.Failed
	j.Unmatched += more.Unmatched
	j.Mismatches += more.Mismatches
	j.TTFT = append(j.TTFT, more.TTFT...)
	j.E2E = append(j.E2E, more.E2E...)
	j.ITL = append(j.ITL, more.ITL...)
}

// reported is a line of profile_export.jsonl, as far as it is compared.
type reported struct {
	Metadata struct {
		ID string `json:"x_request_id"`
	} `json:"metadata"`
	Metrics map[string]struct {
		Value any `json:"value"`
	} `json:"metrics"`
	Error *struct{} `json:"error"`
}

func (r *reported) value(tag string) float64 {
	v, ok := r.Metrics[tag].Value.(float64)
	if !ok {
		return math.NaN()
	}
	return v
}

// Join compares every profile_export.jsonl below a folder with the account. A request that
// was sent more than once is compared with the complete one of its exchanges.
func Join(dir string, account []Exchange) (*Joined, error) {
	seen := map[string]*Exchange{}
	for i := range account {
		if x := &account[i]; x.ID != "" && (seen[x.ID] == nil || x.Complete) {
			seen[x.ID] = x
		}
	}
	j := new(Joined)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "profile_export.jsonl" {
			return err
		}
		return lines(path, func(r reported) { j.add(&r, seen[r.Metadata.ID]) })
	})
	if err != nil {
		return nil, fmt.Errorf("join the requests below %s: %w", dir, err)
	}
	return j, nil
}

func (j *Joined) add(r *reported, x *Exchange) {
	if r.Error != nil {
		j.Failed++
		return
	}
	j.Requests++
	if x == nil || !x.Complete || len(x.Chunks) == 0 {
		j.Unmatched++
		return
	}
	if !x.Usage || r.value("input_sequence_length") != float64(x.ISL) || r.value("output_sequence_length") != float64(x.OSL) {
		j.Mismatches++
	}
	j.TTFT = append(j.TTFT, r.value("time_to_first_token")-1e3*x.TTFT().Seconds())
	j.E2E = append(j.E2E, r.value("request_latency")-1e3*x.Latency().Seconds())
	ours, relayed := r.value("inter_token_latency"), 1e3*x.ITL().Seconds()
	if !math.IsNaN(ours) && relayed > 0 {
		j.ITL = append(j.ITL, [2]float64{ours, relayed})
	}
}

// Totals are the tokens of all requests of an account.
type Totals struct {
	// Requests is the number of inferences that were answered, Left that of those whose
	// client left early, and Unknown that of those that have no usage.
	Requests, Left, Unknown int
	// Unanswered counts those that met a connection which the server had closed; clients
	// send them again.
	Unanswered int
	// ISL and OSL are the sums of the tokens.
	ISL, OSL int
}

// Total counts the inferences of an account, whether or not a report speaks of them.
func Total(account []Exchange) (t Totals) {
	for _, x := range account {
		if x.Method != "POST" {
			continue
		}
		if x.Status == 0 {
			t.Unanswered++
			continue
		}
		t.Requests++
		if x.Left {
			t.Left++
		}
		if !x.Usage {
			t.Unknown++
		}
		t.ISL += x.ISL
		t.OSL += x.OSL
	}
	return t
}

// Quantile returns the smallest value that at least the share q of the values does not
// exceed. It is NaN if there are none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Write writes an account to a file, one exchange a line.
func Write(path string, account []Exchange) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	b := bufio.NewWriter(f)
	e := json.NewEncoder(b)
	for i := range account {
		if err := e.Encode(&account[i]); err != nil {
			return err
		}
	}
	return b.Flush()
}

// Read reads a file that Write wrote.
func Read(path string) (account []Exchange, err error) {
	err = lines(path, func(x Exchange) { account = append(account, x) })
	return account, err
}

// lines calls f with the JSON value of each line of a file.
func lines[T any](path string, f func(T)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	d := json.NewDecoder(bufio.NewReader(file))
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		f(v)
	}
	return nil
}
