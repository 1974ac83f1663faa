package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// oracleRounds is how many random datagrams go each way.
const oracleRounds = 3000

// randomDatagram returns values that both implementations can express:
// gopacket knows one of the four reserved bits, and takes Multipath TCP apart.
func randomDatagram(rng *rand.Rand) (Header, Segment) {
	octets := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	h := Header{
		TOS: uint8(rng.Uint32()), ID: uint16(rng.Uint32()), Evil: rng.IntN(2) == 0, DF: rng.IntN(2) == 0,
		TTL: uint8(rng.Uint32()), Src: netip.AddrFrom4([4]byte(octets(4))), Dst: netip.AddrFrom4([4]byte(octets(4))),
	}
	if n := rng.IntN(4); n > 0 {
		h.Options = append([]byte{0x94, byte(4 * n)}, octets(4*n-2)...)
	}
	g := Segment{
		SrcPort: uint16(rng.Uint32()), DstPort: uint16(rng.Uint32()), Seq: Seq(rng.Uint32()), Ack: Seq(rng.Uint32()),
		Reserved: uint8(rng.IntN(2)), Flags: Flags(rng.Uint32()), Window: uint16(rng.Uint32()), Urgent: uint16(rng.Uint32()),
		Payload: octets(rng.IntN(50)),
	}
	choices := []func() Option{
		NOP, SACKPermitted,
		func() Option { return MSS(uint16(rng.Uint32())) },
		func() Option { return WindowScale(uint8(rng.Uint32())) },
		func() Option { return Timestamps(rng.Uint32(), rng.Uint32()) },
		func() Option { return SACK(SACKBlock{Seq(rng.Uint32()), Seq(rng.Uint32())}) },
		func() Option { return MD5([16]byte(octets(16))) },
		func() Option { return AO(1, 2, octets(12)) },
		func() Option { return FastOpen(octets(2 * rng.IntN(9))) },
		func() Option { return FastOpenExperiment(octets(2 * rng.IntN(9))) },
		func() Option { return Option{Kind: OptionKind(100 + rng.IntN(100)), Data: octets(rng.IntN(12))} },
	}
	for room := tcpMaxOptions; rng.IntN(5) > 0; {
		o := choices[rng.IntN(len(choices))]()
		if room -= o.encodedLen(); room < 0 {
			break
		}
		g.Options = append(g.Options, o)
	}
	return h, g
}

// TestOracleDecodes: what we encode, gopacket reads as it was meant.
func TestOracleDecodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range oracleRounds {
		h, g := randomDatagram(rng)
		d := mustDatagram(t, h, g)
		packet := gopacket.NewPacket(d, layers.LayerTypeIPv4, gopacket.Default)
		if fault := packet.ErrorLayer(); fault != nil {
			t.Fatalf("%x: %v", d, fault.Error())
		}
		ip := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		tcp := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		if err, sums := packet.VerifyChecksums(); err != nil || len(sums) != 0 {
			t.Fatalf("%x: checksums %v, %v", d, sums, err)
		}
		compare(t, d, h, g, ip, tcp)
	}
}

// TestOracleEncodes: what gopacket encodes, we read as it was meant, and
// encode to the same octets.
func TestOracleEncodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range oracleRounds {
		h, g := randomDatagram(rng)
		ip, tcp := gopacketLayers(h, g)
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		buf := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(g.Payload))
		if err != nil {
			t.Fatal(err)
		}
		d := buf.Bytes()
		gotH, payload, err := ParseHeader(d)
		if err != nil {
			t.Fatal(err)
		}
		gotG, err := ParseSegment(payload)
		if err != nil {
			t.Fatal(err)
		}
		if VerifyHeader(d) != Valid || VerifyTCP(d) != Valid {
			t.Fatalf("%x: checksums are %v and %v", d, VerifyHeader(d), VerifyTCP(d))
		}
		compare(t, d, gotH, gotG, ip, tcp)
		if got := mustDatagram(t, h, g); !bytes.Equal(got, d) {
			t.Fatalf("encoded afresh\n got %x\nwant %x", got, d)
		}
		if got := mustDatagram(t, gotH, gotG); !bytes.Equal(got, d) {
			t.Fatalf("encoded again\n got %x\nwant %x", got, d)
		}
	}
}

