package probe

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// CraftSpec is one segment of the user's own making, and how often and how
// patiently it is sent. The zero value is not useful: Target, TTL, Count and
// Timeout must be set.
type CraftSpec struct {
	Target netip.AddrPort
	// SourcePort is the port to send from; zero leaves it to the kernel.
	SourcePort uint16

	Flags wire.Flags
	// Seq and Ack are the numbers of the header. A nil Seq is drawn at
	// random, a nil Ack is zero.
	Seq, Ack *wire.Seq
	// Window is the field as it stands on the wire: unscaled.
	Window  uint16
	Urgent  uint16
	Options []wire.Option
	Data    []byte
	// BadSum spoils the TCP checksum. No host answers such a segment; a
	// middlebox may.
	BadSum bool

	TTL uint8
	// DSCP is the upper six bits of the IPv4 header's second octet
	// (RFC 2474, Section 3).
	DSCP uint8
	// IPID is the identification field; nil leaves it to the kernel.
	IPID *uint16
	DF   bool

	// Count is how often the segment is sent, Interval the time between two.
	Count    int
	Interval time.Duration
	// Timeout is how long answers are awaited after the last segment.
	Timeout time.Duration
}
