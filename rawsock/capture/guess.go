package capture

import (
	"encoding/binary"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Start is what octets begin with that come without a link type, as those do
// that people paste.
type Start uint8

// The starts.
const (
	// StartUnknown is the zero value: nothing that this package knows.
	StartUnknown Start = iota
	StartEthernet
	StartSLL
	StartSLL2
	StartNull // BSD loopback, of either kind
	StartPPP
	StartIPv4
	StartIPv6
	StartTCP
	StartICMP
)

// Starts returns all that octets may begin with, StartUnknown excepted.
func Starts() []Start {
	return []Start{StartEthernet, StartSLL, StartSLL2, StartNull, StartPPP, StartIPv4, StartIPv6, StartTCP, StartICMP}
}

// String returns the name in one word of lower case.
func (s Start) String() string {
	switch s {
	case StartEthernet:
		return "ethernet"
	case StartSLL:
		return "sll"
	case StartSLL2:
		return "sll2"
	case StartNull:
		return "null"
	case StartPPP:
		return "ppp"
	case StartIPv4:
		return "ipv4"
	case StartIPv6:
		return "ipv6"
	case StartTCP:
		return "tcp"
	case StartICMP:
		return "icmp"
	}
	return "unknown"
}

// enough is how many points make a guess: less than any header's first octets
// give that are as they should be.
const enough = 3

// Guess returns what octets most probably begin with. It weighs version and
// protocol numbers, lengths and checksums, of what is there: few octets make a
// poor guess. A bare TCP header has nothing that identifies it, so it is the
// guess only where all of its fields are in order and nothing else fits as
// well.
func Guess(octets []byte) Start {
	best, most := StartUnknown, enough-1
	for _, s := range []Start{
		// What is likelier to be pasted is first: it wins where points do not
		// tell.
		StartIPv4, StartEthernet, StartSLL2, StartSLL, StartNull, StartPPP, StartIPv6, StartTCP, StartICMP,
	} {
		if p := s.points(octets); p > most {
			best, most = s, p
		}
	}
	return best
}

// points says how well octets fit; zero is not at all.
func (s Start) points(b []byte) int {
	switch s {
	case StartIPv4:
		return pointsIPv4(b)
	case StartIPv6:
		return pointsIPv6(b)
	case StartTCP:
		return pointsTCP(b)
	case StartICMP:
		return pointsICMP(b)
	}
	if !s.markedBy(b) {
		return 0
	}
	u := s.Unwrap(b)
	switch u.Content {
	case ContentIPv4:
		if len(u.Payload) == 0 {
			return enough + 1
		}
		if p := pointsIPv4(u.Payload); p > 0 {
			return p + 2
		}
	case ContentIPv6:
		if len(u.Payload) == 0 {
			return enough + 1
		}
		if p := pointsIPv6(u.Payload); p > 0 {
			return p + 2
		}
	case ContentARP:
		if len(u.Payload) >= 4 && binary.BigEndian.Uint16(u.Payload[2:]) == etherIPv4 {
			return 10
		}
	}
	return 0
}

// markedBy looks at what a link header must have, beside the protocol number.
func (s Start) markedBy(b []byte) bool {
	be := binary.BigEndian
	switch s {
	case StartSLL:
		return len(b) >= 16 && be.Uint16(b) <= sllOutgoing && be.Uint16(b[4:]) <= 8
	case StartSLL2:
		return len(b) >= 20 && be.Uint16(b[2:]) == 0 && b[10] <= sllOutgoing && b[11] <= 8
	case StartNull:
		return len(b) >= 5 && family(b) != 0
	}
	return true
}

// family is the protocol family in a header of BSD's loopback; zero if it is
// none of those that systems have for the Internet's two.
func family(b []byte) uint32 {
	for _, n := range []uint32{binary.LittleEndian.Uint32(b), binary.BigEndian.Uint32(b)} {
		switch n {
		case 2, 10, 23, 24, 28, 30:
			return n
		}
	}
	return 0
}

func pointsIPv4(b []byte) int {
	if len(b) < 1 || b[0]>>4 != 4 || b[0]&0xf < 5 {
		return 0
	}
	h, _, err := wire.ParseHeader(b)
	points := 1
	if h.IHL == 5 { // as nearly all
		points = enough
	}
	if len(b) >= 20 {
		switch h.Protocol {
		case wire.ProtocolTCP, wire.ProtocolICMP, wire.ProtocolUDP:
			points += 2
		}
		if wire.VerifyHeader(b) == wire.Valid {
			points += 6
		}
	}
	switch total := int(h.TotalLen); {
	case len(b) < 4:
	case total == len(b):
		points += 4
	case err == nil: // something behind, such as Ethernet's padding
		points += 2
	case total > len(b):
		points++ // cut short
	}
	return points
}

func pointsIPv6(b []byte) int {
	if len(b) < 1 || b[0]>>4 != 6 {
		return 0
	}
	points := 1
	if len(b) >= 4 && b[0] == 0x60 {
		points++
	}
	if len(b) >= 6 && int(binary.BigEndian.Uint16(b[4:]))+40 == len(b) {
		points += 6
	}
	if len(b) >= 40 {
		switch b[6] {
		case wire.ProtocolTCP, wire.ProtocolUDP, 58: // ICMPv6
			points += 2
		}
	}
	return points
}

// pointsTCP is for a header that nothing stands before. Anything that TCP
// would not have sent so gives none at all.
func pointsTCP(b []byte) int {
	g, err := wire.ParseSegment(b)
	if err != nil || g.Reserved&^1 != 0 || g.SrcPort == 0 || g.DstPort == 0 || !sensible(g.Flags) {
		return 0
	}
	for _, o := range g.Options {
		if o.Malformed {
			return 0
		}
	}
	if len(g.Options) > 0 {
		return 8
	}
	return 6
}

// sensible reports whether a TCP of any make sends these flags together.
func sensible(f wire.Flags) bool {
	switch f & (wire.SYN | wire.RST | wire.FIN) {
	case wire.SYN, wire.RST:
		return true
	case 0, wire.FIN:
		return f&wire.ACK != 0
	}
	return false
}

// pointsICMP is for an error message that nothing stands before.
func pointsICMP(b []byte) int {
	m, err := wire.ParseICMPError(b)
	if err != nil || m.Code > 15 {
		return 0
	}
	quoted := pointsIPv4(m.Original)
	if quoted == 0 || wire.VerifyICMP(b) != wire.Valid {
		return quoted // zero, or what shows through
	}
	return quoted + 6
}
