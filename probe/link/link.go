// Package link says what a prober needs of the world: a way to send and
// receive datagrams, routes, ports that stay quiet, the shared tables that
// must not be filled, and the sockets that must not be disturbed.
//
// The interfaces are small, and package rawsock satisfies them by shape;
// command tcpscope joins the two. Tests put a fake here and nowhere deeper.
package link

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Link sends and receives whole IPv4 datagrams. Send and Receive may be
// called from two goroutines at once, but neither from two.
type Link interface {
	// Send hands every departure to the kernel in order, and fills in its At
	// and Err. The error it returns is about the socket, not about one
	// datagram; departures behind it were not tried.
	Send(batch []wire.Departure) error
	// Receive waits until at least one datagram has arrived, and fills in as
	// many as are there. It returns ctx's error when ctx ends. The datagrams
	// are valid until the next call.
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
	// Pending reports whether anything has arrived that is not dealt with: it
	// waits to be received, or Receive has returned it and was not called
	// again since. It may be called at any time.
	Pending() bool
	// Drops counts the arrivals that the kernel had no room for.
	Drops() uint64
	// Close releases the sockets. A Receive under way returns net.ErrClosed.
	Close() error
}

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
	// MTU is in octets, the route's where it has one, else the device's.
	MTU int
	// MSS, Window and WindowScale are what this kernel's own SYNs announce on
	// the path, the first two in octets.
	MSS         uint16
	Window      uint16
	WindowScale uint8
	// Local says that the destination is this host itself.
	Local bool
	// Neighbors says that the device resolves addresses by ARP.
	Neighbors bool
}

// ErrBroadcast reports a destination that is no single host.
var ErrBroadcast = errors.New("it is the broadcast address of its network, and TCP has no broadcast peers")

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

// Routes looks up paths.
type Routes interface {
	// Path asks the kernel for the way to dst. Its error satisfies
	// errors.Is with syscall.ENETUNREACH or EHOSTUNREACH where there is none,
	// and with ErrBroadcast besides where dst is the broadcast address of a
	// network of ours.
	Path(dst netip.Addr) (Path, error)
	// Neighbors returns what ARP knows of the addresses on a device.
	Neighbors(index int) (map[netip.Addr]NeighborState, error)
	// IsLocal reports whether addr is an address of this host.
	IsLocal(addr netip.Addr) (bool, error)
}

// Port is a TCP port of ours for which the kernel gives no answers.
type Port interface {
	Local() netip.AddrPort
	Close() error
}

// Ports reserves quiet ports.
type Ports interface {
	// Reserve takes a quiet port on src; port zero lets the kernel choose.
	Reserve(src netip.Addr, port uint16) (Port, error)
}

// Sockets tells which segments would hit a connection of this host.
type Sockets interface {
	// Owner returns the state, as ss names it, of the local socket that owns
	// the 4-tuple exactly; "" if none does.
	Owner(local, remote netip.AddrPort) (string, error)
}

// Tables tells how much room is left in the tables that all share.
type Tables interface {
	// Conntrack returns the entries in use and the limit; a limit of zero
	// means that this host does not track connections.
	Conntrack() (used, limit int, err error)
}

// World is all of it, and opens links.
type World interface {
	Routes
	Ports
	Sockets
	Tables
	// Open opens a link.
	Open(Config) (Link, error)
}

// Config says what a link hears, and how exactly it must know when it sent.
type Config struct {
	// Local are the endpoints whose replies are heard.
	Local []netip.AddrPort
	// Except is the index of a device whose arrivals are not heard, because a
	// tap hears them; zero for none.
	Except int
	// NoTransmitStamps leaves out the kernel's transmit stamps, which cost
	// about as much as sending itself; a Departure's At is then the user's
	// clock.
	NoTransmitStamps bool
}

// Tap hears what passes one device, in both directions and by one clock.
type Tap interface {
	// Receive is like a Link's; Arrival.Outgoing tells the directions apart.
	// What was sent through a Link is among it, if it passed the device.
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
	// Poll is Receive with an end: it returns nothing after wait at the latest.
	// It may keep the thread from doing anything else meanwhile.
	Poll(wait time.Duration, batch []wire.Arrival) (int, error)
	// Pending is like a Link's, but for what arrived within the last few
	// milliseconds.
	Pending() bool
	// Drops counts the arrivals that the kernel had no room for.
	Drops() uint64
	// Close releases the socket. A Receive under way returns net.ErrClosed.
	Close() error
}

// Taps opens taps.
type Taps interface {
	// Tap opens a tap on a device, for the segments from and to these local
	// endpoints, and the ICMP errors about them.
	Tap(device string, local ...netip.AddrPort) (Tap, error)
}

// Connector makes connections as any program does, with the kernel's TCP.
type Connector interface {
	// Connect connects to a remote endpoint, measures, and ends the connection
	// with a reset, so that nothing is left in TIME-WAIT. What the peer or the
	// network did is in Connected; the error is about this host's socket, or
	// ctx's.
	Connect(ctx context.Context, c ConnectConfig) (Connected, error)
}

// ConnectConfig says how to connect.
type ConnectConfig struct {
	// Source is the address to connect from; the zero Addr leaves it to the
	// kernel. Interface names the device; "" leaves it to routing.
	Source    netip.Addr
	Interface string
	Remote    netip.AddrPort
	// Timeout is how long to wait.
	Timeout time.Duration
}

// ICMPError is an error that an ICMP message has made.
type ICMPError interface {
	error
	// ICMP returns the message's type and code, and who sent it.
	ICMP() (typ, code uint8, from netip.Addr)
}

// Connected is what came of a connect().
type Connected struct {
	// At is when connect() was called, and Elapsed what it took, by the user's
	// clock.
	At      time.Time
	Elapsed time.Duration
	// RTT is what the kernel measured from its SYN to the SYN-ACK
	// (TCP_INFO, tcpi_rtt); zero where it tells nothing.
	RTT time.Duration
	// Retransmits counts SYNs beyond the first; the times above are no sample
	// of anything then.
	Retransmits int
	// Err is why there is no connection: ECONNREFUSED for a reset, ETIMEDOUT
	// for silence, an ICMPError for what the network said, ENETUNREACH, EACCES
	// or EPERM for what this host did. Nil if there was one.
	Err error
	// Local is where it was made from.
	Local netip.AddrPort
}
