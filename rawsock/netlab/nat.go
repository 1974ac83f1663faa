package netlab

import "fmt"

// PortChoice is how a NAT picks outside ports.
type PortChoice uint8

// The choices, as nftables names them.
const (
	// Plain keeps the inside port while it is free.
	Plain PortChoice = iota
	// Random starts the search for a free port at a random one.
	//
	// Linux differs: since 5.0 the kernel treats it as FullyRandom
	// (nf_nat_l4proto_unique_tuple).
	Random
	// FullyRandom draws every port from a pseudo-random generator.
	FullyRandom
)

// String returns nftables' name of the choice; Plain's is "plain".
func (p PortChoice) String() string {
	switch p {
	case Plain:
		return "plain"
	case Random:
		return "random"
	case FullyRandom:
		return "fully-random"
	}
	return fmt.Sprintf("port choice %d", uint8(p))
}

// NAT masquerades behind the address of an outside link.
type NAT struct {
	// Toward names the host at the other end of the outside link; "" means no NAT.
	Toward string
	Ports  PortChoice
}
