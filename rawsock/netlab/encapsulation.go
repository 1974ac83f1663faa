package netlab

import (
	"encoding/binary"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// encapsulation is how a link's frames carry their datagrams.
type encapsulation uint8

const (
	ethernet encapsulation = iota
	// vxlanGPE is an Ethernet frame with IPv4, UDP and a VXLAN-GPE header
	// (draft-ietf-nvo3-vxlan-gpe, Section 3.1) around the datagram.
	vxlanGPE
)

const (
	ethernetLen = 14
	ipv4Len     = 20
	udpLen      = 8
	gpeLen      = 8
	// gpeOverhead is what a VXLAN-GPE frame adds in front of the datagram.
	gpeOverhead = ethernetLen + ipv4Len + udpLen + gpeLen

	etherTypeIPv4 = 0x0800
)

// locate returns where the IPv4 datagram of a frame starts; -1 if it carries
// none.
func (e encapsulation) locate(frame []byte) int {
	if len(frame) < ethernetLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv4 {
		return -1
	}
	if e == ethernet {
		return ethernetLen
	}
	if len(frame) < gpeOverhead || frame[ethernetLen+9] != wire.ProtocolUDP {
		return -1
	}
	return gpeOverhead
}

// wrap returns a frame that carries datagram, with the link-layer header, and
// everything else in front of the datagram, of model.
func (e encapsulation) wrap(model []byte, datagram []byte) []byte {
	header := model[:e.locate(model)]
	frame := append(append(make([]byte, 0, len(header)+len(datagram)), header...), datagram...)
	if e == vxlanGPE {
		e.mend(frame)
	}
	return frame
}

// reversed returns a frame that carries datagram back to where model came
// from.
func (e encapsulation) reversed(model []byte, datagram []byte) []byte {
	frame := e.wrap(model, datagram)
	swap(frame[0:6], frame[6:12])
	if e == vxlanGPE {
		// The ports stay: both ends of the tunnel listen on the same one.
		swap(frame[ethernetLen+12:ethernetLen+16], frame[ethernetLen+16:ethernetLen+20])
	}
	return frame
}

// mend puts the lengths of the outer headers right. The outer UDP checksum is
// not in use.
func (e encapsulation) mend(frame []byte) {
	ip, udp := frame[ethernetLen:], frame[ethernetLen+ipv4Len:]
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	h, _, err := wire.ParseHeader(ip)
	if err != nil {
		return
	}
	h.KeepChecksum = false
	// The error can only be about options, which tunnels do not send.
	if outer, err := h.AppendTo(nil, len(udp)); err == nil {
		copy(ip, outer)
	}
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}
