package rawsock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const networkTCP = "tcp4"

// QuietPort is a TCP port of this host for which the kernel gives no answers,
// so that a raw socket can use it: a SYN-ACK to it draws no RST. Nobody else
// can bind the port meanwhile, and to peers it looks filtered.
//
// Behind it is a listening socket that swallows whatever arrives. When it is
// closed, or the process ends, the kernel answers late segments with RST
// again.
type QuietPort struct {
	local netip.AddrPort
	once  sync.Once
	fd    int
}

// ReserveQuietPort takes a port on the local address src; port zero lets the
// kernel choose one. It needs no capability.
//
// Its error wraps EADDRINUSE for a port in use, which it names, EADDRNOTAVAIL
// for an address that is not this host's, and EACCES for a port below
// net.ipv4.ip_unprivileged_port_start without CAP_NET_BIND_SERVICE.
func ReserveQuietPort(src netip.Addr, port uint16) (*QuietPort, error) {
	asked := netip.AddrPortFrom(src, port)
	fail := func(call string, err error) (*QuietPort, error) {
		return nil, opError("reserve", networkTCP, net.TCPAddrFromAddrPort(asked), call, err)
	}
	if !src.Is4() {
		return fail("bind", unix.EAFNOSUPPORT)
	}
	// Plain TCP, and without SO_REUSEADDR: the port must be ours alone.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return fail("socket", err)
	}
	q := &QuietPort{fd: fd}
	// Silence comes before listen: until then the kernel would answer RST,
	// but nobody knows the port yet.
	if err := silence(fd); err != nil {
		q.Close()
		return fail("", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: src.As4(), Port: int(port)}); err != nil {
		q.Close()
		return fail("bind", err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		q.Close()
		return fail("listen", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		q.Close()
		return fail("getsockname", err)
	}
	if in4, ok := name.(*unix.SockaddrInet4); ok {
		q.local = netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), uint16(in4.Port))
	}
	return q, nil
}

// silence makes a socket swallow every segment. A filter does it for good,
// but on TCP sockets newer kernels ask CAP_NET_ADMIN for one.
func silence(fd int) error {
	nothing, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return err
	}
	err = attachFilter(fd, nothing)
	if errors.Is(err, os.ErrPermission) {
		return silenceUnprivileged(fd)
	}
	return err
}

// silenceUnprivileged needs no capability: IP_MINTTL drops segments that were
// forwarded on the way, and those of senders that begin below TTL 255; an MD5
// key for every peer drops what bears no signature, whatever its TTL. The first
// stands alone on kernels that have no MD5 (CONFIG_TCP_MD5SIG, FIPS mode).
func silenceUnprivileged(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 255); err != nil {
		return os.NewSyscallError("setsockopt IP_MINTTL", err)
	}
	key := unix.TCPMD5Sig{Flags: unix.TCP_MD5SIG_FLAG_PREFIX, Prefixlen: 0, Keylen: 16}
	key.Addr.Family = unix.AF_INET
	octets := unsafe.String((*byte)(unsafe.Pointer(&key)), unsafe.Sizeof(key))
	switch err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG_EXT, octets); err {
	case unix.ENOPROTOOPT, unix.EINVAL, unix.ENOENT:
		return nil
	default:
		return os.NewSyscallError("setsockopt TCP_MD5SIG_EXT", err)
	}
}

// Local returns the address and the port.
func (q *QuietPort) Local() netip.AddrPort { return q.local }

// Close gives the port back. Closing twice is no error.
func (q *QuietPort) Close() error {
	var err error
	q.once.Do(func() {
		err = opError("close", networkTCP, nil, "close", unix.Close(q.fd))
	})
	return err
}
