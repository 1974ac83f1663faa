package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Protocol numbers in an IPv4 header.
const (
	ProtocolICMP = 1
	ProtocolTCP  = 6
	ProtocolUDP  = 17
)

const (
	ipv4HeaderLen  = 20 // without options
	ipv4MaxOptions = 40
	maxTotalLen    = 0xffff
	maxFragOffset  = 0x1fff

	bitEvil, bitDF, bitMF = 0x8000, 0x4000, 0x2000
)

// Header is an IPv4 header (RFC 791, Section 3.1).
type Header struct {
	// IHL is the header's length in 32-bit words. Zero asks AppendTo to
	// compute it; ParseHeader always fills it in.
	IHL uint8
	// TOS is the whole octet: DSCP in the upper six bits, ECN below.
	TOS uint8
	// TotalLen is in octets. Zero asks AppendTo to compute it; ParseHeader
	// always fills it in.
	TotalLen uint16
	ID       uint16
	// Evil is the reserved bit; DF and MF as usual.
	Evil, DF, MF bool
	// FragOffset is in units of eight octets, as on the wire.
	FragOffset uint16
	TTL        uint8
	Protocol   uint8
	Checksum   uint16
	Src, Dst   netip.Addr
	// Options are verbatim, padding included; a multiple of four octets.
	Options []byte
	// KeepChecksum makes AppendTo write Checksum verbatim. ParseHeader sets
	// it, so that a parsed header is encoded as it came.
	KeepChecksum bool
	// KeepLengths makes AppendTo write an IHL or TotalLen of zero instead of
	// computing it. ParseHeader sets it for headers that came so.
	KeepLengths bool
}

// DataLen is the length of a segment's data on the wire, in octets, by the
// lengths that both headers claim: a capture may have cut off the end. Large
// segments that a device is to split have a TotalLen of zero, and a segment
// that was not parsed has no DataOffset; of those it is the length of Payload.
func (h *Header) DataLen(g *Segment) uint32 {
	n := int(h.TotalLen) - 4*int(h.IHL) - 4*int(g.DataOffset)
	if h.TotalLen == 0 || g.DataOffset < 5 || n < 0 {
		return uint32(len(g.Payload))
	}
	return uint32(n)
}

// ParseHeader reads an IPv4 header and returns what follows it, cut to
// TotalLen where b is longer. Options and payload alias b.
//
// Errors are of type *ParseError. Of a header that is not all there, the
// fields that are whole are returned; if only the lengths are wrong, h is
// complete and payload is everything after it (after its fixed part, if it is
// the IHL that is wrong), so that encoding gives b back. A datagram that is
// longer than b is such an error too, with Truncated set.
func ParseHeader(b []byte) (h Header, payload []byte, err error) {
	h, n, err := parseHeader(b)
	if err != nil {
		return h, b[n:], err
	}
	switch total := int(h.TotalLen); {
	case total < n:
		return h, b[n:], &ParseError{Layer: LayerIPv4, Offset: 2, Problem: "total length is less than the header's"}
	case total > len(b):
		return h, b[n:], &ParseError{Layer: LayerIPv4, Offset: 2, Problem: "total length exceeds what is there", Truncated: true}
	default:
		return h, b[n:total], nil
	}
}

// parseHeader reads a header without looking beyond it, as is right for the
// start of a datagram that an ICMP error quotes. It returns how many octets
// of b it understood.
func parseHeader(b []byte) (h Header, n int, err error) {
	if len(b) > 0 && b[0]>>4 != 4 {
		return h, 0, &ParseError{Layer: LayerIPv4, Offset: 0, Problem: "version is not 4"}
	}
	if len(b) < ipv4HeaderLen {
		var whole [ipv4HeaderLen]byte
		h.setFixed(whole[:], copy(whole[:], b))
		return h, len(b), &ParseError{Layer: LayerIPv4, Offset: len(b), Problem: "header is cut short", Truncated: true}
	}
	h.setFixed(b, ipv4HeaderLen)
	n = int(h.IHL) * 4
	if n < ipv4HeaderLen {
		return h, ipv4HeaderLen, &ParseError{Layer: LayerIPv4, Offset: 0, Problem: "header length is less than 5 words"}
	}
	if n > len(b) {
		return h, ipv4HeaderLen, &ParseError{Layer: LayerIPv4, Offset: 0, Problem: "header length exceeds what is there", Truncated: true}
	}
	if n > ipv4HeaderLen {
		h.Options = b[ipv4HeaderLen:n]
	}
	return h, n, nil
}

