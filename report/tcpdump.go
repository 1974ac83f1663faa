package report

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// AppendSegment appends a datagram in the form of tcpdump -nS, without a line
// feed: absolute sequence numbers, the stamp in at's own time zone. The zero
// Time is left out. It follows print-ip.c, print-tcp.c and print-icmp.c of
// tcpdump 4.99 word for word, but that it leaves payloads alone; whatever
// stands in the datagram, the line is printable ASCII.
func AppendSegment(b []byte, at time.Time, datagram []byte) []byte {
	if !at.IsZero() {
		b = at.AppendFormat(b, "15:04:05.000000 ")
	}
	if len(datagram) > 0 && datagram[0]>>4 != 4 {
		return fmt.Appendf(b, "IP%d, wrong link-layer encapsulation (invalid)", datagram[0]>>4)
	}
	b = append(b, "IP "...)
	h, payload, err := wire.ParseHeader(datagram)
	var fault *wire.ParseError
	headerLen, total := int(h.IHL)*4, int(h.TotalLen)
	switch {
	case len(datagram) < 20:
		return append(b, "[|ip]"...)
	case headerLen < 20:
		return fmt.Appendf(b, "bad-hlen %d", headerLen)
	case total == 0: // a device is to cut it into segments
		total = len(datagram)
	case total < headerLen:
		return fmt.Appendf(b, "bad-len %d", total)
	case errors.As(err, &fault) && fault.Truncated:
		b = fmt.Appendf(b, "truncated-ip - %d bytes missing! ", max(total-len(datagram), 0))
	}
	if headerLen > len(datagram) {
		payload = nil // for these are options
	}
	return appendPayload(b, h, payload, total-headerLen)
}

// appendPayload appends what the datagram carries. length is how long the
// header says that it is; payload may be shorter.
func appendPayload(b []byte, h wire.Header, payload []byte, length int) []byte {
	if h.FragOffset != 0 {
		return fmt.Appendf(appendAddrs(b, h), ": ip-proto-%d", h.Protocol)
	}
	switch h.Protocol {
	case wire.ProtocolTCP:
		return appendTCP(b, h, payload, length)
	case wire.ProtocolICMP:
		b = append(appendAddrs(b, h), ": "...)
		return appendICMP(b, payload, length)
	case wire.ProtocolUDP:
		if len(payload) < 8 {
			return append(appendAddrs(b, h), ": [|udp]"...)
		}
		b = appendPorts(b, h, payload)
		return fmt.Appendf(b, ": UDP, length %d", binary.BigEndian.Uint16(payload[4:])-8)
	}
	return fmt.Appendf(appendAddrs(b, h), ":  ip-proto-%d %d", h.Protocol, length)
}

func appendAddrs(b []byte, h wire.Header) []byte {
	b = append(h.Src.AppendTo(b), " > "...)
	return h.Dst.AppendTo(b)
}

// appendPorts is for protocols that begin with both ports.
func appendPorts(b []byte, h wire.Header, payload []byte) []byte {
	b = appendEndpoint(b, h.Src, binary.BigEndian.Uint16(payload))
	b = append(b, " > "...)
	return appendEndpoint(b, h.Dst, binary.BigEndian.Uint16(payload[2:]))
}

func appendEndpoint(b []byte, addr netip.Addr, port uint16) []byte {
	b = append(addr.AppendTo(b), '.')
	return strconv.AppendUint(b, uint64(port), 10)
}

func appendTCP(b []byte, h wire.Header, payload []byte, length int) []byte {
	if len(payload) < 4 {
		return append(appendAddrs(b, h), ": [|tcp]"...)
	}
	b = append(appendPorts(b, h, payload), ": "...)
	if len(payload) < 20 {
		return append(b, " [|tcp]"...)
	}
	g, err := wire.ParseSegment(payload)
	headerLen := int(g.DataOffset) * 4
	if headerLen < 20 {
		return fmt.Appendf(b, " tcp %d [bad hdr length %d - too short, < 20]", length-headerLen, headerLen)
	}
	b = fmt.Appendf(b, "Flags [%v]", g.Flags)
	if headerLen > length {
		return fmt.Appendf(b, " [bad hdr length %d - too long, > %d]", headerLen, length)
	}
	length -= headerLen
	if length > 0 || g.Flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		b = fmt.Appendf(b, ", seq %d", g.Seq)
		if length > 0 {
			b = fmt.Appendf(b, ":%d", g.Seq.Add(uint32(length)))
		}
	}
	if g.Flags&wire.ACK != 0 {
		b = fmt.Appendf(b, ", ack %d", g.Ack)
	}
	b = fmt.Appendf(b, ", win %d", g.Window)
	if g.Flags&wire.URG != 0 {
		b = fmt.Appendf(b, ", urg %d", g.Urgent)
	}
	if err != nil { // the options are not all there
		return append(b, ", options [ [|tcp]"...)
	}
	b, ok := appendOptions(b, g.Options)
	if !ok {
		return b
	}
	return fmt.Appendf(b, ", length %d", length)
}

// appendOptions returns false where tcpdump ends the line: at an option whose
// length cannot be.
func appendOptions(b []byte, options []wire.Option) ([]byte, bool) {
	if len(options) == 0 {
		return b, true
	}
	b = append(b, ", options ["...)
	for i, o := range options {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, o.String()...)
		if o.Malformed {
			if i > 0 {
				b = append(b, ']')
			}
			return b, false
		}
	}
	return append(b, ']'), true
}
