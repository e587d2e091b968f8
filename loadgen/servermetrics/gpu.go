package servermetrics

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// The GPUs behind a server are told of by another page than the server's: that of an exporter
// on their node, which has all GPUs there and knows none of the requests. Two are known,
// NVIDIA's dcgm-exporter and AMD's device-metrics-exporter.

// Device is one GPU, and where it is. Strings are empty where the page does not have them.
type Device struct {
	// Platform is nvidia or amd.
	Platform string
	// Index is the GPU's number on its node, from 0.
	Index int
	// UUID names the GPU in the world: its UUID or, if there is none, its serial number.
	UUID string
	// Model is the product's name, for example NVIDIA H100 80GB HBM3, and Host the node's.
	Model, Host string
	// Namespace and Pod are those of the Kubernetes pod that has the GPU.
	Namespace, Pod string
}

// id is what tells a GPU apart from all others. A pod may come and go.
func (d *Device) id() Device {
	return Device{Platform: d.Platform, Index: d.Index, UUID: d.UUID, Host: d.Host}
}

// GPU is what a page says of one GPU. Numbers that the page does not have are NaN.
type GPU struct {
	Device *Device
	// Power is in watts, Utilization in percent, from 0 to 100, and Memory, which is the part
	// in use, in GB of 1e9 bytes.
	Power, Utilization, Memory float64
	// Energy is in joules, counted since some time before.
	Energy float64
}

// exporter is one that tells of GPUs: its labels, and its names of quantities.
type exporter struct {
	platform    string
	index, host string
	// models and uuids are the labels of the product and of what names a GPU in the world, the
	// best one first.
	models, uuids []string
	names         []gpuName
}

// gpuName is an exporter's name of a quantity. Of several names of a quantity the first that
// has a value counts.
type gpuName struct {
	// family is as normalize returns it.
	family string
	is     Quantity
	// factor turns the exporter's unit into ours, and most is the largest value, in its own
	// unit, that is not one of the numbers that stand for none.
	factor, most float64
}

// The largest values that are measurements. Exporters write a number near the end of its type
// for none: DCGM has 2^31-16, 2^47 and 2^63-16, and AMD's all bits of 16, 32 or 64. No GPU
// draws 20 kW, and 2^62 µJ is more than a GPU's life.
const (
	powerMost  = 20e3
	memoryMost = 10e6    // MiB
	energyMost = 1 << 62 // in the exporter's unit

	fromMiB = 1.048576e-3 // to GB
)

// exporters lists those that are known.
//
// NVIDIA's names are those of etc/default-counters.csv of dcgm-exporter: energy is in mJ and
// memory in MiB. A GPU that is cut into instances (MIG) has no utilization of its own, and
// each of them has the share of time in which its engine was active, from 0 to 1.
//
// AMD's are those of docs/configuration/metricslist.md of device-metrics-exporter: energy is
// in µJ and memory in MB that are MiB. The MI300 series has package power, the MI200 series
// its average. All of them are gauges there, and 0 where the GPU has no such sensor.
var exporters = []exporter{
	{"nvidia", "gpu", "Hostname", []string{"modelName"}, []string{"UUID"}, []gpuName{
		{"DCGM_FI_DEV_POWER_USAGE", GPUPower, 1, powerMost},
		{"DCGM_FI_DEV_POWER_USAGE_INSTANT", GPUPower, 1, powerMost},
		{"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", GPUEnergy, 1e-3, energyMost},
		{"DCGM_FI_DEV_GPU_UTIL", GPUUtilization, 1, 100},
		{"DCGM_FI_PROF_GR_ENGINE_ACTIVE", GPUUtilization, 100, 1},
		{"DCGM_FI_DEV_FB_USED", GPUMemory, fromMiB, memoryMost},
	}},
	{"amd", "gpu_id", "hostname", []string{"card_series", "card_model"}, []string{"gpu_uuid", "serial_number"}, []gpuName{
		{"gpu_package_power", GPUPower, 1, powerMost},
		{"gpu_average_package_power", GPUPower, 1, powerMost},
		{"gpu_power_usage", GPUPower, 1, powerMost},
		{"gpu_energy_consumed", GPUEnergy, 1e-6, energyMost},
		{"gpu_gfx_activity", GPUUtilization, 1, 100},
		{"gpu_used_vram", GPUMemory, fromMiB, memoryMost},
	}},
}

// gpusOf returns the GPUs of a page's families, in the order of their nodes and indices.
//
// Instances of one GPU (MIG) each repeat its power and its energy, which count once; their
// memory adds up. Partitions of an AMD GPU are GPUs of their own there, of which the first has
// the sensors: the others are left out.
func gpusOf(byName map[string]*dto.MetricFamily) []GPU {
	found := map[Device]*GPU{}
	for _, e := range exporters {
		for _, n := range e.names {
			f := byName[n.family]
			if f == nil {
				f = byName["amd_"+n.family] // as its chart may prefix them
			}
			for _, m := range f.GetMetric() {
				v, ok := valueOf(m)
				d, known := e.device(m)
				if !ok || !known || v < 0 || v > n.most || v == 0 && (n.is == GPUPower || n.is == GPUEnergy) {
					continue
				}
				g := found[d.id()]
				if g == nil {
					nan := math.NaN()
					g = &GPU{Device: &d, Power: nan, Utilization: nan, Memory: nan, Energy: nan}
					found[d.id()] = g
				}
				if g.Device.Pod == "" && d.Pod != "" {
					g.Device = &d
				}
				g.take(n, v*n.factor)
			}
		}
	}
	var all []GPU
	for _, g := range found {
		all = append(all, *g)
	}
	slices.SortFunc(all, func(a, b GPU) int {
		return cmp.Or(cmp.Compare(a.Device.Host, b.Device.Host), cmp.Compare(a.Device.Index, b.Device.Index),
			cmp.Compare(a.Device.UUID, b.Device.UUID))
	})
	return all
}

