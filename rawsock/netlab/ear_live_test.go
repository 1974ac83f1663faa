//go:build linux

package netlab_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ear is a raw socket: what a host receives of one protocol.
type ear int

func openEar(t *testing.T, n *netlab.Node, proto int) ear {
	t.Helper()
	fd := -1
	err := n.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		t.Fatal(err)
	}
	return ear(fd)
}

// heard is what a datagram says, as far as these tests care.
type heard struct {
	from       netip.Addr
	ttl        byte
	icmp       [2]byte // type and code
	port       uint16  // TCP source port
	ack        uint32
	flags      wire.Flags
	window     uint16
	quotedPort uint16 // TCP destination port in ICMP's original datagram
}

// next receives one datagram.
func (e ear) next(t *testing.T) heard {
	t.Helper()
	b := make([]byte, 2048)
	n, _, err := unix.Recvfrom(int(e), b, 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(int(e), b, 0)
	}
	if err != nil {
		t.Fatalf("nothing heard: %v", err)
	}
	b = b[:n]
	body := b[4*(b[0]&15):]
	from, _ := netip.AddrFromSlice(b[12:16])
	h := heard{from: from, ttl: b[8]}
	if b[9] == unix.IPPROTO_ICMP {
		original := body[8:]
		h.icmp = [2]byte(body)
		h.quotedPort = binary.BigEndian.Uint16(original[4*(original[0]&15)+2:])
		return h
	}
	h.port = binary.BigEndian.Uint16(body)
	h.ack = binary.BigEndian.Uint32(body[8:])
	h.flags, h.window = wire.Flags(body[13]), binary.BigEndian.Uint16(body[14:])
	return h
}

// say sends one TCP segment without options from port 40000.
func (e ear) say(t *testing.T, from, to netip.Addr, port uint16, seq wire.Seq, flags wire.Flags) error {
	t.Helper()
	segment, err := wire.Segment{SrcPort: 40000, DstPort: port, Seq: seq, Flags: flags}.AppendTo(nil, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return unix.Sendto(int(e), segment, 0, &unix.SockaddrInet4{Addr: to.As4()})
}
