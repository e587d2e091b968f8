package report

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/loadgen/servermetrics"
)

// AIPerf has four forms of what GPUs do, all of which are written if a page of an exporter was
// read: a block of each metric of energy in profile_export_aiperf.json, under tags that begin
// with the platform; telemetry_data in the same file; a table at the end of its CSV; and
// gpu_telemetry_export.jsonl, a line a GPU and sample. As everywhere, the window of one trial
// is meant, and only the GPUs that are the server's.

// gpuField is a quantity under AIPerf's name of it: its title in tables, and its unit with what
// a value in ours is multiplied by.
type gpuField struct {
	is           servermetrics.Quantity
	field, title string
	unit         string
	factor       float64
}

// gpuFields are those of each platform.
var gpuFields = map[string][]gpuField{
	"nvidia": {
		{servermetrics.GPUPower, "nvidia_power_usage", "NVIDIA GPU Power Usage", "W", 1},
		{servermetrics.GPUEnergy, "nvidia_energy_consumption", "NVIDIA Energy Consumption", "MJ", 1e-6},
		{servermetrics.GPUUtilization, "nvidia_gpu_utilization", "NVIDIA GPU Utilization", "%", 1},
		{servermetrics.GPUMemory, "nvidia_memory_used", "NVIDIA GPU Memory Used", "GB", 1},
	},
	"amd": {
		{servermetrics.GPUPower, "amd_power", "AMD GPU Power", "W", 1},
		{servermetrics.GPUEnergy, "amd_energy_consumption", "AMD Energy Consumption", "MJ", 1e-6},
		{servermetrics.GPUUtilization, "amd_gfx_activity", "AMD GFX Activity", "%", 1},
		{servermetrics.GPUMemory, "amd_memory_used", "AMD GPU Memory Used", "GB", 1},
	},
}

// energyBlocks are AIPerf's metrics of energy of one measurement, by tag, one number each. Those
// of NVIDIA's GPUs are, where P is the mean power of all of them:
//
//	nvidia_total_gpu_power          W               sum of the means of the gauges
//	nvidia_average_gpu_power        W               P, by the counters of energy if there are any
//	nvidia_total_gpu_energy         J               P · the window's length
//	nvidia_output_tokens_per_joule  tokens/J        output tokens a second / P
//	nvidia_energy_per_output_token  mJ/token        1000 · P / output tokens a second
//	nvidia_energy_per_total_token   mJ/token        1000 · P / tokens a second
//	nvidia_energy_per_request       joules/request  P / requests a second
//	nvidia_energy_per_user          joules/user     energy / concurrency; not of open loops
//	nvidia_energy_delay_product     J*s             energy of a request · mean latency
//	nvidia_performance_per_watt     requests/sec/W  requests a second / P
//	nvidia_output_tps_per_watt      tokens/sec/W    output tokens a second / P
//	nvidia_goodput_per_watt         good-req/s/W    goodput / P; only if there is a rule of what is good
//
// Those of AMD's begin with amd. Each platform divides by all of the load, as there. Metrics
// whose parts are not known are left out.
//
// Note: AIPerf divides energy by the tokens and the requests that started in the window. Here
// both are rates of the window, so that what is computed at its edges counts on both sides.
func energyBlocks(m *loadgen.Measurement) map[string]any {
	out := map[string]any{}
	byPlatform := map[string][]servermetrics.GPUWindow{}
	for _, g := range m.Server.Window.GPUs {
		byPlatform[g.Device.Platform] = append(byPlatform[g.Device.Platform], g)
	}
	for platform, gpus := range byPlatform {
		put := func(name, unit string, v float64) {
			if finite(v) {
				out[platform+"_"+name] = object{"unit": unit, "avg": v}
			}
		}
		rate := func(tag loadgen.Tag) float64 {
			if v, ok := m.Stat(tag, "avg"); ok {
				return v
			}
			return math.NaN()
		}
		total := 0.0
		for _, g := range gpus {
			total += servermetrics.Window{GPUs: []servermetrics.GPUWindow{g}}.Stats(servermetrics.GPUPower)["avg"]
		}
		if total > 0 {
			put("total_gpu_power", "W", total)
		}
		joules, length, ok := servermetrics.Window{GPUs: gpus}.Energy()
		if !ok {
			continue
		}
		watts := joules / length.Seconds()
		tokens, all, requests := rate(loadgen.TagTokenRate), rate(loadgen.TagTotalRate), rate(loadgen.TagReqRate)
		if math.IsNaN(all) { // vectors and scores
			all = rate(loadgen.TagInputRate)
		}
		put("average_gpu_power", "W", watts)
		put(loadgen.TagGPUEnergy, "J", joules)
		put("output_tokens_per_joule", "tokens/J", tokens/watts)
		put(loadgen.TagJoules, "mJ/token", 1000*watts/tokens)
		put(loadgen.TagTotalJoules, "mJ/token", 1000*watts/all)
		put("energy_per_request", "joules/request", watts/requests)
		if n := m.Load.Concurrency; n > 0 {
			put("energy_per_user", "joules/user", joules/float64(n))
		}
		put("energy_delay_product", "J*s", watts/requests*rate(loadgen.TagLatency)/1000)
		put("performance_per_watt", "requests/sec/W", requests/watts)
		put("output_tps_per_watt", "tokens/sec/W", tokens/watts)
		put("goodput_per_watt", "good-req/s/W", rate(loadgen.TagGoodput)/watts)
	}
	return out
}

