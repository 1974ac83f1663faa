package probe

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// TestDescribe: a capture's comments name the probe and the try, from the
// octets alone.
func TestDescribe(t *testing.T) {
	plan, err := spec(t, "80").Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	to := endpoint{addrNumber(apple), 80}
	h := wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: ant, Dst: apple, ID: plan.ipID(to, 3)}
	g := wire.Segment{SrcPort: 4000, DstPort: 80, Seq: plan.ISN(apple, 80), Flags: wire.SYN}
	sent := func(g wire.Segment) []byte {
		b, err := wire.AppendDatagram(nil, h, g)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	router := netip.MustParseAddr("10.0.0.254")
	for _, test := range []struct {
		name     string
		datagram []byte
		outgoing bool
		want     string
	}{
		{"probe", sent(g), true, "syn 10.0.0.2:80, try 3"},
		{"reset", sent(wire.Segment{SrcPort: 4000, DstPort: 80, Flags: wire.RST}), true, "reset of what syn 10.0.0.2:80 opened"},
		{"malformed, sent", []byte{0x45}, true, ""},
		{"answer", synAck(h, g), false, "answers syn 10.0.0.2:80"},
		{"ICMP", icmp(router, h, g, g.Seq, 3, 13), false, "answers syn 10.0.0.2:80, try 3"},
		{"forged", replyTo(h, g, wire.RST|wire.ACK, 0, 7), false, "does not answer syn 10.0.0.2:80: its number is not ours"},
		{"malformed", []byte{0x45}, false, "not a reply to any probe: malformed, or of another kind"},
	} {
		if got := plan.Describe(test.datagram, test.outgoing); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
