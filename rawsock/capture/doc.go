// Package capture reads pcap and pcapng files and tcpdump's own text, writes
// pcapng, and records what a link sends and receives.
//
// Files are written as tcpdump and Wireshark read them: one section, one
// interface of raw IPv4 with nanosecond stamps, and for every datagram its
// direction and a comment. Files are read with suspicion: a length in a file
// never decides how much memory is taken before the octets have arrived, and an
// error says at which packet and octet reading came to its end.
//
// A Text reads packets' lines as they are pasted into articles and tickets,
// ReadHex octets that are shown in digits. Detect tells files from text, and
// unpacks both.
//
// The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
package capture

import "time"

// Direction is which way a datagram went, as far as a capture file tells.
type Direction uint8

// The directions of a packet; their values are those of epb_flags
// (draft-ietf-opsawg-pcapng, Section 4.3.1).
const (
	Unknown Direction = iota
	Inbound
	Outbound
)

// Packet is one IPv4 datagram in a capture file.
type Packet struct {
	// Datagram begins with the IPv4 header. When it comes from a Reader it is
	// valid until the next call of Next.
	Datagram []byte
	// At is the capture's stamp; the zero Time where a file has none, as in a
	// simple packet block.
	At        time.Time
	Direction Direction
	// Comment is the packet's first comment; "" if it has none.
	Comment string
	// Missing counts the octets that the capture cut off at the end.
	Missing int
}

// Block types and options of pcapng.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete, but still about
	blockSimple    = 3
	blockEnhanced  = 6

	optEnd       = 0
	optComment   = 1
	optFlags     = 2 // of a packet
	optDevice    = 2 // of an interface
	optUserAppl  = 4
	optTSResol   = 9
	optTSOffset  = 14
	byteOrder    = 0x1a2b3c4d
	maxSnapshot  = 65535
	maxBlock     = 16 << 20
	maxOption    = 65535
	nanoseconds  = 9
	blockFraming = 12 // type, and the length at both ends
)
