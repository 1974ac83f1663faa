package rtt

import (
	"fmt"
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

// recordFields is how many fields an answered probe's object has.
const recordFields = 10

// Record is the sample as an rtt object.
func (s *Sample) Record(plan Plan) finding.Record {
	t := &plan.Targets[s.Target]
	r := finding.Record{Kind: t.record.Kind, Fields: append(make([]finding.Field, 0, recordFields), t.record.Fields...)}.
		Set("n", s.N)
	if s.Answered() {
		r = r.Set("rtt_us", microseconds(s.RTT))
		if s.User > 0 {
			r = r.Set("user_rtt_us", microseconds(s.User))
		}
	}
	if s.Late > 0 {
		r = r.Set("late_us", microseconds(s.Late))
	}
	r = r.Set("reply", s.Reply)
	if s.From.IsValid() && s.From != t.Addr.Addr() {
		r = r.Set("from", s.From)
	}
	if s.TTL > 0 { // connect() does not tell
		r = r.Set("ttl", s.TTL)
	}
	return r.Set("clock", s.Clock).Set("at", s.At).Set("detail", s.detail())
}

// detail says what the reply's word does not.
func (s *Sample) detail() string {
	switch {
	case s.Refused != nil:
		return s.Refused.Error()
	case s.Late > 0:
		return fmt.Sprintf("a SYN-ACK came after %v: too late, or to a retransmission", s.Late.Round(time.Microsecond))
	}
	return ""
}
