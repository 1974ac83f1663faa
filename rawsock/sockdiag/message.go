package sockdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// The kernel's struct inet_diag_req_v2 and inet_diag_msg: octets.
const (
	idLength      = 48
	requestLength = 8 + idLength
	messageLength = 4 + idLength + 20
)

const (
	familyIPv4  = 2
	familyIPv6  = 10
	protocolTCP = 6
	// anyCookie matches every socket (INET_DIAG_NOCOOKIE).
	anyCookie = ^uint64(0)
	// newSynReceived is how the kernel numbers an embryo in its own tables.
	newSynReceived State = 12
	// allStates asks for everything but sockets that are merely bound.
	allStates = 1<<(newSynReceived+1) - 1<<Established
)

// request is what one question is about. Ports and addresses are those of a
// 4-tuple; where they are zero the question is about all sockets.
type request struct {
	family        uint8
	states        uint32
	local, remote netip.AddrPort
	device        uint32
}

// encode returns struct inet_diag_req_v2.
func (r request) encode() []byte {
	b := make([]byte, requestLength)
	b[0], b[1] = r.family, protocolTCP
	binary.NativeEndian.PutUint32(b[4:], r.states)
	id := b[8:]
	binary.BigEndian.PutUint16(id[0:], r.local.Port())
	binary.BigEndian.PutUint16(id[2:], r.remote.Port())
	copy(id[4:20], r.local.Addr().AsSlice())
	copy(id[20:36], r.remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(id[36:], r.device)
	binary.NativeEndian.PutUint64(id[40:], anyCookie)
	return b
}

// decode reads struct inet_diag_msg.
func decode(b []byte) (Socket, error) {
	if len(b) < messageLength {
		return Socket{}, fmt.Errorf("socket message of %d octets is shorter than %d", len(b), messageLength)
	}
	id, rest := b[4:4+idLength], b[4+idLength:]
	size := 4
	if b[0] == familyIPv6 {
		size = 16
	}
	endpoint := func(addr, port int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(id[addr : addr+size])
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(id[port:]))
	}
	s := Socket{
		Local:     endpoint(4, 0),
		Remote:    endpoint(20, 2),
		State:     State(b[1]),
		Interface: int(binary.NativeEndian.Uint32(id[36:])),
		RQueue:    binary.NativeEndian.Uint32(rest[4:]),
		WQueue:    binary.NativeEndian.Uint32(rest[8:]),
		UID:       binary.NativeEndian.Uint32(rest[12:]),
		Inode:     binary.NativeEndian.Uint32(rest[16:]),
	}
	if s.State == newSynReceived {
		s.State = SynReceived
	}
	return s, nil
}
