package sockdiag

import (
	"encoding/binary"
	"errors"
	"iter"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// sockDiagByFamily is the type of questions and answers
	// (SOCK_DIAG_BY_FAMILY).
	sockDiagByFamily = 20
	// datagramRoom holds what the kernel tells at once: at most 32 KiB
	// (netlink_dump), or one message.
	datagramRoom = 64 << 10
)

// ask puts one question to the kernel and yields the answers. The messages of
// a dump are made while they are read, so that none waits and none is lost.
// An error is the last that it yields.
func ask(r request, flags uint16) iter.Seq2[Socket, error] {
	return func(yield func(Socket, error) bool) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
		if err != nil {
			yield(Socket{}, os.NewSyscallError("socket", err))
			return
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, question(r.encode(), flags), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			yield(Socket{}, os.NewSyscallError("sendto", err))
			return
		}
		b := make([]byte, datagramRoom)
		for more := true; more; {
			n, err := receive(fd, b)
			if err != nil {
				yield(Socket{}, err)
				return
			}
			if more, err = answers(b[:n], yield); err != nil {
				yield(Socket{}, err)
				return
			}
		}
	}
}

// question puts struct nlmsghdr before a request.
func question(body []byte, flags uint16) []byte {
	b := make([]byte, 0, unix.NLMSG_HDRLEN+len(body))
	b = binary.NativeEndian.AppendUint32(b, uint32(cap(b)))
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = append(b, make([]byte, 8)...) // the only question on this socket: no number, no sender
	return append(b, body...)
}

// receive reads one datagram.
func receive(fd int, b []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, os.NewSyscallError("recvfrom", err)
		case n > len(b):
			return 0, os.NewSyscallError("recvfrom", syscall.EMSGSIZE)
		default:
			return n, nil
		}
	}
}

var errCut = errors.New("netlink message is cut short")

// answers yields the sockets in a datagram, and reports whether more are to
// come.
func answers(b []byte, yield func(Socket, error) bool) (more bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		length := int(binary.NativeEndian.Uint32(b))
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		if length < unix.NLMSG_HDRLEN || length > len(b) {
			return false, errCut
		}
		body := b[unix.NLMSG_HDRLEN:length]
		b = b[min(aligned(length), len(b)):]
		switch kind {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return false, ending(body)
		case sockDiagByFamily:
			s, err := decode(body)
			if err != nil {
				return false, err
			}
			if !yield(s, nil) || flags&unix.NLM_F_MULTI == 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// ending reads the number that ends an answer: 0, or an error's, negated.
func ending(body []byte) error {
	if len(body) < 4 {
		return errCut
	}
	if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 {
		return os.NewSyscallError("netlink", syscall.Errno(errno))
	}
	return nil
}
