//go:build linux

package flow_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestMain(m *testing.M) { netlab.TestMain(m) }

// patience ends a test that waits for what never comes.
const patience = 10 * time.Second

// scene is a connection between two kernels, and a table that watches it from
// the client's device.
type scene struct {
	t              *testing.T
	ant, apple     *netlab.Node
	client, server *net.TCPConn
	local, remote  netip.AddrPort
	capture        *rawsock.PacketConn
	table          *flow.Table
	last           flow.Event
}

// newScene connects ant to apple over a link of these shapes, up and down.
func newScene(t *testing.T, up, down netlab.Shape) *scene {
	topology := netlab.Pair()
	topology.Links[0].AtoB, topology.Links[0].BtoA = up, down
	lab := netlab.Start(t, topology)
	s := &scene{t: t, ant: lab.Host("ant"), apple: lab.Host("apple"), table: flow.New(flow.Config{})}
	listener, err := s.apple.Listen(4000)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = s.ant.Do(func() (err error) {
		s.capture, err = rawsock.OpenPacket(rawsock.PacketConfig{Interface: "apple"})
		if err != nil {
			return err
		}
		t.Cleanup(func() { s.capture.Close() })
		s.remote = netip.AddrPortFrom(s.apple.Addr(), 4000)
		s.client, err = net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(s.remote))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	s.server = accepted.(*net.TCPConn)
	s.local = s.client.LocalAddr().(*net.TCPAddr).AddrPort()
	return s
}

// ends are the states of both ends, the client's first.
type ends struct{ client, server string }

// ends are those that the table says.
func (s *scene) ends() ends {
	if s.last.Connection == nil {
		return ends{}
	}
	return ends{s.last.Client.String(), s.last.Server.String()}
}

// watch feeds the table with what the capture has until both ends' states are
// the wanted ones, and then the kernels' too.
func (s *scene) watch(client, server string) {
	s.t.Helper()
	s.watchFor(ends{client, server})
}

// watchFor is watch for any of several outcomes.
func (s *scene) watchFor(wanted ...ends) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	arrivals := make([]wire.Arrival, 16)
	for !slices.Contains(wanted, s.ends()) {
		n, err := s.capture.Receive(ctx, arrivals)
		if err != nil {
			s.t.Fatalf("want %v, have %v: %v", wanted, s.ends(), err)
		}
		for _, a := range arrivals[:n] {
			h, payload, err := wire.ParseHeader(a.Datagram)
			if err != nil || h.Protocol != wire.ProtocolTCP {
				continue
			}
			g, err := wire.ParseSegment(payload)
			if err != nil {
				s.t.Fatal(err)
			}
			s.last = s.table.Add(a.At, &h, &g, a.Interface)
		}
	}
	s.kernel("client", s.ant, s.local, s.remote, s.ends().client)
	s.kernel("server", s.apple, s.remote, s.local, s.ends().server)
}

// kernel compares a state with that of a host's own socket.
func (s *scene) kernel(name string, host *netlab.Node, local, remote netip.AddrPort, want string) {
	s.t.Helper()
	var got string
	for deadline := time.Now().Add(patience); got != want; {
		err := host.Do(func() error {
			socket, ok, err := sockdiag.Lookup(local, remote)
			got = "closed"
			if ok {
				got = socket.State.String()
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if got != want && time.Now().After(deadline) {
			s.t.Fatalf("%s: the kernel says %s, the table %s", name, got, want)
		}
	}
}

func (s *scene) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// After every move the states are those that the kernels of both hosts have.
func TestStatesAreTheKernels(t *testing.T) {
	for name, c := range map[string]struct {
		shape netlab.Shape // of both directions
		play  func(*scene)
		close flow.Close
	}{
		"the client closes first, the server later": {netlab.Shape{}, func(s *scene) {
			s.do(s.client.CloseWrite())
			s.watch("fin-wait-2", "close-wait")
			_, err := s.server.Write([]byte("still open"))
			s.do(err)
			s.do(s.server.CloseWrite())
			s.watch("time-wait", "closed")
		}, flow.FourWay},
		"the server closes first": {netlab.Shape{}, func(s *scene) {
			s.do(s.server.Close())
			s.watch("close-wait", "fin-wait-2")
			s.do(s.client.Close())
			s.watch("closed", "time-wait")
		}, flow.FourWay},
		"both close at once": {netlab.Shape{Delay: 50 * time.Millisecond}, func(s *scene) {
			s.do(s.client.CloseWrite())
			s.do(s.server.CloseWrite())
			s.watch("time-wait", "time-wait")
		}, flow.Simultaneous},
		"the server aborts": {netlab.Shape{}, func(s *scene) {
			s.do(s.server.SetLinger(0))
			s.do(s.server.Close())
			s.watch("closed", "closed")
			if r, _ := s.last.Connection.Reset(); r.Shape != flow.Active || r.From != flow.Server {
				s.t.Errorf("reset %+v", r)
			}
		}, flow.ByReset},
		"data after the close": {netlab.Shape{}, func(s *scene) {
			s.do(s.server.Close())
			s.watch("close-wait", "fin-wait-2")
			_, err := s.client.Write([]byte("too late"))
			s.do(err)
			s.watch("closed", "closed")
			if r, _ := s.last.Connection.Reset(); r.Shape != flow.StatelessACK || r.From != flow.Server {
				s.t.Errorf("reset %+v", r)
			}
		}, flow.ByReset},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.shape, c.shape)
			s.watch("established", "established")
			c.play(s)
			if got := s.last.Connection.Close(); got != c.close {
				t.Errorf("close %v, want %v", got, c.close)
			}
		})
	}
}

// One segment of each kind is lost, in front of the capture if the server sent
// it and behind it if the client did. Both ends recover, and so does what is
// said of them.
func TestStatesAfterALoss(t *testing.T) {
	const synACK, finACK = wire.SYN | wire.ACK, wire.FIN | wire.ACK
	for name, c := range map[string]struct {
		fromClient bool
		flags      wire.Flags
		nth        int // of the client's or the server's with these flags
	}{
		"SYN":                 {true, wire.SYN, 1},
		"SYN-ACK":             {false, synACK, 1},
		"ACK of the SYN-ACK":  {true, wire.ACK, 1},
		"first FIN":           {true, finACK, 1},
		"ACK of the first":    {false, wire.ACK, 1},
		"second FIN":          {false, finACK, 1},
		"ACK of the last FIN": {true, wire.ACK, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var up, down netlab.Shape
			drop := []netlab.DropRule{{K: c.nth, Match: func(_ wire.Header, g wire.Segment) bool { return g.Flags == c.flags }}}
			if c.fromClient {
				up.Drop = drop
			} else {
				down.Drop = drop
			}
			s := newScene(t, up, down)
			s.watch("established", "established")
			s.do(s.client.CloseWrite())
			s.watch("fin-wait-2", "close-wait")
			s.do(s.server.Close())
			// A server that waits too long for its ACK, because the machine stood
			// still, sends its FIN again. The ACK of that meets nobody, and the
			// reset which it draws ends TIME-WAIT (RFC 1337, Section 3).
			s.watchFor(ends{"time-wait", "closed"}, ends{"closed", "closed"})
			if r, reset := s.last.Connection.Reset(); reset {
				if r.From != flow.Server {
					t.Errorf("reset %+v", r)
				}
				return
			}
			if got := s.last.Connection; got.Close() != flow.FourWay || !got.ClosedFirst(flow.Client) {
				t.Errorf("close %v", got.Close())
			}
		})
	}
}
