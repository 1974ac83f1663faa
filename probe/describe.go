package probe

import (
	"fmt"
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Describe names the probe that a datagram belongs to, for the comments of a
// capture file. It needs no memory of the run: what a reply acknowledges, or
// quotes, shows whether it was drawn by one of the plan's probes.
func (p Plan) Describe(datagram []byte, outgoing bool) string {
	if outgoing {
		return p.describeSent(datagram)
	}
	var ear Ear
	h, ok := ear.Hear(wire.Arrival{Datagram: datagram})
	if !ok {
		return "not a reply to any probe: malformed, or of another kind"
	}
	name := fmt.Sprintf("%s %v", p.Spec.Method.Name, h.Remote)
	if !h.Answers(p.secret.isn(h.to().addr, h.to().port)) {
		return fmt.Sprintf("does not answer %s: its number is not ours", name)
	}
	if h.Reply.ICMP {
		return fmt.Sprintf("answers %s, try %d", name, p.try(h.to(), h.Reply.Quoted))
	}
	return "answers " + name
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
	to := netip.AddrPortFrom(header.Dst, segment.DstPort)
	if segment.Flags != p.Spec.Method.Flags {
		return fmt.Sprintf("reset of what %s %v opened", p.Spec.Method.Name, to)
	}
	e := endpoint{addrNumber(header.Dst), segment.DstPort}
	return fmt.Sprintf("%s %v, try %d", p.Spec.Method.Name, to, p.try(e, header.ID))
}

// ipID is the IP ID of a probe's nth try, counted from 1: different for every
// one, so that an ICMP error names the try that it is about. It is never
// zero, which would ask the kernel to choose.
func (p Plan) ipID(e endpoint, try int) uint16 {
	const few = 0xffff - maxTries
	first := uint16(p.secret.hash(uint64(e.addr)<<16|uint64(e.port)|ipIDs) % few)
	return first + uint16(try)
}

// ipIDs labels the hash that IP IDs are made from.
const ipIDs = 1 << 62

// try is the inverse of ipID.
func (p Plan) try(e endpoint, id uint16) int { return int(id-p.ipID(e, 1)) + 1 }
