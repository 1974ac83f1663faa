package report

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// AppendSegment appends a datagram in the form of tcpdump -nS, without a line
// feed: absolute sequence numbers, the stamp in at's own time zone. The zero
// Time is left out. It follows print-ip.c, print-tcp.c, print-udp.c and
// print-icmp.c of tcpdump 4.99 word for word, but that it leaves payloads
// alone; whatever stands in the datagram, the line is printable ASCII. It does
// not allocate if b has room.
func AppendSegment(b []byte, at time.Time, datagram []byte) []byte {
	var p printer
	return p.appendIP(appendStamp(b, at), datagram, len(datagram))
}

// appendStamp appends the time of day in microseconds, and a space.
func appendStamp(b []byte, at time.Time) []byte {
	if at.IsZero() {
		return b
	}
	hour, minute, second := at.Clock()
	b = append(appendTwoDigits(b, hour), ':')
	b = append(appendTwoDigits(b, minute), ':')
	b = append(appendTwoDigits(b, second), '.')
	us := at.Nanosecond() / 1000
	b = appendTwoDigits(appendTwoDigits(appendTwoDigits(b, us/10000), us/100%100), us%100)
	return append(b, ' ')
}

func appendTwoDigits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// printer prints datagrams as tcpdump does. The zero value is for tcpdump -nS.
type printer struct {
	// origins makes sequence numbers relative; nil leaves them as they are.
	origins *origins
	// fields adds those of both headers (tcpdump -v).
	fields bool
	// made says that checksums and payloads are made up: they stay out.
	made bool
	// name returns what stands in place of an address; nil knows nothing.
	name func(netip.Addr) string
	// color makes flags stand out that do.
	color bool
}

// Lengths of headers without options.
const (
	ipHeaderLen  = 20
	tcpHeaderLen = 20
	udpHeaderLen = 8
)

// appendIP appends a datagram, of which d has been captured, and length is
// what there was on the link.
func (p *printer) appendIP(b, d []byte, length int) []byte {
	switch {
	case len(d) == 0:
		return appendCut(b, "ip")
	case d[0]>>4 != 4:
		return appendOtherVersion(b, d[0]>>4)
	}
	b = append(b, "IP "...)
	switch {
	case len(d) < ipHeaderLen:
		return appendCut(b, "ip")
	case length < ipHeaderLen:
		return appendInt(append(b, "truncated-ip "...), length)
	}
	headerLen := int(d[0]&0xf) * 4
	if headerLen < ipHeaderLen {
		return appendInt(append(b, "bad-hlen "...), headerLen)
	}
	total := int(binary.BigEndian.Uint16(d[2:]))
	if length < total {
		b = append(appendInt(append(b, "truncated-ip - "...), total-length), " bytes missing! "...)
	}
	if total == 0 { // a device is to cut it into segments
		total = length
	}
	if total < headerLen {
		return appendInt(append(b, "bad-len "...), total)
	}
	d = d[:min(total, len(d))]
	if p.fields {
		var ok bool
		if b, ok = p.appendIPFields(b, d, headerLen, total); !ok {
			return b
		}
	}
	return p.appendPayload(b, d, headerLen, total-headerLen)
}

func appendOtherVersion(b []byte, version byte) []byte {
	b = appendInt(append(b, "IP"...), int(version))
	if version == 6 {
		b = append(b, ", wrong link-layer encapsulation"...)
	}
	return append(b, " (invalid)"...)
}

// appendCut appends where the captured octets end.
func appendCut(b []byte, protocol string) []byte {
	return append(append(append(b, " [|"...), protocol...), ']')
}

