//go:build linux

package sockdiag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// patience is how long a test waits for the kernel.
const patience = 10 * time.Second

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

// street is one host that talks to itself.
type street struct {
	t    *testing.T
	node *netlab.Node
}

func newStreet(t *testing.T) street {
	return street{t, netlab.Start(t, netlab.Pair()).Host("ant")}
}

// listen opens a listener of a backlog, on a port of its own.
func (s street) listen(network string, backlog int, control func(fd int) error) *net.TCPListener {
	s.t.Helper()
	var l net.Listener
	within(s.t, s.node, func() (err error) {
		config := net.ListenConfig{Control: controlled(control)}
		config.SetMultipathTCP(false)
		host := "127.0.0.1:0"
		if network == "tcp" {
			host = "[::]:0"
		}
		if l, err = config.Listen(context.Background(), network, host); err != nil {
			return err
		}
		return onDescriptor(l.(*net.TCPListener), func(fd int) error { return unix.Listen(fd, backlog) })
	})
	s.t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func controlled(control func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) (err error) {
		if control == nil {
			return nil
		}
		return errors.Join(rc.Control(func(fd uintptr) { err = control(int(fd)) }), err)
	}
}

// onDescriptor calls f with a socket's descriptor.
func onDescriptor(c syscall.Conn, f func(fd int) error) (err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(rc.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// port is a listener's.
func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// connect is a connection to a listener of this host.
func (s street) connect(l net.Listener) *net.TCPConn {
	s.t.Helper()
	return dial(s.t, s.node, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port(l))), "")
}

// pair is a connection, both ends of which are open.
func (s street) pair(l *net.TCPListener) (client, server *net.TCPConn) {
	s.t.Helper()
	client = s.connect(l)
	server, err := l.AcceptTCP()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { server.Close() })
	return client, server
}

// stuff writes until the peer, which does not read, has no more room, and the
// window is closed.
func (s street) stuff(c *net.TCPConn) {
	s.t.Helper()
	local, remote := endpoints(c)
	eventually(s.t, "a closed window", func() bool {
		err := onDescriptor(c, func(fd int) error {
			_, err := unix.Write(fd, make([]byte, 1<<16))
			return err
		})
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			s.t.Fatal(err)
		}
		var socket sockdiag.Socket
		within(s.t, s.node, func() (err error) {
			socket, _, err = sockdiag.Lookup(local, remote)
			return err
		})
		return errors.Is(err, syscall.EAGAIN) && socket.Timer.Kind == sockdiag.Probe
	})
}

// small keeps a socket's buffers small, so that they are soon full.
func small(fd int) error {
	return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096))
}

// closeWrite sends FIN, and waits until the socket is in the state.
func (s street) closeWrite(c *net.TCPConn, want sockdiag.State) {
	s.t.Helper()
	if err := c.CloseWrite(); err != nil {
		s.t.Fatal(err)
	}
	s.in(c, want)
}

// in waits until a connection's own end is in the state.
func (s street) in(c *net.TCPConn, want sockdiag.State) sockdiag.Socket {
	s.t.Helper()
	local, remote := endpoints(c)
	return lookup(s.t, s.node, local, remote, want)
}

// sockets are those that a query finds, by their cookies.
func (s street) sockets(q sockdiag.Query) map[uint64]sockdiag.Socket {
	s.t.Helper()
	all := map[uint64]sockdiag.Socket{}
	within(s.t, s.node, func() error {
		for socket, err := range sockdiag.Sockets(q) {
			if err != nil {
				return err
			}
			all[socket.Cookie] = socket
		}
		return nil
	})
	return all
}

// openSyn begins a connection that nobody answers: the listener's queue is full.
func (s street) openSyn(l net.Listener) {
	s.t.Helper()
	within(s.t, s.node, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		s.t.Cleanup(func() { unix.Close(fd) })
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port(l)})
		if errors.Is(err, syscall.EINPROGRESS) {
			return nil
		}
		return fmt.Errorf("connect: %v, want it in progress", err)
	})
}

