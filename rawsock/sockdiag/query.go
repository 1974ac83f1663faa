package sockdiag

// Query says which sockets are asked for, and what about them. The zero value
// asks for all, without details.
type Query struct {
	// States are those that sockets are in; none means all.
	States []State
	// Filter chooses by endpoints.
	Filter Filter
	// Details asks for Info, Memory, Congestion and TOS.
	Details bool
}

// mask is the states as the kernel takes them.
func (q Query) mask() uint32 {
	if len(q.States) == 0 {
		return allStates
	}
	var mask uint32
	for _, s := range q.States {
		mask |= 1 << s
		if s == SynReceived {
			mask |= 1 << newSynReceived
		}
	}
	return mask
}