// appendPayload appends what a datagram carries behind its header. length is
// how long that says that it is; there may be less.
func (p *printer) appendPayload(b, d []byte, headerLen, length int) []byte {
	protocol := d[9]
	fragment := binary.BigEndian.Uint16(d[6:])
	if fragment&0x1fff != 0 {
		return appendInt(append(appendAddrs(b, d), ": ip-proto-"...), int(protocol))
	}
	if protocol != wire.ProtocolTCP && protocol != wire.ProtocolUDP {
		b = append(appendAddrs(b, d), ": "...)
	}
	if len(d) < headerLen {
		b = appendInt(append(b, " [remaining caplen("...), len(d))
		b = appendInt(append(b, ") < header length("...), headerLen)
		return appendCut(append(b, ")]"...), "ip")
	}
	payload, first := d[headerLen:], fragment&0x2000 != 0
	switch protocol {
	case wire.ProtocolTCP:
		return p.appendTCP(b, d, payload, length, first)
	case wire.ProtocolUDP:
		return appendUDP(b, d, payload, length, first)
	case wire.ProtocolICMP:
		return p.appendICMP(b, payload, length, first)
	}
	b = appendInt(append(b, " ip-proto-"...), int(protocol))
	return appendInt(append(b, ' '), length)
}

// appendAddrs appends the addresses of a datagram's header.
func appendAddrs(b, d []byte) []byte {
	b = append(appendAddr(b, d[12:16]), " > "...)
	return appendAddr(b, d[16:20])
}

// appendEndpoints is for protocols that begin with both ports.
func appendEndpoints(b, d, payload []byte) []byte {
	b = append(appendAddr(b, d[12:16]), '.')
	b = appendInt(b, int(binary.BigEndian.Uint16(payload)))
	b = append(appendAddr(append(b, " > "...), d[16:20]), '.')
	b = appendInt(b, int(binary.BigEndian.Uint16(payload[2:])))
	return append(b, ": "...)
}

// appendEnds is appendEndpoints with the names that made-up addresses have.
func (p *printer) appendEnds(b, d, payload []byte) []byte {
	if p.name == nil || !p.made {
		return appendEndpoints(b, d, payload)
	}
	for i := range 2 {
		addr := d[12+4*i : 16+4*i]
		if name := p.name(netip.AddrFrom4([4]byte(addr))); name != "" {
			b = append(b, Escape(name)...)
		} else {
			b = appendAddr(b, addr)
		}
		b = appendInt(append(b, '.'), int(binary.BigEndian.Uint16(payload[2*i:])))
		b = append(b, [...]string{" > ", ": "}[i]...)
	}
	return b
}

