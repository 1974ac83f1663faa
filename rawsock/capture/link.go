package capture

import "encoding/binary"

// Ethernet types, by which cooked frames name their contents too.
const (
	etherIPv4  = 0x0800
	etherARP   = 0x0806
	etherVLAN  = 0x8100
	etherIPv6  = 0x86dd
	etherPPPoE = 0x8864 // session stage
	etherQinQ  = 0x88a8
	etherOld   = 0x9100 // of stacked tags before they had a standard
	etherLeast = 0x0600 // below, the field is an IEEE 802.3 length
)

// PPP protocol numbers.
const (
	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

// sllOutgoing is the packet type of what the host itself sent
// (PACKET_OUTGOING in linux/if_packet.h).
const sllOutgoing = 4

// understood reports whether unwrap reads frames of the type.
func (l LinkType) understood() bool {
	switch l {
	case LinkNull, LinkEthernet, LinkPPP, LinkRawBSD, LinkRawOpen, LinkPPPHDLC, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkSLL2:
		return true
	}
	return false
}

// unwrap reads the link header of octets, which f.Link is the type of. What a
// short header lacks stays as it is.
func (f *Frame) unwrap(octets []byte) {
	f.Payload = octets
	switch f.Link {
	case LinkEthernet:
		f.ethernet(octets)
	case LinkSLL:
		f.cooked(octets)
	case LinkSLL2:
		f.cooked2(octets)
	case LinkNull, LinkLoop:
		// Which numbers the families have depends on the system, and in which
		// order they are on the machine; the version tells better.
		if f.Payload = behind(octets, 4); f.Payload != nil {
			f.setVersion()
		}
	case LinkRaw, LinkRawBSD, LinkRawOpen, LinkIPv4, LinkIPv6:
		f.setVersion()
	case LinkPPP, LinkPPPHDLC:
		if len(octets) >= 2 && octets[0] == 0xff && octets[1] == 0x03 { // HDLC's address and control
			octets = octets[2:]
		}
		f.ppp(octets)
	}
	if f.Content == ContentIPv4 {
		f.Payload = trim(f.Payload)
	}
}

// behind returns what follows the first n octets; nil if there are not as many.
func behind(b []byte, n int) []byte {
	if len(b) < n {
		return nil
	}
	return b[n:]
}

func (f *Frame) ethernet(b []byte) {
	if len(b) < 14 {
		f.Payload = nil
		return
	}
	f.Destination, f.Source = HardwareAddr(b), HardwareAddr(b[6:])
	f.protocol(binary.BigEndian.Uint16(b[12:]), b[14:])
}

// cooked reads the header of LINKTYPE_LINUX_SLL.
func (f *Frame) cooked(b []byte) {
	if len(b) < 16 {
		f.Payload = nil
		return
	}
	f.heard(binary.BigEndian.Uint16(b))
	if binary.BigEndian.Uint16(b[4:]) == 6 {
		f.Source = HardwareAddr(b[6:])
	}
	f.protocol(binary.BigEndian.Uint16(b[14:]), b[16:])
}

// cooked2 reads the header of LINKTYPE_LINUX_SLL2.
func (f *Frame) cooked2(b []byte) {
	if len(b) < 20 {
		f.Payload = nil
		return
	}
	f.DeviceIndex = binary.BigEndian.Uint32(b[4:])
	f.heard(uint16(b[10]))
	if b[11] == 6 {
		f.Source = HardwareAddr(b[12:])
	}
	f.protocol(binary.BigEndian.Uint16(b), b[20:])
}

// heard sets the packet type, and the direction unless the file itself tells
// it.
func (f *Frame) heard(packetType uint16) {
	f.PacketType = packetType
	switch {
	case f.Direction != Unknown:
	case packetType == sllOutgoing:
		f.Direction = Outbound
	default:
		f.Direction = Inbound
	}
}

// protocol goes past VLAN tags and the like, to what an EtherType stands for.
func (f *Frame) protocol(kind uint16, b []byte) {
	for kind == etherVLAN || kind == etherQinQ || kind == etherOld {
		if len(b) < 4 {
			f.Payload = nil
			return
		}
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	if kind < etherLeast && len(b) >= 8 && [6]byte(b) == [6]byte{0xaa, 0xaa, 3} { // SNAP (RFC 1042)
		kind, b = binary.BigEndian.Uint16(b[6:]), b[8:]
	}
	f.EtherType, f.Payload = kind, b
	switch kind {
	case etherIPv4:
		f.Content = ContentIPv4
	case etherIPv6:
		f.Content = ContentIPv6
	case etherARP:
		f.Content = ContentARP
	case etherPPPoE:
		f.ppp(behind(b, 6)) // RFC 2516, Section 4
	default:
		f.Content = ContentOther
	}
}

// ppp reads a protocol number of one or two octets (RFC 1661, Section 2): the
// last is odd, those before are even.
func (f *Frame) ppp(b []byte) {
	f.Payload = nil
	if len(b) == 0 {
		return
	}
	number := uint16(b[0])
	b = b[1:]
	if number&1 == 0 {
		if len(b) == 0 {
			return
		}
		number, b = number<<8|uint16(b[0]), b[1:]
	}
	f.Payload = b
	switch number {
	case pppIPv4:
		f.Content = ContentIPv4
	case pppIPv6:
		f.Content = ContentIPv6
	default:
		f.Content = ContentOther
	}
}
