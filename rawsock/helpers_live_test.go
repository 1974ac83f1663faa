//go:build linux

package rawsock_test

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestMain(m *testing.M) { netlab.TestMain(m) }

// patience ends a test that waits for what never comes.
const patience = 10 * time.Second

// link is the shape that Conn and PacketConn share.
type link interface {
	Send([]wire.Departure) error
	Receive(context.Context, []wire.Arrival) (int, error)
	Drops() uint64
	Close() error
}

var (
	_ link = (*rawsock.Conn)(nil)
	_ link = (*rawsock.PacketConn)(nil)
)

// within runs f in a host and fails the test on error.
func within(t *testing.T, host *netlab.Node, f func() error) {
	t.Helper()
	if err := host.Do(f); err != nil {
		t.Fatal(err)
	}
}

// open opens a Conn in a host for the duration of a test.
func open(t testing.TB, host *netlab.Node, config rawsock.Config) *rawsock.Conn {
	t.Helper()
	var c *rawsock.Conn
	err := host.Do(func() (err error) {
		c, err = rawsock.Open(config)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// openPacket opens a PacketConn in a host for the duration of a test.
func openPacket(t testing.TB, host *netlab.Node, config rawsock.PacketConfig) *rawsock.PacketConn {
	t.Helper()
	var c *rawsock.PacketConn
	err := host.Do(func() (err error) {
		c, err = rawsock.OpenPacket(config)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// quiet reserves a quiet port in a host for the duration of a test.
func quiet(t testing.TB, host *netlab.Node) netip.AddrPort {
	t.Helper()
	var q *rawsock.QuietPort
	err := host.Do(func() (err error) {
		q, err = rawsock.ReserveQuietPort(host.Addr(), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q.Local()
}

// unprivileged runs f on a thread of its own that lacks the capabilities.
func unprivileged(host *netlab.Node, f func() error, capabilities ...int) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with us
		result <- host.Do(func() error {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			if err := unix.Capget(&header, &data[0]); err != nil {
				return err
			}
			for _, c := range capabilities {
				data[c/32].Effective &^= 1 << (c % 32)
			}
			if err := unix.Capset(&header, &data[0]); err != nil {
				return err
			}
			return f()
		})
	}()
	return <-result
}

// segment returns a datagram with one TCP segment.
func segment(t testing.TB, ttl uint8, src, dst netip.AddrPort, g wire.Segment) []byte {
	t.Helper()
	g.SrcPort, g.DstPort = src.Port(), dst.Port()
	h := wire.Header{TTL: ttl, DF: true, Protocol: wire.ProtocolTCP, Src: src.Addr(), Dst: dst.Addr()}
	b, err := wire.AppendDatagram(nil, h, g)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func syn(t testing.TB, src, dst netip.AddrPort, seq wire.Seq) []byte {
	return segment(t, 64, src, dst, wire.Segment{Seq: seq, Flags: wire.SYN, Window: 64240, Options: []wire.Option{wire.MSS(1460)}})
}

// send sends datagrams that nobody should refuse, and returns when they left.
func send(t testing.TB, c link, datagrams ...[]byte) []wire.Departure {
	t.Helper()
	batch := make([]wire.Departure, len(datagrams))
	for i, d := range datagrams {
		batch[i].Datagram = d
	}
	if err := c.Send(batch); err != nil {
		t.Fatal(err)
	}
	for _, d := range batch {
		if d.Err != nil {
			t.Fatal(d.Err)
		}
	}
	return batch
}

// heard is an arrival, parsed and kept.
type heard struct {
	wire.Arrival
	header  wire.Header
	segment wire.Segment
	icmp    wire.ICMPError
}

func (h heard) String() string {
	return fmt.Sprintf("%v > %v %v %v", h.header.Src, h.header.Dst, h.segment.Flags, h.segment.Seq)
}

// receive collects arrivals that begin at the IPv4 header until enough says
// so of the last one. What came with it is lost.
func receive(t testing.TB, c link, enough func(heard) bool) []heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []heard
	batch := make([]wire.Arrival, 7) // no divisor of what the kernel hands over
	for {
		n, err := c.Receive(ctx, batch)
		if err != nil {
			t.Fatalf("%v after %v", err, all)
		}
		for _, a := range batch[:n] {
			h := heard{Arrival: a}
			h.Datagram = append([]byte(nil), a.Datagram...)
			var payload []byte
			if h.header, payload, err = wire.ParseHeader(h.Datagram); err != nil {
				t.Fatal(err)
			}
			switch h.header.Protocol {
			case wire.ProtocolTCP:
				h.segment, err = wire.ParseSegment(payload)
			case wire.ProtocolICMP:
				h.icmp, err = wire.ParseICMPError(payload)
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, h)
			if enough(h) {
				return all
			}
		}
	}
}

// count returns an end for receive after n arrivals.
func count(n int) func(heard) bool {
	return func(heard) bool { n--; return n == 0 }
}

func endpoint(host *netlab.Node, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(host.Addr(), port)
}
