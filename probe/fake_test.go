package probe

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// fakeWorld is a network in memory, for tests of what no real one does on
// demand. It runs in a synctest bubble, so its time costs none.
type fakeWorld struct {
	path link.Path
	// answer says what a segment of ours draws, and after what delay.
	answer func(h wire.Header, g wire.Segment) []fakeReply
	// refuse is why a segment does not leave; nil if it does.
	refuse func(h wire.Header, g wire.Segment) error
	// unreachable are destinations without a route, with the error.
	unreachable map[netip.Addr]error
	unresolved  map[netip.Addr]bool
	failed      map[netip.Addr]bool
	tracked     [2]int
	tracks      bool // what is sent gets entries
	owner       string

	mu       sync.Mutex
	sent     []fakeSegment
	arrivals chan wire.Arrival
	held     atomic.Bool
}

type fakeReply struct {
	delay    time.Duration
	datagram []byte
}

type fakeSegment struct {
	at      time.Time
	header  wire.Header
	segment wire.Segment
}

var (
	ant   = netip.MustParseAddr("10.0.0.1")
	ant2  = netip.MustParseAddr("10.0.0.9") // another address of ant's
	apple = netip.MustParseAddr("10.0.0.2")
)

func newFakeWorld() *fakeWorld {
	return &fakeWorld{
		path:     link.Path{Source: ant, Interface: "fake", Index: 1, Gateway: netip.MustParseAddr("10.0.0.254"), MTU: 1500, MSS: 1460, Window: 64240, WindowScale: 7, Neighbors: true},
		answer:   func(wire.Header, wire.Segment) []fakeReply { return nil },
		refuse:   func(wire.Header, wire.Segment) error { return nil },
		arrivals: make(chan wire.Arrival, 1<<16),
	}
}

func (w *fakeWorld) Path(dst netip.Addr) (link.Path, error) { return w.path, w.unreachable[dst] }
func (w *fakeWorld) IsLocal(addr netip.Addr) (bool, error)  { return addr == ant || addr == ant2, nil }
func (w *fakeWorld) Neighbors(int) (map[netip.Addr]link.NeighborState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := map[netip.Addr]link.NeighborState{apple: link.Found, w.path.Gateway: link.Found}
	for addr := range w.unresolved {
		states[addr] = link.Incomplete
	}
	for addr, failed := range w.failed {
		if failed {
			states[addr] = link.Failed
		}
	}
	return states, nil
}
func (w *fakeWorld) Owner(local, remote netip.AddrPort) (string, error) { return w.owner, nil }
func (w *fakeWorld) Conntrack() (used, limit int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tracks {
		return w.tracked[0] + len(w.sent), w.tracked[1], nil
	}
	return w.tracked[0], w.tracked[1], nil
}
func (w *fakeWorld) Open(link.Config) (link.Link, error) { return w, nil }
func (w *fakeWorld) Pending() bool                       { return w.held.Load() || len(w.arrivals) > 0 }
func (w *fakeWorld) Drops() uint64                       { return 0 }
func (w *fakeWorld) Close() error                        { return nil }

func (w *fakeWorld) Reserve(src netip.Addr, port uint16) (link.Port, error) {
	if port == 0 {
		port = 40000
	}
	return fakePort(netip.AddrPortFrom(src, port)), nil
}

type fakePort netip.AddrPort

func (p fakePort) Local() netip.AddrPort { return netip.AddrPort(p) }
func (p fakePort) Close() error          { return nil }

func (w *fakeWorld) Send(batch []wire.Departure) error {
	for i := range batch {
		d := &batch[i]
		d.At = time.Now()
		h, payload, err := wire.ParseHeader(d.Datagram)
		if err != nil {
			return err
		}
		g, err := wire.ParseSegment(append([]byte(nil), payload...))
		if err != nil {
			return err
		}
		if err := w.refuse(h, g); err != nil {
			d.Err = &net.OpError{Op: "send", Err: os.NewSyscallError("sendmmsg", err)}
			continue
		}
		w.mu.Lock()
		w.sent = append(w.sent, fakeSegment{d.At, h, g})
		w.mu.Unlock()
		for _, r := range w.answer(h, g) {
			time.AfterFunc(r.delay, func() {
				w.arrivals <- wire.Arrival{Datagram: r.datagram, At: time.Now()}
			})
		}
	}
	return nil
}

func (w *fakeWorld) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	w.held.Store(false)
	select {
	case a := <-w.arrivals:
		w.held.Store(true)
		batch[0] = a
		return 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// segments returns what was sent so far with exactly these flags.
func (w *fakeWorld) segments(flags wire.Flags) []fakeSegment {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s []fakeSegment
	for _, g := range w.sent {
		if g.segment.Flags == flags {
			s = append(s, g)
		}
	}
	return s
}

// replyTo makes the datagram with which the destination of a segment answers.
func replyTo(h wire.Header, g wire.Segment, flags wire.Flags, seq, ack wire.Seq, options ...wire.Option) []byte {
	b, err := wire.AppendDatagram(nil,
		wire.Header{TTL: 64, DF: true, Protocol: wire.ProtocolTCP, Src: h.Dst, Dst: h.Src},
		wire.Segment{SrcPort: g.DstPort, DstPort: g.SrcPort, Seq: seq, Ack: ack, Flags: flags, Window: 64240, Options: options})
	if err != nil {
		panic(err)
	}
	return b
}

// synAck and rst are what a host's TCP answers.
func synAck(h wire.Header, g wire.Segment) []byte {
	return replyTo(h, g, wire.SYN|wire.ACK, 1000, g.Seq.Add(1))
}

func rst(h wire.Header, g wire.Segment) []byte {
	return replyTo(h, g, wire.RST|wire.ACK, 0, g.Seq.Add(1))
}

// icmp makes the error with which from answers a segment, quoting it with the
// given sequence number.
func icmp(from netip.Addr, h wire.Header, g wire.Segment, seq wire.Seq, typ, code uint8) []byte {
	g.Seq = seq
	original, err := wire.AppendDatagram(nil, h, g)
	if err != nil {
		panic(err)
	}
	b, err := wire.AppendICMPError(nil,
		wire.Header{TTL: 64, Protocol: wire.ProtocolICMP, Src: from, Dst: h.Src},
		wire.ICMPError{Type: typ, Code: code, Original: original})
	if err != nil {
		panic(err)
	}
	return b
}

// after returns one reply with a delay.
func after(delay time.Duration, datagram []byte) []fakeReply {
	return []fakeReply{{delay, datagram}}
}

// ports is a set of ports written as the user would.
func ports(t testing.TB, s string) Ports {
	t.Helper()
	p, err := ParsePorts(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
