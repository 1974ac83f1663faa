package rtt

import (
	"fmt"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Describe names the probe that a datagram belongs to, for the comments of a
// capture file. It needs no memory of the run: a probe's number stands in its
// ISN.
func (p Plan) Describe(datagram []byte, outgoing bool) string {
	if outgoing {
		return p.describeSent(datagram)
	}
	ear := probe.Ear{NoOptions: true}
	h, ok := ear.Hear(wire.Arrival{Datagram: datagram})
	if !ok {
		return "not a reply to any probe: malformed, or of another kind"
	}
	place, known := p.places[h.Remote]
	if !known {
		return "not a reply to any probe: not from a target"
	}
	t := &p.Targets[place]
	if n := t.n(isnOf(&h)); n != 0 && h.Answers(t.ISN(n)) {
		return fmt.Sprintf("answers rtt %v, probe %d", t.Addr, n)
	}
	return fmt.Sprintf("does not answer rtt %v: its number is not ours", t.Addr)
}

func (p Plan) describeSent(datagram []byte) string {
	header, payload, err := wire.ParseHeader(datagram)
	if err != nil {
		return ""
	}
	segment, err := wire.ParseSegment(payload)
	if err != nil {
		return ""
	}
	place, known := p.places[to(header, segment.DstPort)]
	switch {
	case !known:
		return ""
	case segment.Flags != wire.SYN:
		return fmt.Sprintf("reset of what rtt %v may have opened", p.Targets[place].Addr)
	}
	t := &p.Targets[place]
	return fmt.Sprintf("rtt %v, probe %d", t.Addr, t.n(segment.Seq))
}

// isnOf is the ISN of the SYN that h claims to answer.
func isnOf(h *probe.Heard) wire.Seq {
	if h.Reply.ICMP {
		return h.Quoted
	}
	return h.Reply.Ack.Add(^uint32(0)) // one less
}
