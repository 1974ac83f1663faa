//go:build linux

package sockdiag_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestMain(m *testing.M) { netlab.TestMain(m) }

// within runs f in a host and fails the test on error.
func within(t *testing.T, host *netlab.Node, f func() error) {
	t.Helper()
	if err := host.Do(f); err != nil {
		t.Fatal(err)
	}
}

// dial connects from one host to another's port, optionally bound to a device.
func dial(t *testing.T, from *netlab.Node, to netip.AddrPort, device string) *net.TCPConn {
	t.Helper()
	var c net.Conn
	within(t, from, func() (err error) {
		d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
			return rc.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) })
		}}
		c, err = d.Dial("tcp4", to.String())
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func endpoints(c net.Conn) (local, remote netip.AddrPort) {
	return c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
}

// lookup asks until the socket is in the state, since the peer's segments
// take their time; want zero means that there is no socket.
func lookup(t *testing.T, host *netlab.Node, local, remote netip.AddrPort, want sockdiag.State) sockdiag.Socket {
	t.Helper()
	var s sockdiag.Socket
	within(t, host, func() error {
		for end := time.Now().Add(10 * time.Second); ; {
			var found bool
			var err error
			if s, found, err = sockdiag.Lookup(local, remote); err != nil {
				return err
			}
			if found == (want != 0) && s.State == want {
				return nil
			}
			if time.Now().After(end) {
				t.Fatalf("%v > %v: %v %v, want %v", local, remote, found, s.State, want)
			}
		}
	})
	return s
}

func TestLookup(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	server := netip.AddrPortFrom(apple.Addr(), 80)
	for _, device := range []string{"", "apple"} {
		c := dial(t, ant, server, device)
		local, remote := endpoints(c)
		s := lookup(t, ant, local, remote, sockdiag.Established)
		if s.Local != local || s.Remote != remote || s.Inode == 0 || (s.Interface != 0) != (device != "") {
			t.Errorf("%q: %+v", device, s)
		}
		// The other end: Go's listener is an IPv4 one here.
		lookup(t, apple, remote, local, sockdiag.Established)
		// A listener is no owner.
		stranger := netip.AddrPortFrom(local.Addr(), 1)
		lookup(t, apple, remote, stranger, 0)
		lookup(t, ant, local, stranger, 0)

		c.CloseWrite() // apple closes when it sees our FIN
		s = lookup(t, ant, local, remote, sockdiag.TimeWait)
		if s.Inode != 0 {
			t.Errorf("TIME-WAIT has inode %d", s.Inode)
		}
		lookup(t, apple, remote, local, 0)
	}
}

// An IPv6 socket that speaks IPv4 owns its 4-tuple like any other.
func TestMappedSocket(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var l net.Listener
	within(t, apple, func() (err error) {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		l, err = config.Listen(context.Background(), "tcp", "[::]:81")
		return err
	})
	defer l.Close()
	server := netip.AddrPortFrom(apple.Addr(), 81)
	local, _ := endpoints(dial(t, ant, server, ""))
	lookup(t, apple, server, local, sockdiag.Established)
	within(t, apple, func() error {
		sockets, err := sockdiag.Dump(sockdiag.Established)
		if err != nil {
			return err
		}
		for _, s := range sockets {
			if s.Local == server && s.Remote == local {
				return nil
			}
		}
		t.Errorf("not in %+v", sockets)
		return nil
	})
}

// A SYN alone makes an embryo, which owns the 4-tuple before its listener.
func TestEmbryo(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	server := netip.AddrPortFrom(apple.Addr(), 80)
	var local netip.AddrPort
	within(t, ant, func() error {
		q, err := rawsock.ReserveQuietPort(ant.Addr(), 0)
		if err != nil {
			return err
		}
		t.Cleanup(func() { q.Close() })
		local = q.Local()
		c, err := rawsock.Open(rawsock.Config{})
		if err != nil {
			return err
		}
		defer c.Close()
		d, err := wire.AppendDatagram(nil, wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: local.Addr(), Dst: server.Addr()},
			wire.Segment{SrcPort: local.Port(), DstPort: server.Port(), Flags: wire.SYN, Window: 1024})
		if err != nil {
			return err
		}
		return c.Send([]wire.Departure{{Datagram: d}})
	})
	lookup(t, apple, server, local, sockdiag.SynReceived)
	within(t, apple, func() error {
		sockets, err := sockdiag.Dump(sockdiag.SynReceived)
		if err != nil {
			return err
		}
		if len(sockets) != 1 || sockets[0].Local != server || sockets[0].Remote != local || sockets[0].State != sockdiag.SynReceived {
			t.Errorf("%+v", sockets)
		}
		return nil
	})
	// The quiet port itself listens, and owns nothing.
	lookup(t, ant, local, server, 0)
}

func TestDump(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	server := netip.AddrPortFrom(apple.Addr(), 80)
	open := dial(t, ant, server, "")
	waiting := dial(t, ant, server, "")
	waitingLocal, _ := endpoints(waiting)
	waiting.CloseWrite()
	lookup(t, ant, waitingLocal, server, sockdiag.TimeWait)
	openLocal, _ := endpoints(open)

	dump := func(host *netlab.Node, states ...sockdiag.State) map[netip.AddrPort]sockdiag.State {
		all := map[netip.AddrPort]sockdiag.State{}
		within(t, host, func() error {
			sockets, err := sockdiag.Dump(states...)
			for _, s := range sockets {
				all[s.Local] = s.State
			}
			return err
		})
		return all
	}
	if got := dump(ant); len(got) != 2 || got[openLocal] != sockdiag.Established || got[waitingLocal] != sockdiag.TimeWait {
		t.Errorf("all of ant: %v", got)
	}
	if got := dump(ant, sockdiag.TimeWait); len(got) != 1 || got[waitingLocal] != sockdiag.TimeWait {
		t.Errorf("TIME-WAIT of ant: %v", got)
	}
	any80 := netip.AddrPortFrom(netip.IPv4Unspecified(), 80)
	if got := dump(apple, sockdiag.Listen, sockdiag.Closing); len(got) != 1 || got[any80] != sockdiag.Listen {
		t.Errorf("listeners of apple: %v", got)
	}
}
