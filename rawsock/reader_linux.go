package rawsock

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// receiveBatch is how many datagrams one system call takes.
	receiveBatch = 32
	// controlRoom is for a stamp, a drop count, and a device or auxiliary data.
	controlRoom = 128
	// wholeDatagram is the longest datagram: the kernel reassembles fragments,
	// and merges segments (GRO), before raw sockets see them.
	wholeDatagram = 1<<16 - 1
	// droppedIndex is sk_drops' place in SO_MEMINFO (SK_MEMINFO_DROPS).
	droppedIndex = 8
	memInfoWords = 9
)

// reader moves datagrams from one socket into batches. It owns two of them:
// while the consumer works on one, the kernel fills the other.
type reader struct {
	network string // for errors
	conn    *socket.Conn
	raw     syscall.RawConn
	free    chan *batch
	packet  bool // an AF_PACKET socket
	// reading says that a system call may just be taking datagrams out of the
	// socket, and held counts those that were taken and not yet consumed.
	reading atomic.Bool
	held    *atomic.Int64

	lastDrops uint32 // as of the last arrival
	baseDrops uint32 // as of opening
	endDrops  atomic.Uint64
}

// batch is what one system call received.
type batch struct {
	from     *reader
	err      error
	arrivals []wire.Arrival

	hdrs     [receiveBatch]unix.Mmsghdr
	iovs     [receiveBatch]unix.Iovec
	oob      [receiveBatch][controlRoom]byte
	names    [receiveBatch]unix.RawSockaddrLinklayer
	data     []byte // receiveBatch slots of equal size
	n        int
	errno    syscall.Errno
	received func(fd uintptr) bool // recvmmsg, bound once: closures allocate
}

// newReader takes over fd, which has its options set and is closed on error.
func newReader(fd int, network string, slot int, packet bool) (*reader, error) {
	conn, err := socket.New(fd, network)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	r := &reader{network: network, conn: conn, raw: raw, packet: packet, free: make(chan *batch, 2)}
	for range cap(r.free) {
		r.free <- newBatch(r, slot)
	}
	r.baseDrops = r.socketDrops()
	r.lastDrops = r.baseDrops
	return r, nil
}

func newBatch(r *reader, slot int) *batch {
	b := &batch{from: r, arrivals: make([]wire.Arrival, receiveBatch), data: make([]byte, receiveBatch*slot)}
	for i := range b.hdrs {
		b.iovs[i].Base = &b.data[i*slot]
		b.iovs[i].SetLen(slot)
		h := &b.hdrs[i].Hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Control = &b.oob[i][0]
		if r.packet {
			h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		}
	}
	b.received = b.recvmmsg
	return b
}

// run fills batches and sends them to full until the socket is closed or done
// is.
func (r *reader) run(full chan<- *batch, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case b := <-r.free:
			b.fill()
			if errors.Is(b.err, net.ErrClosed) {
				return
			}
			full <- b // never blocks: it has room for every batch there is
		}
	}
}

// fill waits for datagrams.
func (b *batch) fill() {
	b.arrivals = b.arrivals[:0]
	b.err = nil
	if err := b.from.raw.Read(b.received); err != nil {
		b.err = opError("receive", b.from.network, nil, "", net.ErrClosed)
		return
	}
	if b.errno != 0 {
		b.err = opError("receive", b.from.network, nil, "recvmmsg", b.errno)
		return
	}
	now := time.Now()
	for i := range b.n {
		b.arrivals = append(b.arrivals, b.arrival(i, now))
	}
}

// recvmmsg reads what is there; false means nothing was.
func (b *batch) recvmmsg(fd uintptr) bool {
	b.from.reading.Store(true)
	defer b.from.reading.Store(false)
	for i := range b.hdrs {
		b.hdrs[i].Hdr.SetControllen(controlRoom)
		if b.from.packet {
			b.hdrs[i].Hdr.Namelen = unix.SizeofSockaddrLinklayer
		}
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[0])),
			receiveBatch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		b.n, b.errno = int(n), errno
		if errno == 0 {
			b.from.held.Add(int64(n))
		}
		return true
	}
}

// arrival describes the i-th message. now stands in for a stamp that the
// kernel did not take.
func (b *batch) arrival(i int, now time.Time) wire.Arrival {
	slot := len(b.data) / receiveBatch
	n := min(int(b.hdrs[i].Len), slot)
	a := wire.Arrival{Datagram: b.data[i*slot : i*slot+n : i*slot+n], At: now}
	if b.from.packet {
		a.Outgoing = b.names[i].Pkttype == unix.PACKET_OUTGOING
		a.Interface = int(b.names[i].Ifindex)
	}
	oob := b.oob[i][:b.hdrs[i].Hdr.Controllen]
	for len(oob) >= unix.SizeofCmsghdr {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		b.from.control(&a, hdr.Level, hdr.Type, data)
		oob = rest
	}
	return a
}

// control adds what one control message says.
func (r *reader) control(a *wire.Arrival, level, typ int32, data []byte) {
	switch {
	case level == unix.SOL_SOCKET && typ == unix.SO_TIMESTAMPNS:
		if at, ok := timestamp(data); ok {
			a.At = at
		}
	case level == unix.SOL_SOCKET && typ == unix.SO_RXQ_OVFL && len(data) >= 4:
		drops := *(*uint32)(unsafe.Pointer(&data[0]))
		a.Lost = int(drops - r.lastDrops)
		r.lastDrops = drops
	case level == unix.IPPROTO_IP && typ == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		a.Interface = int((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Ifindex)
	case level == unix.SOL_PACKET && typ == unix.PACKET_AUXDATA && len(data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
		a.Checksum = checksumState((*unix.TpacketAuxdata)(unsafe.Pointer(&data[0])).Status)
	}
}

// pending reports whether datagrams wait in the socket, or are on their way
// out of it.
func (r *reader) pending() bool {
	if r.reading.Load() {
		return true
	}
	waiting := 0
	err := r.raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	// A reader that began after the first look may have emptied the socket.
	return err == nil && waiting > 0 || r.reading.Load()
}

// socketDrops reads how often the socket had no room.
func (r *reader) socketDrops() uint32 {
	var words [memInfoWords]uint32
	b := unsafe.Slice((*byte)(unsafe.Pointer(&words)), unsafe.Sizeof(words))
	n, err := r.conn.GetsockoptBytes(unix.SOL_SOCKET, unix.SO_MEMINFO, b)
	if err != nil || n < len(b) {
		return 0
	}
	return words[droppedIndex]
}

// drops counts the datagrams lost since opening; after close, until closing.
func (r *reader) drops() uint64 {
	if n := r.socketDrops(); n != 0 {
		r.endDrops.Store(uint64(n - r.baseDrops))
	}
	return r.endDrops.Load()
}

func (r *reader) close() error {
	r.drops()
	return opError("close", r.network, nil, "close", r.conn.Close())
}
