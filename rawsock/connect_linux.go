package rawsock

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	extendedErrors = option{"IP_RECVERR", unix.IPPROTO_IP, unix.IP_RECVERR}
	lateSourcePort = option{"IP_BIND_ADDRESS_NO_PORT", unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT}
)

// Connect connects to a remote endpoint as any program does, with the kernel's
// TCP, and ends the connection with a reset, so that nothing is left in
// TIME-WAIT. It needs no privilege.
//
// What the peer, the network or this host's routes did is in Connected. The
// error is about the socket, a *net.OpError: EMFILE, ENODEV for an interface,
// EADDRNOTAVAIL for a source address that is not ours or where no port is
// free, EAFNOSUPPORT for what is not IPv4. It is ctx's where ctx ends the wait,
// which it does at once.
//
// Every call occupies a thread of the operating system while it waits. The Go
// runtime allows 10,000.
//
// Linux differs: a SYN that the local firewall drops is silence here, for the
// kernel's TCP does not look at what became of it (tcp_connect).
func Connect(ctx context.Context, c ConnectConfig) (Connected, error) {
	if err := ctx.Err(); err != nil {
		return Connected{}, err
	}
	fail := func(call string, err error) (Connected, error) {
		return Connected{}, opError("connect", networkTCP, net.TCPAddrFromAddrPort(c.Remote), call, err)
	}
	if !c.Remote.Addr().Is4() {
		return fail("connect", unix.EAFNOSUPPORT)
	}
	fd, err := openConnect(c)
	if err != nil {
		return fail("", err)
	}
	defer unix.Close(fd)
	bell, err := newBell(ctx)
	if err != nil {
		return fail("eventfd", err)
	}
	defer bell.close()

	a := attempt{fd: fd, bell: bell.fd, remote: c.Remote, timeout: c.Timeout}
	a.At = time.Now()
	err = unix.Connect(fd, &unix.SockaddrInet4{Addr: c.Remote.Addr().As4(), Port: int(c.Remote.Port())})
	a.Elapsed = time.Since(a.At)
	switch err {
	case nil, unix.EINPROGRESS, unix.EINTR: // interrupted, it goes on
		err = a.finish(ctx)
	case unix.EADDRNOTAVAIL, unix.EADDRINUSE, unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
		return fail("connect", err)
	default:
		a.Err, err = err, nil
	}
	switch {
	case err == nil:
		return a.Connected, nil
	case err == ctx.Err():
		return Connected{}, err
	}
	return fail("", err)
}

// openConnect makes the socket.
func openConnect(c ConnectConfig) (int, error) {
	// IPPROTO_TCP, for zero may be turned into MPTCP behind our back.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := prepareConnect(fd, c); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func prepareConnect(fd int, c ConnectConfig) error {
	// From now on, close is a reset whatever happens.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return os.NewSyscallError("setsockopt SO_LINGER", err)
	}
	if err := enable(fd, extendedErrors); err != nil {
		return err
	}
	if err := bindDevice(fd, c.Interface); err != nil {
		return err
	}
	if !c.Source.IsValid() {
		return nil
	}
	if !c.Source.Is4() {
		return os.NewSyscallError("bind", unix.EAFNOSUPPORT)
	}
	// The port is left to connect, which knows the remote, and may use one
	// that leads to another remote already.
	if err := enable(fd, lateSourcePort); err != nil {
		return err
	}
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: c.Source.As4()}))
}

// attempt is a connect() under way.
type attempt struct {
	Connected
	fd, bell int
	remote   netip.AddrPort
	timeout  time.Duration
}

// finish waits for the end, and says how it was. The error is ctx's if that
// came first.
func (a *attempt) finish(ctx context.Context) error {
	for {
		ready, err := a.wait()
		if err != nil {
			return err
		}
		if decided, err := a.look(); decided || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !ready {
			a.Err = unix.ETIMEDOUT
			return nil
		}
	}
}

