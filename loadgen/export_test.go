package loadgen

// Connections is the number of connections of a generator that are not closed.
func Connections(g *Generator) int { return g.dialer.vacant(0) }
