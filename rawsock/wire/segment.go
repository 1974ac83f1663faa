package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

const (
	tcpHeaderLen  = 20 // without options
	tcpMaxOptions = 40
	tcpChecksumAt = 16
)

// Segment is a TCP header with its options and payload (RFC 9293,
// Section 3.1).
type Segment struct {
	SrcPort, DstPort uint16
	Seq, Ack         Seq
	// DataOffset is the header's length in 32-bit words. Zero asks AppendTo
	// to compute it; ParseSegment always fills it in.
	DataOffset uint8
	// Reserved holds the four bits between the data offset and the flags.
	Reserved uint8
	Flags    Flags
	// Window is the field as it stands on the wire: unscaled.
	Window   uint16
	Checksum uint16
	Urgent   uint16
	Options  []Option
	Payload  []byte
	// KeepChecksum makes AppendTo write Checksum verbatim. Parsing sets it,
	// so that a parsed segment is encoded as it came.
	KeepChecksum bool
	// KeepDataOffset makes AppendTo write a DataOffset of zero instead of
	// computing it. Parsing sets it for segments that came so.
	KeepDataOffset bool
}

// Len returns SEG.LEN: the octets of sequence space that the segment
// occupies; SYN and FIN count one each (RFC 9293, Section 3.4).
func (g Segment) Len() uint32 {
	n := uint32(len(g.Payload))
	if g.Flags&SYN != 0 {
		n++
	}
	if g.Flags&FIN != 0 {
		n++
	}
	return n
}

// Option returns the first option of a kind that is not malformed.
func (g Segment) Option(kind OptionKind) (Option, bool) {
	for _, o := range g.Options {
		if o.Kind == kind && !o.Malformed {
			return o, true
		}
	}
	return Option{}, false
}

// ParseSegment reads a TCP segment. Options and Payload alias b.
//
// Errors are of type *ParseError. Of a header that is not all there, the
// fields that are whole are returned. If the data offset is wrong, the
// segment has no options and its payload is everything after the fixed
// header, so that encoding gives b back. A malformed option is no error: it is
// kept as the last of Options.
func ParseSegment(b []byte) (Segment, error) {
	var g Segment
	err := g.Parse(b)
	return g, err
}

// Parse is ParseSegment into g, reusing the capacity of g.Options, so that a
// receive loop does not allocate. Nothing of what g was before remains, and
// options taken from it earlier must not be used any more.
func (g *Segment) Parse(b []byte) error {
	options := g.Options[:0]
	if len(b) < tcpHeaderLen {
		var whole [tcpHeaderLen]byte
		copy(whole[:], b[:wholeFields(len(b))])
		g.setFixed(whole[:])
		g.Options, g.Payload = options, nil
		return &ParseError{Layer: LayerTCP, Offset: len(b), Problem: "header is cut short", Truncated: true}
	}
	g.setFixed(b)
	g.Options, g.Payload = options, b[tcpHeaderLen:]
	n := int(g.DataOffset) * 4
	if n < tcpHeaderLen {
		return &ParseError{Layer: LayerTCP, Offset: 12, Problem: "data offset is less than 5 words"}
	}
	if n > len(b) {
		return &ParseError{Layer: LayerTCP, Offset: 12, Problem: "data offset exceeds what is there", Truncated: true}
	}
	g.Options, g.Payload = appendParsedOptions(options, b[tcpHeaderLen:n]), b[n:]
	return nil
}

// wholeFields rounds n down to the end of a field of the fixed header.
func wholeFields(n int) int {
	if n >= 4 && n < 12 { // within Seq and Ack
		return n &^ 3
	}
	return n &^ 1
}

func (g *Segment) setFixed(b []byte) {
	be := binary.BigEndian
	_ = b[tcpHeaderLen-1]
	g.SrcPort = be.Uint16(b)
	g.DstPort = be.Uint16(b[2:])
	g.Seq = Seq(be.Uint32(b[4:]))
	g.Ack = Seq(be.Uint32(b[8:]))
	g.DataOffset = b[12] >> 4
	g.Reserved = b[12] & 0xf
	g.Flags = Flags(b[13])
	g.Window = be.Uint16(b[14:])
	g.Checksum = be.Uint16(b[tcpChecksumAt:])
	g.Urgent = be.Uint16(b[18:])
	g.KeepChecksum = true
	g.KeepDataOffset = g.DataOffset == 0
}

// AppendTo appends the segment to b. The addresses go into the checksum,
// which is computed unless KeepChecksum is set. Where AppendTo computes the
// data offset, it pads the options with zeros (end of option list) to whole
// words; a given data offset is written as it is, and nothing is padded. An
// error names the field that does not fit, and comes with b as it was.
func (g Segment) AppendTo(b []byte, src, dst netip.Addr) ([]byte, error) {
	if err := g.check(src, dst); err != nil {
		return b, err
	}
	n := g.encodedLen()
	options := n - tcpHeaderLen - len(g.Payload)
	if g.computesDataOffset() {
		g.DataOffset = uint8((tcpHeaderLen + options) / 4)
	}

	start := len(b)
	be := binary.BigEndian
	b = be.AppendUint16(b, g.SrcPort)
	b = be.AppendUint16(b, g.DstPort)
	b = be.AppendUint32(b, uint32(g.Seq))
	b = be.AppendUint32(b, uint32(g.Ack))
	b = append(b, g.DataOffset<<4|g.Reserved, byte(g.Flags))
	b = be.AppendUint16(b, g.Window)
	b = append(b, 0, 0)
	b = be.AppendUint16(b, g.Urgent)
	for _, o := range g.Options {
		b = o.appendTo(b)
	}
	for len(b) < start+tcpHeaderLen+options {
		b = append(b, byte(OptEnd))
	}
	b = append(b, g.Payload...)

	if !g.KeepChecksum {
		g.Checksum = ^fold(sum(pseudoHeaderSum(src, dst, ProtocolTCP, n), b[start:]))
	}
	be.PutUint16(b[start+tcpChecksumAt:], g.Checksum)
	return b, nil
}

// computesDataOffset reports whether AppendTo chooses the data offset.
func (g Segment) computesDataOffset() bool { return g.DataOffset == 0 && !g.KeepDataOffset }

// encodedLen is the number of octets that AppendTo appends.
func (g Segment) encodedLen() int {
	options := 0
	for _, o := range g.Options {
		options += o.encodedLen()
	}
	if g.computesDataOffset() {
		options = (options + 3) &^ 3
	}
	return tcpHeaderLen + options + len(g.Payload)
}

// check reports the first field that has no place on the wire.
func (g Segment) check(src, dst netip.Addr) error {
	options := g.encodedLen() - tcpHeaderLen - len(g.Payload)
	switch {
	case !src.Is4():
		return fmt.Errorf("tcp: source address %v is not IPv4", src)
	case !dst.Is4():
		return fmt.Errorf("tcp: destination address %v is not IPv4", dst)
	case g.DataOffset > 15:
		return fmt.Errorf("tcp: data offset of %d words: want 0 to 15", g.DataOffset)
	case g.Reserved > 15:
		return fmt.Errorf("tcp: reserved bits %#x: want 0 to 0xf", g.Reserved)
	case options > tcpMaxOptions:
		return fmt.Errorf("tcp: options of %d octets: want at most %d", options, tcpMaxOptions)
	case len(g.Payload) > maxTotalLen-ipv4HeaderLen-tcpHeaderLen-options:
		return fmt.Errorf("tcp: payload of %d octets: want at most %d", len(g.Payload), maxTotalLen-ipv4HeaderLen-tcpHeaderLen-options)
	default:
		return nil
	}
}
