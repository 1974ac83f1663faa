package netlab

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Topology is a laboratory as a value. Build makes it real.
type Topology struct {
	// Name is what lab run and lab list call it.
	Name string
	// Summary is one line for lab list.
	Summary string
	Hosts   []Host
	Links   []Link
}

// Host is one network namespace.
type Host struct {
	Name string
	// Router makes the host forward IPv4.
	Router bool
	// Routes are beyond those that the links bring with them.
	Routes []Route
	// Sysctl sets files below /proc/sys in this host: "net.ipv4.tcp_syncookies".
	Sysctl map[string]string
	// Listen are TCP ports that accept connections, on every address.
	Listen []uint16
	// Firewall is applied before any link comes up. The zero value lets all pass.
	Firewall Firewall
	// NAT masquerades what this router sends out of a link. The zero value does nothing.
	NAT NAT
}

// Route sends traffic for a prefix to a next hop.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Link joins two hosts.
type Link struct {
	A, B End
	// Layer3 makes a device without link-layer header or ARP.
	Layer3 bool
	// AtoB and BtoA shape the two directions. The zero values make a plain
	// veth pair without a forwarder in between.
	AtoB, BtoA Shape
	// Tamper, where not nil, sees every datagram on its way.
	Tamper Tamper
	// Log is how many passages the link remembers for Lab.Passages.
	Log int
}

// End is one side of a link: a host and its address there. The device is
// named after the host at the other side.
type End struct {
	Host string
	Addr netip.Prefix
}

// Shape is what a link does to the frames of one direction, in this order:
// drop rules, loss, corruption, duplication, reordering, delay. ARP is exempt
// from everything but delay.
type Shape struct {
	// Delay is added to every frame's way, with up to Jitter more or less,
	// evenly distributed. Jitter alone never reorders.
	Delay, Jitter time.Duration
	// Loss, Duplicate, Reorder and Corrupt are probabilities, 0 to 1, per IPv4
	// datagram. A reordered datagram waits until the next one has overtaken
	// it, but no longer than 10 ms. A corrupted one has one bit inverted behind
	// its IPv4 header.
	Loss, Duplicate, Reorder, Corrupt float64
	// Seed makes the dice repeatable; zero draws one.
	Seed uint64
	// Drop loses exactly the segments that it names.
	Drop []DropRule
}

// DropRule loses the Kth segment of its direction (counted from 1; zero means
// every one) for which Match is true. Match gets TCP only; the segment aliases
// the frame and is valid until Match returns. Match is called by one goroutine.
type DropRule struct {
	K     int
	Match func(wire.Header, wire.Segment) bool
}

// Tamper is a box on the link, right in front of the receiving host whichever
// way a datagram goes, after the shape of its direction. It gets the datagram,
// and returns what goes on and what goes back instead; what goes back travels
// through the shape of the other direction. The slices may alias datagram,
// which is valid until Tamper returns.
//
// A link calls its Tamper for one datagram at a time. One function that serves
// several links must expect concurrent calls.
type Tamper func(datagram []byte, fromA bool) (forward, back [][]byte)
