package rawsock

import (
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
)

// Config says what a Conn hears and through which device it speaks.
type Config struct {
	// Local are the endpoints whose replies are heard: TCP to them, and ICMP
	// errors that quote TCP from them.
	Local []netip.AddrPort
	// Interface names the one device to send and receive on
	// (SO_BINDTODEVICE); "" leaves the choice to the kernel's routes.
	Interface string
	// Except is the index of a device whose arrivals are not heard; zero for
	// none.
	Except int
	// ReceiveBuffer is the room asked of the kernel for datagrams that wait to
	// be received, in octets of the kernel's accounting (about 768 for a short
	// segment). Zero means 4 MiB. Without CAP_NET_ADMIN the kernel grants no
	// more than net.core.rmem_max.
	ReceiveBuffer int
	// NoTransmitStamps leaves out the kernel's transmit stamps, for engines
	// that value rate above exact times: Send then reads the user's clock.
	NoTransmitStamps bool
}

// PacketConfig says what a PacketConn sees.
type PacketConfig struct {
	// Interface names the device; "" means all of them, and then nothing can
	// be sent.
	Interface string
	// Frames makes arrivals and departures begin at the link-layer header, and
	// lets frames of every protocol arrive. Otherwise they begin at the IPv4
	// header, and only IPv4 arrives.
	Frames bool
	// Destination is the link-layer address to which Send addresses datagrams
	// (a next hop's); nil on devices that have none. With Frames it is ignored.
	Destination net.HardwareAddr
	// IncomingOnly hides what this host sends (PACKET_IGNORE_OUTGOING).
	IncomingOnly bool
	// Filter is a classic BPF program for the octets from where arrivals
	// begin; nil lets everything pass.
	Filter []bpf.RawInstruction
	// Snap is how many octets of an arrival are kept; zero means all of them.
	Snap int
	// RingSize is the receive ring's size in octets, rounded up to whole
	// blocks of 256 KiB, or of 16 KiB with a Snap of up to 1 KiB; two at least.
	// Zero means 4 MiB. The kernel begins another block after 4 ms or more,
	// however little has come: with that Snap 4 MiB last for a second at least
	// in which nobody reads, unless they fill up.
	RingSize int
	// Immediate reads the socket without a ring. Every frame can then be had
	// at once, where the ring hands over a block when it is full or 4 ms old,
	// but each costs twenty times as much of the processor. It is meant for
	// forwarders of links.
	Immediate bool
}
