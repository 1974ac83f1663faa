package probe

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// FuzzReply gives what may come from the network to all that reads it: none
// of it panics, every reply has a finding and an explanation, and every
// record is in order.
func FuzzReply(f *testing.F) {
	plan, err := spec(f, "80").Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		f.Fatal(err)
	}
	h := wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: ant, Dst: apple}
	g := wire.Segment{SrcPort: 4000, DstPort: 80, Flags: wire.SYN, Seq: plan.ISN(apple, 80)}
	for _, seed := range [][]byte{
		nil, synAck(h, g), rst(h, g), icmp(apple, h, g, g.Seq, 3, 3), icmp(gateway, h, g, 7, 11, 0), icmp(gateway, h, g, g.Seq, 12, 0),
		replyTo(h, g, wire.ACK, 1, 2), replyTo(h, g, wire.SYN, 1, 0), replyTo(h, g, wire.RST, 1, 0), replyTo(h, g, wire.FIN|wire.ACK, 1, 2),
		replyTo(h, g, wire.SYN|wire.ACK, 1, g.Seq.Add(1), wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(1, 2), wire.WindowScale(7)),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		for _, outgoing := range []bool{false, true} {
			plan.Describe(datagram, outgoing)
		}
		if err := SegmentRecord(datagram).Validate(); err != nil {
			t.Error(err)
		}
		ear := Ear{credulous: true}
		heard, ok := ear.Hear(wire.Arrival{Datagram: datagram})
		if !ok {
			return
		}
		for _, flags := range []wire.Flags{0, wire.SYN, wire.ACK, wire.RST, wire.SYN | wire.FIN} {
			if craftSpec(flags).explain(1000, &heard, wire.VerifyTCP(datagram)) == "" {
				t.Errorf("no explanation of %+v", heard.Reply)
			}
		}
		x := Exchange{Method: Syn, Probe: Probe{Addr: apple, Port: 80, HostPorts: 1}, Local: netip.AddrPortFrom(ant, 4000), Tries: 1, Reply: &heard.Reply}
		if err := Judge(x).Record().Validate(); err != nil {
			t.Errorf("%v: %+v", err, heard.Reply)
		}
		flight := (&host{probe: x.Probe}).flight(80)
		flight.tries = make([]try, 3)
		flight.answered(plan, &heard.Reply)
	})
}
