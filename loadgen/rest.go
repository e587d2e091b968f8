package loadgen

// Rest ends the load and waits until no request is in flight: the next Probe
// starts from an idle server. Connections stay.
func (g *Generator) Rest() {
	g.stop()
	g.slots.Wait()
}
