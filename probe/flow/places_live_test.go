//go:build linux

package flow_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// sight is a segment that a capture has seen.
type sight struct {
	at    time.Time
	place int
	parcel
}

// eye is a capture on one device of a host, or on all of them.
type eye struct {
	t      *testing.T
	conn   *rawsock.PacketConn
	offset int // tells its places from those of others
	sights []sight
	table  *flow.Table
	last   flow.Event
	told   []string // what its segments did, copies excepted
}

func newEye(t *testing.T, host *netlab.Node, device string, offset int) *eye {
	t.Helper()
	e := &eye{t: t, offset: offset, table: flow.New(flow.Config{Copies: device == "" || device == "lo"})}
	must(t, host.Do(func() (err error) {
		e.conn, err = rawsock.OpenPacket(rawsock.PacketConfig{Interface: device})
		return err
	}))
	t.Cleanup(func() { e.conn.Close() })
	return e
}

// watch looks on until all connections that it has seen are closed, with one
// end in TIME-WAIT, and there are as many as wanted.
func (e *eye) watch(connections int) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	arrivals := make([]wire.Arrival, 16)
	for !e.over(connections) {
		n, err := e.conn.Receive(ctx, arrivals)
		if err != nil {
			e.t.Fatalf("%v; seen %q", err, e.told)
		}
		for _, a := range arrivals[:n] {
			p, ok := unpack(e.t, a.Datagram)
			if !ok {
				continue
			}
			s := sight{a.At, e.offset + a.Interface<<1, p}
			if a.Outgoing {
				s.place |= 1
			}
			e.sights = append(e.sights, s)
			e.see(s)
		}
	}
}

func (e *eye) see(s sight) {
	e.last = e.table.Add(s.at, &s.header, &s.segment, s.place)
	if !e.last.Copy {
		e.told = append(e.told, fmt.Sprintf("%v: %v / %v %v", e.last.From, e.last.Steps, e.last.Client, e.last.Server))
	}
}

func (e *eye) over(connections int) bool {
	for c := range e.table.All() {
		if c.End(flow.Client).State() == flow.TimeWait && c.End(flow.Server).State() == flow.Closed {
			connections--
		}
	}
	// The copies of the last segment are under way.
	return connections <= 0 && (e.table.Copies() == 0 || 2*e.table.Copies() >= uint64(len(e.sights)))
}

// converse has a connection: a request, an answer, and a close in which either
// end waits for the other.
func converse(t *testing.T, client *netlab.Node, listener net.Listener, to netip.AddrPort) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 5))
		}
		if err == nil {
			_, err = conn.Write([]byte("answer."))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
			conn.Close()
		}
		done <- err
	}()
	must(t, client.Do(func() error {
		conn, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err = conn.Write([]byte("asked")); err != nil {
			return err
		}
		if _, err = io.ReadFull(conn, make([]byte, 7)); err != nil {
			return err
		}
		if err = conn.CloseWrite(); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, conn)
		return err
	}))
	must(t, <-done)
}

// threeHosts are ant, a router and apple.
func threeHosts() netlab.Topology {
	topology := netlab.Masquerading()
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	topology.Hosts[1].NAT = netlab.NAT{}
	topology.Hosts[2].Routes = []netlab.Route{{To: everywhere, Via: netip.MustParseAddr("203.0.113.1")}}
	return topology
}

// A router sees every segment come and go. On all its devices together the
// same is to be seen as on one of them, and as in the captures of all three
// hosts put together.
func TestRouterSeesEverythingTwiceLive(t *testing.T) {
	t.Parallel()
	lab := netlab.Start(t, threeHosts())
	ant, router, apple := lab.Host("ant"), lab.Host("router"), lab.Host("apple")
	listener, err := apple.Listen(83)
	must(t, err)
	defer listener.Close()
	eyes := []*eye{
		newEye(t, router, "ant", 0), newEye(t, router, "", 1<<10), newEye(t, ant, "router", 2<<10), newEye(t, apple, "router", 3<<10),
	}
	converse(t, ant, listener, netip.AddrPortFrom(apple.Addr(), 83))
	for _, e := range eyes {
		e.watch(1)
	}
	one, all := eyes[0], eyes[1]
	if !slices.Equal(one.told, all.told) || all.table.Copies() != uint64(len(one.sights)) {
		t.Errorf("on one device\n%q\non all, with %d copies\n%q", one.told, all.table.Copies(), all.told)
	}
	merged := &eye{t: t, table: flow.New(flow.Config{Copies: true})}
	var sights []sight
	for _, e := range eyes[1:] {
		sights = append(sights, e.sights...)
	}
	slices.SortStableFunc(sights, func(a, b sight) int { return a.at.Compare(b.at) })
	for _, s := range sights {
		merged.see(s)
	}
	if !slices.Equal(one.told, merged.told) || merged.table.Copies() != uint64(3*len(one.sights)) {
		t.Errorf("on one device\n%q\nmerged, with %d copies\n%q", one.told, merged.table.Copies(), merged.told)
	}
}

// The loopback device shows every segment as it is sent and as it comes.
func TestLoopbackLive(t *testing.T) {
	t.Parallel()
	lab := netlab.Start(t, netlab.Pair())
	ant := lab.Host("ant")
	listener, err := ant.Listen(81)
	must(t, err)
	defer listener.Close()
	e := newEye(t, ant, "lo", 0)
	converse(t, ant, listener, netip.AddrPortFrom(ant.Addr(), 81))
	e.watch(1)
	if c := e.last.Connection; c.Copies() != c.Segments() || c.Close() != flow.FourWay && c.Close() != flow.ThreeSegment {
		t.Errorf("%d copies of %d segments, close %v\n%q", c.Copies(), c.Segments(), c.Close(), e.told)
	}
	for _, s := range []flow.Side{flow.Client, flow.Server} {
		if n := e.last.Connection.End(s).Retransmissions(); n != 0 {
			t.Errorf("the %v sent %d again: %q", s, n, e.told)
		}
	}
}

// A NAT makes two connections of one, and neither is the other's copy.
func TestMasqueradeLive(t *testing.T) {
	t.Parallel()
	lab := netlab.Start(t, netlab.Masquerading())
	ant, router, apple := lab.Host("ant"), lab.Host("router"), lab.Host("apple")
	listener, err := apple.Listen(82)
	must(t, err)
	defer listener.Close()
	e := newEye(t, router, "", 0)
	converse(t, ant, listener, netip.AddrPortFrom(apple.Addr(), 82))
	e.watch(2)
	if e.table.Len() != 2 || e.table.Copies() != 0 {
		t.Errorf("%d connections, %d copies: %q", e.table.Len(), e.table.Copies(), e.told)
	}
	outside := netip.MustParseAddr("203.0.113.1")
	clients := map[netip.Addr]bool{}
	for c := range e.table.All() {
		clients[c.End(flow.Client).Addr().Addr()] = true
	}
	if !clients[ant.Addr()] || !clients[outside] {
		t.Errorf("clients %v", clients)
	}
}
