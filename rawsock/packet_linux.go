package rawsock

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	networkPacket = "packet"
	// passAll is what a filter returns to keep a frame whole.
	passAll = 1 << 18
)

// PacketConn sees what passes a device, in both directions, and sends past
// the kernel's routes and firewall.
//
// On the loopback device every datagram passes twice, once Outgoing and once
// not. Segments from this machine carry unfinished checksums, and may be
// longer than any MTU where the device segments them; Arrival.Checksum says
// Offloaded. A VLAN tag is not part of a frame: the kernel takes it off.
//
// Send and Receive may be called from two goroutines at once, but neither
// from two. Drops and Close may be called at any time.
type PacketConn struct {
	tx *transmitter // nil without Interface
	rx receiver
}

// receiver is the receiving half: a ring, or a queue of batches.
type receiver interface {
	receive(ctx context.Context, arrivals []wire.Arrival) (int, error)
	poll(wait time.Duration, arrivals []wire.Arrival) (int, error)
	pending() bool
	drops() uint64
	close() error
}

// OpenPacket opens a PacketConn. It needs CAP_NET_RAW.
func OpenPacket(config PacketConfig) (*PacketConn, error) {
	program, err := packetFilter(config)
	if err != nil {
		return nil, err
	}
	// Without a protocol a packet socket receives nothing, until bind.
	kind := unix.SOCK_DGRAM
	if config.Frames {
		kind = unix.SOCK_RAW
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, opError("open", networkPacket, nil, "socket", err)
	}
	index, err := interfaceIndex(fd, config.Interface)
	if err == nil {
		err = preparePacket(fd, config, program)
	}
	if err != nil {
		unix.Close(fd)
		return nil, opError("open", networkPacket, nil, "", err)
	}
	c := &PacketConn{}
	if c.rx, err = openPacketReceiver(fd, index, config); err != nil {
		return nil, opError("open", networkPacket, nil, "", err)
	}
	if config.Interface != "" {
		if c.tx, err = openPacketTransmit(kind, index, config); err != nil {
			c.rx.close()
			return nil, err
		}
	}
	return c, nil
}

// packetFilter is config.Filter, with what the other fields ask for.
func packetFilter(config PacketConfig) ([]bpf.RawInstruction, error) {
	program := slices.Clone(config.Filter)
	if len(program) == 0 {
		program = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K, K: passAll}}
	}
	if config.Snap > 0 {
		for i, p := range program {
			if p.Op == unix.BPF_RET|unix.BPF_K {
				program[i].K = min(p.K, uint32(config.Snap))
			}
		}
	}
	if config.Frames {
		return program, nil
	}
	onlyIPv4, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	})
	return append(onlyIPv4, program...), err
}

// preparePacket sets a packet socket's options and its filter.
func preparePacket(fd int, config PacketConfig, program []bpf.RawInstruction) error {
	if config.IncomingOnly {
		err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		if err != nil {
			return os.NewSyscallError("setsockopt PACKET_IGNORE_OUTGOING", err)
		}
	}
	return attachFilter(fd, program)
}

// openPacketReceiver takes over fd, makes the ring or the batches, and binds
// last: from then on frames arrive.
func openPacketReceiver(fd, index int, config PacketConfig) (receiver, error) {
	everything := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: index}
	if !config.Immediate {
		r, err := newRing(fd, config.RingSize, config.Snap)
		if err != nil {
			return nil, err
		}
		if err := r.conn.Bind(everything); err != nil {
			r.close()
			return nil, err
		}
		return r, nil
	}
	err := raiseBuffer(fd, config.RingSize)
	if err == nil {
		err = enable(fd, stampOption, dropOption, auxiliaryOption)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	r, err := newReader(fd, networkPacket, wholeDatagram, true)
	if err != nil {
		return nil, err
	}
	if err := r.conn.Bind(everything); err != nil {
		r.close()
		return nil, err
	}
	return newQueue(r), nil
}

// openPacketTransmit opens the socket that frames leave by. It has no
// protocol, or it would receive too.
func openPacketTransmit(kind, index int, config PacketConfig) (*transmitter, error) {
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, opError("open", networkPacket, nil, "socket", err)
	}
	to := &unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(index)}
	if !config.Frames {
		to.Protocol = networkOrder(unix.ETH_P_IP)
		to.Halen = uint8(copy(to.Addr[:], config.Destination))
	}
	t, err := newTransmitter(fd, networkPacket, to, false)
	if err != nil {
		unix.Close(fd)
	}
	return t, err
}

// interfaceIndex looks a device up; zero, which means all, for "".
func interfaceIndex(fd int, name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, os.NewSyscallError("interface "+name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return 0, os.NewSyscallError("interface "+name, err)
	}
	return int(int32(ifr.Uint32())), nil
}

// networkOrder swaps v where the machine is little-endian.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return *(*uint16)(unsafe.Pointer(&b))
}

// Receive waits until at least one frame or datagram has arrived, and fills
// in as many as are there. They stay valid until the next call. At is the
// kernel's stamp in both directions, taken at the same place. Its error is
// ctx's when ctx ends; after Close it wraps net.ErrClosed; a device that went
// down gives ENETDOWN once.
//
// It allocates nothing while there is something to receive.
func (c *PacketConn) Receive(ctx context.Context, arrivals []wire.Arrival) (int, error) {
	return c.rx.receive(ctx, arrivals)
}

// Send hands every departure to the device in order, and fills in its At, by
// the user's clock just before the system call, and Err, as a *net.OpError:
// ENETDOWN, EMSGSIZE, and ENOBUFS or EAGAIN where the device stayed congested
// for a twentieth of a second. The error that Send returns is about the socket:
// EDESTADDRREQ for a PacketConn without an interface, net.ErrClosed after
// Close.
func (c *PacketConn) Send(batch []wire.Departure) error {
	if c.tx == nil {
		return opError("send", networkPacket, nil, "send", unix.EDESTADDRREQ)
	}
	return c.tx.send(batch)
}

// maxPoll bounds how long Poll keeps its thread from Go's scheduler.
const maxPoll = time.Millisecond

// Poll is Receive for those who have to do something else soon: it returns
// without arrivals after wait, or after a millisecond. It waits on the calling
// thread, without Go's scheduler, so that other goroutines do not get to run on
// the processor meanwhile. It takes about as much of the processor as Receive in
// a goroutine of its own, and spares its caller the other goroutine. Otherwise it
// is as Receive, which must not be called at the same time.
func (c *PacketConn) Poll(wait time.Duration, arrivals []wire.Arrival) (int, error) {
	return c.rx.poll(min(wait, maxPoll), arrivals)
}

// Pending reports whether any frame has arrived that the caller of Receive has
// not been given, or has not yet come back from. A ring shows only blocks that
// the kernel has handed over: if it is false, all that arrived longer than 4 ms
// before the call is dealt with, but for the delays of a timer. It may be called
// at any time.
func (c *PacketConn) Pending() bool { return c.rx.pending() }

// Drops counts the frames that passed the filter and found no room.
func (c *PacketConn) Drops() uint64 { return c.rx.drops() }

// Close closes the sockets. A Receive under way returns an error that wraps
// net.ErrClosed. Closing twice is no error.
func (c *PacketConn) Close() error {
	err := c.rx.close()
	if c.tx != nil {
		err = errors.Join(err, c.tx.close())
	}
	return err
}