// gpuSummary is one GPU in AIPerf's telemetry_data. Its fields are in AIPerf's order.
type gpuSummary struct {
	// Index is the GPU's number on its node, from 0.
	Index int `json:"gpu_index"`
	// Name is the product's, and UUID a serial number where there is none.
	Name string `json:"gpu_name"`
	UUID string `json:"gpu_uuid"`
	// Platform is nvidia or amd.
	Platform string `json:"platform"`
	// Host is the node, and Namespace and Pod say who has the GPU in Kubernetes.
	Host      *string `json:"hostname"`
	Namespace *string `json:"namespace"`
	Pod       *string `json:"pod_name"`
	// Metrics has a block a quantity, as a profile has one a metric.
	Metrics map[string]object `json:"metrics"`

	// fields are those of the platform, in the order of tables.
	fields []gpuField
}

// telemetry is AIPerf's telemetry_data of a measurement: the GPUs of each page, with the
// statistics of their gauges over the samples, and under avg what their counters grew by:
//
//	"summary": {"endpoints_configured": […], "endpoints_successful": […], "start_time": "…", "end_time": "…"},
//	"endpoints": {
//	    "node-7:9400": {"gpus": {
//	        "gpu_0": {"gpu_index": 0, "gpu_name": "NVIDIA H100 80GB HBM3", "gpu_uuid": "GPU-604ac76c-…",
//	            "platform": "nvidia", "hostname": "node-7", "namespace": null, "pod_name": null,
//	            "metrics": {
//	                "nvidia_power_usage": {"unit": "W", "avg": 612.3, "max": 671.0, "p95": 660.2, …},
//	                "nvidia_energy_consumption": {"unit": "MJ", "avg": 0.0367}, …}},
//	        …}}
//	}
//
// AIPerf counts the GPUs of it, and divides throughput by that number. It is nil if no page had
// any. Pages that were named and could not be read are no part of it.
func (v *view) telemetry(m *loadgen.Measurement) object {
	endpoints := map[string]object{}
	configured := []string{}
	first, last := m.Epoch, m.Epoch
	v.eachPage(m, func(name string, s servermetrics.Series, gpus []servermetrics.GPUWindow) {
		configured = append(configured, name)
		from, to := m.Epoch.Add(s.Samples[0].At), m.Epoch.Add(s.Samples[len(s.Samples)-1].At)
		if len(configured) == 1 || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
		found := map[string]gpuSummary{}
		for _, g := range gpus {
			key := fmt.Sprintf("gpu_%d", g.Device.Index)
			if _, taken := found[key]; taken { // of another node behind the same page
				key += "_" + v.redact(g.Device.Host)
			}
			found[key] = v.gpuSummary(g)
		}
		endpoints[displayed(name)] = object{"gpus": found}
	})
	if len(endpoints) == 0 {
		return nil
	}
	return object{
		"summary": object{
			"endpoints_configured": configured, "endpoints_successful": configured,
			"start_time": first.Format(stamp), "end_time": last.Format(stamp),
		},
		"endpoints": endpoints, "error_summary": nil,
	}
}

