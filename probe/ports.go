package probe

// PortRange is the ports First to Last, both included.
type PortRange struct {
	First, Last uint16
}

// Ports is a set of TCP ports: disjoint ranges in rising order. The zero
// value is the empty set.
type Ports []PortRange
