package rtt

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Sample is one probe, and what became of it.
type Sample struct {
	// Target is its place in Plan.Targets.
	Target int
	// N counts the probes of the target from 1.
	N uint32
	// At is when the SYN left, by the best clock that saw it.
	At time.Time
	// Reply is SYNACK or RST in time, an ICMP error's reason, NoReply, or
	// LocalRefusal.
	Reply finding.Reason
	// From sent the reply. TTL is as it arrived; zero without a reply.
	From netip.Addr
	TTL  uint8
	// RTT is by Clock; it means something only where Reply is SYNACK or RST.
	RTT   time.Duration
	Clock finding.Clock
	// User is the same by the user's clock; zero where that was not looked at.
	User time.Duration
	// Late is the time to a SYN-ACK that may be a retransmission; zero if
	// there was none. Reply is NoReply then.
	Late time.Duration
	// Refused is why the SYN never left; nil if it did.
	Refused error
}

// Answered reports whether RTT is a measurement.
func (s *Sample) Answered() bool { return s.Reply == finding.SYNACK || s.Reply == finding.RST }