// A page may have the GPUs of others, too: what is written is of the server's alone.

// eachPage calls do for each page of a measurement that has GPUs of the server.
func (v *view) eachPage(m *loadgen.Measurement, do func(name string, s servermetrics.Series, gpus []servermetrics.GPUWindow)) {
	for _, s := range m.Server.Series {
		if gpus := s.Window.Only(m.Server.Window.GPUs).GPUs; len(gpus) > 0 && len(s.Samples) > 0 {
			do(v.redact(s.Name), s, gpus)
		}
	}
}

// displayed is a page's URL as AIPerf shows it: without its scheme, and without /metrics, for
// example node-7:9400. A query of it is lost, and so is one of two pages that differ in it alone.
func displayed(name string) string {
	u, err := url.Parse(name)
	if err != nil {
		return name
	}
	return u.Host + strings.TrimSuffix(u.Path, "/metrics")
}

// gpuSummary says who a GPU is, and what it did. Strings that its exporter does not have are
// null, as there, but for its model and its UUID, which are empty.
func (v *view) gpuSummary(g servermetrics.GPUWindow) gpuSummary {
	d := g.Device
	known := func(s string) *string {
		if s == "" {
			return nil
		}
		s = v.redact(s)
		return &s
	}
	out := gpuSummary{
		Index: d.Index, Name: v.redact(d.Model), UUID: v.redact(d.UUID), Platform: d.Platform,
		Host: known(d.Host), Namespace: known(d.Namespace), Pod: known(d.Pod), Metrics: map[string]object{}, fields: gpuFields[d.Platform],
	}
	w := servermetrics.Window{GPUs: []servermetrics.GPUWindow{g}}
	for _, f := range out.fields {
		stats := w.Stats(f.is)
		if sum, counted := stats["sum"]; counted { // of a counter AIPerf has what it grew by, as the mean
			stats = map[string]float64{"avg": sum}
		}
		if len(stats) == 0 {
			continue
		}
		b := object{"unit": f.unit}
		for stat, x := range stats {
			if stat == "count" {
				b[stat] = int(x)
				continue
			}
			b[stat] = num(x * f.factor)
		}
		out.Metrics[f.field] = b
	}
	return out
}

// gpuCSV adds AIPerf's table of GPUs to a trial's CSV, a row a GPU and metric, behind two empty
// rows:
//
//	Endpoint,GPU_Index,GPU_Name,GPU_UUID,Platform,Metric,avg,min,…,std,Hostname
//	node-7:9400,0,NVIDIA H100 80GB HBM3,GPU-604ac76c-…,nvidia,NVIDIA GPU Power Usage (W),612.34,…,node-7
//
// Hosts, namespaces and pods are columns if some GPU has them.
func (v *view) gpuCSV(c *csvTable, m *loadgen.Measurement) {
	type row struct {
		page string
		gpu  gpuSummary
	}
	var rows []row
	v.eachPage(m, func(name string, _ servermetrics.Series, gpus []servermetrics.GPUWindow) {
		for _, g := range gpus {
			rows = append(rows, row{displayed(name), v.gpuSummary(g)})
		}
	})
	if len(rows) == 0 {
		return
	}
	head := slices.Concat([]string{"Endpoint", "GPU_Index", "GPU_Name", "GPU_UUID", "Platform", "Metric"}, csvStats)
	var where []func(gpuSummary) *string
	for _, column := range []struct {
		name string
		of   func(gpuSummary) *string
	}{
		{"Hostname", func(g gpuSummary) *string { return g.Host }},
		{"Namespace", func(g gpuSummary) *string { return g.Namespace }},
		{"Pod Name", func(g gpuSummary) *string { return g.Pod }},
	} {
		if slices.ContainsFunc(rows, func(r row) bool { return column.of(r.gpu) != nil }) {
			head, where = append(head, column.name), append(where, column.of)
		}
	}
	c.row()
	c.row()
	c.row(head...)
	for _, r := range rows {
		for _, f := range r.gpu.fields {
			b, ok := r.gpu.Metrics[f.field]
			if !ok {
				continue
			}
			cells := []string{r.page, fmt.Sprint(r.gpu.Index), r.gpu.Name, r.gpu.UUID, r.gpu.Platform, f.title + " (" + f.unit + ")"}
			for _, stat := range csvStats {
				x, _ := b[stat].(num)
				if _, ok := b[stat]; !ok {
					cells = append(cells, "")
					continue
				}
				cells = append(cells, fixed(float64(x), 2))
			}
			for _, of := range where {
				cell := "None" // as AIPerf writes it
				if s := of(r.gpu); s != nil {
					cell = *s
				}
				cells = append(cells, cell)
			}
			c.row(cells...)
		}
	}
}