// wait waits until the socket has something to tell; false means that the bell
// has rung, or the time is over.
//
// It sleeps in poll, and the clock is read on the same thread first of all
// behind it. With Go's poller, where another thread sleeps in epoll and then
// wakes this goroutine, Elapsed is some 15 us longer, and at its 90th
// percentile on a busy host 35 us. To lock the goroutine to its thread for the
// length of the call changes nothing.
func (a *attempt) wait() (ready bool, err error) {
	fds := []unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLOUT}, {Fd: int32(a.bell), Events: unix.POLLIN}}
	for {
		left := unix.NsecToTimespec(int64(max(0, a.timeout-a.Elapsed)))
		_, err := unix.Ppoll(fds, &left, nil)
		a.Elapsed = time.Since(a.At)
		if err != unix.EINTR { // the runtime's own signals interrupt, too
			return fds[0].Revents != 0, os.NewSyscallError("ppoll", err)
		}
	}
}

// look reads from the socket what has become of it, and reports whether that
// is the end.
func (a *attempt) look() (decided bool, err error) {
	// Not by a second connect: it would tell the same, and wipe out TCP_INFO.
	code, err := unix.GetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return false, os.NewSyscallError("getsockopt SO_ERROR", err)
	}
	info, err := unix.GetsockoptTCPInfo(a.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, os.NewSyscallError("getsockopt TCP_INFO", err)
	}
	name, err := unix.Getsockname(a.fd)
	if err != nil {
		return false, os.NewSyscallError("getsockname", err)
	}
	if in4, ok := name.(*unix.SockaddrInet4); ok {
		a.Local = netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), uint16(in4.Port))
	}
	// tcpi_retransmits begins anew with every acknowledgement;
	// tcpi_total_retrans outlives even a reset.
	a.Retransmits = int(info.Total_retrans)
	shaken := info.State != unix.BPF_TCP_SYN_SENT && info.State != unix.BPF_TCP_SYN_RECV
	switch errno := syscall.Errno(code); {
	case errno == 0 && shaken, // it may have been closed again, or
		errno == unix.ECONNRESET, errno == unix.EPIPE: // reset, behind the handshake
		a.RTT = time.Duration(info.Rtt) * time.Microsecond
		if a.Local == a.remote {
			// Of all ports, ours was the target's: nothing listens there, and
			// TCP allows to connect to oneself (RFC 9293, Section 3.5).
			a.RTT, a.Err = 0, unix.ECONNREFUSED
		}
		return true, nil
	case a.refused():
		return true, nil
	case errno != 0:
		a.Err = errno
		return true, nil
	}
	return false, nil
}

// refused reports whether an ICMP error has put an end to the attempt, and
// which. SO_ERROR alone takes port unreachable for a reset, and does not tell
// prohibitions apart.
//
// An ICMP error that arrives while connect still runs is no end for the
// kernel, which goes on to retransmit, but one that arrives later is
// (tcp_v4_err). Here both are.
func (a *attempt) refused() bool {
	oob := make([]byte, stampControl)
	_, n, _, _, err := unix.Recvmsg(a.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return false // EAGAIN: there is none
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_RECVERR || len(m.Data) < int(unsafe.Sizeof(recvErr{})) {
			continue
		}
		e := (*recvErr)(unsafe.Pointer(&m.Data[0]))
		if e.Origin != unix.SO_EE_ORIGIN_ICMP {
			continue
		}
		why := &ConnectICMPError{Type: e.Type, Code: e.Code, From: netip.AddrFrom4(e.offender.Addr), Err: syscall.Errno(e.Errno)}
		if why.Err == unix.ECONNREFUSED {
			why.Err = unix.EHOSTUNREACH
		}
		a.Err = why
		return true
	}
	return false
}

// recvErr is what IP_RECVERR tells (ip_recv_error).
type recvErr struct {
	unix.SockExtendedErr
	offender unix.RawSockaddrInet4
}

// bell is a descriptor that becomes readable when a context ends. It is -1,
// which poll leaves out, for a context that never does.
type bell struct {
	fd   int
	stop func() bool
	rung chan struct{}
}

func newBell(ctx context.Context) (*bell, error) {
	if ctx.Done() == nil {
		return &bell{fd: -1}, nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	b := &bell{fd: fd, rung: make(chan struct{})}
	b.stop = context.AfterFunc(ctx, func() {
		defer close(b.rung)
		one := [8]byte{1, 1, 1, 1, 1, 1, 1} // not zero in either octet order
		_, _ = unix.Write(fd, one[:])       // it has room for it
	})
	return b, nil
}

func (b *bell) close() {
	if b.fd < 0 {
		return
	}
	if !b.stop() {
		<-b.rung // or it would write to whoever has the descriptor next
	}
	unix.Close(b.fd)
}
