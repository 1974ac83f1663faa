package rawsock

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// defaultBuffer is the receive buffer or ring asked for, in octets.
const defaultBuffer = 4 << 20

// sendBuffer is the send buffer asked for, in octets of the kernel's
// accounting (about 768 for a short segment).
const sendBuffer = 1 << 20

// option is a socket option that asks for control messages.
type option struct {
	name        string
	level, code int
}

var (
	stampOption     = option{"SO_TIMESTAMPNS", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS}
	dropOption      = option{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL}
	deviceOption    = option{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO}
	auxiliaryOption = option{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA}
)

func enable(fd int, options ...option) error {
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.code, 1); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	return nil
}

// deafen makes a new socket hear nothing, and throws away what it heard
// since its creation: with this, and the real filter attached last, nothing
// unfiltered is ever received.
func deafen(fd int) error {
	nothing, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return err
	}
	if err := attachFilter(fd, nothing); err != nil {
		return err
	}
	var b [1]byte
	for {
		_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT)
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			return nil
		default:
			return os.NewSyscallError("recvfrom", err)
		}
	}
}

// attachFilter replaces the socket's filter.
func attachFilter(fd int, program []bpf.RawInstruction) error {
	f := make([]unix.SockFilter, len(program))
	for i, p := range program {
		f[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	// A longer program must not be cut to a shorter one: the kernel refuses both.
	fprog := unix.SockFprog{Len: uint16(min(len(f), math.MaxUint16)), Filter: unsafe.SliceData(f)}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER",
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog))
}

// raiseBuffer asks for a receive buffer, beyond net.core.rmem_max where the
// privilege suffices.
func raiseBuffer(fd, octets int) error {
	if octets == 0 {
		octets = defaultBuffer
	}
	return raise(fd, octets, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, "setsockopt SO_RCVBUF")
}

// raiseSendBuffer asks for room for the datagrams that wait in ARP's queues:
// they are charged to the socket that sent them, and what net.core.wmem_default
// allows holds no more than some 270.
func raiseSendBuffer(fd int) error {
	return raise(fd, sendBuffer, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, "setsockopt SO_SNDBUF")
}

// raise sets a buffer by force, or else as far as everybody may.
func raise(fd, octets, force, option int, call string) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, octets) == nil {
		return nil
	}
	return os.NewSyscallError(call, unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, octets))
}
