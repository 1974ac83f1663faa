//go:build linux

package flow_test

import (
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// socket is a kernel's TCP socket that never blocks: what it asks for stays
// on the wire until the test lets it through.
type socket struct {
	t  *testing.T
	fd int
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}

// option is set before anything else is done to a socket.
type option struct{ level, name, value int }

// newSocket opens a socket in a host, bound to an address.
func newSocket(t *testing.T, host *netlab.Node, local netip.AddrPort, options ...option) *socket {
	t.Helper()
	s := &socket{t: t}
	must(t, host.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	}))
	t.Cleanup(s.abort) // a second close does nothing
	for _, o := range append(options, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}) {
		s.set(o)
	}
	must(t, os.NewSyscallError("bind", unix.Bind(s.fd, sockaddr(local))))
	return s
}

func (s *socket) set(o option) {
	s.t.Helper()
	must(s.t, os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, o.level, o.name, o.value)))
}

// do does what a script's words say.
func (s *socket) do(words []string) {
	s.t.Helper()
	octets := 0
	if len(words) > 1 {
		n, err := strconv.Atoi(words[1])
		must(s.t, err)
		octets = n
	}
	switch words[0] {
	case "write":
		s.write(octets)
	case "read":
		s.read(octets)
	case "cork":
		s.set(option{unix.IPPROTO_TCP, unix.TCP_CORK, 1})
	case "shut":
		s.shut()
	case "close":
		s.close()
	case "abort":
		s.abort()
	default:
		s.t.Fatalf("what is %q", words)
	}
}

// connect sends a SYN.
func (s *socket) connect(remote netip.AddrPort) {
	s.t.Helper()
	if err := unix.Connect(s.fd, sockaddr(remote)); err != unix.EINPROGRESS {
		s.t.Fatalf("connect: %v", err)
	}
}

func (s *socket) listen() {
	s.t.Helper()
	must(s.t, os.NewSyscallError("listen", unix.Listen(s.fd, 8)))
}

// accept waits for a connection.
func (s *socket) accept() *socket {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		fd, _, err := unix.Accept4(s.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		if err == nil {
			accepted := &socket{t: s.t, fd: fd}
			s.t.Cleanup(accepted.abort)
			return accepted
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			s.t.Fatalf("accept: %v", err)
		}
		s.await(unix.POLLIN)
	}
	s.t.Fatal("nothing to accept")
	return nil
}

// await waits a while until the socket is ready.
func (s *socket) await(events int16) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: events}}, 10)
}

// write sends some octets.
func (s *socket) write(octets int) {
	s.t.Helper()
	if n, err := unix.Write(s.fd, make([]byte, octets)); n != octets {
		s.t.Fatalf("wrote %d: %v", n, err)
	}
}

// read waits until some octets have come, and takes them.
func (s *socket) read(octets int) {
	s.t.Helper()
	buffer := make([]byte, octets)
	for deadline := time.Now().Add(patience); octets > 0; {
		n, err := unix.Read(s.fd, buffer[:octets])
		switch {
		case n > 0:
			octets -= n
		case err != unix.EAGAIN && err != unix.EINTR || time.Now().After(deadline):
			s.t.Fatalf("read %d: %v", n, err)
		default:
			s.await(unix.POLLIN)
		}
	}
}

// shut closes the direction in which the socket sends.
func (s *socket) shut() {
	s.t.Helper()
	must(s.t, os.NewSyscallError("shutdown", unix.Shutdown(s.fd, unix.SHUT_WR)))
}

func (s *socket) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd = -1
	}
}

// abort closes the socket with a reset.
func (s *socket) abort() {
	if s.fd >= 0 {
		_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		s.close()
	}
}
