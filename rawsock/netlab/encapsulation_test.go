package netlab

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// gpeFrame carries a datagram from underlayA's address to underlayB's.
func gpeFrame(t *testing.T, datagram []byte) []byte {
	t.Helper()
	frame := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}, 0x08, 0x00)
	header := wire.Header{TTL: 64, Protocol: wire.ProtocolUDP, Src: netip.MustParseAddr("169.254.0.1"), Dst: netip.MustParseAddr("169.254.0.2")}
	frame, err := header.AppendTo(frame, udpLen+gpeLen+len(datagram))
	if err != nil {
		t.Fatal(err)
	}
	frame = binary.BigEndian.AppendUint16(frame, 50000)
	frame = binary.BigEndian.AppendUint16(frame, 4790)
	frame = binary.BigEndian.AppendUint16(frame, uint16(udpLen+gpeLen+len(datagram)))
	frame = append(frame, 0, 0, 0x0c, 0, 0, 1, 0, 0, 1, 0)
	return append(frame, datagram...)
}

func TestLocate(t *testing.T) {
	ip := ethernetFrame(t, 1, wire.ACK)
	arp := append(make([]byte, 12), 0x08, 0x06, 0, 1)
	gpe := gpeFrame(t, ip[ethernetLen:])
	for _, test := range []struct {
		name          string
		encapsulation encapsulation
		frame         []byte
		want          int
	}{
		{"ipv4", ethernet, ip, 14},
		{"arp", ethernet, arp, -1},
		{"empty", ethernet, nil, -1},
		{"no type", ethernet, ip[:13], -1},
		{"tunnelled", vxlanGPE, gpe, 50},
		{"tunnel cut short", vxlanGPE, gpe[:49], -1},
		{"not a tunnel's", vxlanGPE, ip, -1},
		{"arp below a tunnel", vxlanGPE, arp, -1},
	} {
		if got := test.encapsulation.locate(test.frame); got != test.want {
			t.Errorf("%s: datagram at %d, want %d", test.name, got, test.want)
		}
	}
}

// Whatever a frame is made to carry instead, its headers stay true.
func TestWrap(t *testing.T) {
	ip := ethernetFrame(t, 1, wire.SYN)
	original := ip[ethernetLen:]
	for _, e := range []struct {
		encapsulation encapsulation
		model         []byte
	}{{ethernet, ip}, {vxlanGPE, gpeFrame(t, ip[ethernetLen:])}} {
		at := e.encapsulation.locate(e.model)
		before := bytes.Clone(e.model)
		for _, datagram := range [][]byte{original, original[:25], append(bytes.Clone(original), "and more"...)} {
			forward, back := e.encapsulation.wrap(e.model, datagram), e.encapsulation.reversed(e.model, datagram)
			if !bytes.Equal(e.model, before) {
				t.Fatal("the model was changed")
			}
			for _, frame := range [][]byte{forward, back} {
				if got := e.encapsulation.locate(frame); got != at || !bytes.Equal(frame[at:], datagram) {
					t.Errorf("datagram at %d: % x", got, frame)
				}
			}
			if !bytes.Equal(back[:6], forward[6:12]) || !bytes.Equal(back[6:12], forward[:6]) {
				t.Errorf("back % x, forward % x: addresses not swapped", back[:12], forward[:12])
			}
			if e.encapsulation == ethernet {
				continue
			}
			out, home := outer(t, forward), outer(t, back)
			if out.Src != home.Dst || out.Dst != home.Src {
				t.Errorf("outer addresses %v > %v and %v > %v", out.Src, out.Dst, home.Src, home.Dst)
			}
		}
	}
}

// outer checks the outer headers of a tunnel's frame.
func outer(t *testing.T, frame []byte) wire.Header {
	t.Helper()
	if got := wire.VerifyHeader(frame[ethernetLen:]); got != wire.Valid {
		t.Errorf("outer checksum is %v", got)
	}
	h, udp, err := wire.ParseHeader(frame[ethernetLen:])
	if err != nil || int(h.TotalLen) != len(frame)-ethernetLen {
		t.Errorf("outer length %d of %d, %v", h.TotalLen, len(frame)-ethernetLen, err)
	}
	if got := int(binary.BigEndian.Uint16(udp[4:])); got != len(udp) {
		t.Errorf("UDP length %d, want %d", got, len(udp))
	}
	return h
}
