package capture

import (
	"encoding/binary"
	"fmt"
)

// LinkField is one field of a link header.
type LinkField struct {
	// Offset and Length are in octets, the offset from the frame's first.
	Offset, Length int
	Name           string
	// Value is the field in words; they are this package's, not the frame's.
	Value string
}

// Unwrapped is a frame taken out of its link header.
type Unwrapped struct {
	// Fields are the link header's, as far as they are there; none if the
	// octets begin behind it.
	Fields []LinkField
	// Payload is all that follows the link header, padding included; nil if
	// that is cut short. It aliases the frame.
	Payload []byte
	Content Content
	// Reason says why Payload is no IPv4, as Frame.Reason does; "" if it is.
	Reason string
}

// link returns the link type; false if the octets begin behind the link
// header.
func (s Start) link() (LinkType, bool) {
	switch s {
	case StartEthernet:
		return LinkEthernet, true
	case StartSLL:
		return LinkSLL, true
	case StartSLL2:
		return LinkSLL2, true
	case StartNull:
		return LinkNull, true
	case StartPPP:
		return LinkPPP, true
	}
	return LinkRaw, false
}

// Unwrap takes octets that begin with s apart up to what the link header
// carries. Without one, it says by its version what they are.
func (s Start) Unwrap(octets []byte) Unwrapped {
	link, framed := s.link()
	frame := Frame{Link: link}
	frame.unwrap(octets)
	u := Unwrapped{Content: frame.Content, Reason: frame.Reason(), Payload: octets}
	if !framed {
		return u
	}
	h := header{octets: octets}
	switch s {
	case StartEthernet:
		h.ethernet()
	case StartSLL:
		h.cooked()
	case StartSLL2:
		h.cooked2()
	case StartNull:
		h.field(4, "protocol family", func(b []byte) string { return fmt.Sprint(family(b)) })
	case StartPPP:
		h.framing()
		h.ppp()
	}
	u.Fields, u.Payload = h.fields, octets[h.at:]
	if h.ended {
		u.Payload = nil
	}
	return u
}

// header is a link header that is being taken apart, field by field. It goes
// the way that Frame.unwrap goes.
type header struct {
	octets []byte
	at     int
	ended  bool // there is no more, or no more of it
	fields []LinkField
}

// field takes the next octets, and returns them as a number where they are no
// more than eight. A field that is not all there ends the header.
func (h *header) field(length int, name string, value func([]byte) string) uint64 {
	if h.ended = h.ended || len(h.octets)-h.at < length; h.ended {
		return 0
	}
	b := h.octets[h.at : h.at+length]
	h.fields = append(h.fields, LinkField{Offset: h.at, Length: length, Name: name, Value: value(b)})
	h.at += length
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func (h *header) ethernet() {
	h.field(6, "destination", address)
	h.field(6, "source", address)
	h.protocol(h.field(2, "EtherType", etherType))
}

// cooked is the header of LINKTYPE_LINUX_SLL.
func (h *header) cooked() {
	h.field(2, "packet type", packetType)
	h.field(2, "device type", hardware)
	h.field(2, "address length", number)
	h.field(8, "source", sparse)
	h.protocol(h.field(2, "protocol", etherType))
}

// cooked2 is the header of LINKTYPE_LINUX_SLL2.
func (h *header) cooked2() {
	kind := h.field(2, "protocol", etherType)
	h.field(2, "reserved", number)
	h.field(4, "device index", number)
	h.field(2, "device type", hardware)
	h.field(1, "packet type", packetType)
	h.field(1, "address length", number)
	h.field(8, "source", sparse)
	h.protocol(kind)
}

// protocol goes past what may stand behind a protocol number before the
// protocol itself.
func (h *header) protocol(kind uint64) {
	for kind == etherVLAN || kind == etherQinQ || kind == etherOld {
		h.field(2, "VLAN tag", vlanTag)
		kind = h.field(2, "EtherType", etherType)
	}
	rest := h.octets[h.at:]
	switch {
	case h.ended:
	case kind < etherLeast && len(rest) >= 8 && [6]byte(rest) == [6]byte{0xaa, 0xaa, 3}:
		h.field(3, "LLC", func([]byte) string { return "SNAP (RFC 1042)" })
		h.field(3, "organisation", sparse)
		if h.field(2, "EtherType", etherType) == etherPPPoE {
			h.session()
		}
	case kind == etherPPPoE:
		h.session()
	}
}

// session is the header of PPPoE (RFC 2516, Section 4).
func (h *header) session() {
	h.field(2, "PPPoE", func([]byte) string { return "version, type and code" })
	h.field(2, "session", number)
	h.field(2, "length", number)
	h.ppp()
}

// framing is that of HDLC, which PPP may have.
func (h *header) framing() {
	if len(h.octets) >= 2 && h.octets[0] == 0xff && h.octets[1] == 0x03 {
		h.field(2, "framing", func([]byte) string { return "HDLC's address and control" })
	}
}

// ppp is a protocol number of one octet or two (RFC 1661, Section 2).
func (h *header) ppp() {
	length := 2
	if rest := h.octets[h.at:]; len(rest) > 0 && rest[0]&1 == 1 {
		length = 1
	}
	h.field(length, "PPP protocol", func(b []byte) string {
		switch n := b[len(b)-1]; {
		case len(b) == 2 && b[0] != 0:
		case n == pppIPv4:
			return "IPv4"
		case n == pppIPv6:
			return "IPv6"
		}
		return "another"
	})
}

func address(b []byte) string {
	a := HardwareAddr(b)
	switch {
	case a == HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		return a.String() + ", broadcast"
	case a == HardwareAddr{}:
		return a.String() + ", as on loopback"
	case a[0]&1 != 0:
		return a.String() + ", multicast"
	case a[0]&2 != 0:
		return a.String() + ", locally administered"
	}
	return a.String()
}

// sparse is for fields of which often not all octets are used.
func sparse(b []byte) string { return fmt.Sprintf("% x", b) }

func number(b []byte) string {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return fmt.Sprint(n)
}

func etherType(b []byte) string {
	switch n := binary.BigEndian.Uint16(b); n {
	case etherIPv4:
		return "IPv4"
	case etherIPv6:
		return "IPv6"
	case etherARP:
		return "ARP"
	case etherVLAN:
		return "VLAN (IEEE 802.1Q): a tag follows"
	case etherQinQ, etherOld:
		return "stacked VLAN: a tag follows"
	case etherPPPoE:
		return "PPPoE session"
	default:
		if n < etherLeast {
			return fmt.Sprintf("%d octets (IEEE 802.3)", n)
		}
		return "another protocol"
	}
}

func vlanTag(b []byte) string {
	n := binary.BigEndian.Uint16(b)
	words := fmt.Sprintf("VLAN %d, priority %d", n&0xfff, n>>13)
	if n&0x1000 != 0 {
		words += ", may be dropped"
	}
	return words
}

func packetType(b []byte) string {
	switch b[len(b)-1] {
	case 0:
		return "to this host"
	case 1:
		return "broadcast"
	case 2:
		return "multicast"
	case 3:
		return "to another host"
	case sllOutgoing:
		return "sent by this host"
	}
	return "unknown"
}

// hardware names what ARPHRD_ numbers stand for (linux/if_arp.h).
func hardware(b []byte) string {
	switch n := binary.BigEndian.Uint16(b); n {
	case 1:
		return "Ethernet"
	case 772:
		return "loopback"
	case 65534:
		return "none"
	default:
		return fmt.Sprint(n)
	}
}
