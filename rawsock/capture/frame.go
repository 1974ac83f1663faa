package capture

import "encoding/binary"

// Ethernet types.
const (
	etherIPv4 = 0x0800
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
)

// sllOutgoing is the packet type of what the host itself sent
// (PACKET_OUTGOING in linux/if_packet.h).
const sllOutgoing = 4

// unwrap returns the IPv4 datagram in a frame of the given link type, without
// the padding behind it, and what the link header says of its direction.
func unwrap(link uint16, frame []byte) ([]byte, Direction, bool) {
	direction := Unknown
	switch link {
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4:
	case linkNull, linkLoop:
		// The family word is in some host's order; the version tells better.
		if len(frame) < 4 {
			return nil, Unknown, false
		}
		frame = frame[4:]
	case linkEthernet:
		var ok bool
		if frame, ok = ethernet(frame); !ok {
			return nil, Unknown, false
		}
	case linkSLL:
		if len(frame) < 16 || binary.BigEndian.Uint16(frame[14:]) != etherIPv4 {
			return nil, Unknown, false
		}
		direction = cooked(binary.BigEndian.Uint16(frame))
		frame = frame[16:]
	case linkSLL2:
		if len(frame) < 20 || binary.BigEndian.Uint16(frame) != etherIPv4 {
			return nil, Unknown, false
		}
		direction = cooked(uint16(frame[10]))
		frame = frame[20:]
	default:
		return nil, Unknown, false
	}
	if len(frame) == 0 || frame[0]>>4 != 4 {
		return nil, Unknown, false
	}
	return trim(frame), direction, true
}

// ethernet strips the frame header and its VLAN tags.
func ethernet(frame []byte) ([]byte, bool) {
	if len(frame) < 14 {
		return nil, false
	}
	kind, rest := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for kind == etherVLAN || kind == etherQinQ {
		if len(rest) < 4 {
			return nil, false
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	return rest, kind == etherIPv4
}

func cooked(packetType uint16) Direction {
	if packetType == sllOutgoing {
		return Outbound
	}
	return Inbound
}

// trim cuts Ethernet's padding off. A length of zero is left alone: it is how
// segments that a device is to cut up look.
func trim(datagram []byte) []byte {
	if len(datagram) < 4 {
		return datagram
	}
	if total := int(binary.BigEndian.Uint16(datagram[2:])); total >= 20 && total < len(datagram) {
		return datagram[:total]
	}
	return datagram
}
