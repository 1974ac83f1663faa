package probe

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Exchange is one probe, all its tries included, and what came back.
type Exchange struct {
	Method Method
	Probe  Probe
	// Local is where the probe was sent from.
	Local netip.AddrPort
	// Tries is how many segments were sent.
	Tries int
	// At is when the answered try left, or the last one where none was.
	At time.Time
	// RTT is from that try to its answer, by the kernel's stamps where it
	// gives them. Zero where there was no answer, or where it cannot be told
	// which try was answered (Karn's rule).
	RTT time.Duration
	// Reply is the answer that decides; nil means silence.
	Reply *Reply
	// Refused is why the probe never left this host; nil if it did.
	Refused error
}

// Reply is a datagram that answers a probe.
type Reply struct {
	// From is its source address: a router's, for most ICMP errors.
	From netip.Addr
	// TTL is as it arrived.
	TTL uint8
	At  time.Time

	// ICMP says that Type and Code are filled in, else the fields after them.
	ICMP       bool
	Type, Code uint8

	Flags    wire.Flags
	Seq, Ack wire.Seq
	Window   uint16
	Options  []wire.Option

	// Quoted is the IP ID of the datagram that an ICMP error is about.
	Quoted uint16
}

// noRoute reports whether the kernel knows no way to the host.
func (x Exchange) noRoute() bool {
	return errors.Is(x.Refused, syscall.ENETUNREACH) || errors.Is(x.Refused, syscall.EHOSTUNREACH)
}

// Is reports whether the reply is a TCP segment that has exactly these flags
// among SYN, RST and ACK.
func (r *Reply) Is(flags wire.Flags) bool {
	return !r.ICMP && r.Flags&(wire.SYN|wire.RST|wire.ACK) == flags
}

// echo is the timestamp that a segment echoes, if it does.
func (r *Reply) echo() (tsval uint32, ok bool) {
	for _, o := range r.Options {
		if _, ecr, ok := o.Timestamps(); ok {
			return ecr, true
		}
	}
	return 0, false
}

// soft reports whether a better answer can be hoped for: a router that has no
// way to the host just now may have one at the next try (RFC 1122,
// Section 4.2.3.9).
func (r *Reply) soft() bool {
	if !r.ICMP {
		return false
	}
	if r.Type != wire.ICMPUnreachable {
		return true
	}
	switch r.Code {
	case netUnreachable, hostUnreachable, sourceRouteFailed, netUnknown, hostUnknown:
		return true
	}
	return false
}

// rejects reports whether the reply is an ICMP error that only a rule makes.
// No host's TCP answers like this: where nobody listens it sends RST
// (RFC 9293, Section 3.10.7.1).
func (r *Reply) rejects() bool {
	return r.ICMP && r.Type == wire.ICMPUnreachable && !r.soft() && r.Code != fragmentationNeeded
}

// The codes of a destination unreachable message that are about the way, not
// about a rule (RFC 792; RFC 1122, Section 3.2.2.1).
const (
	netUnreachable      = 0
	hostUnreachable     = 1
	fragmentationNeeded = 4
	sourceRouteFailed   = 5
	netUnknown          = 6
	hostUnknown         = 7
)

// endpoint names a probe among those of one run: its source port is the same
// for all.
type endpoint struct {
	addr uint32
	port uint16
}
