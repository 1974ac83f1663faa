package rawsock

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/socket"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// ringBlock is a block's size in octets: no merged segment exceeds it.
	ringBlock = 256 << 10
	// snapBlock is one's where no more than maxSnap of a frame is kept. The
	// kernel hands a block over after ringPatience, however little is in it, so
	// that a ring of many small ones holds more of what comes while its reader
	// is kept from running.
	snapBlock = 16 << 10
	maxSnap   = 1 << 10
	// ringFrame is a formality: TPACKET_V3 packs frames of any length.
	ringFrame = 2048
	// ringPatience is after how many milliseconds the kernel hands over a
	// block that is not full; one tick at HZ=250.
	ringPatience = 4
	// headerSpace is the place of the link-layer address behind a frame's
	// header: TPACKET_ALIGN(sizeof(struct tpacket3_hdr)).
	headerSpace = (unix.SizeofTpacket3Hdr + 15) &^ 15
	// blockHeader is the place of struct tpacket_hdr_v1 in a block.
	blockHeader = int(unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr))
)

// ring reads a TPACKET_V3 receive ring. Arrivals are copied out of it, so
// that unmapping it can never pull memory away from under a consumer.
type ring struct {
	conn   *socket.Conn
	closed atomic.Bool
	// held says that the consumer has frames that it has not come back from,
	// or that more are being read.
	held atomic.Bool

	mu      sync.Mutex // held while the ring is read or unmapped
	mem     []byte     // nil when unmapped
	room    int        // of a block, in octets
	block   int        // the block to be read next
	left    uint32     // frames of it that are not read yet
	frame   int        // the next one's place
	opened  bool       // whether left and frame are set
	scratch []byte     // where arrivals are copied; one block's worth

	statsMu    sync.Mutex
	dropped    uint64 // in all
	unreported int    // of them, not yet in any arrival's Lost
}

// newRing maps a ring of that size onto fd and takes fd over; fd is closed on
// error. snap is what is kept of a frame, zero for all.
func newRing(fd, size, snap int) (*ring, error) {
	if size == 0 {
		size = defaultBuffer
	}
	room := ringBlock
	if snap > 0 && snap <= maxSnap {
		room = snapBlock
	}
	mem, err := mapRing(fd, max(2, (size+room-1)/room), room)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	conn, err := socket.New(fd, networkPacket)
	if err != nil {
		unix.Munmap(mem)
		unix.Close(fd)
		return nil, err
	}
	return &ring{conn: conn, mem: mem, room: room, scratch: make([]byte, room)}, nil
}

func mapRing(fd, blocks, room int) ([]byte, error) {
	err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
	if err != nil {
		return nil, os.NewSyscallError("setsockopt PACKET_VERSION", err)
	}
	req := unix.TpacketReq3{
		Block_size:     uint32(room),
		Block_nr:       uint32(blocks),
		Frame_size:     ringFrame,
		Frame_nr:       uint32(blocks * (room / ringFrame)),
		Retire_blk_tov: ringPatience,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, os.NewSyscallError("setsockopt PACKET_RX_RING", err)
	}
	mem, err := unix.Mmap(fd, 0, blocks*room, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return mem, os.NewSyscallError("mmap", err)
}

func (r *ring) receive(ctx context.Context, arrivals []wire.Arrival) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for len(arrivals) > 0 {
		if n, err := r.next(arrivals); n > 0 || err != nil {
			return n, err
		}
		if err := r.wait(ctx); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (r *ring) poll(wait time.Duration, arrivals []wire.Arrival) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, err := r.next(arrivals); n > 0 || err != nil {
		return n, err
	}
	if err := r.doze(wait); err != nil {
		return 0, err
	}
	return r.next(arrivals)
}

// next reads what the kernel has handed over; zero if that is nothing.
func (r *ring) next(arrivals []wire.Arrival) (int, error) {
	if r.closed.Load() {
		return 0, opError("receive", networkPacket, nil, "", net.ErrClosed)
	}
	// Before a block goes back to the kernel, so that nothing is out of sight
	// in between.
	r.held.Store(true)
	n := r.take(arrivals)
	r.held.Store(n > 0)
	return n, nil
}

// doze returns when the kernel has handed over the next block, or after wait.
// It blocks the thread.
func (r *ring) doze(wait time.Duration) error {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return opError("receive", networkPacket, nil, "", err)
	}
	var pending int
	err = raw.Control(func(fd uintptr) {
		fds := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		timeout := unix.NsecToTimespec(max(wait, 0).Nanoseconds())
		unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
		if fds.Revents&unix.POLLERR != 0 {
			// A device that went down.
			pending, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}
	})
	switch {
	case r.closed.Load():
		return nil // next looks at closed
	case err == nil && pending != 0:
		err = syscall.Errno(pending)
	}
	return opError("receive", networkPacket, nil, "", err)
}