// setFixed fills in the fields that the first n octets of b hold completely.
// b has the length of a header without options, or more.
func (h *Header) setFixed(b []byte, n int) {
	be := binary.BigEndian
	_ = b[ipv4HeaderLen-1]
	h.KeepChecksum = true
	h.IHL = b[0] & 0xf
	h.TOS = b[1]
	if n >= 4 {
		h.TotalLen = be.Uint16(b[2:])
	}
	h.KeepLengths = h.IHL == 0 || h.TotalLen == 0
	if n >= 6 {
		h.ID = be.Uint16(b[4:])
	}
	if n >= 8 {
		f := be.Uint16(b[6:])
		h.Evil, h.DF, h.MF = f&bitEvil != 0, f&bitDF != 0, f&bitMF != 0
		h.FragOffset = f & maxFragOffset
	}
	h.TTL = b[8]
	h.Protocol = b[9]
	if n >= 12 {
		h.Checksum = be.Uint16(b[10:])
	}
	if n >= 16 {
		h.Src = netip.AddrFrom4([4]byte(b[12:]))
	}
	if n >= 20 {
		h.Dst = netip.AddrFrom4([4]byte(b[16:]))
	}
}

// AppendTo appends the header to b; payload is the length in octets of what
// will follow it. The checksum is computed unless KeepChecksum is set. Fields
// that are zero are written as zero, TTL and Protocol included, except for
// IHL and TotalLen. An error names the field that does not fit, and comes
// with b as it was.
func (h Header) AppendTo(b []byte, payload int) ([]byte, error) {
	if err := h.check(); err != nil {
		return b, err
	}
	n := ipv4HeaderLen + len(h.Options)
	if h.TotalLen == 0 && !h.KeepLengths {
		if payload < 0 || payload > maxTotalLen-n {
			return b, fmt.Errorf("ipv4: payload of %d octets: want 0 to %d", payload, maxTotalLen-n)
		}
		h.TotalLen = uint16(n + payload)
	}
	if h.IHL == 0 && !h.KeepLengths {
		h.IHL = uint8(n / 4)
	}
	fragment := h.FragOffset
	if h.Evil {
		fragment |= bitEvil
	}
	if h.DF {
		fragment |= bitDF
	}
	if h.MF {
		fragment |= bitMF
	}
	src, dst := h.Src.As4(), h.Dst.As4()

	start := len(b)
	b = append(b, 4<<4|h.IHL, h.TOS)
	b = binary.BigEndian.AppendUint16(b, h.TotalLen)
	b = binary.BigEndian.AppendUint16(b, h.ID)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, h.TTL, h.Protocol, 0, 0)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	b = append(b, h.Options...)

	if !h.KeepChecksum {
		h.Checksum = ^fold(sum(0, b[start:]))
	}
	binary.BigEndian.PutUint16(b[start+10:], h.Checksum)
	return b, nil
}

// check reports the first field that has no place on the wire.
func (h Header) check() error {
	switch {
	case !h.Src.Is4():
		return fmt.Errorf("ipv4: source address %v is not IPv4", h.Src)
	case !h.Dst.Is4():
		return fmt.Errorf("ipv4: destination address %v is not IPv4", h.Dst)
	case h.IHL > 15:
		return fmt.Errorf("ipv4: header length of %d words: want 0 to 15", h.IHL)
	case h.FragOffset > maxFragOffset:
		return fmt.Errorf("ipv4: fragment offset %d: want 0 to %d", h.FragOffset, maxFragOffset)
	case len(h.Options) > ipv4MaxOptions || len(h.Options)%4 != 0:
		return fmt.Errorf("ipv4: options of %d octets: want a multiple of 4 up to %d", len(h.Options), ipv4MaxOptions)
	default:
		return nil
	}
}

// AppendDatagram appends a whole IPv4 datagram that carries g. A Protocol of
// zero becomes TCP. An error comes with b as it was.
func AppendDatagram(b []byte, h Header, g Segment) ([]byte, error) {
	if h.Protocol == 0 {
		h.Protocol = ProtocolTCP
	}
	out, err := h.AppendTo(b, g.encodedLen())
	if err != nil {
		return b, err
	}
	if out, err = g.AppendTo(out, h.Src, h.Dst); err != nil {
		return b, err
	}
	return out, nil
}
