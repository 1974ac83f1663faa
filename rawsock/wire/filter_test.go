package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

func mustVM(tb testing.TB, raw []bpf.RawInstruction, err error) *bpf.VM {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	program, all := bpf.Disassemble(raw)
	if !all {
		tb.Fatal("the program does not disassemble")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		tb.Fatal(err)
	}
	return vm
}

func passes(tb testing.TB, vm *bpf.VM, d []byte) bool {
	tb.Helper()
	n, err := vm.Run(d)
	if err != nil {
		tb.Fatal(err)
	}
	if n != 0 && n < maxTotalLen {
		tb.Fatalf("the filter cuts datagrams to %d octets", n)
	}
	return n != 0
}

func endpoints(s string) []netip.AddrPort {
	var list []netip.AddrPort
	for _, field := range strings.Fields(s) {
		list = append(list, netip.MustParseAddrPort(field))
	}
	return list
}

// quoting returns an ICMP error about d, sent by the router.
func quoting(tb testing.TB, h Header, icmpType uint8, original []byte) []byte {
	tb.Helper()
	h.TTL, h.Src, h.Dst = 64, router, ant
	d, err := AppendICMPError(nil, h, ICMPError{Type: icmpType, Code: 1, Original: original})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestReplyFilter(t *testing.T) {
	answer := func(h Header, dst uint16) []byte {
		h.TTL, h.Src, h.Dst = 64, apple, ant
		return mustDatagram(t, h, Segment{SrcPort: 80, DstPort: dst, Flags: SYN | ACK, Options: []Option{MSS(1460)}})
	}
	original := func(h Header, src uint16) []byte {
		h.TTL, h.Src, h.Dst = 1, ant, apple
		g := linuxSYN()
		g.SrcPort = src
		return mustDatagram(t, h, g)
	}
	options := Header{Options: make([]byte, 12)}
	longest := Header{Options: make([]byte, 40)}
	segment := mustDatagram(t, probeHeader(), linuxSYN())

	vm := func(local string) *bpf.VM {
		raw, err := ReplyFilter(endpoints(local)...)
		return mustVM(t, raw, err)
	}
	const one = "10.0.1.2:40000"
	for _, c := range []struct {
		name  string
		local string
		d     []byte
		want  bool
	}{
		{"answer", one, answer(Header{}, 40000), true},
		{"answer with IP options", one, answer(options, 40000), true},
		{"answer with 40 octets of IP options", one, answer(longest, 40000), true},
		{"answer to another port", one, answer(Header{}, 40001), false},
		{"answer to another address", "10.0.1.3:40000", answer(Header{}, 40000), false},
		{"our own segment", one, segment, false},
		{"first fragment", one, answer(Header{MF: true}, 40000), true},
		{"later fragment", one, answer(Header{FragOffset: 185}, 40000), false},
		{"DF set", one, answer(Header{DF: true}, 40000), true},
		{"evil", one, answer(Header{Evil: true}, 40000), true},
		{"UDP", one, answer(Header{Protocol: ProtocolUDP}, 40000), false},
		{"cut before the destination port", one, answer(Header{}, 40000)[:23], false},
		{"cut after the destination port", one, answer(Header{}, 40000)[:24], true},
		{"cut in the IP header", one, answer(Header{}, 40000)[:12], false},
		{"nothing", one, nil, false},
		{"IPv6", one, append([]byte{0x65}, answer(Header{}, 40000)[1:]...), false},
		{"ARP", one, octetsOf(t, "0001 0800 0604 0001 020000000001 0a000202 000000000000 0a000102"), false},

		{"port unreachable", one, quoting(t, Header{}, 3, original(Header{}, 40000)[:28]), true},
		{"source quench", one, quoting(t, Header{}, 4, original(Header{}, 40000)[:28]), true},
		{"redirect", one, quoting(t, Header{}, 5, original(Header{}, 40000)[:28]), true},
		{"time exceeded", one, quoting(t, Header{}, 11, original(Header{}, 40000)), true},
		{"parameter problem", one, quoting(t, Header{}, 12, original(Header{}, 40000)), true},
		{"outer IP options", one, quoting(t, options, 11, original(Header{}, 40000)), true},
		{"inner IP options", one, quoting(t, Header{}, 11, original(options, 40000)[:40]), true},
		{"longest options of both", one, quoting(t, longest, 11, original(longest, 40000)[:68]), true},
		{"inner IP options, another port", one, quoting(t, Header{}, 11, original(options, 40001)), false},
		{"about another port", one, quoting(t, Header{}, 3, original(Header{}, 40001)), false},
		{"about another address", "10.0.1.3:40000", quoting(t, Header{}, 3, original(Header{}, 40000)), false},
		{"about a segment to us", "10.0.2.2:80", quoting(t, Header{}, 3, original(Header{}, 40000)), false},
		{"about UDP", one, quoting(t, Header{}, 3, original(Header{Protocol: ProtocolUDP}, 40000)), false},
		{"about a first fragment", one, quoting(t, Header{}, 3, original(Header{MF: true}, 40000)), true},
		{"about a later fragment", one, quoting(t, Header{}, 3, original(Header{FragOffset: 1}, 40000)), false},
		{"in a first fragment", one, quoting(t, Header{MF: true}, 3, original(Header{}, 40000)), true},
		{"in a later fragment", one, quoting(t, Header{FragOffset: 1}, 3, original(Header{}, 40000)), false},
		{"quote cut before the source port", one, quoting(t, Header{}, 3, original(Header{}, 40000)[:21]), false},
		{"quote cut after the source port", one, quoting(t, Header{}, 3, original(Header{}, 40000)[:22]), true},
		{"quote cut in the IP header", one, quoting(t, Header{}, 3, original(Header{}, 40000)[:15]), false},
		{"no quote", one, quoting(t, Header{}, 3, nil), false},

		{"no endpoint", "", answer(Header{}, 40000), false},
		{"no endpoint, ICMP", "", quoting(t, Header{}, 3, original(Header{}, 40000)), false},
		{"the second of two ports", "10.0.1.2:39000 10.0.1.2:40000", answer(Header{}, 40000), true},
		{"the second of two addresses", "10.0.1.1:40000 10.0.1.2:40000", answer(Header{}, 40000), true},
		{"port of one address, address of another", "10.0.1.1:40000 10.0.1.2:40001", answer(Header{}, 40000), false},
		{"first of a range", "10.0.1.2:40000 10.0.1.2:40001 10.0.1.2:40002", answer(Header{}, 40000), true},
		{"last of a range", "10.0.1.2:39998 10.0.1.2:39999 10.0.1.2:40000", answer(Header{}, 40000), true},
		{"below a range", "10.0.1.2:40001 10.0.1.2:40002", answer(Header{}, 40000), false},
		{"above a range", "10.0.1.2:39998 10.0.1.2:39999", answer(Header{}, 40000), false},
		{"between ranges", "10.0.1.2:39998 10.0.1.2:39999 10.0.1.2:40001 10.0.1.2:40002", answer(Header{}, 40000), false},
		{"behind a range", "10.0.1.2:39997 10.0.1.2:39998 10.0.1.2:40000", answer(Header{}, 40000), true},
		{"twice the same", "10.0.1.2:40000 10.0.1.2:40000", answer(Header{}, 40000), true},
		{"port 0", "10.0.1.2:0", answer(Header{}, 0), true},
		{"port 65535", "10.0.1.2:65534 10.0.1.2:65535", answer(Header{}, 65535), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := passes(t, vm(c.local), c.d); got != c.want {
				t.Errorf("passes is %t, want %t", got, c.want)
			}
		})
	}
}