// appendAddr appends an address of four octets.
func appendAddr(b, addr []byte) []byte {
	for i, octet := range addr {
		if i > 0 {
			b = append(b, '.')
		}
		if octet >= 100 {
			b = append(b, '0'+octet/100)
		}
		if octet >= 10 {
			b = append(b, '0'+octet/10%10)
		}
		b = append(b, '0'+octet%10)
	}
	return b
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

func appendUint(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

// appendTCP appends a segment of a length, of which g has been captured, in the
// datagram d.
func (p *printer) appendTCP(b, d, g []byte, length int, fragment bool) []byte {
	if len(g) < 4 {
		return appendCut(append(appendAddrs(b, d), ':'), "tcp")
	}
	b = p.appendEnds(b, d, g)
	if len(g) < tcpHeaderLen {
		return appendCut(b, "tcp")
	}
	headerLen := int(g[12]>>4) * 4
	if headerLen < tcpHeaderLen {
		// tcpdump counts without sign.
		b = appendUint(append(b, " tcp "...), uint32(length-headerLen))
		b = appendInt(append(b, " [bad hdr length "...), headerLen)
		return append(b, " - too short, < 20]"...)
	}
	flags := wire.Flags(g[13])
	b = p.appendFlags(b, flags)
	seq, ack := binary.BigEndian.Uint32(g[4:]), binary.BigEndian.Uint32(g[8:])
	peer := uint32(0) // what its acknowledgements are relative to
	if p.origins != nil && flags&wire.ACK != 0 {
		seq, ack, peer = p.origins.count(d, g, seq, ack)
	}
	if headerLen > length {
		b = appendInt(append(b, " [bad hdr length "...), headerLen)
		return append(appendInt(append(b, " - too long, > "...), length), ']')
	}
	if p.fields && !p.made && !fragment && len(g) >= length {
		b = appendTCPChecksum(b, d, g[:length])
	}
	length -= headerLen
	if length > 0 || flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		b = appendUint(append(b, ", seq "...), seq)
		if length > 0 {
			b = appendUint(append(b, ':'), seq+uint32(length))
		}
	}
	if flags&wire.ACK != 0 {
		b = appendUint(append(b, ", ack "...), ack)
	}
	b = appendUint(append(b, ", win "...), uint32(binary.BigEndian.Uint16(g[14:])))
	if flags&wire.URG != 0 {
		b = appendUint(append(b, ", urg "...), uint32(binary.BigEndian.Uint16(g[18:])))
	}
	return p.appendTCPRest(b, g, headerLen, length, peer)
}

// appendTCPRest appends the options, and how long the payload is; peer is
// what SACK blocks are relative to.
func (p *printer) appendTCPRest(b, g []byte, headerLen, length int, peer uint32) []byte {
	flags := wire.Flags(g[13])
	o := optionPrinter{
		left: headerLen - tcpHeaderLen, captured: g[tcpHeaderLen:],
		flags: flags, base: wire.Seq(peer), whole: len(g) >= headerLen+length,
	}
	b, ok := o.appendTo(b)
	if !ok {
		return b
	}
	b = appendInt(append(b, ", length "...), length)
	switch {
	case length == 0:
	case len(g) < headerLen:
		b = appendInt(append(b, " [remaining caplen("...), len(g))
		return o.appendCut(append(appendInt(append(b, ") < header length("...), headerLen), ")]"...))
	case flags&wire.RST != 0 && p.fields && !p.made:
		return appendResetText(b, g[headerLen:], length)
	}
	return b
}

// appendResetText appends what a reset has to say (RFC 9293, Section 3.5.3),
// or as much of it as was captured and as tcpdump shows.
func appendResetText(b, text []byte, length int) []byte {
	const enough = 30
	if len(text) < length {
		b = append(b, " [!RST"...)
	} else {
		b = append(b, " [RST"...)
	}
	if length > enough {
		b = append(b, '+')
	}
	b = append(b, ' ')
	for _, c := range text[:min(len(text), length, enough)] {
		if c >= 0x80 {
			b, c = append(b, "M-"...), c&0x7f
		}
		if c < ' ' || c == 0x7f {
			b, c = append(b, '^'), c^0x40
		}
		b = append(b, c)
	}
	return append(b, ']')
}

// appendFlags appends the control bits.
func (p *printer) appendFlags(b []byte, flags wire.Flags) []byte {
	look := plain
	switch {
	case !p.color:
	case flags&wire.RST != 0:
		look = red
	case flags&(wire.SYN|wire.FIN) != 0:
		look = bold
	}
	b = appendStyle(b, look)
	b = append(flags.AppendTo(append(b, "Flags ["...)), ']')
	return appendUnstyle(b, look)
}

func appendUDP(b, d, u []byte, length int, fragment bool) []byte {
	if len(u) < 4 {
		return appendCut(append(appendAddrs(b, d), ": "...), "udp")
	}
	b = appendEndpoints(b, d, u)
	if length < udpHeaderLen {
		return appendInt(append(b, "truncated-udp "...), length)
	}
	if len(u) < 6 {
		return appendCut(b, "udp")
	}
	stated := int(binary.BigEndian.Uint16(u[4:]))
	switch {
	case stated < udpHeaderLen:
		return appendInt(append(b, "truncated-udplength "...), stated)
	case len(u) < udpHeaderLen:
		return appendCut(b, "udp")
	case stated > length && !fragment:
		b = appendInt(append(b, "UDP, bad length "...), stated-udpHeaderLen)
		return appendInt(append(b, " > "...), length-udpHeaderLen)
	}
	return appendInt(append(b, "UDP, length "...), stated-udpHeaderLen)
}