// gpuRecord is a line of gpu_telemetry_export.jsonl: one GPU at one sample, with its values in
// AIPerf's units, energy in MJ. Values that the page does not have are left out.
type gpuRecord struct {
	// At is in ns since 1970.
	At        int64          `json:"timestamp_ns"`
	Page      string         `json:"telemetry_source_url"`
	Index     int            `json:"gpu_index"`
	UUID      string         `json:"gpu_uuid"`
	Model     string         `json:"gpu_model_name"`
	Host      *string        `json:"hostname"`
	Namespace *string        `json:"namespace"`
	Pod       *string        `json:"pod_name"`
	Platform  string         `json:"platform"`
	Data      map[string]num `json:"telemetry_data"`
}

// gpuRecords writes gpu_telemetry_export.jsonl of one trial (from 0) of the i-th probe. A
// counter of energy that stood still between two readings of the exporter is what it is taken
// to have been.
func (v *view) gpuRecords(w io.Writer, i, trial int) error {
	m := v.probes[i].Trials[trial]
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	var err error
	v.eachPage(m, func(name string, s servermetrics.Series, gpus []servermetrics.GPUWindow) {
		known := map[servermetrics.Device]gpuSummary{} // those that are not the server's have no fields
		for _, sample := range s.Samples {
			for _, g := range sample.Page.GPUs {
				is, seen := known[*g.Device]
				if !seen {
					if w := (servermetrics.Window{GPUs: []servermetrics.GPUWindow{{Device: g.Device}}}).Only(gpus); len(w.GPUs) > 0 {
						is = v.gpuSummary(w.GPUs[0])
					}
					known[*g.Device] = is
				}
				if len(is.fields) == 0 {
					continue
				}
				r := gpuRecord{
					At: m.Epoch.Add(sample.At).UnixNano(), Page: name, Index: is.Index, UUID: is.UUID, Model: is.Name,
					Host: is.Host, Namespace: is.Namespace, Pod: is.Pod, Platform: is.Platform, Data: map[string]num{},
				}
				values := map[servermetrics.Quantity]float64{servermetrics.GPUPower: g.Power, servermetrics.GPUEnergy: g.Energy,
					servermetrics.GPUUtilization: g.Utilization, servermetrics.GPUMemory: g.Memory}
				for _, f := range is.fields {
					if x := values[f.is]; finite(x) {
						r.Data[f.field] = num(x * f.factor)
					}
				}
				if err == nil {
					err = e.Encode(r)
				}
			}
		}
	})
	return cmp.Or(err, b.Flush())
}

// AIPerf 0.13 reads NVIDIA's exporter over HTTP, and AMD's GPUs on its own machine alone.

// gpuPages are the pages of NVIDIA's exporter that a measurement has read, which AIPerf can
// be asked to read, too; others says that another exporter's was read.
func (v *view) gpuPages(m *loadgen.Measurement) (pages []string, others bool) {
	v.eachPage(m, func(name string, s servermetrics.Series, gpus []servermetrics.GPUWindow) {
		if gpus[0].Device.Platform == "nvidia" {
			pages = append(pages, name)
		} else {
			others = true
		}
	})
	return slices.Compact(pages), others
}

// withEnergy adds what AIPerf says of GPUs to a profile: the blocks of energy, which stand
// beside the metrics, and telemetry_data.
func (v *view) withEnergy(doc map[string]any, m *loadgen.Measurement) {
	maps.Copy(doc, energyBlocks(m))
	if t := v.telemetry(m); t != nil {
		doc["telemetry_data"] = t
	}
}
