package netlab

import "github.com/tcpscope/tcpscope/rawsock/wire"

// Answer makes a host that crafts its own answers: a Tamper that gives every
// TCP segment from A to answer. If mine is true the segment goes no further
// and the answers, IPv4 datagrams, go back in its stead; otherwise it passes.
// Whatever is not TCP passes. The segment is valid until answer returns.
func Answer(answer func(wire.Header, wire.Segment) (answers [][]byte, mine bool)) Tamper {
	return func(datagram []byte, fromA bool) (forward, back [][]byte) {
		if h, g, ok := parseTCP(datagram); ok && fromA {
			if answers, mine := answer(h, g); mine {
				return nil, answers
			}
		}
		return [][]byte{datagram}, nil
	}
}

// BlindForger is an attacker between A and B who cannot read what passes, but
// knows when: every SYN from A goes on, and back come forged answers from the
// right address and port that have every number wrong: SYN-ACKs, RSTs, and
// ICMP errors that quote another sequence number. They arrive before the true
// answer does.
func BlindForger() Tamper {
	return func(datagram []byte, fromA bool) (forward, back [][]byte) {
		h, g, ok := parseTCP(datagram)
		if ok && fromA && g.Flags&(wire.SYN|wire.ACK|wire.RST|wire.FIN) == wire.SYN {
			back = append(forgedSegments(h, g), forgedICMP(h, g)...)
		}
		return [][]byte{datagram}, back
	}
}

// wrongBy are the distances by which forged numbers miss: by one in either
// direction, as a careless comparison would accept, and by far.
var wrongBy = [...]uint32{1, ^uint32(0), 1 << 16, 1 << 31}

// forgedSegments are answers to a SYN that acknowledge what was never sent.
func forgedSegments(h wire.Header, syn wire.Segment) [][]byte {
	var forged [][]byte
	for _, flags := range []wire.Flags{wire.SYN | wire.ACK, wire.RST | wire.ACK, wire.RST} {
		for _, wrong := range wrongBy {
			g := wire.Segment{Seq: wire.Seq(wrong), Ack: syn.Seq.Add(1 + wrong), Flags: flags, Window: 65535}
			if datagram, err := Reply(h, syn, g); err == nil {
				forged = append(forged, datagram)
			}
		}
	}
	return forged
}

// forgedICMP are errors about a SYN that was never sent.
func forgedICMP(h wire.Header, syn wire.Segment) [][]byte {
	var forged [][]byte
	for _, code := range []uint8{1, 3, 10, 13} {
		for _, wrong := range wrongBy {
			quoted := syn
			quoted.Seq = syn.Seq.Add(wrong)
			quoted.KeepChecksum = false
			original, err := wire.AppendDatagram(nil, h, quoted)
			if err != nil {
				continue
			}
			message := wire.ICMPError{Type: wire.ICMPUnreachable, Code: code, Original: original}
			if datagram, err := wire.AppendICMPError(nil, replyHeader(h), message); err == nil {
				forged = append(forged, datagram)
			}
		}
	}
	return forged
}

// replyHeader is the header of what goes back, as from the addressee.
func replyHeader(h wire.Header) wire.Header {
	return wire.Header{TTL: 64, Src: h.Dst, Dst: h.Src}
}

// Reply returns the datagram that carries g back to where a segment came
// from, with its ports and addresses swapped: the usual answer of a function
// given to Answer. Its error is that of wire.AppendDatagram.
func Reply(h wire.Header, to, g wire.Segment) ([]byte, error) {
	g.SrcPort, g.DstPort = to.DstPort, to.SrcPort
	return wire.AppendDatagram(nil, replyHeader(h), g)
}

// parseTCP reads the TCP segment of an IPv4 datagram, if it carries one.
func parseTCP(datagram []byte) (wire.Header, wire.Segment, bool) {
	h, payload, err := wire.ParseHeader(datagram)
	if err != nil || h.Protocol != wire.ProtocolTCP || h.FragOffset != 0 {
		return h, wire.Segment{}, false
	}
	g, err := wire.ParseSegment(payload)
	return h, g, err == nil
}
