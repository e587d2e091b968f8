package servermetrics

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Page is what one page of metrics says in the vocabulary. Its zero value is that of a page
// that says nothing.
type Page struct {
	// Server names the server that the page is of, for example vLLM: the first of the
	// vocabulary of which it has a metric. It is empty if there is none.
	Server string
	// Names holds the server's own name of each quantity that it has.
	Names map[Quantity]string
	// Values holds gauges and counters.
	Values map[Quantity]float64
	// Histograms holds the others, since the start of the server.
	Histograms map[Quantity]Histogram
	// GPUs holds those that an exporter of GPUs tells of.
	GPUs []GPU
}

// Histogram is a distribution as Prometheus has it: how many observations were at most each
// of some bounds.
type Histogram struct {
	// Count and Sum are those of all observations.
	Count, Sum float64
	// Buckets are in ascending order, the last of which has no bound. They are nil if they
	// are not known.
	Buckets []Bucket
}

// Bucket is how many observations were at most Upper.
type Bucket struct{ Upper, Count float64 }

// Empty reports whether the page has nothing of the vocabulary.
func (p Page) Empty() bool { return len(p.Values)+len(p.Histograms)+len(p.GPUs) == 0 }

// Parse reads a page in Prometheus' text form. What is not of the vocabulary is not looked
// at: a page in another form is empty, and an error is one in a line that matters.
func Parse(page []byte) (Page, error) {
	lines := relevant(page)
	if len(lines) == 0 {
		return Page{}, nil
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	found, err := parser.TextToMetricFamilies(bytes.NewReader(lines))
	if err != nil {
		return Page{}, fmt.Errorf("read metrics: %w", err)
	}
	byName := make(map[string]*dto.MetricFamily, len(found))
	for _, family := range slices.Sorted(maps.Keys(found)) { // of two spellings always the same
		byName[normalize(family)] = found[family]
	}
	p := Page{Names: map[Quantity]string{}, Values: map[Quantity]float64{}, Histograms: map[Quantity]Histogram{}, GPUs: gpusOf(byName)}
	for _, s := range vocabulary {
		for _, n := range s.names {
			f := byName[n.family]
			if f == nil || p.has(n.is) || !p.take(n, f) {
				continue
			}
			p.Names[n.is] = f.GetName()
			if p.Server == "" {
				p.Server = s.name
			}
		}
	}
	return p, nil
}

// relevant returns the lines of a page that are of the vocabulary, without their help.
//
// Note: a server's page has some hundred series, of which a tenth matter. The parser makes
// objects of each, and a scrape of the whole page costs five times as much.
func relevant(page []byte) (kept []byte) {
	var last []byte // the name of the line before, which a histogram repeats some twenty times
	var keep bool
	for line := range bytes.Lines(page) {
		name := bytes.TrimLeft(line, " \t")
		typed := bytes.HasPrefix(name, typeLine)
		switch {
		case typed:
			name = name[len(typeLine):]
		case len(name) == 0 || name[0] == '#':
			continue
		}
		if end := bytes.IndexAny(name, "{ \t\r\n"); end >= 0 {
			name = name[:end]
		}
		if typed || !bytes.Equal(name, last) {
			keep, last = wanted(string(name), !typed), name
		}
		if keep {
			kept = append(kept, line...)
		}
	}
	if n := len(kept); n > 0 && kept[n-1] != '\n' {
		kept = append(kept, '\n')
	}
	return kept
}

// wanted reports whether a name is of the vocabulary: a family's or, in a line with a value,
// that of a part of a histogram.
func wanted(name string, value bool) bool {
	if families[normalize(name)] {
		return true
	}
	for _, suffix := range parts {
		if base, cut := strings.CutSuffix(name, suffix); cut && value {
			return families[normalize(base)]
		}
	}
	return false
}

// typeLine begins a line that says of what type a family is, and parts are what the series of
// a histogram end in.
var (
	typeLine = []byte("# TYPE ")
	parts    = []string{"_bucket", "_sum", "_count"}
)

// families are the names of the vocabulary, as normalize returns them.
var families = func() map[string]bool {
	all := map[string]bool{}
	for _, s := range vocabulary {
		for _, n := range s.names {
			all[n.family] = true
		}
	}
	for _, name := range gpuFamilies() {
		all[name] = true
	}
	return all
}()

// has reports whether the page has a value of a quantity.
func (p *Page) has(q Quantity) bool {
	_, value := p.Values[q]
	_, distribution := p.Histograms[q]
	return value || distribution
}

// take adds up the series of a family that are of a name, and reports whether there are any.
func (p *Page) take(n name, f *dto.MetricFamily) (any bool) {
	var total float64
	var all Histogram
	least := map[string]int{}
	for _, m := range f.GetMetric() {
		group, rank := place(m)
		if r, seen := least[group]; !seen || rank < r {
			least[group] = rank
		}
	}
	for _, m := range f.GetMetric() {
		if group, rank := place(m); rank != least[group] || !n.chooses(m) {
			continue
		}
		if kinds[n.is] == histogram || n.sum {
			h, ok := histogramOf(m)
			if !ok {
				continue
			}
			if !any {
				all = h
			} else {
				all = all.plus(h)
			}
			any = true
			continue
		}
		v, ok := valueOf(m)
		switch {
		case !ok:
			continue
		case kinds[n.is] == share:
			if v > 1 { // some exporters write percentages under names of shares
				v /= 100
			}
			total = max(total, v)
		default:
			total += v
		}
		any = true
	}
	switch {
	case !any:
	case n.sum:
		p.Values[n.is] = all.Sum
	case kinds[n.is] == histogram:
		p.Histograms[n.is] = all
	default:
		p.Values[n.is] = total
	}
	return any
}

// place returns which group of ranks a series is of, and its rank there. The ranks of a group
// compute the same requests, and the first of them counts. With DP attention each dp_rank is a
// group, whose first tp_rank is not 0.
func place(m *dto.Metric) (group string, rank int) {
	var b strings.Builder
	for _, l := range m.GetLabel() {
		switch l.GetName() {
		case "tp_rank", "pp_rank":
			r, _ := strconv.Atoi(l.GetValue()) // 0 if it is no number
			rank += r
		case "moe_ep_rank": // it differs with tp_rank
		default:
			fmt.Fprintf(&b, "%q=%q,", l.GetName(), l.GetValue())
		}
	}
	return b.String(), rank
}

// chooses reports whether a series is one that the name means: one with its label.
func (n name) chooses(m *dto.Metric) bool {
	right := n.label == ""
	for _, l := range m.GetLabel() {
		if l.GetName() == n.label {
			right = l.GetValue() == n.value
		}
	}
	return right
}

// valueOf is the value of a series that is one number; ok is false if it has none.
func valueOf(m *dto.Metric) (v float64, ok bool) {
	switch {
	case m.Gauge != nil:
		v = m.GetGauge().GetValue()
	case m.Counter != nil:
		v = m.GetCounter().GetValue()
	case m.Untyped != nil:
		v = m.GetUntyped().GetValue()
	default:
		return 0, false
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// histogramOf is the distribution of a series; ok is false if it is none. A summary has
// count and sum alone.
func histogramOf(m *dto.Metric) (h Histogram, ok bool) {
	if s := m.GetSummary(); s != nil {
		return Histogram{Count: float64(s.GetSampleCount()), Sum: s.GetSampleSum()}, true
	}
	d := m.GetHistogram()
	if d == nil {
		return h, false
	}
	h = Histogram{Count: float64(d.GetSampleCount()), Sum: d.GetSampleSum()}
	for _, b := range d.GetBucket() {
		h.Buckets = append(h.Buckets, Bucket{b.GetUpperBound(), float64(b.GetCumulativeCount())})
	}
	slices.SortFunc(h.Buckets, func(a, b Bucket) int {
		if a.Upper < b.Upper {
			return -1
		}
		return 1
	})
	if n := len(h.Buckets); n > 0 && !math.IsInf(h.Buckets[n-1].Upper, 1) {
		h.Buckets = append(h.Buckets, Bucket{math.Inf(1), h.Count})
	}
	return h, true
}

// plus adds two histograms. Those with different bounds have a sum without buckets.
func (h Histogram) plus(o Histogram) Histogram {
	sum := Histogram{Count: h.Count + o.Count, Sum: h.Sum + o.Sum}
	if h.aligned(o) {
		for i, b := range h.Buckets {
			sum.Buckets = append(sum.Buckets, Bucket{b.Upper, b.Count + o.Buckets[i].Count})
		}
	}
	return sum
}

// minus is what h has more than an earlier o of the same server. A count that has fallen was
// reset, and o is nothing.
func (h Histogram) minus(o Histogram) Histogram {
	if h.Count < o.Count {
		return h
	}
	d := Histogram{Count: h.Count - o.Count, Sum: h.Sum - o.Sum}
	if h.aligned(o) {
		for i, b := range h.Buckets {
			d.Buckets = append(d.Buckets, Bucket{b.Upper, max(b.Count-o.Buckets[i].Count, 0)})
		}
	}
	return d
}

// aligned reports whether two histograms have the same bounds.
func (h Histogram) aligned(o Histogram) bool {
	return slices.EqualFunc(h.Buckets, o.Buckets, func(a, b Bucket) bool { return a.Upper == b.Upper })
}

// Mean is the mean of the observations, NaN if there are none.
func (h Histogram) Mean() float64 {
	if h.Count == 0 {
		return math.NaN()
	}
	return h.Sum / h.Count
}

// Quantile estimates the value below which a share of the observations lies, from 0 to 1, as
// Prometheus' histogram_quantile does: linearly between the bounds of its bucket, from 0 in
// the first. In the last bucket, which has no bound, it is the bound below. It is NaN without
// observations or buckets.
//
// Note: the true value may lie anywhere in its bucket, and buckets are wide: the first of
// vLLM's queue times ends at 0.3 s. Means are exact.
func (h Histogram) Quantile(share float64) float64 {
	if h.Count == 0 || len(h.Buckets) < 2 { // one bucket has no bound, and says nothing
		return math.NaN()
	}
	rank := share * h.Count
	i := slices.IndexFunc(h.Buckets, func(b Bucket) bool { return b.Count >= rank && b.Count > 0 })
	if i < 0 {
		i = len(h.Buckets) - 1
	}
	var lower Bucket
	if i > 0 {
		lower = h.Buckets[i-1]
	}
	b := h.Buckets[i]
	if math.IsInf(b.Upper, 1) || b.Count <= lower.Count {
		return lower.Upper
	}
	return lower.Upper + (b.Upper-lower.Upper)*(rank-lower.Count)/(b.Count-lower.Count)
}
