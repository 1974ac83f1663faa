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
	// Met is the number of the earlier probe that this one met at the peer,
	// which answered about that one; zero if that did not show.
	Met uint32
	// Refused is why the SYN never left; nil if it did.
	Refused error
}

// Answered reports whether RTT is a measurement.
func (s *Sample) Answered() bool { return isAnswer(s.Reply) }

// isAnswer reports whether a reply is the target's own.
func isAnswer(r finding.Reason) bool { return r == finding.SYNACK || r == finding.RST }

// Record is the sample as an rtt object. Its fields are appended to storage,
// which may be nil; they are put together by hand, in the table's order, since
// there may be ten thousand a second.
func (s *Sample) Record(plan Plan, storage []finding.Field) finding.Record {
	t := &plan.Targets[s.Target]
	f := append(storage, t.record.Fields...)
	add := func(name string, value any) { f = append(f, finding.Field{Name: name, Value: value}) }
	add("n", int64(s.N))
	if s.Answered() {
		add("rtt_us", microseconds(s.RTT))
		if s.User > 0 {
			add("user_rtt_us", microseconds(s.User))
		}
	}
	if s.Late > 0 {
		add("late_us", microseconds(s.Late))
	}
	add("reply", replyWord(s.Reply))
	if s.From.IsValid() && s.From != t.Addr.Addr() {
		add("from", s.From)
	}
	if s.TTL > 0 { // connect() does not tell
		add("ttl", int64(s.TTL))
	}
	if s.Clock != "" {
		add("clock", clockWord(s.Clock))
	}
	add("at", s.At)
	if detail := s.detail(); detail != "" {
		add("detail", detail)
	}
	return finding.Record{Kind: t.record.Kind, Fields: f}
}

// replyWord and clockWord are words as fields hold them. The commonest are
// constants, of which the compiler makes values once and for all.
func replyWord(r finding.Reason) any {
	switch r {
	case finding.SYNACK:
		return string(finding.SYNACK)
	case finding.RST:
		return string(finding.RST)
	case finding.NoReply:
		return string(finding.NoReply)
	}
	return string(r)
}

func clockWord(c finding.Clock) any {
	if c == finding.PacketRing {
		return string(finding.PacketRing)
	}
	return string(c)
}

// detail says what the reply's word does not.
func (s *Sample) detail() string {
	switch {
	case s.Refused != nil:
		return s.Refused.Error()
	case s.Met > 0:
		return fmt.Sprintf("met what was left of probe %d at the peer, whose resets were lost", s.Met)
	case s.Late > 0:
		return fmt.Sprintf("a SYN-ACK came after %v: too late, or to a retransmission", s.Late.Round(time.Microsecond))
	}
	return ""
}
