package wire

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// hotPaths are what a send or receive loop does with each datagram. None may
// allocate.
func hotPaths(tb testing.TB) map[string]func() {
	syn := mustDatagram(tb, probeHeader(), linuxSYN())
	tmpl, err := NewTemplate(probeHeader(), linuxSYN())
	if err != nil {
		tb.Fatal(err)
	}
	message, err := ICMPError{Type: ICMPUnreachable, Code: 3, Original: syn[:28]}.AppendTo(nil)
	if err != nil {
		tb.Fatal(err)
	}
	var (
		v   = tmpl.Vary()
		buf = make([]byte, 0, 128)
		g   = linuxSYN()
		rx  Segment
	)
	return map[string]func(){
		"Template": func() {
			v.DstPort++
			v.Seq += 0x9e3779b9
			v.TSval++
			buf = tmpl.AppendTo(buf[:0], v)
		},
		"AppendDatagram": func() { buf, _ = AppendDatagram(buf[:0], probeHeader(), g) },
		"ParseDatagram": func() {
			_, payload, err := ParseHeader(syn)
			if err != nil || rx.Parse(payload) != nil {
				tb.Fatal("the SYN does not parse")
			}
		},
		"ParseQuote": func() {
			m, err := ParseICMPError(message)
			if err != nil {
				tb.Fatal(err)
			}
			if _, err := ParseQuote(m.Original); err != nil {
				tb.Fatal(err)
			}
		},
		"VerifyTCP": func() {
			if VerifyTCP(syn) != Valid {
				tb.Fatal("the SYN's checksum is wrong")
			}
		},
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for name, f := range hotPaths(t) {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkHotPaths(b *testing.B) {
	for name, f := range hotPaths(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkReplyFilter(b *testing.B) {
	local := make([]netip.AddrPort, 64)
	for i := range local {
		local[i] = netip.AddrPortFrom(ant, uint16(40000+2*i))
	}
	raw, err := ReplyFilter(local...)
	if err != nil {
		b.Fatal(err)
	}
	program, _ := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(program)
	if err != nil {
		b.Fatal(err)
	}
	d := mustDatagram(b, Header{TTL: 64, Src: apple, Dst: ant}, Segment{DstPort: 40126})
	for b.Loop() {
		if n, err := vm.Run(d); n == 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
