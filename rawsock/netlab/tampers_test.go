package netlab

import (
	"bytes"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The forger answers nothing but SYNs from A, and has every number wrong.
func TestBlindForger(t *testing.T) {
	forger := BlindForger()
	for _, test := range []struct {
		flags wire.Flags
		fromA bool
		forge bool
	}{
		{wire.SYN, true, true},
		{wire.SYN | wire.ECE | wire.CWR, true, true},
		{wire.SYN, false, false},
		{wire.SYN | wire.ACK, true, false},
		{wire.ACK, true, false},
		{wire.RST, true, false},
	} {
		const iss = 1000
		syn := ethernetFrame(t, iss, test.flags)[ethernetLen:]
		forward, back := forger(syn, test.fromA)
		if len(forward) != 1 || !bytes.Equal(forward[0], syn) {
			t.Errorf("%v: not passed on as it came", test.flags)
		}
		if test.forge != (len(back) > 0) {
			t.Errorf("%v, from A %v: %d forged answers", test.flags, test.fromA, len(back))
		}
		for _, datagram := range back {
			checkForged(t, datagram, iss)
		}
	}
	if forward, back := forger([]byte{1, 2, 3}, true); len(forward) != 1 || back != nil {
		t.Error("what is no datagram does not pass")
	}
}

func checkForged(t *testing.T, datagram []byte, iss wire.Seq) {
	t.Helper()
	h, payload, err := wire.ParseHeader(datagram)
	if err != nil || h.Src.String() != "10.0.0.2" || h.Dst.String() != "10.0.0.1" {
		t.Errorf("forged %v > %v, %v", h.Src, h.Dst, err)
	}
	if h.Protocol == wire.ProtocolICMP {
		message, err := wire.ParseICMPError(payload)
		if err != nil || wire.VerifyICMP(payload) != wire.Valid {
			t.Errorf("forged ICMP: %v", err)
		}
		if q, err := wire.ParseQuote(message.Original); err != nil || q.Seq == iss {
			t.Errorf("forged quote of %d, %v", q.Seq, err)
		}
		return
	}
	g, err := wire.ParseSegment(payload)
	if err != nil || wire.VerifyTCP(datagram) != wire.Valid {
		t.Errorf("forged segment: %v", err)
	}
	if g.Flags&wire.ACK != 0 && g.Ack == iss+1 {
		t.Errorf("forged %v acknowledges %d, which is right", g.Flags, g.Ack)
	}
}

func TestAnswer(t *testing.T) {
	tamper := Answer(func(h wire.Header, g wire.Segment) ([][]byte, bool) {
		if g.Seq != 1 {
			return nil, false
		}
		reply, err := Reply(h, g, wire.Segment{Flags: wire.RST, Seq: 5})
		return [][]byte{reply}, err == nil
	})
	mine, other := ethernetFrame(t, 1, wire.ACK)[ethernetLen:], ethernetFrame(t, 2, wire.ACK)[ethernetLen:]
	for _, test := range []struct {
		name          string
		datagram      []byte
		fromA         bool
		forward, back int
	}{
		{"mine", mine, true, 0, 1},
		{"from the other side", mine, false, 1, 0},
		{"not mine", other, true, 1, 0},
		{"no datagram", []byte{1}, true, 1, 0},
	} {
		forward, back := tamper(test.datagram, test.fromA)
		if len(forward) != test.forward || len(back) != test.back {
			t.Errorf("%s: %d forward, %d back; want %d, %d", test.name, len(forward), len(back), test.forward, test.back)
		}
		for _, datagram := range back {
			if wire.VerifyTCP(datagram) != wire.Valid {
				t.Errorf("%s: the answer's checksum is wrong", test.name)
			}
		}
	}
}
