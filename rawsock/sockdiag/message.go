package sockdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
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

// The kernel's attributes of a socket (INET_DIAG_*), as far as they are read.
const (
	attributeInfo       = 2
	attributeCongestion = 4
	attributeTOS        = 5
	attributeMemory     = 7
	attributeV6Only     = 11
	attributeMark       = 15
	// attributeProgram is the one of a request: a Filter.
	attributeProgram = 1
)

// request is what one question is about. Ports and addresses are those of a
// 4-tuple; where they are zero the question is about all sockets.
type request struct {
	family        uint8
	details       bool
	states        uint32
	local, remote netip.AddrPort
	device        uint32
	filter        Filter
}

// encode returns struct inet_diag_req_v2, and the filter behind it.
func (r request) encode() []byte {
	b := make([]byte, requestLength, requestLength+4+len(r.filter.program))
	b[0], b[1] = r.family, protocolTCP
	if r.details {
		b[2] = 1<<(attributeInfo-1) | 1<<(attributeCongestion-1) | 1<<(attributeTOS-1) | 1<<(attributeMemory-1)
	}
	binary.NativeEndian.PutUint32(b[4:], r.states)
	id := b[8:]
	binary.BigEndian.PutUint16(id[0:], r.local.Port())
	binary.BigEndian.PutUint16(id[2:], r.remote.Port())
	copy(id[4:20], r.local.Addr().AsSlice())
	copy(id[20:36], r.remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(id[36:], r.device)
	binary.NativeEndian.PutUint64(id[40:], anyCookie)
	if program := r.filter.program; len(program) > 0 {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(program)))
		b = binary.NativeEndian.AppendUint16(b, attributeProgram)
		b = append(b, program...)
	}
	return b
}

// decode reads struct inet_diag_msg and the attributes behind it.
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
		IPv6:      b[0] == familyIPv6,
		State:     State(b[1]),
		Timer:     Timer{Kind: TimerKind(b[2]), Retries: int(b[3])},
		Interface: int(binary.NativeEndian.Uint32(id[36:])),
		Cookie:    binary.NativeEndian.Uint64(id[40:]),
		RQueue:    binary.NativeEndian.Uint32(rest[4:]),
		WQueue:    binary.NativeEndian.Uint32(rest[8:]),
		UID:       binary.NativeEndian.Uint32(rest[12:]),
		Inode:     binary.NativeEndian.Uint32(rest[16:]),
	}
	if s.State == newSynReceived {
		s.State = SynReceived
	}
	// A timer that is due may be a little late, which the kernel gives as a
	// negative number.
	if left := int32(binary.NativeEndian.Uint32(rest[0:])); left > 0 && s.Timer.Kind != NoTimer {
		s.Timer.Left = time.Duration(left) * time.Millisecond
	}
	s.attributes(b[messageLength:])
	return s, nil
}

// attributes reads what else the kernel tells, up to the first attribute that
// is cut short.
func (s *Socket) attributes(b []byte) {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:])
		if length < 4 || length > len(b) {
			return
		}
		s.attribute(kind, b[4:length])
		b = b[min(aligned(length), len(b)):]
	}
}

func (s *Socket) attribute(kind uint16, value []byte) {
	switch {
	case kind == attributeInfo && s.State != Listen:
		s.Info = decodeInfo(value)
	case kind == attributeCongestion:
		s.Congestion = terminated(value)
	case kind == attributeTOS && len(value) == 1:
		s.TOS = value[0]
	case kind == attributeMemory:
		s.Memory = decodeMemory(value)
	case kind == attributeV6Only && len(value) == 1:
		s.V6Only = value[0] != 0
	case kind == attributeMark && len(value) == 4:
		s.Mark = binary.NativeEndian.Uint32(value)
	}
}

// terminated returns the text before a NUL.
func terminated(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// aligned rounds a length up as netlink does.
func aligned(n int) int { return (n + 3) &^ 3 }
