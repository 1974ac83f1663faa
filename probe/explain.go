package probe

import (
	"fmt"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// explain says what an answer to the crafted segment means.
func (s CraftSpec) explain(seq wire.Seq, h *Heard, checksum wire.Checksum) string {
	text := s.meaning(seq, h)
	if checksum == wire.Invalid {
		text = "its checksum is wrong, so a host's TCP would not have taken it. " + text
	}
	if s.BadSum {
		text = "answered in spite of the bad checksum, which no host's TCP does: a device on the way made this. " + text
	}
	return text
}

func (s CraftSpec) meaning(seq wire.Seq, h *Heard) string {
	r := &h.Reply
	next := seq.Add(s.length())
	switch {
	case r.ICMP:
		return s.icmp(seq, h)
	case r.Is(wire.SYN | wire.ACK):
		return s.synAck(seq, r)
	case r.Is(wire.RST | wire.ACK):
		return s.resetAck(next, r)
	case r.Is(wire.RST):
		return s.reset(r)
	case r.Is(wire.SYN):
		return "the peer opens a connection of its own to this port: a simultaneous open (RFC 9293, Section 3.5)"
	case r.Is(wire.ACK) && r.Flags&wire.FIN != 0:
		return fmt.Sprintf("the peer closes a connection on this 4-tuple; it expects octet %d next", r.Ack)
	case r.Is(wire.ACK):
		return fmt.Sprintf("the peer knows this 4-tuple, from a connection that lives or one in TIME-WAIT: a duplicate or challenge ACK (RFC 5961); "+
			"it sends from %d and expects %d next", r.Seq, r.Ack)
	}
	return "a segment without SYN, RST and ACK, which no state of RFC 9293 sends"
}

// acceptable says whether the number fits what we sent.
func acceptable(got, want wire.Seq) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("; but it acknowledges %d, not %d: not made from this segment, perhaps forged", got, want)
}

// takes reports whether ack takes in the segment, or the first part of it: a
// listener leaves the data of a SYN for later.
func (s CraftSpec) takes(seq, ack wire.Seq) bool { return (ack - 1).InWindow(seq, s.length()) }

func (s CraftSpec) synAck(seq wire.Seq, r *Reply) string {
	const open = "the port is open: SYN-ACK"
	next := seq.Add(s.length())
	switch {
	case s.Flags&wire.SYN == 0:
		return "a SYN-ACK, though no SYN was sent: left over from an earlier probe of this port, or forged"
	case r.Ack != next && s.takes(seq, r.Ack):
		return fmt.Sprintf("%s; it takes the SYN and %d of %d octets of data", open, r.Ack.Sub(seq)-1, len(s.Data))
	}
	return open + acceptable(r.Ack, next)
}

// resetAck explains RST with ACK: the answer to a segment without ACK, or an
// aborted socket's own.
func (s CraftSpec) resetAck(next wire.Seq, r *Reply) string {
	if s.Flags&wire.ACK == 0 {
		return "the port is closed, or a firewall resets for it: RST to a segment without ACK (RFC 9293, Section 3.10.7.1)" +
			acceptable(r.Ack, next)
	}
	return "a socket of the peer aborted its connection: RST with ACK, its own sequence number and window"
}

// reset explains a bare RST: the answer to a segment with ACK.
func (s CraftSpec) reset(r *Reply) string {
	if s.Flags&wire.ACK != 0 && r.Seq != s.ack() {
		return fmt.Sprintf("RST with sequence number %d instead of our acknowledgement number %d: not made from this segment, perhaps forged", r.Seq, s.ack())
	}
	if s.Flags&wire.ACK == 0 {
		return "RST without ACK, though the segment had none to take the number from (RFC 9293, Section 3.10.7.1 asks for RST with ACK)"
	}
	return "no connection here takes this segment: RST from our acknowledgement number. Open and closed ports answer alike, so the port is unfiltered, no more"
}

func (s CraftSpec) icmp(seq wire.Seq, h *Heard) string {
	if h.Quoted != seq {
		return fmt.Sprintf("it quotes sequence number %d, and we sent %d: forged, or about another segment", h.Quoted, seq)
	}
	reason := finding.ICMP(h.Reply.Type, h.Reply.Code)
	who := "a device on the way"
	if h.Reply.From == s.Target.Addr() {
		who = "the host itself"
	}
	switch {
	case h.Reply.Type == wire.ICMPTimeExceeded:
		return fmt.Sprintf("the TTL of %d ended at this hop", s.TTL)
	case h.Reply.Type == wire.ICMPUnreachable && h.Reply.Code == fragmentationNeeded:
		return fmt.Sprintf("%s cannot pass it on: it is too long for the next link, and must not be fragmented", who)
	case h.Reply.Type == wire.ICMPUnreachable && h.Reply.soft():
		return fmt.Sprintf("%s has no way to the destination at present (%s)", who, reason)
	case h.Reply.rejects():
		return fmt.Sprintf("%s rejects it by a firewall's rule (%s)", who, reason)
	}
	return fmt.Sprintf("%s has an error to report about it (%s)", who, reason)
}

// silence says what it means that nothing answered, and whether that was to
// be expected.
func (s CraftSpec) silence() (meaning string, expected bool) {
	switch flags := s.Flags & (wire.SYN | wire.RST | wire.ACK | wire.FIN); {
	case s.BadSum:
		return "no answer, as it should be: everyone drops a segment with a bad checksum", true
	case flags&wire.RST != 0:
		return "no answer, as it should be: an RST draws none, unless it misses the number that a live connection expects (RFC 5961)", true
	case flags == wire.SYN|wire.FIN:
		return "no answer: an open port may ignore SYN with FIN (Linux does), or a filter dropped it, or the host is down", false
	case flags&wire.SYN != 0:
		return "no answer: the segment or its answer was dropped, the host is down, or the port's accept queue is full", false
	case flags&wire.ACK != 0:
		return "no answer: open and closed ports would both have sent RST, so a (stateful) firewall dropped it, the host is down, or a connection on this 4-tuple took it", false
	}
	return "no answer: a closed port sends RST and an open one ignores such a segment, as does a connection on this 4-tuple; or it was filtered, or the host is down", false
}
