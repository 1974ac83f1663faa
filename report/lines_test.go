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

func newFollower() *follower { return &follower{table: flow.New(flow.Config{Copies: true})} }

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
			if views == (Views{}) && text != first {
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
