package netlab

import (
	"encoding/binary"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tapBuffer is what a tap asks the kernel to hold for it; it gets as much as
// net.core.rmem_max allows.
const tapBuffer = 8 << 20

// tap is a packet socket on one device: it takes in what the device receives
// and sends whole frames out of it. It is used by one goroutine.
type tap struct {
	fd      int
	name    unix.RawSockaddrLinklayer
	control [128]byte
	iov     unix.Iovec
	message unix.Msghdr
}

// openTap opens a tap in the calling thread's namespace.
func openTap(ifindex int) (*tap, error) {
	// Without a protocol the socket receives nothing until it is bound, so
	// that nothing from other devices gets in.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, tapBuffer},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, tapBuffer},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			unix.Close(fd)
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	allProtocols := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: ifindex}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &tap{fd: fd}, nil
}

// receive reads a frame into b without waiting and returns its length and the
// kernel's stamp. EAGAIN means that there is none.
func (t *tap) receive(b []byte) (n int, at time.Time, err error) {
	t.iov.Base = &b[0]
	t.iov.SetLen(len(b))
	t.message = unix.Msghdr{Iov: &t.iov, Iovlen: 1, Control: &t.control[0]}
	t.message.SetControllen(len(t.control))
	r, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(t.fd), uintptr(unsafe.Pointer(&t.message)), 0)
	if errno != 0 {
		return 0, time.Time{}, errno
	}
	return int(r), stamp(t.control[:t.message.Controllen]), nil
}

// stamp finds the SO_TIMESTAMPNS in a control message; without one it is now.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
		}
	}
	return time.Now()
}

// send puts a frame on the wire.
func (t *tap) send(b []byte) error {
	for {
		_, err := unix.Write(t.fd, b)
		if err != unix.EINTR {
			return err
		}
	}
}

// dropped returns how many frames the kernel dropped for want of room since
// the last call (packet(7), PACKET_STATISTICS).
func (t *tap) dropped() uint64 {
	stats, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(stats.Drops)
}

func (t *tap) close() error { return os.NewSyscallError("close", unix.Close(t.fd)) }