// everyState makes a socket in each state.
func (s street) everyState() {
	s.t.Helper()
	l := s.listen("tcp4", 5, small)

	client, server := s.pair(l) // ESTABLISHED, with something to read
	if _, err := client.Write([]byte("hello")); err != nil {
		s.t.Fatal(err)
	}
	keepalive := net.KeepAliveConfig{Enable: true, Idle: time.Hour, Interval: time.Minute, Count: 3}
	if err := server.SetKeepAliveConfig(keepalive); err != nil {
		s.t.Fatal(err)
	}

	client, server = s.pair(l) // FIN-WAIT-2 and CLOSE-WAIT
	s.closeWrite(client, sockdiag.FinWait2)
	s.in(server, sockdiag.CloseWait)

	client, _ = s.pair(l) // FIN-WAIT-1, behind data that there is no room for
	s.stuff(client)
	s.closeWrite(client, sockdiag.FinWait1)

	client, server = s.pair(l) // CLOSING: the other FIN comes first
	s.stuff(client)
	s.closeWrite(client, sockdiag.FinWait1)
	s.closeWrite(server, sockdiag.FinWait2)
	s.in(client, sockdiag.Closing)

	client, server = s.pair(l) // LAST-ACK
	s.stuff(server)
	s.closeWrite(client, sockdiag.FinWait2)
	s.in(server, sockdiag.CloseWait)
	s.closeWrite(server, sockdiag.LastAck)

	client, server = s.pair(l) // TIME-WAIT
	s.closeWrite(client, sockdiag.FinWait2)
	server.Close()
	s.in(client, sockdiag.TimeWait)
	client.Close()

	full := s.listen("tcp4", 0, nil) // SYN-SENT: a queue with room for one
	s.connect(full)
	eventually(s.t, "a full queue", func() bool {
		for _, socket := range s.sockets(sockdiag.Query{States: []sockdiag.State{sockdiag.Listen}}) {
			if int(socket.Local.Port()) == port(full) && socket.RQueue == 1 {
				return true
			}
		}
		return false
	})
	s.openSyn(full)

	deferring := s.listen("tcp4", 5, func(fd int) error { // SYN-RECEIVED: until there are data
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 100)
	})
	s.connect(deferring)
	s.connect(s.listen("tcp", 5, nil)) // an IPv6 socket that speaks IPv4
}

// proc is a line of /proc/net/tcp, or what would be.
type proc struct {
	local, remote string
	state         sockdiag.State
	send, receive uint32
	timer         sockdiag.TimerKind
	uid           uint32
	inode         uint32
}

// readProc reads /proc/net/tcp and tcp6 of the thread's namespace.
func readProc() (map[string]proc, error) {
	all := map[string]proc{}
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(filepath.Join("/proc/thread-self/net", name))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			var p proc
			var slot, state, timer int
			var ignored string
			n, _ := fmt.Sscanf(line, "%d: %s %s %X %X:%X %X:%s %s %d %s %d", &slot, &p.local, &p.remote,
				&state, &p.send, &p.receive, &timer, &ignored, &ignored, &p.uid, &ignored, &p.inode)
			if n < 12 {
				continue // the heading
			}
			p.state, p.timer = sockdiag.State(state), sockdiag.TimerKind(timer)
			all[p.local+" "+p.remote] = p
		}
	}
	return all, nil
}

// asProc is a socket as /proc/net/tcp writes it.
func asProc(s sockdiag.Socket) proc {
	endpoint := func(e netip.AddrPort) string {
		addr := e.Addr()
		if s.IPv6 {
			if addr.Is4() {
				addr = netip.AddrFrom16(addr.As16())
			}
		}
		var words []string
		for word := range slices.Chunk(addr.AsSlice(), 4) {
			slices.Reverse(word) // it is written as a number of this machine's
			words = append(words, fmt.Sprintf("%X", word))
		}
		return fmt.Sprintf("%s:%04X", strings.Join(words, ""), e.Port())
	}
	p := proc{endpoint(s.Local), endpoint(s.Remote), s.State, s.WQueue, s.RQueue, s.Timer.Kind, s.UID, s.Inode}
	if s.State == sockdiag.Listen {
		p.send = 0 // it does not tell the backlog
	}
	return p
}

