package report

import (
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// follower makes sights of datagrams, as watch and read do.
type follower struct {
	table *flow.Table
	event flow.Event
	sight Sight
	h     wire.Header
	g     wire.Segment
}

func newFollower() *follower {
	return &follower{table: flow.New(flow.Config{Copies: true, Connections: 64})}
}

// see returns the sight of a datagram, valid until the next call.
func (f *follower) see(at time.Time, d []byte, place int) *Sight {
	h, payload, err := wire.ParseHeader(d)
	f.h = h
	f.sight = Sight{N: f.sight.N + 1, At: at, Datagram: d, Header: &f.h}
	if err == nil && h.Protocol == wire.ProtocolTCP && f.g.Parse(payload) == nil {
		f.event = f.table.Add(at, &f.h, &f.g, place)
		f.sight.Segment, f.sight.Event = &f.g, &f.event
	}
	return &f.sight
}

// linesOf shows tcpdump's text as lines.
func linesOf(t *testing.T, views Views, text string, change func(*Options, *Sight)) string {
	t.Helper()
	var b strings.Builder
	o := Options{Views: &views}
	if change != nil {
		change(&o, nil)
	}
	l, f, places := newLines(&b, o), newFollower(), map[string]int{}
	in := capture.NewText(strings.NewReader(text), capture.TextConfig{Options: probe.ParseOptions})
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := line.AppendDatagram(nil)
		if err != nil {
			t.Fatal(err)
		}
		if places[line.Device] == 0 {
			places[line.Device] = len(places) + 1
		}
		s := f.see(line.At, d, places[line.Device])
		s.Text = line.Datagram == nil
		if s.Device = line.Device; s.Device != "" {
			s.Way = [...]string{capture.Unknown: "", capture.Inbound: "In", capture.Outbound: "Out"}[line.Direction]
		}
		if change != nil {
			change(&o, s)
		}
		if err := l.sight(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Problem(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every packet line of the articles is shown as it was: those of the first
// with absolute numbers, the others with relative ones.
func TestLinesAsInTheArticles(t *testing.T) {
	text := contentsOf(t, "../rawsock/capture/testdata/articles.txt")
	relative := strings.Split(linesOf(t, Views{Bare: true}, text, nil), "\n")
	absolute := strings.Split(linesOf(t, Views{Bare: true, Absolute: true}, text, nil), "\n")
	n := 0
	for want := range strings.Lines(text) {
		want = strings.TrimSuffix(want, "\n")
		if strings.HasPrefix(want, "0x") {
			continue
		}
		shown := relative
		if strings.Contains(want, "122.235.85.89") {
			shown = absolute
		}
		if shown[n] != want {
			t.Errorf("got  %s\nwant %s", shown[n], want)
		}
		n++
	}
	if n != 45 || len(relative) != n+1 {
		t.Errorf("%d lines of %d", len(relative)-1, n)
	}
}

func TestLinesGolden(t *testing.T) {
	articles := contentsOf(t, "../rawsock/capture/testdata/articles.txt")
	trouble := contentsOf(t, "testdata/lines-trouble.txt")
	for name, c := range map[string]struct {
		text  string
		views Views
		color bool
	}{
		"articles":        {text: articles},
		"articles-states": {text: articles, views: Views{States: true, Absolute: true}},
		"articles-hex":    {text: articles, views: Views{Hex: true, Fields: true}},
		"articles-ascii":  {text: articles, views: Views{ASCII: true}},
		"trouble":         {text: trouble},
		"trouble-fields":  {text: trouble, views: Views{Fields: true, States: true}},
		"trouble-color":   {text: trouble, color: true},
	} {
		got := linesOf(t, c.views, c.text, func(o *Options, _ *Sight) { o.Color = c.color })
		golden(t, "lines-"+name+".golden", got)
	}
}

// oddDatagrams are what one meets in the field rarely, one of each kind. The
// peers tests show them to tcpdump as well.
func oddDatagrams() [][]byte {
	const ack, syn = wire.ACK, wire.SYN
	options := [][]byte{
		{30, 12, 0x01, 0x81, 1, 2, 3, 4, 5, 6, 7, 8}, {30, 4, 0x01, 0x01}, {30, 12, 0x02, 0x01, 1, 2, 3, 4, 5, 6, 7, 8},
		{30, 12, 0x11, 5, 1, 2, 3, 4, 5, 6, 7, 8}, {30, 12, 0x61, 0, 0, 0, 0, 0, 0, 1, 2, 3}, {30, 12, 0x70, 0, 0, 0, 0, 0, 0, 1, 2, 3},
		{30, 8, 0x34, 1, 192, 0, 2, 1}, {30, 10, 0x30, 1, 192, 0, 2, 1, 0, 80}, {30, 16, 0x31, 1, 192, 0, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8},
		append([]byte{30, 30, 0x36, 1, 0x20, 1, 0xd, 0xb8}, make([]byte, 22)...), {30, 5, 0x40, 1, 2}, {30, 3, 0x51}, {30, 4, 0x50, 9}, {30, 4, 0x90, 9}, {30, 2},
		{19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {28, 4, 0x80, 5}, {28, 4, 0, 5}, {13, 6, 0, 0, 0, 1}, {20, 4, 0x80, 5},
		{29, 8, 1, 2, 3, 4, 5, 6}, {29, 3, 1}, {254, 6, 0xf9, 0x89, 1, 2}, {254, 3, 1}, {254, 4, 1, 2}, {34, 2}, {34, 6, 1, 2, 3, 4},
		{2, 3, 5, 1}, {2, 6, 5, 180, 1, 1}, {4, 4, 1, 1}, {8, 4, 1, 1}, {3, 2, 7, 0}, {5, 10, 0, 0, 4, 0, 0, 0, 5, 0}, {5, 6, 1, 2, 3, 4}, {77, 0}, {77, 4, 1, 2}, {1, 1, 77, 41}, {1, 1, 1, 77},
	}
	var odd [][]byte
	for _, o := range options {
		odd = append(odd, optioned(syn, o...), optioned(ack, o...))
	}
	odd = append(odd,
		optioned(ack, append([]byte{30, 20, 0x24, 0x1f, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}, make([]byte, 4)...)...),
		optioned(ack, append([]byte{30, 28, 0x20, 0x1f}, make([]byte, 24)...)...),
		optioned(ack, append([]byte{30, 18, 0x20, 0x05}, make([]byte, 14)...)...),
		optioned(ack, append([]byte{30, 24, 0x10, 0}, make([]byte, 20)...)...),
		optioned(syn|ack, append([]byte{30, 16, 0x10, 1}, make([]byte, 12)...)...),
		optioned(ack, append([]byte{30, 20, 0x00, 0}, make([]byte, 16)...)...),
		tcp(apple, ant, wire.Segment{SrcPort: 9, DstPort: 40000, Flags: wire.RST, Payload: []byte("no\x00\x7f\xe4\x90 thanks, and more than thirty octets")}),
		tcp(apple, ant, wire.Segment{SrcPort: 9, DstPort: 40000, Flags: wire.RST | ack, Payload: []byte("go away")}),
	)
	for _, o := range [][]byte{
		{7, 7, 8, 192, 0, 2, 1, 0}, {131, 7, 4, 192, 0, 2, 1, 1}, {137, 11, 4, 192, 0, 2, 1, 192, 0, 2, 2, 0}, {7, 2, 1, 1}, {7, 4, 0, 0}, {7, 40, 4, 0},
		{68, 12, 13, 0x21, 192, 0, 2, 1, 0, 0, 0, 9}, {68, 8, 5, 0, 0, 0, 0, 9}, {68, 12, 5, 3, 192, 0, 2, 1, 0, 0, 0, 9}, {68, 8, 5, 7, 0, 0, 0, 9}, {68, 3, 5, 1}, {68, 6, 4, 0, 1, 1, 1, 1},
		{148, 4, 0, 0}, {148, 4, 0, 7}, {148, 3, 0, 1}, {130, 4, 0, 0}, {82, 4, 0, 0}, {99, 4, 0, 0}, {99, 1, 0, 0}, {1, 0, 0, 0},
	} {
		odd = append(odd, withIPOptions(o...))
	}
	discard := edited(tcp(ant, apple, wire.Segment{SrcPort: 40000, DstPort: 9, Flags: syn}), 11, 1)
	for tos := range byte(4) {
		odd = append(odd, edited(discard, 1, 0xb8|tos))
	}
	for flags := range byte(8) {
		odd = append(odd, edited(discard, 6, flags<<5))
	}
	for _, typ := range []byte{0, 3, 4, 5, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19} {
		odd = append(odd, icmp(typ, 1, 0xc0000201, discard))
	}
	return odd
}

// optioned is a segment with octets for options, padded with NOPs.
func optioned(flags wire.Flags, octets ...byte) []byte {
	for len(octets)%4 != 0 {
		octets = append(octets, 1)
	}
	return edited(tcp(ant, apple, wire.Segment{
		SrcPort: 40000, DstPort: 9, Seq: 1000, Ack: 2000, Flags: flags, Payload: append(octets, "data"...),
	}), 32, byte(5+len(octets)/4)<<4)
}

// TestLinesOddGolden also cuts off what the capture, and what the link lacks.
func TestLinesOddGolden(t *testing.T) {
	for name, views := range map[string]Views{"odd": {Bare: true}, "odd-fields": {Bare: true, Fields: true}} {
		l := newLines(nil, Options{Views: &views})
		var b []byte
		for _, d := range oddDatagrams() {
			b = append(l.appendSight(b, &Sight{Datagram: d}), '\n')
		}
		for _, d := range [][]byte{syn(), withIPOptions(7, 7, 4, 192, 0, 2, 1, 0), optioned(wire.ACK, 29, 8, 1, 2, 3, 4, 5, 6, 77, 4, 1, 2)} {
			for n := 18; n < len(d); n++ {
				b = append(l.appendSight(b, &Sight{Datagram: d[:n], Missing: n % 2 * (len(d) - n)}), '\n')
			}
		}
		golden(t, "lines-"+name+".golden", string(b))
	}
}

// Numbers that are relative already are shown as they stand.
func TestLinesRelativeAlready(t *testing.T) {
	const text = "12:00:00.000000 IP 192.0.2.1.40000 > 198.51.100.2.80: Flags [P.], seq 5:9, ack 7, win 1, length 4\n"
	for _, views := range []Views{{Bare: true}, {Bare: true, Absolute: true}} {
		if got := linesOf(t, views, text, func(_ *Options, s *Sight) {
			if s != nil {
				s.Relative = true
			}
		}); got != text {
			t.Errorf("got %q", got)
		}
	}
}

// Names of devices come from files too.
func TestLinesDevices(t *testing.T) {
	d := tcp(ant, apple, wire.Segment{SrcPort: 1, DstPort: 2})
	l := newLines(nil, Options{})
	for want, s := range map[string]Sight{
		"lo    In  IP ":                      {Device: "lo", Way: "In"},
		"wlp0s20f3 Out IP ":                  {Device: "wlp0s20f3", Way: "Out"},
		"?     ?   IP ":                      {Device: "?", Way: "?"},
		"eth0  IP ":                          {Device: "eth0"},
		"IP ":                                {Way: "In"},
		`\x1b[2J\x0a B   IP `:                {Device: "\x1b[2J\n", Way: "B"},
		`eth0  \x1b[31m IP `:                 {Device: "eth0", Way: "\x1b[31m"},
		"12:00:00.123456 a   " + "  M   IP ": {At: noon, Device: "a", Way: "M"},
	} {
		s.Datagram = d
		if got := string(l.appendSight(nil, &s)); got != want+"10.0.1.2.1 > 10.0.2.2.2: Flags [none], win 0, length 0" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// bulk is a connection's handshake, and a data segment with timestamps.
func bulk() (handshake [][]byte, data []byte) {
	const client, server = 47762, 9999
	stamps := []wire.Option{wire.NOP(), wire.NOP(), wire.Timestamps(4236725844, 398368775)}
	return [][]byte{
			tcp(ant, apple, wire.Segment{SrcPort: client, DstPort: server, Seq: 1386804287, Flags: wire.SYN, Window: 29200}),
			tcp(apple, ant, wire.Segment{SrcPort: server, DstPort: client, Seq: 401184951, Ack: 1386804288, Flags: wire.SYN | wire.ACK, Window: 28960}),
			tcp(ant, apple, wire.Segment{SrcPort: client, DstPort: server, Seq: 1386804288, Ack: 401184952, Flags: wire.ACK, Window: 229, Options: stamps}),
		}, tcp(ant, apple, wire.Segment{
			SrcPort: client, DstPort: server, Seq: 1386804288, Ack: 401184952, Flags: wire.ACK | wire.PSH, Window: 229, Options: stamps, Payload: make([]byte, 1448),
		})
}

// bulkSight is a view after a handshake, and the sight of a data segment.
func bulkSight(tb testing.TB, views Views) (*lines, *Sight) {
	tb.Helper()
	handshake, data := bulk()
	l, f := newLines(io.Discard, Options{Views: &views, Color: true}), newFollower()
	for i, d := range handshake {
		if err := l.sight(f.see(noon.Add(time.Duration(i)*time.Millisecond), d, 0)); err != nil {
			tb.Fatal(err)
		}
	}
	return l, f.see(noon.Add(time.Second), data, 0)
}

func TestLinesDoNotAllocate(t *testing.T) {
	for _, views := range []Views{{}, {Absolute: true}, {States: true}, {Fields: true}, {Hex: true}, {ASCII: true}} {
		l, s := bulkSight(t, views)
		s.Device, s.Way = "eth0", "Out"
		if n := testing.AllocsPerRun(100, func() { _ = l.sight(s) }); n > 0 {
			t.Errorf("%+v: %v allocations a line", views, n)
		}
	}
	buf := make([]byte, 0, 1<<10)
	for _, c := range append(segmentCases(), ownCases()...) {
		if n := testing.AllocsPerRun(10, func() { AppendSegment(buf, noon, c.datagram) }); n > 0 {
			t.Errorf("%v allocations for %s", n, c.line)
		}
	}
}

func BenchmarkLines(b *testing.B) {
	for name, views := range map[string]Views{"relative": {}, "absolute": {Absolute: true}, "states": {States: true}, "fields": {Fields: true}, "hex": {Hex: true}} {
		b.Run(name, func(b *testing.B) {
			l, s := bulkSight(b, views)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.sight(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzLines shows anything in all ways: without a panic, and without anything
// but printable ASCII, line feeds, and the tabs of dumps.
func FuzzLines(f *testing.F) {
	for _, c := range segmentCases() {
		f.Add(c.datagram, uint16(0))
		f.Add(c.datagram[:len(c.datagram)/2], uint16(len(c.datagram)-len(c.datagram)/2))
	}
	f.Add(withIPOptions(68, 12, 13, 1, 1, 2, 3, 4, 5, 6, 7, 8), uint16(0))
	f.Fuzz(func(t *testing.T, datagram []byte, missing uint16) {
		for _, views := range []Views{{}, {Absolute: true, States: true}, {Fields: true}, {Hex: true}, {ASCII: true}} {
			l, follow := newLines(nil, Options{Views: &views}), newFollower()
			s := follow.see(noon, datagram, 0)
			s.Missing = int(missing)
			text := string(l.appendSight(nil, s))
			first, _, _ := strings.Cut(text, "\n")
			if strings.ContainsFunc(first, unprintable) || strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && unprintable(r) }) {
				t.Fatalf("% x gives %q", datagram, text)
			}
			if !views.Fields && !views.Hex && !views.ASCII && text != first {
				t.Fatalf("% x gives more than a line: %q", datagram, text)
			}
		}
	})
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// withIPOptions is a SYN with octets for IPv4 options, a whole number of
// words.
func withIPOptions(octets ...byte) []byte {
	d, err := wire.AppendDatagram(nil, wire.Header{TTL: 64, Src: ant, Dst: apple, Options: octets}, wire.Segment{SrcPort: 40000, DstPort: 9, Flags: wire.SYN})
	if err != nil {
		panic(err)
	}
	return d
}

// Origins are forgotten in the order of their last use.
func TestOrigins(t *testing.T) {
	o := newOrigins(3)
	count := func(port uint16, seq wire.Seq) uint32 {
		d := tcp(ant, apple, wire.Segment{SrcPort: port, DstPort: 9, Seq: seq, Ack: 1, Flags: wire.ACK})
		shown, _, _ := o.count(d, d[20:], uint32(seq), 1)
		return shown
	}
	for _, port := range []uint16{1, 2, 3} {
		count(port, 1000)
	}
	count(1, 1001)
	count(4, 1000) // the second makes room
	for _, c := range []struct {
		port uint16
		want uint32
	}{{1, 5}, {3, 5}, {4, 5}, {2, 1005}, {2, 0}, {3, 5}, {4, 5}, {1, 1005}} {
		if got := count(c.port, 1005); got != c.want {
			t.Errorf("port %d: %d, want %d", c.port, got, c.want)
		}
	}
	if len(o.all) != 3 || len(o.place) != 3 {
		t.Errorf("%d pairs in %d places", len(o.place), len(o.all))
	}
}

// A flood of pairs takes no more than its room.
func TestOriginsUnderAFlood(t *testing.T) {
	o := newOrigins(100)
	for i := range 10000 {
		src := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		d := tcp(src, apple, wire.Segment{SrcPort: 1, DstPort: 9, Flags: wire.ACK})
		o.count(d, d[20:], 5, 5)
		if len(o.all) > 100 || len(o.place) != len(o.all) {
			t.Fatalf("%d: %d pairs in %d places", i, len(o.place), len(o.all))
		}
	}
}

func TestHexDump(t *testing.T) {
	if long := string(appendHex(nil, make([]byte, 1<<16+1))); !strings.Contains(long, "\n\t0xfff0: ") || !strings.Contains(long, "\n\t0x10000:  00 ") {
		t.Errorf("ends with %q", long[len(long)-200:])
	}
	octets := []byte("ABCDEFGHIJKLMNOP\x00~\x7f")
	want := "\n\t0x0000:  4142 4344 4546 4748 494a 4b4c 4d4e 4f50  ABCDEFGHIJKLMNOP" +
		"\n\t0x0010:  007e 7f                                  .~."
	if got := string(appendHex(nil, octets)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for in, want := range map[string]string{
		"":             "\n",
		"a\r\nb\rc\td": "\na\nb.c\td",
		"\x1b[2J\xff":  "\n.[2J.",
		"end\r":        "\nend",
		"end\rx":       "\nendx", // tcpdump's own oversight
	} {
		if got := appendASCII(nil, []byte(in)); !bytes.Equal(got, []byte(want)) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