// wait returns when the kernel has handed over the next block.
func (r *ring) wait(ctx context.Context) error {
	err := r.conn.ReadFunc(ctx, "poll", func(fd int) error {
		if r.handedOver() {
			return nil
		}
		// A device that went down wakes us with an error instead.
		if pending, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && pending != 0 {
			return syscall.Errno(pending)
		}
		return unix.EAGAIN
	})
	switch {
	case err == nil, r.closed.Load():
		return nil // receive looks at closed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return opError("receive", networkPacket, nil, "", err)
}

// pending reports whether the kernel has handed over a block that is not read
// to its end, or the consumer has frames. The memory itself may be unmapped at
// any time, so the kernel is asked.
func (r *ring) pending() bool {
	if r.held.Load() {
		return true
	}
	ready := false
	raw, err := r.conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			ready = err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
		})
	}
	// A reader that began after the first look may have emptied the ring.
	return err == nil && ready || r.held.Load()
}

// header returns the current block's header.
func (r *ring) header() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&r.mem[r.block*r.room+blockHeader]))
}

// handedOver reports whether the current block is ours.
func (r *ring) handedOver() bool {
	return atomic.LoadUint32(&r.header().Block_status)&unix.TP_STATUS_USER != 0
}

// take copies frames of the current block into arrivals; zero if it is still
// the kernel's. A block that is read to its end goes back at once.
func (r *ring) take(arrivals []wire.Arrival) int {
	if !r.handedOver() {
		return 0
	}
	h := r.header()
	lost := 0
	if !r.opened {
		r.opened, r.left, r.frame = true, h.Num_pkts, int(h.Offset_to_first_pkt)
		lost = r.newlyLost(h.Block_status&unix.TP_STATUS_LOSING != 0)
	}
	base := r.block * r.room
	n, used := 0, 0
	for ; n < len(arrivals) && r.left > 0; n++ {
		f := (*unix.Tpacket3Hdr)(unsafe.Pointer(&r.mem[base+r.frame]))
		at := base + r.frame
		size := copy(r.scratch[used:], r.mem[at+int(f.Mac):at+int(f.Mac)+int(f.Snaplen)])
		link := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&r.mem[at+headerSpace]))
		arrivals[n] = wire.Arrival{
			Datagram:  r.scratch[used : used+size : used+size],
			At:        time.Unix(int64(f.Sec), int64(f.Nsec)),
			Outgoing:  link.Pkttype == unix.PACKET_OUTGOING,
			Checksum:  checksumState(f.Status),
			Interface: int(link.Ifindex),
		}
		used += size
		r.frame += int(f.Next_offset)
		r.left--
	}
	if n > 0 {
		arrivals[0].Lost = lost
	}
	if r.left == 0 {
		atomic.StoreUint32(&h.Block_status, unix.TP_STATUS_KERNEL)
		r.opened, r.block = false, (r.block+1)%(len(r.mem)/r.room)
	}
	return n
}

// checksumState translates a packet socket's status.
func checksumState(status uint32) wire.Checksum {
	switch {
	case status&unix.TP_STATUS_CSUMNOTREADY != 0:
		return wire.Offloaded
	case status&unix.TP_STATUS_CSUM_VALID != 0:
		return wire.Valid
	}
	return wire.Unverified
}

// newlyLost returns the drops that no arrival has reported yet. losing says
// that the kernel has counted some; asking it costs a system call.
func (r *ring) newlyLost(losing bool) int {
	if losing {
		r.drops()
	}
	r.statsMu.Lock()
	defer r.statsMu.Unlock()
	n := r.unreported
	r.unreported = 0
	return n
}

// drops counts the frames lost so far; after close, until then.
func (r *ring) drops() uint64 {
	r.statsMu.Lock()
	defer r.statsMu.Unlock()
	// Reading sets the kernel's counters back to zero.
	if stats, err := r.conn.GetsockoptTpacketStatsV3(unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		r.dropped += uint64(stats.Drops)
		r.unreported += int(stats.Drops)
	}
	return r.dropped
}

func (r *ring) close() error {
	r.drops()
	if r.closed.Swap(true) {
		return nil
	}
	err := r.conn.Close() // ends a wait
	r.mu.Lock()
	defer r.mu.Unlock()
	if unmapErr := unix.Munmap(r.mem); err == nil {
		err = os.NewSyscallError("munmap", unmapErr)
	}
	r.mem = nil
	return opError("close", networkPacket, nil, "", err)
}
