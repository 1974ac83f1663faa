package report

import (
	"fmt"
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// icmp takes an ICMP message apart, and what it quotes.
func (d *dissection) icmp(b []byte, at int, checksum wire.Checksum) {
	d.layers = append(d.layers, "ICMP")
	h := d.header("ICMP header", "RFC 792", at, b[:min(len(b), 8)])
	message, err := wire.ParseICMPError(b)
	said, ok := appendICMPText(nil, b)
	if !ok {
		said = []byte("cut short")
	}
	h.field(8, "Type", "type", func(v uint64) (string, string) { return "", fmt.Sprintf("%d: %s", v, icmpType(uint8(v))) })
	h.field(8, "Code", "code", func(v uint64) (string, string) { return "", fmt.Sprintf("%d: %s", v, said) })
	h.field(16, "Checksum", "checksum", func(v uint64) (string, string) {
		return fmt.Sprintf("0x%04x", v), fmt.Sprintf("0x%04x: %v", v, checksum)
	})
	if checksum == wire.Invalid {
		_, want := wire.ICMPChecksum(b)
		h.fault("want 0x%04x", want)
	}
	h.rest(b)
	if len(b) < 8 {
		h.note("The octets end here, within the header.")
		return
	}
	if err != nil {
		d.remain("Data", at+8, b[8:])
		return
	}
	if len(message.Original) == 0 {
		h.note("It should quote the datagram that it is about, and quotes nothing.")
		return
	}
	if message.Original[0]>>4 != 4 {
		d.remain("Quoted, but no IPv4", at+8, message.Original)
		return
	}
	d.ipv4(message.Original, at+8, "ICMP")
}

// rest takes the second word, which every type uses in its own way.
func (h *header) rest(b []byte) {
	if len(b) == 0 {
		return
	}
	switch typ := b[0]; {
	case typ == wire.ICMPUnreachable && len(b) > 1 && b[1] == 4:
		h.draw(16, "unused")
		h.field(16, "Next-Hop MTU", "MTU", func(v uint64) (string, string) {
			return "", fmt.Sprintf("%d octets: what the next link takes at most (RFC 1191)", v)
		})
	case typ == wire.ICMPRedirect:
		h.field(32, "Gateway Internet Address", "gateway", func(v uint64) (string, string) {
			a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}).String()
			return a, a
		})
	case typ == wire.ICMPParameterProblem:
		h.field(8, "Pointer", "pointer", func(v uint64) (string, string) {
			return "", fmt.Sprintf("octet %d of the quoted datagram is what is wrong", v)
		})
		h.draw(24, "unused")
	case typ == icmpEchoRequest, typ == icmpEchoReply:
		h.field(16, "Identifier", "identifier", justNumber)
		h.field(16, "Sequence Number", "sequence number", justNumber)
	default:
		h.field(32, "unused", "unused", justNumber)
	}
}

func icmpType(typ uint8) string {
	switch typ {
	case icmpEchoReply:
		return "echo reply"
	case wire.ICMPUnreachable:
		return "destination unreachable"
	case wire.ICMPSourceQuench:
		return "source quench (obsolete, RFC 6633)"
	case wire.ICMPRedirect:
		return "redirect"
	case icmpEchoRequest:
		return "echo request"
	case wire.ICMPTimeExceeded:
		return "time exceeded"
	case wire.ICMPParameterProblem:
		return "parameter problem"
	}
	return "another message"
}
