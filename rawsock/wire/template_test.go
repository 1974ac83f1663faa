package wire

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// TestTemplate holds datagrams from templates against ones encoded afresh.
func TestTemplate(t *testing.T) {
	ipOptions := probeHeader()
	ipOptions.Options = []byte{0x94, 4, 0, 0}
	badIPChecksum := probeHeader()
	badIPChecksum.Checksum, badIPChecksum.KeepChecksum = 0xbad1, true
	badChecksum := linuxSYN()
	badChecksum.Checksum, badChecksum.KeepChecksum = 0xbad2, true
	ack := Segment{Flags: ACK, Seq: 7, Ack: 9, Options: []Option{NOP(), NOP(), Timestamps(1, 2)}, Payload: []byte("odd")}
	oddTS := Segment{Flags: SYN, Options: []Option{NOP(), Timestamps(1, 2), Timestamps(3, 4)}}
	for _, c := range []struct {
		name string
		h    Header
		g    Segment
	}{
		{"SYN", probeHeader(), linuxSYN()},
		{"bare", probeHeader(), Segment{Flags: SYN}},
		{"IP options", ipOptions, linuxSYN()},
		{"bad IP checksum", badIPChecksum, linuxSYN()},
		{"bad TCP checksum", probeHeader(), badChecksum},
		{"data", probeHeader(), ack},
		{"timestamps at an odd place", probeHeader(), oddTS},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmpl, err := NewTemplate(c.h, c.g)
			if err != nil {
				t.Fatal(err)
			}
			want := mustDatagram(t, c.h, c.g)
			if got := tmpl.AppendTo([]byte("before"), tmpl.Vary()); !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Fatalf("unchanged:\n got %x\nwant %x", got, want)
			}
			if tmpl.Len() != len(want) {
				t.Errorf("Len %d, want %d", tmpl.Len(), len(want))
			}
			rng := rand.New(rand.NewPCG(3, 4))
			for range 1000 {
				v := randomVary(rng)
				h, g := apply(v, c.h, c.g)
				want := mustDatagram(t, h, g)
				if got := tmpl.AppendTo(nil, v); !bytes.Equal(got, want) {
					t.Fatalf("%+v:\n got %x\nwant %x", v, got, want)
				}
			}
		})
	}
}

func randomVary(rng *rand.Rand) Vary {
	// Zeros and ones often, since carries are what goes wrong.
	u32 := func() uint32 {
		switch rng.IntN(4) {
		case 0:
			return 0
		case 1:
			return 0xffffffff
		default:
			return rng.Uint32()
		}
	}
	addr := func() [4]byte { v := u32(); return [4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
	return Vary{
		Src: addr(), Dst: addr(), SrcPort: uint16(u32()), DstPort: uint16(u32()),
		Seq: Seq(u32()), Ack: Seq(u32()), ID: uint16(u32()), TSval: u32(),
	}
}

// apply changes a header and a segment as a template does.
func apply(v Vary, h Header, g Segment) (Header, Segment) {
	h.Src, h.Dst, h.ID = netip.AddrFrom4(v.Src), netip.AddrFrom4(v.Dst), v.ID
	g.SrcPort, g.DstPort, g.Seq, g.Ack = v.SrcPort, v.DstPort, v.Seq, v.Ack
	g.Options = append([]Option(nil), g.Options...)
	for i, o := range g.Options {
		if _, ecr, ok := o.Timestamps(); ok {
			g.Options[i] = Timestamps(v.TSval, ecr)
			break
		}
	}
	return h, g
}

func TestTemplateKeepsNothing(t *testing.T) {
	g := linuxSYN()
	g.Payload = []byte("data")
	tmpl, err := NewTemplate(probeHeader(), g)
	if err != nil {
		t.Fatal(err)
	}
	before := tmpl.AppendTo(nil, tmpl.Vary())
	g.Payload[0], g.Options[0].Data[0] = 'D', 9
	if after := tmpl.AppendTo(nil, tmpl.Vary()); !bytes.Equal(before, after) {
		t.Error("the template changed with the segment that it was made from")
	}
}

func TestTemplateError(t *testing.T) {
	if _, err := NewTemplate(Header{}, linuxSYN()); err == nil {
		t.Error("a header without addresses made a template")
	}
}
