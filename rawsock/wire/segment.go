package wire

import (
	"errors"
	"net/netip"
)

// Flags are the eight control bits of a TCP header (RFC 9293, Section 3.1),
// in their order on the wire.
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Segment is a TCP header with its options and payload.
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
	// KeepChecksum makes AppendTo write Checksum verbatim.
	KeepChecksum bool
}

// Len returns SEG.LEN: the octets of sequence space that the segment
// occupies; SYN and FIN count one each (RFC 9293, Section 3.4).
func (g Segment) Len() uint32 { return 0 }

// AppendTo appends the segment to b ...
func (g Segment) AppendTo(b []byte, src, dst netip.Addr) ([]byte, error) {
	return b, errors.ErrUnsupported
}

// ParseSegment reads a TCP segment. Options and Payload alias b.
func ParseSegment(b []byte) (Segment, error) { var g Segment; err := g.Parse(b); return g, err }

// Parse is ParseSegment into g, reusing the capacity of g.Options, so that a
// receive loop does not allocate.
func (g *Segment) Parse(b []byte) error { return errors.ErrUnsupported }