func TestConversationFilter(t *testing.T) {
	raw, err := ConversationFilter(endpoints("10.0.1.2:40000 10.0.1.2:40002")...)
	vm := mustVM(t, raw, err)
	d := func(src, dst string) []byte {
		from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
		return mustDatagram(t, Header{Src: from.Addr(), Dst: to.Addr()}, Segment{SrcPort: from.Port(), DstPort: to.Port()})
	}
	for _, c := range []struct {
		name string
		d    []byte
		want bool
	}{
		{"in", d("10.0.2.2:80", "10.0.1.2:40002"), true},
		{"out", d("10.0.1.2:40002", "10.0.2.2:80"), true},
		{"another in", d("10.0.2.2:80", "10.0.1.2:40001"), false},
		{"another out", d("10.0.1.2:40001", "10.0.2.2:80"), false},
		{"about ours", quoting(t, Header{}, 3, d("10.0.1.2:40000", "10.0.2.2:80")), true},
		{"about an answer", quoting(t, Header{}, 3, d("10.0.2.2:80", "10.0.1.2:40000")), false},
	} {
		if got := passes(t, vm, c.d); got != c.want {
			t.Errorf("%s: passes is %t, want %t", c.name, got, c.want)
		}
	}
}

func TestHandshakeFilter(t *testing.T) {
	raw, err := HandshakeFilter(endpoints("10.0.1.2:40000")...)
	vm := mustVM(t, raw, err)
	d := func(src, dst string, flags Flags) []byte {
		from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
		return mustDatagram(t, Header{Src: from.Addr(), Dst: to.Addr()}, Segment{SrcPort: from.Port(), DstPort: to.Port(), Flags: flags})
	}
	for _, c := range []struct {
		name string
		d    []byte
		want bool
	}{
		{"SYN out", d("10.0.1.2:40000", "10.0.2.2:80", SYN), true},
		{"RST out", d("10.0.1.2:40000", "10.0.2.2:80", RST), false},
		{"data out", d("10.0.1.2:40000", "10.0.2.2:80", ACK|PSH), false},
		{"SYN-ACK in", d("10.0.2.2:80", "10.0.1.2:40000", SYN|ACK), true},
		{"RST in", d("10.0.2.2:80", "10.0.1.2:40000", RST|ACK), true},
		{"another's SYN", d("10.0.1.2:40001", "10.0.2.2:80", SYN), false},
		{"about ours", quoting(t, Header{}, 3, d("10.0.1.2:40000", "10.0.2.2:80", SYN)), true},
	} {
		if got := passes(t, vm, c.d); got != c.want {
			t.Errorf("%s: passes is %t, want %t", c.name, got, c.want)
		}
	}
}