// Every state, made by kernel sockets, is told as the kernel tells it in
// another place.
func TestStatesLive(t *testing.T) {
	s := newStreet(t)
	s.everyState()
	var got, want map[string]proc
	alike := func() bool {
		within(t, s.node, func() (err error) {
			got = map[string]proc{}
			for socket, err := range sockdiag.Sockets(sockdiag.Query{Details: true}) {
				if err != nil {
					return err
				}
				p := asProc(socket)
				got[p.local+" "+p.remote] = p
			}
			want, err = readProc()
			return err
		})
		return maps.Equal(got, want)
	}
	// Timers and queues may change in between.
	for end := time.Now().Add(patience); !alike(); {
		if time.Now().After(end) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, want)
		}
	}
	for _, state := range sockdiag.States() {
		found := s.sockets(sockdiag.Query{States: []sockdiag.State{state}})
		if len(found) == 0 {
			t.Errorf("no socket in %v", state)
		}
		for _, socket := range found {
			if socket.State != state {
				t.Errorf("asked for %v, got %+v", state, socket)
			}
			if socket.Info != nil || socket.Memory != nil || socket.Congestion != "" {
				t.Errorf("details that nobody asked for: %+v", socket)
			}
		}
	}
}

// What the states of a connection bring with them: timers, queues, details.
func TestDetailsLive(t *testing.T) {
	s := newStreet(t)
	s.everyState()
	one := func(what string, state sockdiag.State, match func(sockdiag.Socket) bool) sockdiag.Socket {
		t.Helper()
		var found sockdiag.Socket
		eventually(t, what, func() bool {
			for _, socket := range s.sockets(sockdiag.Query{States: []sockdiag.State{state}, Details: true}) {
				if match(socket) {
					found = socket
					return true
				}
			}
			return false
		})
		return found
	}
	within := func(what string, timer sockdiag.Timer, low, high time.Duration) {
		t.Helper()
		if timer.Left <= low || timer.Left > high {
			t.Errorf("%s: %v left, want %v to %v", what, timer.Left, low, high)
		}
	}
	timer := func(kind sockdiag.TimerKind) func(sockdiag.Socket) bool {
		return func(s sockdiag.Socket) bool { return s.Timer.Kind == kind }
	}
	kept := one("keepalive", sockdiag.Established, func(s sockdiag.Socket) bool {
		return s.Timer.Kind == sockdiag.Keepalive && s.Timer.Left > 50*time.Minute
	})
	within("keepalive", kept.Timer, 59*time.Minute, time.Hour)
	if kept.RQueue != 5 || kept.Info == nil || kept.Info.OctetsReceived != 5 || kept.Info.RTO == 0 || kept.Info.MSS == 0 {
		t.Errorf("with five octets to read: %+v %+v", kept, kept.Info)
	}
	if kept.Congestion == "" || kept.Memory == nil || kept.Memory.ReceiveLimit == 0 || kept.Memory.Receive == 0 {
		t.Errorf("memory: %+v %q", kept.Memory, kept.Congestion)
	}
	within("time-wait", one("time-wait", sockdiag.TimeWait, timer(sockdiag.Wait)).Timer, 40*time.Second, time.Minute+time.Second)
	within("SYN", one("SYN", sockdiag.SynSent, timer(sockdiag.Retransmit)).Timer, -1, 64*time.Second)
	one("SYN again", sockdiag.SynSent, func(s sockdiag.Socket) bool { return s.Timer.Retries > 0 && s.Info.Retransmits > 0 })
	one("zero window", sockdiag.FinWait1, timer(sockdiag.Probe))
	one("embryo", sockdiag.SynReceived, timer(sockdiag.Retransmit))
	one("unread FIN", sockdiag.CloseWait, func(s sockdiag.Socket) bool { return s.RQueue == 1 })
	one("a full queue", sockdiag.Listen, func(s sockdiag.Socket) bool {
		return s.RQueue == 1 && s.WQueue == 0 && s.Info == nil && s.Memory != nil && s.Memory.Drops > 0
	})
	one("IPv4 by an IPv6 socket", sockdiag.Established, func(s sockdiag.Socket) bool { return s.IPv6 && s.Local.Addr().Is4() })
}

