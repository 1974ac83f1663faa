package rtt

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// nowhere is a link that is not asked for anything.
type nowhere struct{ link.Link }

// exchanges returns a function that takes one probe from its departure to its
// sample, all but the kernel's part.
func exchanges(tb testing.TB) func() {
	session := newSession(plan(tb, spec(tb, 0, time.Second)))
	session.world, session.rotations = newFakeWorld(), make(map[netip.Addr]*rotation)
	session.link, session.observer = nowhere{}, new(probe.Listener[event])
	if err := session.route(); err != nil {
		tb.Fatal(err)
	}
	r, err := session.newRun()
	if err != nil {
		tb.Fatal(err)
	}
	listen, observe := listener(func() {}), observer(func(netip.AddrPort) bool { return false }, func() {})
	take := func(hear func(wire.Arrival) (event, bool), a wire.Arrival, tapped bool) {
		e, ok := hear(a)
		if !ok {
			tb.Fatal("not heard")
		}
		r.take(&e, tapped)
	}
	t := r.targets[0]
	var reply []byte
	return func() {
		r.put(t)
		d := &r.out.Departures[0]
		d.At = time.Now()
		r.departed(r.out.Owners[0], d, r.now(), r.now()+r.plan.Spec.Timeout)
		take(observe, wire.Arrival{Datagram: d.Datagram, At: d.At, Outgoing: true, Interface: 2}, true)
		reply, err = wire.AppendDatagram(reply[:0],
			wire.Header{TTL: 63, DF: true, Protocol: wire.ProtocolTCP, Src: apple, Dst: ant},
			wire.Segment{SrcPort: 80, DstPort: t.rotation.locals[r.plan.slot(t.sent)].Port(), Ack: t.ISN(t.sent).Add(1), Flags: wire.SYN | wire.ACK})
		if err != nil {
			tb.Fatal(err)
		}
		a := wire.Arrival{Datagram: reply, At: time.Now(), Interface: 2}
		take(listen, a, false)
		take(observe, a, true)
		r.out.Clear()
		r.pending()
		if len(r.done) != 1 || !r.done[0].Answered() {
			tb.Fatalf("%+v", r.done)
		}
		r.flush(func([]Sample, error) bool { return true })
	}
}

func BenchmarkExchange(b *testing.B) {
	exchange := exchanges(b)
	b.ReportAllocs()
	for b.Loop() {
		exchange()
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	exchange := exchanges(t)
	for range 10 {
		exchange() // queues find their size
	}
	if n := testing.AllocsPerRun(1000, exchange); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
