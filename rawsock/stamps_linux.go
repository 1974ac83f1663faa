package rawsock

import (
	"bytes"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// stampFrame is how much of a stamped frame is read: link-layer and tunnel
	// headers, and enough of the datagram to know it by.
	stampFrame = 192
	// stampControl has room for the stamps and for the extended error with
	// its address, in octets.
	stampControl = 128
	// keyStart and keyEnd bound the octets by which a datagram is known: its
	// destination, ports, sequence and acknowledgement number. The kernel may
	// change what stands before them, and its firewall what stands behind.
	keyStart, keyEnd = 16, 32
)

// stampReader reads the kernel's transmit stamps from a socket's error queue.
//
// Every stamp comes with the frame that it is about, and is matched by the
// octets. The kernel can number stamps instead (SOF_TIMESTAMPING_OPT_ID), but
// whether a refused datagram takes a number depends on who refused it
// (netfilter: yes; routing: no), and one mistake would shift all later stamps.
type stampReader struct {
	hdrs [sendBatch]unix.Mmsghdr
	iovs [sendBatch]unix.Iovec
	data [sendBatch][stampFrame]byte
	oob  [sendBatch][stampControl]byte
}

func newStampReader() *stampReader {
	r := new(stampReader)
	for i := range r.hdrs {
		r.iovs[i].Base = &r.data[i][0]
		r.iovs[i].SetLen(stampFrame)
		h := &r.hdrs[i].Hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.oob[i][0]
	}
	return r
}

func (r *stampReader) enable(fd int) error {
	const software = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, software)
}

// collect reads the stamps that are there and gives them to the departures of
// part, which were sent after start. Software stamps are taken while sendmmsg
// runs, so as a rule all are there; one that is late finds its departure gone
// and is dropped.
func (r *stampReader) collect(fd int, part []wire.Departure, start time.Time) {
	cursor := 0
	for {
		n := r.recvmmsg(fd)
		for i := range n {
			at, ok := r.stamp(i)
			if !ok || at.Before(start) {
				continue
			}
			frame := r.data[i][:min(int(r.hdrs[i].Len), stampFrame)]
			if j := match(part, cursor, frame); j >= 0 {
				part[j].At, part[j].KernelStamp = at, true
				cursor = j + 1
			}
		}
		if n < len(r.hdrs) {
			return
		}
	}
}

func (r *stampReader) recvmmsg(fd int) int {
	for i := range r.hdrs {
		r.hdrs[i].Hdr.SetControllen(stampControl)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdrs[0])),
			uintptr(len(r.hdrs)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n)
		case unix.EINTR:
			continue
		default: // EAGAIN: the queue is empty
			return 0
		}
	}
}

// stamp returns the i-th message's software stamp.
func (r *stampReader) stamp(i int) (time.Time, bool) {
	oob := r.oob[i][:r.hdrs[i].Hdr.Controllen]
	for len(oob) >= unix.SizeofCmsghdr {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if hdr.Level == unix.SOL_SOCKET && hdr.Type == unix.SO_TIMESTAMPING {
			return timestamp(data)
		}
		oob = rest
	}
	return time.Time{}, false
}

// timestamp reads a struct timespec.
func timestamp(data []byte) (time.Time, bool) {
	if len(data) < int(unsafe.Sizeof(unix.Timespec{})) {
		return time.Time{}, false
	}
	ts := (*unix.Timespec)(unsafe.Pointer(&data[0]))
	return time.Unix(ts.Unix()), ts.Sec != 0
}

// match returns the index of the departure that frame carries, -1 if none.
// Frames come in the order of departure, so the search begins at cursor.
func match(part []wire.Departure, cursor int, frame []byte) int {
	for k := range part {
		j := (cursor + k) % len(part)
		d := &part[j]
		if d.KernelStamp || d.Err != nil || len(d.Datagram) < keyEnd {
			continue
		}
		if bytes.Contains(frame, d.Datagram[keyStart:keyEnd]) {
			return j
		}
	}
	return -1
}
