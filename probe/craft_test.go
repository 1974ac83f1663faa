package probe

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func craftSpec(flags wire.Flags) CraftSpec {
	seq := wire.Seq(1000)
	return CraftSpec{
		Target: netip.AddrPortFrom(apple, 80), Flags: flags, Seq: &seq,
		Window: 512, TTL: 64, DF: true, Count: 1, Timeout: time.Second,
	}
}

// craft runs a spec in a fake world; it must be called in a synctest bubble.
func craft(t *testing.T, w *fakeWorld, spec CraftSpec) ([]finding.Record, CraftTally, error) {
	t.Helper()
	var records []finding.Record
	tally, err := Craft(t.Context(), w, spec, rand.New(rand.NewPCG(1, 2)), func(r finding.Record) error {
		records = append(records, r)
		return r.Validate()
	})
	return records, tally, err
}

// TestExplanations holds the explanation of every kind of answer against what
// RFC 9293 and the measured kernels say it means.
func TestExplanations(t *testing.T) {
	router := netip.MustParseAddr("10.0.0.254")
	ack := wire.Seq(5000)
	tests := []struct {
		name   string
		spec   CraftSpec
		answer func(h wire.Header, g wire.Segment) []byte
		want   string
	}{
		{"open", craftSpec(wire.SYN), synAck, "the port is open"},
		{"open, data not taken", withData(craftSpec(wire.SYN)), synAck, "the port is open: SYN-ACK; it takes the SYN and 0 of 5 octets of data"},
		{"open, data taken", withData(craftSpec(wire.SYN)), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.SYN|wire.ACK, 1, g.Seq.Add(6))
		}, "the port is open: SYN-ACK"},
		{"too long", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, g.Seq, 3, 4)
		}, "must not be fragmented"},
		{"parameter problem", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, g.Seq, 12, 0)
		}, "has an error to report about it (icmp-12-0)"},
		{"forged SYN-ACK", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.SYN|wire.ACK, 1, 7)
		}, "acknowledges 7, not 1001"},
		{"SYN-ACK to a FIN", craftSpec(wire.FIN), synAck, "no SYN was sent"},
		{"closed", craftSpec(wire.SYN), rst, "the port is closed"},
		{"closed to a FIN", craftSpec(wire.FIN), rst, "the port is closed"},
		{"RST that does not fit", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.RST|wire.ACK, 0, 7)
		}, "perhaps forged"},
		{"no connection", withAck(craftSpec(wire.ACK), &ack), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.RST, g.Ack, 0)
		}, "no connection here takes this segment"},
		{"RST with a number of its own", withAck(craftSpec(wire.ACK), &ack), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.RST, 1, 0)
		}, "instead of our acknowledgement number 5000"},
		{"RST with a number, to ACK 0", craftSpec(wire.ACK), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.RST, 77, 0)
		}, "instead of our acknowledgement number 0"},
		{"aborted socket", withAck(craftSpec(wire.ACK), &ack), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.RST|wire.ACK, 5000, 1000)
		}, "aborted its connection"},
		{"challenge ACK", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.ACK, 77, 88)
		}, "expects 88 next"},
		{"simultaneous open", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return replyTo(h, g, wire.SYN, 77, 0)
		}, "simultaneous open"},
		{"rejected on the way", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, g.Seq, 3, 13)
		}, "a device on the way rejects it by a firewall's rule (icmp-admin-prohibited)"},
		{"rejected by the host", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(apple, h, g, g.Seq, 3, 3)
		}, "the host itself rejects it"},
		{"no way", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, g.Seq, 3, 1)
		}, "no way to the destination"},
		{"TTL", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, g.Seq, 11, 0)
		}, "TTL of 64 ended"},
		{"forged ICMP", craftSpec(wire.SYN), func(h wire.Header, g wire.Segment) []byte {
			return icmp(router, h, g, 5, 3, 3)
		}, "we sent 1000: forged"},
		{"bad checksum", badSum(craftSpec(wire.SYN)), rst, "a device on the way made this"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
					if g.Flags == wire.RST {
						return nil
					}
					return after(ms, test.answer(h, g))
				}
				records, tally, err := craft(t, w, test.spec)
				if err != nil || tally.Received != 1 {
					t.Fatalf("tally %+v, %v", tally, err)
				}
				if got := records[1].Text("explanation"); !strings.Contains(got, test.want) {
					t.Errorf("got %q, want something with %q", got, test.want)
				}
				resets := len(w.segments(wire.RST))
				if wantReset := strings.HasPrefix(test.name, "open"); (resets == 1) != wantReset {
					t.Errorf("%d resets", resets)
				}
			})
		})
	}
}

