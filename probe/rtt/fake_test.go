package rtt

import (
	"context"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// fakeWorld is a network in memory. It runs in a synctest bubble, so its time
// costs none.
type fakeWorld struct {
	// answer says what a segment of ours draws, and after what delay.
	answer func(h wire.Header, g wire.Segment) []fakeReply
	// refuse is why a segment does not leave; nil if it does.
	refuse func(h wire.Header, g wire.Segment) error
	// unreachable are destinations without a route, with the error.
	unreachable map[netip.Addr]error
	// noTap is why there is no tap; nil if there can be one.
	noTap error
	// lag is how much later than the tap the link stamps an arrival.
	lag time.Duration
	// step is what the kernel's clock jumps by between departure and arrival.
	step time.Duration
	// tracked and limit are the connection tracking table's entries; tracks
	// says that what is sent makes some.
	tracked, limit int
	tracks         bool
	// elsewhere says that answers arrive by a device that no tap is on.
	elsewhere bool
	// hold keeps a SYN from leaving for so long, after the user's clock was read.
	hold time.Duration
	// untapped are segments that the tap does not see leave.
	untapped func(g wire.Segment) bool

	mu    sync.Mutex
	sent  []fakeSegment
	link  chan wire.Arrival
	ports map[uint16]bool
	taps  []*fakeTap
	opens []link.Config
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
	apple = netip.MustParseAddr("10.0.0.2")
	berry = netip.MustParseAddr("10.0.0.3")
)

func newFakeWorld() *fakeWorld {
	return &fakeWorld{
		answer:   func(wire.Header, wire.Segment) []fakeReply { return nil },
		refuse:   func(wire.Header, wire.Segment) error { return nil },
		untapped: func(wire.Segment) bool { return false },
		link:     make(chan wire.Arrival, 1<<16),
		ports:    make(map[uint16]bool),
	}
}

func (w *fakeWorld) Path(dst netip.Addr) (link.Path, error) {
	if dst.IsLoopback() {
		return link.Path{Source: dst, Interface: "lo", Index: 1, Local: true}, nil
	}
	return link.Path{Source: ant, Interface: "fake", Index: 2, Neighbors: true, MTU: 1500, MSS: 1460, Window: 64240, WindowScale: 7}, w.unreachable[dst]
}
func (w *fakeWorld) IsLocal(addr netip.Addr) (bool, error) { return addr == ant, nil }
func (w *fakeWorld) Neighbors(int) (map[netip.Addr]link.NeighborState, error) {
	return map[netip.Addr]link.NeighborState{berry: link.Failed}, nil
}
func (w *fakeWorld) Owner(netip.AddrPort, netip.AddrPort) (string, error) { return "", nil }
func (w *fakeWorld) Conntrack() (used, limit int, err error) {
	used = w.tracked
	if w.tracks {
		w.mu.Lock()
		defer w.mu.Unlock()
		used += len(w.sent)
	}
	return used, w.limit, nil
}
func (w *fakeWorld) Loopback() World {
	l := newFakeWorld()
	l.lag, l.noTap = w.lag, w.noTap
	return l
}

func (w *fakeWorld) Reserve(src netip.Addr, port uint16) (link.Port, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if port == 0 {
		port = 40000
		for w.ports[port] {
			port++
		}
	}
	if w.ports[port] {
		return nil, os.NewSyscallError("bind", os.ErrExist)
	}
	w.ports[port] = true
	return fakePort(netip.AddrPortFrom(src, port)), nil
}

type fakePort netip.AddrPort

func (p fakePort) Local() netip.AddrPort { return netip.AddrPort(p) }
func (p fakePort) Close() error          { return nil }

func (w *fakeWorld) Open(c link.Config) (link.Link, error) {
	w.opens = append(w.opens, c)
	return &fakeLink{w, c}, nil
}

func (w *fakeWorld) Tap(string, ...netip.AddrPort) (link.Tap, error) {
	if w.noTap != nil {
		return nil, w.noTap
	}
	t := &fakeTap{arrivals: make(chan wire.Arrival, 1<<16)}
	w.taps = append(w.taps, t)
	return t, nil
}

// fakeTap hears what the world's links do.
type fakeTap struct{ arrivals chan wire.Arrival }

func (t *fakeTap) Pending() bool { return len(t.arrivals) > 0 }
func (t *fakeTap) Drops() uint64 { return 0 }
func (t *fakeTap) Close() error  { return nil }
func (t *fakeTap) Poll(wait time.Duration, batch []wire.Arrival) (int, error) {
	select {
	case a := <-t.arrivals:
		batch[0] = a
		return 1, nil
	case <-time.After(wait):
		return 0, nil
	}
}
func (t *fakeTap) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	select {
	case a := <-t.arrivals:
		batch[0] = a
		return 1, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// tapDelay is how late a tap delivers, as a ring does.
const tapDelay = 4 * time.Millisecond

// overhear lets the taps hear a datagram.
func (w *fakeWorld) overhear(datagram []byte, outgoing bool, device int) {
	a := wire.Arrival{Datagram: datagram, At: time.Now(), Outgoing: outgoing, Interface: device}
	time.AfterFunc(tapDelay, func() {
		for _, t := range w.taps {
			t.arrivals <- a
		}
	})
}

type fakeLink struct {
	*fakeWorld
	config link.Config
}

func (l *fakeLink) Pending() bool { return len(l.link) > 0 }
func (l *fakeLink) Drops() uint64 { return 0 }
func (l *fakeLink) Close() error  { return nil }

func (l *fakeLink) Send(batch []wire.Departure) error {
	for i := range batch {
		d := &batch[i]
		d.At, d.KernelStamp = time.Now(), !l.config.NoTransmitStamps
		datagram := append([]byte(nil), d.Datagram...)
		h, payload, err := wire.ParseHeader(datagram)
		if err != nil {
			return err
		}
		g, err := wire.ParseSegment(payload)
		if err != nil {
			return err
		}
		if err := l.refuse(h, g); err != nil {
			d.Err = &net.OpError{Op: "send", Err: os.NewSyscallError("sendmmsg", err)}
			continue
		}
		if g.Flags == wire.SYN && !h.Dst.IsLoopback() {
			time.Sleep(l.hold)
		}
		l.mu.Lock()
		l.sent = append(l.sent, fakeSegment{d.At, h, g})
		l.mu.Unlock()
		if h.Dst.IsLoopback() {
			l.overhear(datagram, true, 1)
			l.overhear(datagram, false, 1)
			l.link <- wire.Arrival{Datagram: datagram, At: time.Now().Add(l.lag)}
			continue
		}
		if !l.untapped(g) {
			l.overhear(datagram, true, 2)
		}
		for _, r := range l.answer(h, g) {
			time.AfterFunc(r.delay, func() { l.deliver(r.datagram) })
		}
	}
	return nil
}

// deliver lets a datagram arrive.
func (l *fakeLink) deliver(datagram []byte) {
	at := time.Now().Add(l.step)
	a := wire.Arrival{Datagram: datagram, At: at, Interface: 2}
	if l.elsewhere {
		a.Interface = 3
	} else {
		time.AfterFunc(tapDelay, func() {
			for _, t := range l.taps {
				t.arrivals <- a
			}
		})
	}
	if l.config.Except != a.Interface {
		l.link <- wire.Arrival{Datagram: datagram, At: at.Add(l.lag), Interface: a.Interface}
	}
}

func (l *fakeLink) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	select {
	case a := <-l.link:
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
		if g.segment.Flags == flags && !g.header.Dst.IsLoopback() {
			s = append(s, g)
		}
	}
	return s
}

// replyTo makes the datagram with which the destination of a segment answers.
func replyTo(h wire.Header, g wire.Segment, flags wire.Flags, ack wire.Seq) []byte {
	b, err := wire.AppendDatagram(nil,
		wire.Header{TTL: 63, DF: true, Protocol: wire.ProtocolTCP, Src: h.Dst, Dst: h.Src},
		wire.Segment{SrcPort: g.DstPort, DstPort: g.SrcPort, Seq: 1000, Ack: ack, Flags: flags, Window: 64240})
	if err != nil {
		panic(err)
	}
	return b
}

// synAck is a host's answer to a SYN, and nothing to anything else.
func synAck(delay time.Duration, h wire.Header, g wire.Segment) []fakeReply {
	if g.Flags != wire.SYN {
		return nil
	}
	return []fakeReply{{delay, replyTo(h, g, wire.SYN|wire.ACK, g.Seq.Add(1))}}
}

// icmp makes the error with which from answers a segment.
func icmp(from netip.Addr, h wire.Header, g wire.Segment, typ, code uint8) []byte {
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

// scope is a scope of single targets.
func scope(t testing.TB, targets ...netip.AddrPort) probe.Scope {
	t.Helper()
	var all []probe.Target
	for _, a := range targets {
		all = append(all, probe.Target{
			Range: probe.Range{First: a.Addr(), Last: a.Addr()},
			Ports: probe.Ports{{First: a.Port(), Last: a.Port()}},
		})
	}
	s, err := probe.Normalize(all, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spec is what most tests ask for: count probes to port 80 of apple, one every
// interval.
func spec(t testing.TB, count int, interval time.Duration) Spec {
	return Spec{Scope: scope(t, netip.AddrPortFrom(apple, 80)), Count: count, Interval: interval, Timeout: 2 * time.Second}
}

func plan(t testing.TB, s Spec) Plan {
	t.Helper()
	p, err := s.Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// samplesOf is a session's Run, sample by sample.
func samplesOf(s *Session, ctx context.Context) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for batch, err := range s.Run(ctx) {
			if err != nil && !yield(Sample{}, err) {
				return
			}
			for _, x := range batch {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
}

// measure runs a spec to its end.
func measure(t testing.TB, w *fakeWorld, s Spec) ([]Sample, *Session) {
	t.Helper()
	session, err := Open(t.Context(), w, plan(t, s))
	if err != nil {
		t.Fatal(err)
	}
	var samples []Sample
	for x, err := range samplesOf(session, t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, x)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	return samples, session
}

// byReply counts samples by what they are.
func byReply(samples []Sample) map[finding.Reason]int {
	m := make(map[finding.Reason]int)
	for _, s := range samples {
		m[s.Reply]++
	}
	return m
}
