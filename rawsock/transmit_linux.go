package rawsock

import (
	"bytes"
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// sendBatch is how many datagrams one system call takes. Larger batches
	// gain nothing measurable and would crowd the stamps' queue.
	sendBatch = 64
	// headerMin is the length of an IPv4 header without options, in octets.
	headerMin = 20
	// sendPatience is how long Send waits for room in the socket's buffer; a
	// device that takes nothing must not block it for ever.
	sendPatience = 50 * time.Millisecond
	// sendAttempts bounds how often a device whose queue is full is asked
	// again; the waits in between add up to about sendPatience.
	sendAttempts = 5
	sendWait     = time.Millisecond
)

// transmitter sends batches on a blocking descriptor of its own. It stays out
// of Go's poller, which every sent datagram would wake when its buffer is
// freed; that costs half as much again as the sending.
type transmitter struct {
	network string // for errors
	stamps  *stampReader

	mu   sync.Mutex // guards all below, and fd against Close during Send
	fd   int        // -1 when closed
	hdrs [sendBatch]unix.Mmsghdr
	iovs [sendBatch]unix.Iovec
	// Exactly one of these addresses the datagrams: a destination for each,
	// copied from its header, or one link-layer address for all.
	hosts [sendBatch]unix.RawSockaddrInet4
	link  *unix.RawSockaddrLinklayer
}

// newTransmitter takes over fd, which must be blocking; on error it stays the
// caller's.
func newTransmitter(fd int, network string, link *unix.RawSockaddrLinklayer, stamped bool) (*transmitter, error) {
	t := &transmitter{network: network, fd: fd, link: link}
	for i := range t.hdrs {
		h := &t.hdrs[i].Hdr
		h.Iov = &t.iovs[i]
		h.SetIovlen(1)
		if link != nil {
			h.Name = (*byte)(unsafe.Pointer(link))
			h.Namelen = unix.SizeofSockaddrLinklayer
		} else {
			t.hosts[i].Family = unix.AF_INET
			h.Name = (*byte)(unsafe.Pointer(&t.hosts[i]))
			h.Namelen = unix.SizeofSockaddrInet4
		}
	}
	patience := unix.NsecToTimeval(sendPatience.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
		return nil, opError("open", network, nil, "setsockopt SO_SNDTIMEO", err)
	}
	if stamped {
		t.stamps = newStampReader()
		if err := t.stamps.enable(fd); err != nil {
			return nil, opError("open", network, nil, "setsockopt SO_TIMESTAMPING", err)
		}
	}
	return t, nil
}

func (t *transmitter) send(batch []wire.Departure) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(batch) > 0 {
		if t.fd < 0 {
			return opError("send", t.network, nil, "", net.ErrClosed)
		}
		part := batch[:min(len(batch), sendBatch)]
		if err := t.sendPart(part); err != nil {
			return err
		}
		batch = batch[len(part):]
	}
	return nil
}

// sendPart sends up to sendBatch datagrams and fills in when they left.
func (t *transmitter) sendPart(part []wire.Departure) error {
	for i := range part {
		t.load(i, part[i].Datagram)
		part[i].KernelStamp, part[i].Err = false, nil
	}
	start := time.Now()
	attempts, flags := 0, 0
	for next := 0; next < len(part); {
		now := time.Now()
		n, errno := t.sendmmsg(next, len(part), flags)
		for i := range n {
			part[next+i].At = now
		}
		// sendmmsg keeps to itself why it stopped after n: the datagram that
		// stopped it is offered again, and then the error is its own.
		switch {
		case n > 0:
			next, attempts, flags = next+n, 0, 0
		case errno == unix.EINTR:
		case errno == unix.ENOBUFS && attempts < sendAttempts:
			attempts++
			time.Sleep(sendWait << attempts)
		case errno == unix.EBADF || errno == unix.ENOTSOCK || errno == unix.ENOSYS:
			return opError("send", t.network, nil, "sendmmsg", errno)
		default:
			part[next].At, part[next].Err = now, t.refusal(part[next].Datagram, errno)
			next++
			if errno == unix.EAGAIN {
				// One has waited for them all, until the device takes something.
				flags = unix.MSG_DONTWAIT
			}
		}
	}
	if t.stamps != nil {
		t.stamps.collect(t.fd, part, start)
	}
	return nil
}

// load points the i-th message at a datagram.
func (t *transmitter) load(i int, datagram []byte) {
	t.iovs[i].Base = unsafe.SliceData(datagram)
	t.iovs[i].SetLen(len(datagram))
	if t.link != nil {
		return
	}
	// A datagram too short to name its destination goes to the kernel without
	// one, and comes back as EINVAL.
	t.hosts[i].Addr = [4]byte{}
	if len(datagram) >= headerMin {
		copy(t.hosts[i].Addr[:], datagram[16:20])
	}
}

// sendmmsg sends what there is room for, and waits for some only if there is
// none, and flags allow it.
func (t *transmitter) sendmmsg(from, to, flags int) (int, syscall.Errno) {
	// What does not wait is no reason for Go's scheduler to look for another
	// thread, as it does for calls of more than 20 us: this one may take longer,
	// since the answers of near hosts are dealt with in it, but is work all the
	// time.
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(t.fd),
		uintptr(unsafe.Pointer(&t.hdrs[from])), uintptr(to-from), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	if errno == unix.EAGAIN && flags&unix.MSG_DONTWAIT == 0 {
		n, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, uintptr(t.fd),
			uintptr(unsafe.Pointer(&t.hdrs[from])), uintptr(to-from), uintptr(flags), 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// refusal says which destination the kernel refused, and why.
func (t *transmitter) refusal(datagram []byte, errno syscall.Errno) error {
	var dst net.Addr
	if t.link == nil && len(datagram) >= headerMin {
		dst = &net.IPAddr{IP: net.IP(bytes.Clone(datagram[16:20]))}
	}
	return opError("send", t.network, dst, "sendmmsg", errno)
}

func (t *transmitter) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fd < 0 {
		return nil
	}
	fd := t.fd
	t.fd = -1
	return opError("close", t.network, nil, "close", unix.Close(fd))
}