// TestFilterReach checks programs so long that no conditional jump spans them.
func TestFilterReach(t *testing.T) {
	var local []netip.AddrPort
	for i := range 300 { // addresses
		addr := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		local = append(local, netip.AddrPortFrom(addr, 40000), netip.AddrPortFrom(addr, 50000))
	}
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(local), func(i, j int) { local[i], local[j] = local[j], local[i] })
	checkFilter(t, local[:250])

	scattered := make([]netip.AddrPort, 900)
	for i := range scattered { // ports of one address
		scattered[i] = netip.AddrPortFrom(ant, uint16(2*i+1))
	}
	checkFilter(t, scattered)

	consecutive := make([]netip.AddrPort, 65536)
	for i := range consecutive {
		consecutive[i] = netip.AddrPortFrom(ant, uint16(i))
	}
	raw, err := ConversationFilter(consecutive...)
	if err != nil || len(raw) > 64 {
		t.Errorf("all ports of an address: %d instructions, %v", len(raw), err)
	}
}

// checkFilter asks for each endpoint and its neighbours.
func checkFilter(t *testing.T, local []netip.AddrPort) {
	t.Helper()
	raw, err := ReplyFilter(local...)
	vm := mustVM(t, raw, err)
	ours := map[netip.AddrPort]bool{}
	for _, endpoint := range local {
		ours[endpoint] = true
	}
	for endpoint := range ours {
		for _, port := range []uint16{endpoint.Port() - 1, endpoint.Port(), endpoint.Port() + 1} {
			at := netip.AddrPortFrom(endpoint.Addr(), port)
			tcp := mustDatagram(t, Header{Src: apple, Dst: at.Addr()}, Segment{DstPort: port})
			icmp := quoting(t, Header{}, 11, mustDatagram(t, Header{Src: at.Addr(), Dst: apple}, Segment{SrcPort: port}))
			if got := passes(t, vm, tcp); got != ours[at] {
				t.Fatalf("TCP to %v: passes is %t", at, got)
			}
			if got := passes(t, vm, icmp); got != ours[at] {
				t.Fatalf("ICMP about %v: passes is %t", at, got)
			}
		}
	}
}

