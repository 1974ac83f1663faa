// Package route asks the kernel for the way to a destination: source address,
// device and next hop, and what this host's TCP would announce on it.
//
// Functions ask anew every time, in the network namespace of the calling
// thread; a Resolver asks for many ways. No question needs a capability. Errors
// are *net.OpError.
package route

import (
	"errors"
	"net/netip"
)

// ErrBroadcast reports a destination that is the broadcast address of a
// network of this host's.
var ErrBroadcast = errors.New("broadcast address")

// Path is the way to a destination, as the kernel routes it.
type Path struct {
	// Source is the address that the kernel would send from.
	Source netip.Addr
	// Interface and Index name the device.
	Interface string
	Index     int
	// Gateway is the next hop; the zero Addr where the destination is on the
	// link, or the device has no neighbours.
	Gateway netip.Addr
	// MTU is in octets: the path's where one is known, else the device's.
	MTU int
	// MSS, Window and WindowScale are what this kernel's own SYNs announce on
	// the path, the first two in octets; WindowScale is zero where window
	// scaling is off.
	MSS         uint16
	Window      uint16
	WindowScale uint8
	// Local says that the destination is this host itself.
	Local bool
	// Neighbors says that the device resolves addresses by ARP.
	Neighbors bool
}

// NeighborState is what ARP knows of an address on our own link.
type NeighborState uint8

// The states, by what they mean for a sender.
const (
	// NoEntry: nobody has asked for it, or that is forgotten.
	NoEntry NeighborState = iota
	// Incomplete: asked for, and not yet answered; the kernel holds datagrams.
	Incomplete
	// Failed: asked for in vain; the kernel has given up for now.
	Failed
	// Found: its link-layer address is known, or not needed.
	Found
)

// Options narrow the choice of a path. The zero value asks for the kernel's.
type Options struct {
	// Source is the address to send from, one of this host's.
	Source netip.Addr
	// Interface names the device to send through.
	Interface string
}

// Interface describes a device.
type Interface struct {
	Name  string
	Index int
	// MTU is in octets.
	MTU int
	// Up says that it was switched on, Running that it has a carrier as well.
	Up, Running bool
	// Loopback is this host's link to itself.
	Loopback bool
	// Neighbors says that the device resolves addresses by ARP.
	Neighbors bool
}
