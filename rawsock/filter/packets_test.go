package filter

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// packet describes a datagram for the tests, faults included.
type packet struct {
	src, dst   string
	protocol   uint8
	ports      [2]uint16
	flags      uint8 // of TCP; type of ICMP
	ttl        uint8
	fragment   uint16 // the field, flags included
	ipOptions  int    // octets
	payload    int
	truncateTo int // where not zero
}

// octets returns the datagram. Checksums are zero: no filter looks at them.
func (p packet) octets() []byte {
	header := 20 + p.ipOptions
	b := make([]byte, header)
	b[0] = 4<<4 | uint8(header/4)
	binary.BigEndian.PutUint16(b[6:], p.fragment)
	b[8], b[9] = p.ttl, p.protocol
	for i, address := range []string{p.src, p.dst} {
		if address != "" {
			octets := netip.MustParseAddr(address).As4()
			copy(b[12+4*i:], octets[:])
		}
	}
	switch p.protocol {
	case 1:
		b = append(b, p.flags, 1, 0, 0, 0, 0, 0, 0)
	case 6:
		b = binary.BigEndian.AppendUint16(b, p.ports[0])
		b = binary.BigEndian.AppendUint16(b, p.ports[1])
		b = append(b, 0, 0, 1, 0, 0, 0, 2, 0, 5<<4, p.flags, 0xfa, 0xf0, 0, 0, 0, 0)
	default:
		b = binary.BigEndian.AppendUint16(b, p.ports[0])
		b = binary.BigEndian.AppendUint16(b, p.ports[1])
		b = append(b, 0, 8, 0, 0)
	}
	for i := range p.payload {
		b = append(b, uint8(i))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if p.truncateTo > 0 {
		b = b[:min(len(b), p.truncateTo)]
	}
	return b
}

// pick returns one of the choices.
func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

// randomPackets are datagrams that the corpus tells apart, with IP headers of all
// lengths and fragments. None ends before its transport header's first 8 octets:
// there libpcap's optimizer has a say.
func randomPackets(rng *rand.Rand, n int) [][]byte {
	addresses := []string{"10.0.0.1", "10.0.0.2", "10.1.2.3", "10.1.255.255", "192.168.1.10", "192.168.2.10", "127.0.0.1", "0.0.0.5", "255.255.255.255"}
	ports := []uint16{0, 22, 53, 79, 80, 81, 90, 91, 443, 1024, 6000, 6004, 6008, 6009, 40000, 65535}
	list := make([][]byte, n)
	for i := range list {
		p := packet{
			src: pick(rng, addresses...), dst: pick(rng, addresses...),
			protocol: pick[uint8](rng, 6, 6, 6, 6, 17, 1, 132, 47, 2, 50),
			ports:    [2]uint16{pick(rng, ports...), pick(rng, ports...)},
			flags:    pick(rng, uint8(rng.Uint32()), 2, 0x12, 4, 0x14, 0x10, 0x11, 0, 8, 3, 11),
			ttl:      pick[uint8](rng, 1, 4, 5, 64, 255),
			fragment: pick[uint16](rng, 0, 0, 0, 0x4000, 0x2000, 1, 0x2001, 0x1fff),
			payload:  pick(rng, 0, 0, 1, 10, 100, 600),
		}
		if rng.IntN(3) == 0 {
			p.ipOptions = 4 * rng.IntN(11)
		}
		list[i] = p.octets()
	}
	return list
}