// take sets a quantity. The names of a quantity come one after another, so that what is there
// already is of a better name or of another instance of the same GPU.
func (g *GPU) take(n gpuName, v float64) {
	p := g.value(n.is)
	switch {
	case math.IsNaN(*p):
		*p = v
	case n.is == GPUMemory:
		*p += v
	case n.family != "DCGM_FI_DEV_POWER_USAGE_INSTANT" && n.family != "gpu_average_package_power" && n.family != "gpu_power_usage":
		*p = max(*p, v)
	}
}

// value is the field of a quantity.
func (g *GPU) value(q Quantity) *float64 {
	switch q {
	case GPUPower:
		return &g.Power
	case GPUUtilization:
		return &g.Utilization
	case GPUMemory:
		return &g.Memory
	}
	return &g.Energy
}

// device is the GPU of a series; ok is false for a series that is of none, and for a partition
// of a GPU behind the first.
func (e exporter) device(m *dto.Metric) (d Device, ok bool) {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	index, err := strconv.Atoi(labels[e.index])
	if err != nil {
		return d, false
	}
	if part, err := strconv.Atoi(labels["gpu_partition_id"]); err == nil && part > 0 && part < math.MaxUint32 {
		return d, false
	}
	first := func(names []string) string {
		for _, name := range names {
			if v := labels[name]; strings.Trim(v, "0-") != "" { // virtual GPUs may have a UUID of zeros
				return v
			}
		}
		return ""
	}
	return Device{Platform: e.platform, Index: index, Model: first(e.models), UUID: first(e.uuids), Host: labels[e.host],
		Namespace: labels["namespace"], Pod: labels["pod"]}, true
}

// gpuFamilies are the names of the exporters, with and without the prefix that AMD's may have.
func gpuFamilies() (names []string) {
	for _, e := range exporters {
		for _, n := range e.names {
			names = append(names, normalize(n.family))
			if e.platform == "amd" {
				names = append(names, "amd_"+n.family)
			}
		}
	}
	return names
}

// GPUsOnly reports whether a page is an exporter's, and says nothing of an inference server.
func (p Page) GPUsOnly() bool { return len(p.GPUs) > 0 && len(p.Values)+len(p.Histograms) == 0 }

// Mine returns which GPUs of a window belong to a server, in their order, if n of them do: all
// there are, or those that took the most energy. If n is 0, they are those of its pods, where
// the exporter tells pods apart, and otherwise those that worked or have no utilization. hosts
// are the names under which the server is known, and told is false if it is known neither by
// its pod nor by being alone.
func Mine(all []GPUWindow, n int, hosts []string) (mine []GPUWindow, told bool) {
	pods := podsOf(all, hosts)
	if len(pods) > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(g GPUWindow) bool { return !slices.Contains(pods, g.Device.pod()) })
	}
	if n > 0 {
		if len(all) <= n {
			return all, true
		}
		byEnergy := slices.Clone(all)
		slices.SortStableFunc(byEnergy, func(a, b GPUWindow) int { return cmp.Compare(b.Energy, a.Energy) })
		byEnergy = byEnergy[:n]
		return slices.DeleteFunc(slices.Clone(all), func(g GPUWindow) bool {
			return !slices.ContainsFunc(byEnergy, func(o GPUWindow) bool { return o.Device == g.Device })
		}), true
	}
	if len(pods) > 0 {
		return all, len(pods) == 1 || named(pods, hosts)
	}
	worked := slices.DeleteFunc(slices.Clone(all), func(g GPUWindow) bool {
		return len(g.Utilization) > 0 && slices.Max(g.Utilization) == 0
	})
	if len(worked) == 0 {
		worked = all
	}
	return worked, len(all) == 1
}

// pod is the GPU's pod with its namespace; empty for a GPU that no pod has.
func (d *Device) pod() string {
	if d.Pod == "" {
		return ""
	}
	return d.Namespace + "/" + d.Pod
}

// podsOf are the pods that have GPUs: those that are named like a host if there are such, and
// otherwise all of them.
func podsOf(all []GPUWindow, hosts []string) (pods []string) {
	for _, g := range all {
		if pod := g.Device.pod(); pod != "" && !slices.Contains(pods, pod) {
			pods = append(pods, pod)
		}
	}
	if own := slices.DeleteFunc(slices.Clone(pods), func(pod string) bool { return !named([]string{pod}, hosts) }); len(own) > 0 {
		return own
	}
	return pods
}

// named reports whether each pod has a name that begins with that of a host, as pods of a
// deployment do whose service has its name: llama of llama.default.svc and llama-7577f87fc7-dhb97.
func named(pods, hosts []string) bool {
	for _, pod := range pods {
		_, name, _ := strings.Cut(pod, "/")
		if !slices.ContainsFunc(hosts, func(host string) bool {
			first, _, _ := strings.Cut(host, ".")
			return first != "" && (name == first || strings.HasPrefix(name, first+"-"))
		}) {
			return false
		}
	}
	return true
}
