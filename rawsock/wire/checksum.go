package wire

import (
	"encoding/binary"
	"net/netip"
)

// Checksum says what is known about a checksum.
type Checksum uint8

// The four states of a checksum.
const (
	// Unverified: nobody has looked, or the octets that it covers are not all
	// there (fragments, short captures).
	Unverified Checksum = iota
	// Offloaded: the field is unfinished because the device, or the segment's
	// local receiver, takes care of it. Linux leaves the folded sum of the
	// pseudo-header in it (tcp_v4_send_check).
	Offloaded
	// Valid: it covers the octets.
	Valid
	// Invalid: it does not.
	Invalid
)

// String returns the state's name in lower case.
func (c Checksum) String() string {
	switch c {
	case Offloaded:
		return "offloaded"
	case Valid:
		return "valid"
	case Invalid:
		return "invalid"
	default:
		return "unverified"
	}
}

// VerifyHeader checks the checksum of the IPv4 header that b begins with
// (RFC 791, Section 3.1). It returns Unverified if the header is not all there.
func VerifyHeader(b []byte) Checksum {
	_, n, err := parseHeader(b)
	if err != nil {
		return Unverified
	}
	return verdict(sum(0, b[:n]))
}

// VerifyTCP checks the TCP checksum of a whole IPv4 datagram (RFC 9293,
// Section 3.1). It returns Offloaded if the field holds nothing but the sum of
// the pseudo-header, and Unverified for fragments, for datagrams that are cut
// short and for those that carry no TCP.
func VerifyTCP(datagram []byte) Checksum {
	h, g, err := ParseHeader(datagram)
	if err != nil || h.Protocol != ProtocolTCP || h.MF || h.FragOffset != 0 || len(g) < tcpHeaderLen {
		return Unverified
	}
	pseudo := pseudoHeaderSum(h.Src, h.Dst, ProtocolTCP, len(g))
	switch state := verdict(sum(pseudo, g)); {
	case state == Invalid && binary.BigEndian.Uint16(g[tcpChecksumAt:]) == fold(pseudo):
		return Offloaded
	default:
		return state
	}
}

// VerifyICMP checks the checksum of an ICMP message (RFC 792). It must be
// whole; of a message cut short it says Invalid.
func VerifyICMP(message []byte) Checksum {
	if len(message) < icmpHeaderLen {
		return Unverified
	}
	return verdict(sum(0, message))
}

// HeaderChecksum returns the checksum in an IPv4 header and the one that
// belongs there; they are equal if and only if it is right. The header is
// whole, options included.
func HeaderChecksum(header []byte) (got, want uint16) {
	return proper(sum(0, header), binary.BigEndian.Uint16(header[10:]))
}

// SegmentChecksum is HeaderChecksum for a whole TCP segment between two IPv4
// addresses, of which the destination is the last of a source route.
func SegmentChecksum(src, dst netip.Addr, segment []byte) (got, want uint16) {
	pseudo := pseudoHeaderSum(src, dst, ProtocolTCP, len(segment))
	return proper(sum(pseudo, segment), binary.BigEndian.Uint16(segment[tcpChecksumAt:]))
}

// ICMPChecksum is HeaderChecksum for a whole ICMP message.
func ICMPChecksum(message []byte) (got, want uint16) {
	return proper(sum(0, message), binary.BigEndian.Uint16(message[2:]))
}

// proper takes a checksum's field out of the sum over everything, itself
// included, and returns it with what should have been in its place.
func proper(acc uint64, field uint16) (got, want uint16) {
	return field, fold(uint64(field) + uint64(^fold(acc)))
}

// verdict judges a sum over octets that include their own checksum field.
func verdict(acc uint64) Checksum {
	if fold(acc) == 0xffff {
		return Valid
	}
	return Invalid
}

// sum adds b to a one's complement sum as big-endian 16-bit words (RFC 1071).
// Words are added in pairs, which makes no difference modulo 0xffff; the
// accumulator has room for 2^32 pairs. An odd octet is padded with zero.
func sum(acc uint64, b []byte) uint64 {
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		acc += v>>32 + v&0xffffffff
		b = b[8:]
	}
	for len(b) >= 2 {
		acc += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// fold reduces a sum to 16 bits, carries added back.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// pseudoHeaderSum sums the pseudo-header in front of a segment of length
// octets. Both addresses must be IPv4.
func pseudoHeaderSum(src, dst netip.Addr, protocol uint8, length int) uint64 {
	s, d := src.As4(), dst.As4()
	return uint64(binary.BigEndian.Uint32(s[:])) + uint64(binary.BigEndian.Uint32(d[:])) +
		uint64(protocol) + uint64(length)
}