// The kernel applies filters as their words have it.
func TestFilterLive(t *testing.T) {
	s := newStreet(t)
	s.everyState()
	all := s.sockets(sockdiag.Query{})
	var ports []uint16
	for _, socket := range all {
		ports = append(ports, socket.Local.Port())
	}
	slices.Sort(ports)
	middle := ports[len(ports)/2]
	network := netip.MustParsePrefix("127.0.0.0/8")
	local := func(low, high uint16) func(sockdiag.Socket) bool {
		return func(s sockdiag.Socket) bool { return s.Local.Port() >= low && s.Local.Port() <= high }
	}
	remote := func(low, high uint16) func(sockdiag.Socket) bool {
		return func(s sockdiag.Socket) bool { return s.Remote.Port() >= low && s.Remote.Port() <= high }
	}
	at := func(s sockdiag.Socket) bool { return network.Contains(s.Local.Addr()) }
	peerAt := func(s sockdiag.Socket) bool { return network.Contains(s.Remote.Addr()) }
	none := func(sockdiag.Socket) bool { return false }
	a, b, c, d := sockdiag.LocalPort(middle, middle), sockdiag.RemotePort(middle, 65535), sockdiag.LocalAddr(network), sockdiag.RemoteAddr(network)
	ma, mb, mc, md := local(middle, middle), remote(middle, 65535), at, peerAt
	for _, test := range []struct {
		name   string
		filter sockdiag.Filter
		match  func(sockdiag.Socket) bool
	}{
		{"all", sockdiag.Filter{}, func(sockdiag.Socket) bool { return true }},
		{"none", sockdiag.Filter{}.Not(), none},
		{"local port", a, ma},
		{"remote ports", b, mb},
		{"local address", c, mc},
		{"remote address", d, md},
		{"an address of IPv6", sockdiag.LocalAddr(netip.MustParsePrefix("::/128")),
			func(s sockdiag.Socket) bool { return s.Local.Addr() == netip.IPv6Unspecified() }},
		{"and", c.And(b), func(s sockdiag.Socket) bool { return mc(s) && mb(s) }},
		{"and all", sockdiag.Filter{}.And(a), ma},
		{"or", a.Or(b), func(s sockdiag.Socket) bool { return ma(s) || mb(s) }},
		{"or all", a.Or(sockdiag.Filter{}), func(sockdiag.Socket) bool { return true }},
		{"not", b.Not(), func(s sockdiag.Socket) bool { return !mb(s) }},
		{"not or", a.Or(b).Not(), func(s sockdiag.Socket) bool { return !ma(s) && !mb(s) }},
		{"not and", b.And(d).Not(), func(s sockdiag.Socket) bool { return !mb(s) || !md(s) }},
		{"or of ands", a.And(c).Or(b.And(d)), func(s sockdiag.Socket) bool { return ma(s) && mc(s) || mb(s) && md(s) }},
		{"and of ors", a.Or(b).And(c.Not().Or(d)), func(s sockdiag.Socket) bool { return (ma(s) || mb(s)) && (!mc(s) || md(s)) }},
		{"deep", a.Not().And(b.Or(c)).Not().Or(d.And(b)).And(c), func(s sockdiag.Socket) bool {
			return (!(!ma(s) && (mb(s) || mc(s))) || md(s) && mb(s)) && mc(s)
		}},
	} {
		want := map[uint64]bool{}
		for cookie, socket := range all {
			want[cookie] = test.match(socket)
		}
		got := s.sockets(sockdiag.Query{Filter: test.filter})
		for cookie, socket := range all {
			if _, found := got[cookie]; found != want[cookie] {
				t.Errorf("%s: %v found %v", test.name, socket, found)
			}
		}
		if len(got) > len(all) {
			t.Errorf("%s: %d sockets of %d", test.name, len(got), len(all))
		}
	}
	long := a
	for range 13 {
		long = long.Or(long)
	}
	within(t, s.node, func() error {
		for _, err := range sockdiag.Sockets(sockdiag.Query{Filter: long}) {
			var op *net.OpError
			if !errors.Is(err, syscall.E2BIG) || !errors.As(err, &op) {
				t.Errorf("a filter that is too long: %v", err)
			}
		}
		return nil
	})
}

