package netlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ring of a tap: room for 4096 frames, 8 MiB, however small a receive
// buffer the machine allows its users (net.core.rmem_max).
const (
	slotSize   = 1 << 11
	slots      = 1 << 12
	blockSize  = 1 << 16
	ringLength = slotSize * slots
)

// A slot must hold the largest frame behind what the kernel puts in front of
// it, which is less than 128 octets; else this does not compile.
const _ = uint(slotSize - 128 - ethernetLen - tunnelMTU)

// tap is a packet socket on one device: it takes in what the device receives
// and sends whole frames out of it. It is used by one goroutine.
//
// Its ring is of version 2, because version 3 hands frames over by the block,
// which costs a link's delay its accuracy.
type tap struct {
	fd   int
	ring []byte
	next int // the slot that the kernel fills next
}

// openTap opens a tap in the calling thread's namespace.
func openTap(ifindex int) (*tap, error) {
	// Without a protocol the socket receives nothing until it is bound, so
	// that nothing from other devices gets in.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	t := &tap{fd: fd}
	if err := t.setUp(ifindex); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *tap) setUp(ifindex int) error {
	for _, option := range []struct{ name, value int }{
		{unix.PACKET_IGNORE_OUTGOING, 1},
		{unix.PACKET_VERSION, unix.TPACKET_V2},
	} {
		if err := unix.SetsockoptInt(t.fd, unix.SOL_PACKET, option.name, option.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	request := unix.TpacketReq{Block_size: blockSize, Block_nr: ringLength / blockSize, Frame_size: slotSize, Frame_nr: slots}
	if err := unix.SetsockoptTpacketReq(t.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return os.NewSyscallError("setsockopt PACKET_RX_RING", err)
	}
	var err error
	t.ring, err = unix.Mmap(t.fd, 0, ringLength, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	allProtocols := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	address := &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: ifindex}
	return os.NewSyscallError("bind", unix.Bind(t.fd, address))
}

// receive takes a frame and the kernel's stamp out of the ring, if there is
// one, without waiting.
func (t *tap) receive() (octets []byte, at time.Time, ok bool) {
	slot := t.ring[t.next*slotSize:][:slotSize]
	header := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
	// The kernel hands a slot over, and gets it back, by its status alone.
	if atomic.LoadUint32(&header.Status)&unix.TP_STATUS_USER == 0 {
		return nil, time.Time{}, false
	}
	octets = bytes.Clone(slot[header.Mac:][:header.Snaplen])
	at = time.Unix(int64(header.Sec), int64(header.Nsec))
	atomic.StoreUint32(&header.Status, unix.TP_STATUS_KERNEL)
	t.next = (t.next + 1) % slots
	return octets, at, true
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

// clearError takes the error off the socket that a device leaves there when
// somebody removes it or takes it down; else poll would report it for ever.
func (t *tap) clearError() {
	// The value is the error itself, which sending reports too.
	_, _ = unix.GetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_ERROR)
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

func (t *tap) close() error {
	var err error
	if t.ring != nil {
		err = os.NewSyscallError("munmap", unix.Munmap(t.ring))
	}
	return errors.Join(err, os.NewSyscallError("close", unix.Close(t.fd)))
}
