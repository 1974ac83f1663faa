package capture

import (
	"encoding/binary"
	"fmt"
	"time"
)

// LinkType says what a frame begins with, as the LINKTYPE_ registry of
// tcpdump.org numbers it.
type LinkType uint16

// The link types that a Reader understands.
const (
	LinkNull     LinkType = 0   // BSD loopback: the family in the host's order
	LinkEthernet LinkType = 1   // Ethernet, with or without VLAN tags
	LinkPPP      LinkType = 9   // PPP, with or without HDLC framing
	LinkRawBSD   LinkType = 12  // raw IP, in files of some BSDs
	LinkRawOpen  LinkType = 14  // raw IP, in files of OpenBSD
	LinkPPPHDLC  LinkType = 50  // PPP in HDLC framing
	LinkRaw      LinkType = 101 // raw IP of either version
	LinkLoop     LinkType = 108 // OpenBSD loopback: the family in network order
	LinkSLL      LinkType = 113 // Linux "cooked", as `any` was captured of old
	LinkIPv4     LinkType = 228 // raw IPv4
	LinkIPv6     LinkType = 229 // raw IPv6
	LinkSLL2     LinkType = 276 // Linux "cooked" version 2, which names the device
)

// Content is what a frame carries, as far as its link header tells.
type Content uint8

// The contents of frames. Only IPv4 is looked into.
const (
	// ContentUnread is the zero value: the link type is not understood, or
	// the frame ends within its link header.
	ContentUnread Content = iota
	ContentIPv4
	ContentIPv6
	ContentARP
	// ContentOther is another protocol; EtherType says which.
	ContentOther
)

// HardwareAddr is a link-layer address of six octets (EUI-48). The zero value
// stands for none.
type HardwareAddr [6]byte

// String returns the address as tcpdump -e writes it.
func (a HardwareAddr) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}

// Frame is one packet of a capture file, whatever it carries.
type Frame struct {
	// Number counts the packets of the file from 1, as tcpdump -# does.
	Number int
	// Offset is where its record or block begins, in octets of the file once
	// it is decompressed.
	Offset int64
	// At is the capture's stamp; the zero Time where a file has none.
	At time.Time
	// Captured and Original are the frame's length in octets: in the file,
	// and on the link. A file may say that Original is the smaller.
	Captured, Original int
	Link               LinkType
	// Interface is the number of its interface within the section of a
	// pcapng file; zero in a pcap file.
	Interface int
	// Device is the interface's name, "" where the file has none, cut to 255
	// octets; DeviceIndex is the kernel's number, which only LinkSLL2 has.
	Device      string
	DeviceIndex uint32
	Direction   Direction
	// PacketType is what the kernel of a cooked capture said of the frame:
	// for it (0), broadcast (1), multicast (2), for another host (3), or sent by
	// it (4).
	PacketType uint16
	// Source and Destination are as in the link header. Cooked frames have
	// the source only.
	Source, Destination HardwareAddr
	Content             Content
	// EtherType is the protocol number behind all tags, zero where the link
	// type has none.
	EtherType uint16
	// Payload is what follows the link header, with Ethernet's padding cut
	// off if it is IPv4. It is valid until the next read.
	Payload []byte
	// Comment is the packet's first comment, valid until the next read.
	Comment []byte
}

// Datagram returns the IPv4 datagram that the frame carries; false if it
// carries something else, or nothing at all.
func (f *Frame) Datagram() ([]byte, bool) {
	return f.Payload, f.Content == ContentIPv4 && len(f.Payload) > 0 && f.Payload[0]>>4 == 4
}

// Missing returns how many octets the capture cut off at the end.
func (f *Frame) Missing() int { return max(f.Original-f.Captured, 0) }

// Reason says in a few words why Datagram is false: "ARP", "IPv6",
// "EtherType 0x88cc"; "" if it is true.
func (f *Frame) Reason() string {
	_, ok := f.Datagram()
	switch {
	case ok:
		return ""
	case f.Content == ContentUnread && !f.Link.understood():
		return fmt.Sprintf("link type %d", f.Link)
	case f.Content == ContentUnread:
		return "cut short within the link header"
	case f.Content == ContentARP:
		return "ARP"
	case f.Content == ContentIPv6:
		return "IPv6"
	case f.Content == ContentOther && f.EtherType != 0:
		return fmt.Sprintf("EtherType 0x%04x", f.EtherType)
	case f.Content == ContentOther:
		return "not an Internet protocol"
	case len(f.Payload) == 0:
		return "cut short before the IPv4 header"
	}
	return fmt.Sprintf("IP version %d where the link header says IPv4", f.Payload[0]>>4)
}

// setVersion is for links that carry IP only and leave it to its header to
// tell the version.
func (f *Frame) setVersion() {
	switch {
	case len(f.Payload) == 0:
		return // cut short
	case f.Payload[0]>>4 == 4:
		f.Content = ContentIPv4
	case f.Payload[0]>>4 == 6:
		f.Content = ContentIPv6
	default:
		f.Content = ContentOther
	}
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
