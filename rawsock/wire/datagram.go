package wire

import (
	"errors"
	"net/netip"
)

// Protocol numbers in an IPv4 header.
const (
	ProtocolICMP = 1
	ProtocolTCP  = 6
	ProtocolUDP  = 17
)

// Header is an IPv4 header (RFC 791, Section 3.1).
type Header struct {
	// TOS is the whole octet: DSCP in the upper six bits, ECN below.
	TOS uint8
	// TotalLen is in octets. Zero asks AppendTo to compute it.
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
	// KeepChecksum makes AppendTo write Checksum verbatim.
	KeepChecksum bool
}

// ParseHeader reads an IPv4 header and returns what follows it, cut to
// TotalLen where b is longer. Options alias b.
func ParseHeader(b []byte) (h Header, payload []byte, err error) {
	return h, nil, errors.ErrUnsupported
}

// AppendTo appends the header; payload is the length in octets of what will follow.
func (h Header) AppendTo(b []byte, payload int) ([]byte, error) { return b, errors.ErrUnsupported }

// AppendDatagram appends a whole IPv4 datagram that carries g.
func AppendDatagram(b []byte, h Header, g Segment) ([]byte, error) {
	return b, errors.ErrUnsupported
}
