package capture

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// octetsOf reads hexadecimal digits, with spaces between.
func octetsOf(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Octets of which the meaning is known.
const (
	aSYN      = "4500 003c e6af 4000 3d06 4009 0a00 0102 0a00 0202 ba92 270f 52a8 f43f 0000 0000 a002 7210 1732 0000 0204 05b4 0402 080a fc84 7d27 0000 0000 0103 0307"
	aHeader   = "ba92 270f 52a8 f43f 0000 0000 a002 7210 1732 0000 0204 05b4 0402 080a fc84 7d27 0000 0000 0103 0307"
	anIPv6SYN = "6000 0000 0014 0640 0000 0000 0000 0000 0000 0000 0000 0001 0000 0000 0000 0000 0000 0000 0000 0001 ba92 270f 52a8 f43f 0000 0000 5002 7210 1732 0000"
	anARP     = "0001 0800 0604 0001 0200 0000 0001 0a00 0102 0000 0000 0000 0a00 0202"
	addresses = "0200 0000 0002 0200 0000 0001 "
	cooked    = "0000 0001 0006 0200 0000 0001 0000 "
	cooked2   = " 0000 0000 0002 0001 0406 0200 0000 0001 0000 "
)

// starts are octets, and what they begin with.
func starts() []struct {
	name, octets string
	want         Start
} {
	return []struct {
		name, octets string
		want         Start
	}{
		{"nothing", "", StartUnknown},
		{"noise", "dead beef cafe babe", StartUnknown},
		{"text", "48454c4c4f2c20574f524c4421", StartUnknown},
		{"IPv4", aSYN, StartIPv4},
		{"IPv4 without its payload", aSYN[:49], StartIPv4},
		{"one word of IPv4", "4500 003c", StartIPv4},
		{"IPv4 with padding", aSYN + "0000 0000 0000", StartIPv4},
		{"IPv4 with a wrong checksum", strings.Replace(aSYN, "4009", "0000", 1), StartIPv4},
		{"IPv4 of a device that segments", strings.Replace(aSYN, "003c", "0000", 1), StartIPv4},
		{"IPv4 from an address that looks like a data offset", "4500 0028 0000 4000 4006 0000 5018 0102 0a00 0202" + "0050 ba92 0000 0001 0000 0001 5010 7210 0000 0000", StartIPv4},
		{"IPv6", anIPv6SYN, StartIPv6},
		{"Ethernet", addresses + "0800" + aSYN, StartEthernet},
		{"Ethernet with padding", addresses + "0800" + aSYN + "0000", StartEthernet},
		{"Ethernet to an address that looks like IPv4", "4500 003c 0002 0200 0000 0001 0800" + aSYN, StartEthernet},
		{"Ethernet to an address that looks like loopback", "0200 0000 4500 0200 0000 0001 0800" + aSYN, StartEthernet},
		{"an Ethernet header", addresses + "0800", StartEthernet},
		{"VLAN", addresses + "8100 0064 0800" + aSYN, StartEthernet},
		{"two VLANs", addresses + "88a8 0001 8100 6064 0800" + aSYN, StartEthernet},
		{"SNAP", addresses + "0044 aaaa 0300 0000 0800" + aSYN, StartEthernet},
		{"PPPoE", addresses + "8864 1100 0001 003e 0021" + aSYN, StartEthernet},
		{"IPv6 in Ethernet", addresses + "86dd" + anIPv6SYN, StartEthernet},
		{"ARP in Ethernet", addresses + "0806" + anARP, StartEthernet},
		{"cooked", cooked + "0800" + aSYN, StartSLL},
		{"cooked, sent on loopback", "0004 0304 0006 0000 0000 0000 0000 0800" + aSYN, StartSLL},
		{"cooked 2", "0800" + cooked2 + aSYN, StartSLL2},
		{"null", "0200 0000" + aSYN, StartNull},
		{"null of the other order", "0000 0002" + aSYN, StartNull},
		{"null with IPv6", "1e00 0000" + anIPv6SYN, StartNull},
		{"PPP", "0021" + aSYN, StartPPP},
		{"PPP in HDLC", "ff03 0021" + aSYN, StartPPP},
		{"PPP with a short number", "21" + aSYN, StartPPP},
		{"a bare TCP header", aHeader, StartTCP},
		{"a bare TCP header from a port that looks like IPv4", "45" + aHeader[2:], StartTCP},
		{"a bare TCP header without options", "ba92 270f 52a8 f43f 0000 0001 5010 7210 1732 0000", StartTCP},
		{"a bare TCP header with SYN and FIN", "ba92 270f 52a8 f43f 0000 0000 5003 7210 1732 0000", StartUnknown},
		{"a TCP header cut short", aHeader[:24], StartUnknown},
		{"ICMP", "0303 fac6 0000 0000" + aSYN[:70], StartICMP},
	}
}

func TestGuess(t *testing.T) {
	for _, c := range starts() {
		if got := Guess(octetsOf(t, c.octets)); got != c.want {
			points := map[string]int{}
			for _, s := range Starts() {
				points[s.String()] = s.points(octetsOf(t, c.octets))
			}
			t.Errorf("%s: %v, want %v: %v", c.name, got, c.want, points)
		}
	}
}

// What is built is recognised, with every link header before it.
func TestGuessWhatIsBuilt(t *testing.T) {
	src, dst := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.2.2")
	for _, flags := range []wire.Flags{wire.SYN, wire.SYN | wire.ACK, wire.ACK, wire.FIN | wire.ACK, wire.RST} {
		for port := 1; port < 1<<16; port += 251 {
			g := wire.Segment{SrcPort: uint16(port), DstPort: 80, Seq: wire.Seq(port * 65537), Flags: flags}
			d, err := wire.AppendDatagram(nil, wire.Header{TTL: 64, Src: src, Dst: dst}, g)
			if err != nil {
				t.Fatal(err)
			}
			for s, header := range map[Start]string{
				StartEthernet: addresses + "0800", StartSLL: cooked + "0800", StartSLL2: "0800" + cooked2, StartNull: "02000000",
				StartPPP: "0021", StartIPv4: "",
			} {
				frame := append(octetsOf(t, header), d...)
				if got := Guess(frame); got != s {
					t.Fatalf("%x: %v, want %v", frame, got, s)
				}
				if u := s.Unwrap(frame); u.Content != ContentIPv4 || !bytes.Equal(u.Payload, d) {
					t.Fatalf("%v: %v with %x, want IPv4 with %x", s, u.Content, u.Payload, d)
				}
			}
			if got := Guess(d[20:]); got != StartTCP {
				t.Fatalf("%x: %v, want tcp", d[20:], got)
			}
		}
	}
}

func TestUnwrapFields(t *testing.T) {
	for _, c := range []struct {
		start        Start
		octets, want string
	}{
		{StartIPv4, aSYN, ""},
		{StartEthernet, addresses + "8100 6064 0800" + aSYN,
			"0+6 destination: 02:00:00:00:00:02, locally administered; 6+6 source: 02:00:00:00:00:01, locally administered; " +
				"12+2 EtherType: VLAN (IEEE 802.1Q): a tag follows; 14+2 VLAN tag: VLAN 100, priority 3; 16+2 EtherType: IPv4"},
		{StartEthernet, "ffff ffff ffff 0100 5e00 0001 00",
			"0+6 destination: ff:ff:ff:ff:ff:ff, broadcast; 6+6 source: 01:00:5e:00:00:01, multicast; cut short within the link header"},
		{StartEthernet, addresses + "8864 1100 0001 003e 0021" + aSYN,
			"0+6 destination: 02:00:00:00:00:02, locally administered; 6+6 source: 02:00:00:00:00:01, locally administered; " +
				"12+2 EtherType: PPPoE session; 14+2 PPPoE: version, type and code; 16+2 session: 1; 18+2 length: 62; 20+2 PPP protocol: IPv4"},
		{StartSLL, "0004 0304 0006 0000 0000 0000 0000 0800" + aSYN,
			"0+2 packet type: sent by this host; 2+2 device type: loopback; 4+2 address length: 6; 6+8 source: 00 00 00 00 00 00 00 00; 14+2 protocol: IPv4"},
		{StartSLL2, "0800" + cooked2 + aSYN,
			"0+2 protocol: IPv4; 2+2 reserved: 0; 4+4 device index: 2; 8+2 device type: Ethernet; 10+1 packet type: sent by this host; " +
				"11+1 address length: 6; 12+8 source: 02 00 00 00 00 01 00 00"},
		{StartNull, "0200 0000" + aSYN, "0+4 protocol family: 2"},
		{StartPPP, "ff03 0057" + anIPv6SYN, "0+2 framing: HDLC's address and control; 2+2 PPP protocol: IPv6; IPv6"},
		{StartEthernet, addresses + "0806" + anARP,
			"0+6 destination: 02:00:00:00:00:02, locally administered; 6+6 source: 02:00:00:00:00:01, locally administered; 12+2 EtherType: ARP; ARP"},
	} {
		u := c.start.Unwrap(octetsOf(t, c.octets))
		var got []string
		for _, f := range u.Fields {
			got = append(got, strings.TrimSpace(strings.Join([]string{strconv.Itoa(f.Offset) + "+" + strconv.Itoa(f.Length), f.Name + ": " + f.Value}, " ")))
		}
		if u.Reason != "" {
			got = append(got, u.Reason)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%v %s:\n%s\nwant\n%s", c.start, c.octets, text, c.want)
		}
	}
}

// A guess is never one that Unwrap contradicts, and the fields of a header
// end where its payload begins.
func FuzzGuess(f *testing.F) {
	for _, c := range starts() {
		f.Add(octetsOf(f, c.octets))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		Guess(octets)
		for _, s := range Starts() {
			u := s.Unwrap(octets)
			at := 0
			for _, field := range u.Fields {
				if field.Offset != at || field.Length < 1 || field.Value == "" {
					t.Fatalf("%v: field %+v at %d", s, field, at)
				}
				at += field.Length
			}
			if u.Payload != nil && at+len(u.Payload) != len(octets) {
				t.Fatalf("%v: a header of %d octets before %d of %d", s, at, len(u.Payload), len(octets))
			}
			link, _ := s.link()
			frame := Frame{Link: link}
			frame.unwrap(octets)
			if !bytes.HasPrefix(u.Payload, frame.Payload) || (frame.Payload == nil) != (u.Payload == nil) && frame.Content != ContentUnread {
				t.Fatalf("%v: payload %x, of which a Reader makes %x", s, u.Payload, frame.Payload)
			}
		}
	})
}
