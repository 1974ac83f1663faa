package rawsock

import (
	"context"
	"errors"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	networkIP = "ip4"
	// icmpRoom is for one ICMP message. Errors quote no more than makes them
	// 576 octets (RFC 1812, Section 4.3.2.3); what is longer is cut.
	icmpRoom = 2048
)

// Conn sends IPv4 datagrams and hears the replies, TCP and ICMP errors alike.
//
// It sends through a raw socket with IP_HDRINCL: the kernel chooses the route
// and the next hop, and its firewall may refuse. Linux fills in the header's
// checksum and total length, the source address where it is zero, and a zero
// identification unless DF is set. It does not fragment: what exceeds the
// route's MTU is refused with EMSGSIZE.
//
// Send and Receive may be called from two goroutines at once, but neither
// from two. Drops and Close may be called at any time.
type Conn struct {
	tx *transmitter
	rx *queue
}

// Open opens a Conn. It needs CAP_NET_RAW.
func Open(config Config) (*Conn, error) {
	program, err := connFilter(config)
	if err != nil {
		return nil, err
	}
	tx, err := openTransmit(config)
	if err != nil {
		return nil, err
	}
	var readers []*reader
	for _, protocol := range []int{unix.IPPROTO_TCP, unix.IPPROTO_ICMP} {
		r, err := openReceive(config, protocol, program)
		if err != nil {
			for _, r := range readers {
				r.close()
			}
			tx.close()
			return nil, opError("open", networkIP, nil, "", err)
		}
		readers = append(readers, r)
	}
	return &Conn{tx: tx, rx: newQueue(readers...)}, nil
}

// connFilter is what a Conn hears.
func connFilter(config Config) ([]bpf.RawInstruction, error) {
	program, err := wire.ReplyFilter(config.Local...)
	if err != nil || config.Except == 0 {
		return program, err
	}
	fromElsewhere, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtInterfaceIndex},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(config.Except), SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	})
	return append(fromElsewhere, program...), err
}

// openTransmit opens the socket that datagrams leave by.
func openTransmit(config Config) (*transmitter, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, opError("open", networkIP, nil, "socket", err)
	}
	err = bindDevice(fd, config.Interface)
	if err == nil {
		err = raiseSendBuffer(fd)
	}
	if err == nil {
		// Its receive buffer is for stamps alone.
		err = deafen(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, opError("open", networkIP, nil, "", err)
	}
	t, err := newTransmitter(fd, networkIP, nil, !config.NoTransmitStamps)
	if err != nil {
		unix.Close(fd)
	}
	return t, err
}

// openReceive opens a socket that hears one protocol.
func openReceive(config Config, protocol int, program []bpf.RawInstruction) (*reader, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := prepareReceive(fd, config, program); err != nil {
		unix.Close(fd)
		return nil, err
	}
	slot := wholeDatagram
	if protocol == unix.IPPROTO_ICMP {
		slot = icmpRoom
	}
	return newReader(fd, networkIP, slot, false)
}

// prepareReceive sets a receive socket's options, and its filter last.
func prepareReceive(fd int, config Config, program []bpf.RawInstruction) error {
	// A raw socket receives from its creation on.
	if err := deafen(fd); err != nil {
		return err
	}
	if err := bindDevice(fd, config.Interface); err != nil {
		return err
	}
	if err := raiseBuffer(fd, config.ReceiveBuffer); err != nil {
		return err
	}
	if err := enable(fd, stampOption, dropOption, deviceOption); err != nil {
		return err
	}
	return attachFilter(fd, program)
}

func bindDevice(fd int, name string) error {
	if name == "" {
		return nil
	}
	return os.NewSyscallError("setsockopt SO_BINDTODEVICE", unix.BindToDevice(fd, name))
}

// Send hands every departure to the kernel in order, and fills in its At,
// KernelStamp and Err. At is the kernel's own transmit stamp, taken in the
// device's driver, where there is one, else the user's clock just before the
// system call.
//
// What is refused for the datagram's sake is in its Err, as a *net.OpError:
// EPERM by a local firewall, ENETUNREACH and EHOSTUNREACH by the routes,
// EACCES for a broadcast address, EMSGSIZE, EINVAL, and ENOBUFS or EAGAIN
// where the device stayed congested for a twentieth of a second. The error that Send
// returns is about the socket; it wraps net.ErrClosed after Close.
//
// It allocates nothing while nothing is refused.
func (c *Conn) Send(batch []wire.Departure) error { return c.tx.send(batch) }

// Receive waits until at least one datagram has arrived, and fills in as many
// as are there. The datagrams stay valid until the next call. Its error is
// ctx's when ctx ends; after Close it wraps net.ErrClosed.
//
// Arrivals of one protocol come in their order; between TCP and ICMP their
// stamps tell. At is the kernel's receive stamp. The TCP checksum is
// Unverified: the kernel hands segments to raw sockets before it looks, and
// those from this very machine (loopback, containers) may be unfinished.
//
// It allocates nothing.
func (c *Conn) Receive(ctx context.Context, arrivals []wire.Arrival) (int, error) {
	return c.rx.receive(ctx, arrivals)
}

// Pending reports whether any datagram has arrived that the caller of Receive
// has not been given, or has not yet come back from. If it is false, all that
// arrived before the call is dealt with. It may be called at any time.
func (c *Conn) Pending() bool { return c.rx.pending() }

// Drops counts the datagrams that passed the filter and found no room in the
// receive buffers.
func (c *Conn) Drops() uint64 { return c.rx.drops() }

// Close closes the sockets. A Receive under way returns an error that wraps
// net.ErrClosed. Closing twice is no error.
func (c *Conn) Close() error {
	return errors.Join(c.tx.close(), c.rx.close())
}