func withAck(s CraftSpec, ack *wire.Seq) CraftSpec { s.Ack = ack; return s }
func withData(s CraftSpec) CraftSpec               { s.Data = []byte("hello"); return s }
func badSum(s CraftSpec) CraftSpec                 { s.BadSum = true; return s }

// TestSilence: what it means that nothing answers depends on what was sent.
func TestSilence(t *testing.T) {
	tests := []struct {
		spec CraftSpec
		want string
	}{
		{craftSpec(wire.SYN), "accept queue"},
		{craftSpec(wire.SYN | wire.FIN), "may ignore"},
		{craftSpec(wire.RST), "RFC 5961"},
		{craftSpec(wire.ACK), "firewall"},
		{craftSpec(wire.FIN), "an open one ignores"},
		{craftSpec(0), "an open one ignores"},
		{badSum(craftSpec(wire.SYN)), "bad checksum"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			_, tally, err := craft(t, newFakeWorld(), test.spec)
			if err != nil || !strings.Contains(tally.Detail, test.want) {
				t.Errorf("%v: %q, %v; want something with %q", test.spec.Flags, tally.Detail, err, test.want)
			}
		})
	}
}

// TestOwned: nothing that could harm goes into a connection of this host.
func TestOwned(t *testing.T) {
	data := craftSpec(wire.ACK)
	data.Data = []byte("x")
	tests := []struct {
		spec  CraftSpec
		harms bool
	}{
		{craftSpec(wire.SYN), true}, {craftSpec(wire.RST), true}, {craftSpec(wire.FIN | wire.ACK), true},
		{data, true}, {craftSpec(wire.ACK), false}, {craftSpec(0), false},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			w := newFakeWorld()
			w.owner = "ESTAB"
			test.spec.SourcePort = 4000
			_, _, err := craft(t, w, test.spec)
			var owned *OwnedError
			if errors.As(err, &owned) != test.harms {
				t.Errorf("%v: %v", test.spec.Flags, err)
			}
			if sent := len(w.sent); (sent == 0) != test.harms {
				t.Errorf("%v: %d segments were sent", test.spec.Flags, sent)
			}
		})
	}
}

func TestCraftedDatagram(t *testing.T) {
	id, ack := uint16(0x1234), wire.Seq(9)
	spec := craftSpec(wire.ACK | wire.PSH)
	spec.Ack, spec.IPID, spec.DSCP, spec.Urgent = &ack, &id, 46, 3
	spec.Data = []byte("hello")
	spec.Options = []wire.Option{wire.MSS(1200)}
	for _, bad := range []bool{false, true} {
		spec.BadSum = bad
		b, err := spec.Datagram(netip.AddrPortFrom(ant, 4000), 1000)
		if err != nil {
			t.Fatal(err)
		}
		h, payload, err := wire.ParseHeader(b)
		if err != nil || h.TOS != 46<<2 || h.ID != id || h.TTL != 64 || !h.DF || h.Src != ant || h.Dst != apple {
			t.Errorf("header %+v, %v", h, err)
		}
		g, err := wire.ParseSegment(payload)
		if err != nil || g.Seq != 1000 || g.Ack != 9 || g.Window != 512 || g.Urgent != 3 || string(g.Payload) != "hello" || len(g.Options) != 1 {
			t.Errorf("segment %+v, %v", g, err)
		}
		want := wire.Valid
		if bad {
			want = wire.Invalid
		}
		if got := wire.VerifyTCP(b); got != want {
			t.Errorf("badsum %v: checksum %v", bad, got)
		}
	}
}

func TestCraftRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.refuse = func(wire.Header, wire.Segment) error { return syscall.EPERM }
		if _, _, err := craft(t, w, craftSpec(wire.SYN)); !errors.Is(err, syscall.EPERM) {
			t.Errorf("error %v, want EPERM", err)
		}
	})
}