func gopacketLayers(h Header, g Segment) (*layers.IPv4, *layers.TCP) {
	ip := &layers.IPv4{
		Version: 4, TOS: h.TOS, Id: h.ID, TTL: h.TTL, Protocol: layers.IPProtocolTCP,
		SrcIP: net.IP(h.Src.AsSlice()), DstIP: net.IP(h.Dst.AsSlice()),
	}
	if h.Evil {
		ip.Flags |= layers.IPv4EvilBit
	}
	if h.DF {
		ip.Flags |= layers.IPv4DontFragment
	}
	if len(h.Options) > 0 {
		ip.Options = []layers.IPv4Option{{OptionType: h.Options[0], OptionLength: h.Options[1], OptionData: h.Options[2:]}}
	}
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(g.SrcPort), DstPort: layers.TCPPort(g.DstPort), Seq: uint32(g.Seq), Ack: uint32(g.Ack),
		Window: g.Window, Urgent: g.Urgent, NS: g.Reserved&1 != 0,
		FIN: g.Flags&FIN != 0, SYN: g.Flags&SYN != 0, RST: g.Flags&RST != 0, PSH: g.Flags&PSH != 0,
		ACK: g.Flags&ACK != 0, URG: g.Flags&URG != 0, ECE: g.Flags&ECE != 0, CWR: g.Flags&CWR != 0,
	}
	for _, o := range g.Options {
		tcp.Options = append(tcp.Options, layers.TCPOption{OptionType: layers.TCPOptionKind(o.Kind), OptionData: o.Data})
	}
	return ip, tcp
}

// compare holds our values against gopacket's, whoever made them from d.
func compare(t *testing.T, d []byte, h Header, g Segment, ip *layers.IPv4, tcp *layers.TCP) {
	t.Helper()
	wantIP, wantTCP := gopacketLayers(h, g)
	same := ip.TOS == wantIP.TOS && ip.Id == wantIP.Id && ip.Flags == wantIP.Flags && ip.TTL == wantIP.TTL &&
		ip.SrcIP.Equal(wantIP.SrcIP) && ip.DstIP.Equal(wantIP.DstIP) && len(ip.Options) == len(wantIP.Options) &&
		int(ip.Length) == len(d) && ip.Checksum == binary.BigEndian.Uint16(d[10:])
	for i := range wantIP.Options {
		same = same && ip.Options[i].OptionType == wantIP.Options[i].OptionType && bytes.Equal(ip.Options[i].OptionData, wantIP.Options[i].OptionData)
	}
	same = same && tcp.SrcPort == wantTCP.SrcPort && tcp.DstPort == wantTCP.DstPort && tcp.Seq == wantTCP.Seq && tcp.Ack == wantTCP.Ack &&
		tcp.Window == wantTCP.Window && tcp.Urgent == wantTCP.Urgent && tcp.NS == wantTCP.NS &&
		tcp.FIN == wantTCP.FIN && tcp.SYN == wantTCP.SYN && tcp.RST == wantTCP.RST && tcp.PSH == wantTCP.PSH &&
		tcp.ACK == wantTCP.ACK && tcp.URG == wantTCP.URG && tcp.ECE == wantTCP.ECE && tcp.CWR == wantTCP.CWR
	got, want := withoutEnd(tcp.Options), withoutEnd(wantTCP.Options)
	same = same && len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = got[i].OptionType == want[i].OptionType && bytes.Equal(got[i].OptionData, want[i].OptionData)
	}
	if !same {
		t.Fatalf("%x:\nours     %+v %+v\ngopacket %+v %+v", d, h, g, ip, tcp)
	}
}

// withoutEnd drops the end of option list that padding adds.
func withoutEnd(options []layers.TCPOption) []layers.TCPOption {
	if n := len(options); n > 0 && options[n-1].OptionType == layers.TCPOptionKindEndList {
		return options[:n-1]
	}
	return options
}
