package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The ICMP messages that quote a datagram (RFC 792).
const (
	ICMPUnreachable      = 3
	ICMPSourceQuench     = 4
	ICMPRedirect         = 5
	ICMPTimeExceeded     = 11
	ICMPParameterProblem = 12
)

const (
	icmpHeaderLen = 8
	// quotedOctets is what a router quotes at least of the datagram's payload.
	quotedOctets = 8
)

// ErrNotICMPError reports an ICMP message that quotes no datagram.
var ErrNotICMPError = errors.New("not an ICMP error")

// ICMPError is an ICMP message that quotes the datagram it is about
// (RFC 792, RFC 1122 Section 3.2.2).
type ICMPError struct {
	Type, Code uint8
	Checksum   uint16
	// Rest is the second word of the header: the next hop's MTU for
	// type 3 code 4, the gateway for a redirect, a pointer for type 12.
	Rest uint32
	// Original is the quoted datagram: at least its header and eight octets,
	// unless the message was cut short. Extensions (RFC 4884) stay behind it.
	Original []byte
	// KeepChecksum makes AppendTo write Checksum verbatim. ParseICMPError
	// sets it, so that a parsed message is encoded as it came.
	KeepChecksum bool
}

// ParseICMPError reads an ICMP error: destination unreachable, source quench,
// redirect, time exceeded or parameter problem. Original aliases b. Other
// messages give ErrNotICMPError, one without a whole header a *ParseError.
func ParseICMPError(b []byte) (ICMPError, error) {
	if len(b) > 0 && !quotes(b[0]) {
		return ICMPError{Type: b[0]}, ErrNotICMPError
	}
	if len(b) < icmpHeaderLen {
		return ICMPError{}, &ParseError{Layer: LayerICMP, Offset: len(b), Problem: "header is cut short", Truncated: true}
	}
	return ICMPError{
		Type:         b[0],
		Code:         b[1],
		Checksum:     binary.BigEndian.Uint16(b[2:]),
		Rest:         binary.BigEndian.Uint32(b[4:]),
		Original:     b[icmpHeaderLen:],
		KeepChecksum: true,
	}, nil
}

// quotes reports whether an ICMP message of that type quotes a datagram.
func quotes(icmpType uint8) bool {
	switch icmpType {
	case ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameterProblem:
		return true
	default:
		return false
	}
}

// AppendTo appends the message to b. The checksum is computed unless
// KeepChecksum is set. A type that quotes nothing gives ErrNotICMPError, and
// b as it was.
func (m ICMPError) AppendTo(b []byte) ([]byte, error) {
	if !quotes(m.Type) {
		return b, fmt.Errorf("icmp: type %d: %w", m.Type, ErrNotICMPError)
	}
	start := len(b)
	b = append(b, m.Type, m.Code, 0, 0)
	b = binary.BigEndian.AppendUint32(b, m.Rest)
	b = append(b, m.Original...)
	if !m.KeepChecksum {
		m.Checksum = ^fold(sum(0, b[start:]))
	}
	binary.BigEndian.PutUint16(b[start+2:], m.Checksum)
	return b, nil
}

// AppendICMPError appends a whole IPv4 datagram that carries m. A Protocol of
// zero becomes ICMP. An error comes with b as it was.
func AppendICMPError(b []byte, h Header, m ICMPError) ([]byte, error) {
	if h.Protocol == 0 {
		h.Protocol = ProtocolICMP
	}
	out, err := h.AppendTo(b, icmpHeaderLen+len(m.Original))
	if err != nil {
		return b, err
	}
	if out, err = m.AppendTo(out); err != nil {
		return b, err
	}
	return out, nil
}

// Quote is what an ICMP error's original datagram says about the TCP segment
// it is about. Routers need quote no more than these eight octets.
type Quote struct {
	// Header is the datagram's as it reached the router: its TTL, TOS and
	// total length may differ from what was sent.
	Header           Header
	SrcPort, DstPort uint16
	Seq              Seq
	// Segment is all that is quoted of the TCP segment, eight octets or more,
	// extensions (RFC 4884) included; ParseSegment makes the best of it.
	Segment []byte
}

// ParseQuote reads an original datagram, which may be cut short after eight
// octets of TCP header. Header.Options and Segment alias b. Errors are of type
// *ParseError: for what is shorter, carries no TCP or is not a first fragment.
func ParseQuote(b []byte) (Quote, error) {
	h, n, err := parseHeader(b)
	q := Quote{Header: h}
	if err != nil {
		return q, err
	}
	g := b[n:]
	switch {
	case h.Protocol != ProtocolTCP:
		return q, &ParseError{Layer: LayerIPv4, Offset: 9, Problem: "protocol is not TCP"}
	case h.FragOffset != 0:
		return q, &ParseError{Layer: LayerIPv4, Offset: 6, Problem: "not a first fragment"}
	case len(g) < quotedOctets:
		return q, &ParseError{Layer: LayerTCP, Offset: len(g), Problem: "header is cut short", Truncated: true}
	}
	q.SrcPort = binary.BigEndian.Uint16(g)
	q.DstPort = binary.BigEndian.Uint16(g[2:])
	q.Seq = Seq(binary.BigEndian.Uint32(g[4:]))
	q.Segment = g
	return q, nil
}