func TestFilterErrors(t *testing.T) {
	scattered := make([]netip.AddrPort, 2100)
	for i := range scattered {
		scattered[i] = netip.AddrPortFrom(ant, uint16(2*i+1))
	}
	for _, c := range []struct {
		local []netip.AddrPort
		want  string
	}{
		{endpoints("10.0.1.2:1 [::1]:2"), "filter endpoint [::1]:2 is not IPv4"},
		{[]netip.AddrPort{{}}, "filter endpoint invalid AddrPort is not IPv4"},
		{scattered, "filter for 2100 endpoints: 4245 instructions exceed 4096"},
	} {
		if _, err := ReplyFilter(c.local...); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// wanted says in plain Go what ReplyFilter's doc comment promises.
func wanted(d []byte, ours map[netip.AddrPort]bool) bool {
	word := func(b []byte, at int) (uint16, bool) {
		if at+2 > len(b) {
			return 0, false
		}
		return binary.BigEndian.Uint16(b[at:]), true
	}
	if len(d) < 20 || d[0]>>4 != 4 || binary.BigEndian.Uint16(d[6:])&0x1fff != 0 {
		return false
	}
	body := int(d[0]&0xf) * 4
	switch d[9] {
	case ProtocolTCP:
		port, ok := word(d, body+2)
		return ok && ours[netip.AddrPortFrom(netip.AddrFrom4([4]byte(d[16:])), port)]
	case ProtocolICMP:
		if body+28 > len(d) || !strings.ContainsRune("\x03\x04\x05\x0b\x0c", rune(d[body])) {
			return false
		}
		quote := d[body+8:]
		port, ok := word(quote, int(quote[0]&0xf)*4)
		return ok && quote[9] == ProtocolTCP && binary.BigEndian.Uint16(quote[6:])&0x1fff == 0 &&
			ours[netip.AddrPortFrom(netip.AddrFrom4([4]byte(quote[12:])), port)]
	default:
		return false
	}
}

func FuzzReplyFilter(f *testing.F) {
	local := endpoints("10.0.1.2:40000 10.0.1.2:40001 10.0.1.2:40003 10.0.2.2:80")
	ours := map[netip.AddrPort]bool{}
	for _, endpoint := range local {
		ours[endpoint] = true
	}
	raw, err := ReplyFilter(local...)
	vm := mustVM(f, raw, err)
	segment := mustDatagram(f, probeHeader(), linuxSYN())
	f.Add(segment)
	f.Add(quoting(f, Header{}, 3, segment[:28]))
	f.Add(quoting(f, Header{Options: make([]byte, 8)}, 11, mustDatagram(f, Header{Src: ant, Dst: apple, Options: make([]byte, 4)}, linuxSYN())))
	f.Fuzz(func(t *testing.T, d []byte) {
		if got, want := passes(t, vm, d), wanted(d, ours); got != want {
			t.Errorf("%x: passes is %t, want %t", d, got, want)
		}
	})
}
