package netlab

// Hook is the place in the kernel's path where a rule stands.
type Hook uint8

// The hooks of a filter rule.
const (
	Input Hook = iota
	Forward
	Output
)

// Action is what a rule does to a matching segment.
type Action uint8

// The actions. The Reject ones answer with the ICMP unreachable code of
// their name.
const (
	Accept Action = iota
	Drop
	RejectReset
	RejectPortUnreachable
	RejectHostUnreachable
	RejectNetUnreachable
	RejectAdminProhibited
	RejectHostProhibited
	RejectNetProhibited
	// SynProxy answers SYNs itself and opens the real connection after the
	// handshake.
	SynProxy
)

// Rule is one line of a firewall: TCP to the ports From..To (zero To means
// From alone, both zero mean every port) meets Action at Hook.
type Rule struct {
	Hook     Hook
	From, To uint16
	Action   Action
}

// Firewall is a host's rule set, in order.
type Firewall struct {
	Rules []Rule
	// DropInvalid drops what connection tracking calls invalid, before the rules.
	DropInvalid bool
}

// PortChoice is how a NAT picks outside ports.
type PortChoice uint8

// The choices, as nftables names them.
const (
	Plain PortChoice = iota
	Random
	FullyRandom
)

// NAT masquerades behind the address of an outside link.
type NAT struct {
	// Toward names the host at the other end of the outside link; "" means no NAT.
	Toward string
	Ports  PortChoice
}