// Whoever has had enough of a dump leaves nothing open.
func TestBreakLive(t *testing.T) {
	s := newStreet(t)
	s.everyState()
	within(t, s.node, func() error {
		before, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return err
		}
		for range 100 {
			for range sockdiag.Sockets(sockdiag.Query{}) {
				break
			}
		}
		after, err := os.ReadDir("/proc/self/fd")
		if len(after) > len(before)+10 {
			t.Errorf("%d descriptors, and then %d", len(before), len(after))
		}
		return err
	})
}

func TestHoldersLive(t *testing.T) {
	s := newStreet(t)
	client, _ := s.pair(s.listen("tcp4", 5, nil))
	socket := s.in(client, sockdiag.Established)
	var fd int
	if err := onDescriptor(client, func(descriptor int) error { fd = descriptor; return nil }); err != nil {
		t.Fatal(err)
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	found, err := sockdiag.FindHolders()
	if err != nil {
		t.Fatal(err)
	}
	want := sockdiag.Holder{PID: os.Getpid(), FD: fd, Name: string(bytes.TrimSuffix(comm, []byte("\n")))}
	if got := found.ByInode[socket.Inode]; !slices.Equal(got, []sockdiag.Holder{want}) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, held := found.ByInode[0]; held || found.Hidden < 0 {
		t.Errorf("%+v", found)
	}
}

// timeWaits makes that many connections, of which TIME-WAIT is left.
func (s street) timeWaits(b *testing.B, n int) {
	b.Helper()
	within := func(f func() error) {
		if err := s.node.Do(f); err != nil {
			b.Fatal(err)
		}
	}
	within(func() error {
		for name, value := range map[string]string{
			"tcp_max_tw_buckets": "1000000", "tcp_tw_reuse": "0", "ip_local_port_range": "1024 65535",
		} {
			if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
				return err
			}
		}
		for i := range 5 {
			l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.%d:80", i+1))
			if err != nil {
				return err
			}
			defer l.Close()
			for range n / 5 {
				client, err := net.Dial("tcp4", l.Addr().String())
				if err != nil {
					return err
				}
				server, err := l.Accept()
				if err != nil {
					return err
				}
				client.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, server)
				server.Close()
				client.Close()
			}
		}
		return nil
	})
}

// BenchmarkSockets asks for 100,000 sockets in TIME-WAIT.
func BenchmarkSockets(b *testing.B) {
	const n = 100_000
	lab, err := netlab.Build(netlab.Pair())
	if err != nil {
		b.Fatal(err)
	}
	defer lab.Close()
	s := street{node: lab.Host("ant")}
	s.timeWaits(b, n)
	for name, q := range map[string]sockdiag.Query{
		"all": {}, "details": {Details: true}, "port": {Filter: sockdiag.LocalPort(40000, 40000)},
		"state": {States: []sockdiag.State{sockdiag.Established}},
	} {
		b.Run(name, func(b *testing.B) {
			count := 0
			err := s.node.Do(func() error {
				for b.Loop() {
					count = 0
					for _, err := range sockdiag.Sockets(q) {
						if err != nil {
							return err
						}
						count++
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(count), "sockets")
		})
	}
}
