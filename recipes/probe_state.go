package recipes

import "github.com/aiperf-go/aiperf/recipes/plan"

// RestoreState sets the probe's state to the one that State names so, for a probe
// that is read back from a file. It reports whether there is a state of that name;
// if there is none, the probe keeps the one it has.
func (p *Probe) RestoreState(name string) bool {
	for s := plan.Full; s <= plan.Untrusted; s++ {
		if (&Probe{Observed: plan.Observation{State: s}}).State() == name {
			p.Observed.State = s
			return true
		}
	}
	return false
}
