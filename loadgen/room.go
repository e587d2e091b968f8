package loadgen

import (
	"cmp"
	"fmt"
	"os"
)

// spareFiles are left for what else the process has open.
const spareFiles = 64

// room is how many connections a process can have at once: files of any kind, and local ports,
// of which a connection takes one for each address that it leads to. 0 stands for a number
// that the system does not tell.
type room struct{ files, ports int }

// roomOfProcess asks the system. Only Linux tells the ports.
func roomOfProcess() room {
	r := room{files: openFiles()}
	if r.files > 0 {
		r.files = max(r.files-spareFiles, 1)
	}
	var from, to int
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if n, _ := fmt.Sscan(string(b), &from, &to); n == 2 && to >= from {
			r.ports = to - from + 1
		}
	}
	return r
}

// fits reports a probe for which the process has no room. Beyond it, connections fail in this
// process, and the books would say that the server failed. The error is a *TargetError, with the
// number of processes that have room for the load.
func (g *Generator) fits(p *probe) error {
	whole := cmp.Or(p.total, p.load.MostInFlight)
	most, limit := whole, ""
	r, ports := g.room(), 0
	for _, e := range g.ends {
		if g.target.Dial != nil || e.dialer.shares() { // not the system's, or one for all requests
			return nil
		}
		if e.socket == "" {
			ports += r.ports
		}
	}
	if r.files > 0 && r.files < most {
		most, limit = r.files, "the limit on open files (ulimit -n)"
	}
	if ports > 0 && ports < most {
		most, limit = ports, "the range of local ports (net.ipv4.ip_local_port_range)"
	}
	own := p.part.Share(whole)
	if own <= most {
		return nil
	}
	field := "Load.Concurrency"
	if p.total == 0 {
		field = "Load.MostInFlight"
	}
	return &TargetError{Field: field, Problem: fmt.Sprintf("is %d, for which one process needs %d connections at once, "+
		"and %s has room for %d; raise it, or spread the load over at least %d workers", whole, own, limit, most, (whole+most-1)/most)}
}
