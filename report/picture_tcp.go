package report

import (
	"fmt"
	"strings"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// carrier is what a TCP segment came in.
type carrier struct {
	ip       *wire.Header // nil for a bare segment
	datagram []byte
	whole    bool   // nothing of it was cut off
	quoted   string // names the message that quotes it
}

// data is how many octets the segment carries, here or not.
func (in carrier) data(g *wire.Segment) uint32 {
	if in.ip == nil {
		return uint32(len(g.Payload))
	}
	return in.ip.DataLen(g)
}

// tcp takes a segment apart that begins at an offset.
func (d *dissection) tcp(b []byte, at int, in carrier) {
	d.layers = append(d.layers, "TCP")
	g, _ := wire.ParseSegment(b)
	length := min(len(b), 20)
	if n := 4 * int(g.DataOffset); n >= 20 && n <= len(b) {
		length = n
	}
	name := "TCP header"
	if in.quoted != "" {
		name = "Quoted " + name
	}
	h := d.header(name, "RFC 9293, Section 3.1", at, b[:length])
	h.field(16, "Source Port", "source port", d.port)
	h.field(16, "Destination Port", "destination port", d.port)
	h.numbers(&g, in.data(&g), len(b) >= 20)
	h.offsetAndFlags(&g, len(b), in.whole)
	h.field(16, "Window", "window", func(v uint64) (string, string) { return "", windowMeaning(v, g.Flags) })
	h.checksum(b, in)
	h.field(16, "Urgent Pointer", "urgent pointer", func(v uint64) (string, string) {
		switch {
		case g.Flags&wire.URG != 0 && v == 0:
			return "", "0: no octet of this segment is urgent"
		case g.Flags&wire.URG != 0:
			return "", fmt.Sprintf("%d: the urgent data end before %d", v, g.Seq.Add(uint32(v)))
		case v == 0:
			return "", "0; without URG it means nothing"
		}
		return "", fmt.Sprintf("%d, but without URG it means nothing", v)
	})
	for _, o := range g.Options {
		h.option(o, &g)
	}
	switch {
	case len(b) >= 20 && 4*int(g.DataOffset) == length:
	case len(b) >= 20 && in.whole:
		d.remain("Options or data", at+length, b[length:])
		return
	case len(b) >= 20:
		h.note("The octets end here, within the options.")
		d.remain("Part of the options", at+length, b[length:])
		return
	case in.quoted != "" && len(b) >= 8:
		h.note("The quote ends here: eight octets of what a datagram carries are all that a router has to quote (RFC 792).")
	default:
		h.note("The octets end here, within the header.")
	}
	d.remain("Data", at+length, b[length:])
}

// ephemeral is the first of the ports that Linux takes for clients
// (net.ipv4.ip_local_port_range): their services' names would mislead.
const ephemeral = 32768

// port names the usual service, if there is one.
func (d *dissection) port(v uint64) (value, text string) {
	if d.service != nil && v < ephemeral {
		if name := d.service(uint16(v)); name != "" {
			return "", fmt.Sprintf("%d, by custom %s", v, Escape(name))
		}
	}
	return justNumber(v)
}

// numbers takes sequence and acknowledgement number. Only of a whole header
// the flags tell what they mean.
func (h *header) numbers(g *wire.Segment, data uint32, whole bool) {
	h.field(32, "Sequence Number", "sequence number", func(v uint64) (string, string) {
		if !whole {
			return justNumber(v)
		}
		return "", fmt.Sprintf("%d: %s", v, seqMeaning(g, data))
	})
	h.field(32, "Acknowledgment Number", "acknowledgment", func(v uint64) (string, string) {
		switch {
		case !whole:
			return justNumber(v)
		case refusal(g):
			return "", fmt.Sprintf("%d: the number behind the segment that it answers", v)
		case g.Flags&wire.ACK != 0:
			return "", fmt.Sprintf("%d: the octet expected next; all before it have arrived", v)
		case v == 0:
			return "", "0; without ACK it means nothing"
		}
		return "", fmt.Sprintf("%d, but without ACK it means nothing", v)
	})
}

// refusal reports whether g looks like the reset that answers a segment
// without ACK (RFC 9293, Section 3.10.7.1).
func refusal(g *wire.Segment) bool {
	return g.Flags&wire.RST != 0 && g.Flags&wire.ACK != 0 && g.Seq == 0
}

func seqMeaning(g *wire.Segment, data uint32) string {
	switch {
	case g.Flags&wire.SYN != 0:
		return fmt.Sprintf("the initial one, which the SYN takes itself; data begin with %d", g.Seq.Add(1))
	case g.Flags&wire.FIN != 0 && data == 0:
		return "taken by the FIN itself"
	case g.Flags&wire.FIN != 0:
		return fmt.Sprintf("of the first octet of data; the FIN takes %d", g.Seq.Add(data))
	case data > 0:
		return fmt.Sprintf("of the first octet of data; the next segment begins with %d", g.Seq.Add(data))
	case refusal(g):
		return "as a refusal has it; the receiver goes by the acknowledgment"
	case g.Flags&wire.RST != 0:
		return "the receiver takes the reset if it expects just this octet (RFC 5961)"
	}
	return "of the next octet to be sent; this segment takes none"
}

// offsetAndFlags takes the first half of the fourth word.
func (h *header) offsetAndFlags(g *wire.Segment, there int, whole bool) {
	h.field(4, "Data\nOffset", "data offset", func(v uint64) (string, string) {
		return "", sentence(fmt.Sprintf("%d words: a header of %d octets", v, 4*v), optionRoom(4*int(v)-20))
	})
	switch n := 4 * int(g.DataOffset); {
	case there < 20:
	case n < 20:
		h.fault("a header has 5 words at least; read as if it had")
	case n > there && whole:
		h.fault("the whole segment has %d octets", there)
	case n > there:
		h.fault("only %s there", Plural(int64(there), "octet")+are(there))
	}
	h.field(4, "Rsrvd", "reserved", justNumber)
	switch {
	case there < 13 || g.Reserved == 0:
	case g.Reserved == 1:
		h.fault("the last bit is set: NS of RFC 3540, which is historic, or AE of accurate ECN")
	default:
		h.fault("should be zero (RFC 9293, Section 3.1)")
	}
	h.flags(g.Flags)
}

// flags takes the control bits: a line for all, or for each.
func (h *header) flags(f wire.Flags) {
	at := h.bit / 8
	for _, name := range []string{"CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"} {
		h.draw(1, name)
	}
	if at >= len(h.octets) {
		return
	}
	raw := h.octets[at : at+1]
	h.lines = append(h.lines, line{at: h.at + at, raw: raw, name: "flags", text: flagNames(f) + ": " + flagMeaning(f)})
	if h.verbose {
		for i, name := range []string{"CWR", "ECE", "URG", "ACK", "PSH", "RST", "SYN", "FIN"} {
			bit := uint64(f >> (7 - i) & 1)
			h.lines = append(h.lines, line{at: h.at + at, raw: raw, name: "  " + name, text: pattern(i, 1, bit) + [...]string{"not set", "set: "}[bit] + [...]string{"", flagWord(f, name)}[bit]})
		}
	}
}

// flagNames writes flags by their names, and as tcpdump does.
func flagNames(f wire.Flags) string {
	text := strings.ReplaceAll(f.Names(), ",", ", ")
	if f&wire.ACK != 0 {
		return fmt.Sprintf(`%s ([%v] in tcpdump, where "." is ACK)`, text, f)
	}
	return fmt.Sprintf("%s ([%v] in tcpdump)", text, f)
}

// flagMeaning says what a segment with these flags is for.
func flagMeaning(f wire.Flags) string {
	switch set := f & (wire.SYN | wire.ACK | wire.RST | wire.FIN); {
	case f == 0:
		return "no TCP sends this; it is a probe"
	case f&wire.SYN != 0 && f&(wire.FIN|wire.RST) != 0:
		return "a contradiction that no TCP sends; it is a probe"
	case set == wire.SYN && f&(wire.ECE|wire.CWR) == wire.ECE|wire.CWR:
		return "asks for a connection, and for ECN, handshake 1/3"
	case set == wire.SYN:
		return "asks for a connection, handshake 1/3"
	case set == wire.SYN|wire.ACK && f&wire.ECE != 0:
		return "accepts a connection, and ECN, handshake 2/3"
	case set == wire.SYN|wire.ACK:
		return "accepts a connection, handshake 2/3"
	case f&wire.RST != 0 && f&wire.ACK != 0:
		return "refuses a connection, or aborts it"
	case f&wire.RST != 0:
		return "aborts a connection, or knows of none"
	case f&wire.FIN != 0 && f&wire.ACK == 0:
		return "no TCP sends FIN without ACK; it is a probe"
	case f&wire.FIN != 0:
		return "its sender has no more to send"
	case f&wire.ACK == 0:
		return "no TCP sends this without ACK; it is a probe"
	case f&wire.PSH != 0:
		return "acknowledges; its data are to be handed on at once"
	}
	return "acknowledges"
}

// flagWord is what one flag says.
func flagWord(f wire.Flags, name string) string {
	switch name {
	case "CWR":
		if f&wire.SYN != 0 {
			return "asks for ECN (RFC 3168)"
		}
		return "has slowed down (RFC 3168)"
	case "ECE":
		if f&wire.SYN != 0 {
			return "understands ECN (RFC 3168)"
		}
		return "congestion was marked (RFC 3168)"
	case "URG":
		return "the urgent pointer counts"
	case "ACK":
		return "the acknowledgment number counts"
	case "PSH":
		return "hand the data on at once"
	case "RST":
		return "end the connection at once"
	case "SYN":
		return "synchronise sequence numbers"
	}
	return "no more data from here"
}

func windowMeaning(v uint64, f wire.Flags) string {
	switch {
	case f&wire.RST != 0:
		return fmt.Sprintf("%d; in a reset it means nothing", v)
	case f&wire.SYN != 0:
		return fmt.Sprintf("%d octets; never scaled in a SYN (RFC 7323)", v)
	case v == 0:
		return "0: closed, at any scale"
	}
	return fmt.Sprintf("%d, unscaled; the scale, which the SYNs told, is not known here", v)
}

// checksum says whether it is right, and what it should be.
func (h *header) checksum(segment []byte, in carrier) {
	state, want := in.checksum(segment)
	h.field(16, "Checksum", "checksum", func(v uint64) (string, string) {
		text := fmt.Sprintf("0x%04x: %v", v, state)
		switch {
		case state == wire.Offloaded:
			text += fmt.Sprintf(": the sum of the pseudo-header alone; the device was to make it 0x%04x, or nobody was to look", want)
		case state != wire.Unverified:
		case in.ip == nil:
			text += ", for it covers the addresses too, and they are not here"
		case in.ip.MF:
			text += ", for it covers the other fragments too"
		case !in.whole:
			text += ", for it covers octets that are not here"
		default:
			text += ", for the lengths do not say what it covers"
		}
		return fmt.Sprintf("0x%04x", v), text
	})
	if state == wire.Invalid {
		h.fault("want 0x%04x", want)
	}
}

// checksum returns what is known of a segment's checksum, and which it should
// have.
func (in carrier) checksum(segment []byte) (state wire.Checksum, want uint16) {
	if in.ip == nil {
		return wire.Unverified, 0
	}
	if state = wire.VerifyTCP(in.datagram); state != wire.Offloaded && state != wire.Invalid {
		return state, 0
	}
	dst := in.ip.Dst
	if final, ok := finalDestination(in.datagram); ok {
		dst = final
	}
	got, want := wire.SegmentChecksum(in.ip.Src, dst, segment)
	if got == want {
		state = wire.Valid
	}
	return state, want
}
