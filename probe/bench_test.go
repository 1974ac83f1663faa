package probe

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// allPorts is a scan of every port of one host, as fast as answers come.
func allPorts(b *testing.B) (*Session, Plan) {
	s := spec(b, "-")
	s.Rate = 0
	return open(b, newClosedWorld(b), s)
}

// perProbe reports what one of n probes costs.
func perProbe(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/probe")
}

func BenchmarkProbes(b *testing.B) {
	_, plan := allPorts(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range plan.Probes() {
			n++
		}
	}
	perProbe(b, n)
}

func BenchmarkHear(b *testing.B) {
	h := wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: ant, Dst: apple}
	g := wire.Segment{SrcPort: 4000, DstPort: 80, Flags: wire.SYN, Seq: 1}
	for name, datagram := range map[string][]byte{
		"rst":    rst(h, g),
		"synack": replyTo(h, g, wire.SYN|wire.ACK, 7, 2, wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(1, 2), wire.NOP(), wire.WindowScale(7)),
		"icmp":   icmp(apple, h, g, 1, 3, 3),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var ear Ear
			for b.Loop() {
				if _, ok := ear.Hear(wire.Arrival{Datagram: datagram}); !ok {
					b.Fatal("not heard")
				}
			}
		})
	}
}

// TestHearAllocatesNothing: most of what a scan hears are resets.
func TestHearAllocatesNothing(t *testing.T) {
	h := wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: ant, Dst: apple}
	a := wire.Arrival{Datagram: rst(h, wire.Segment{SrcPort: 4000, DstPort: 80, Flags: wire.SYN})}
	var ear Ear
	if n := testing.AllocsPerRun(100, func() { ear.Hear(a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// closedWorld has one host, whose ports are all closed and answer at once. It
// allocates twice for 64 probes.
type closedWorld struct {
	*fakeWorld
	reset   *wire.Template
	replies chan []wire.Arrival
}

func newClosedWorld(t testing.TB) *closedWorld {
	w := &closedWorld{fakeWorld: newFakeWorld(), replies: make(chan []wire.Arrival, 1024)}
	w.path.Neighbors = false
	var err error
	w.reset, err = wire.NewTemplate(
		wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: unspecified, Dst: unspecified},
		wire.Segment{Flags: wire.RST | wire.ACK})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *closedWorld) Open(link.Config) (link.Link, error) { return w, nil }
func (w *closedWorld) Pending() bool                       { return len(w.replies) > 0 }

func (w *closedWorld) Send(batch []wire.Departure) error {
	replies := make([]wire.Arrival, len(batch))
	octets := make([]byte, 0, len(batch)*w.reset.Len())
	now := time.Now()
	for i := range batch {
		batch[i].At = now
		ip, tcp := batch[i].Datagram[:20], batch[i].Datagram[20:]
		start := len(octets)
		octets = w.reset.AppendTo(octets, wire.Vary{
			Src: [4]byte(ip[16:]), Dst: [4]byte(ip[12:]),
			SrcPort: binary.BigEndian.Uint16(tcp[2:]), DstPort: binary.BigEndian.Uint16(tcp),
			Ack: wire.Seq(binary.BigEndian.Uint32(tcp[4:])).Add(1),
		})
		replies[i] = wire.Arrival{Datagram: octets[start:], At: now.Add(time.Millisecond)}
	}
	w.replies <- replies
	return nil
}

func (w *closedWorld) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	select {
	case r := <-w.replies:
		return copy(batch, r), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// BenchmarkRun is the whole way of a probe, the kernel's part apart.
func BenchmarkRun(b *testing.B) {
	session, plan := allPorts(b)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for x, err := range session.Run(b.Context(), plan) {
			if err != nil || Judge(x).State != finding.Closed {
				b.Fatal(x, err)
			}
			n++
		}
	}
	perProbe(b, n)
}
