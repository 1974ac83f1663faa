package report

import (
	"bytes"
	"io"
	"math"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ladderOf draws what tcpdump has printed, as read does it, or watch if Live.
func ladderOf(t *testing.T, format Format, views Views, text string, change func(*Options)) string {
	t.Helper()
	var b strings.Builder
	o := testOptions(&b)
	views.View = ViewLadder
	o.Views = &views
	if change != nil {
		change(&o)
	}
	v, err := Open([]Output{{Format: format}}, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, v, flow.Config{Copies: true}, text)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// feed shows tcpdump's lines to a viewer. A line's device is its place.
func feed(t *testing.T, v Viewer, c flow.Config, text string) {
	t.Helper()
	c.Leave = func(c *flow.Connection) {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
	table, places := flow.New(c), map[string]int{}
	in := capture.NewText(strings.NewReader(text), capture.TextConfig{Day: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)})
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		datagram, err := line.AppendDatagram(nil)
		if err != nil {
			t.Fatal(err)
		}
		if places[line.Device] == 0 {
			places[line.Device] = len(places) + 1
		}
		see(t, v, table, places[line.Device], &Sight{At: line.At, Device: line.Device, Datagram: datagram, Text: true})
	}
	for c := range table.All() {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
}

// see shows one datagram, whatever it is.
func see(t testing.TB, v Viewer, table *flow.Table, place int, s *Sight) {
	t.Helper()
	s.N++
	h, payload, err := wire.ParseHeader(s.Datagram)
	s.Header = &h
	if g, wrong := wire.ParseSegment(payload); err == nil && wrong == nil && h.Protocol == wire.ProtocolTCP {
		event := table.Add(s.At, &h, &g, place)
		s.Segment, s.Event = &g, &event
	}
	if err := v.Sight(s); err != nil {
		t.Fatal(err)
	}
}

func contentsOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLadder(t *testing.T) {
	curl, crossing := "../probe/flow/testdata/curl.txt", "../probe/flow/testdata/crossing.txt"
	for _, c := range []struct {
		name, file string
		views      Views
		color      bool
	}{
		{name: "reset-after-close", file: curl},
		{name: "color", file: curl, color: true},
		{name: "crossing", file: crossing},
		{name: "crossing-absolute", file: crossing, views: Views{Absolute: true}},
		{name: "lines-left-out", file: "../rawsock/wire/testdata/upper.txt"},
		{name: "articles-live", file: "../rawsock/capture/testdata/articles.txt", views: Views{Live: true}},
		{name: "trouble", file: "testdata/ladder-trouble.txt"},
		{name: "trouble-color", file: "testdata/ladder-trouble.txt", color: true},
		{name: "trouble-absolute", file: "testdata/ladder-trouble.txt", views: Views{Absolute: true}},
		{name: "copies", file: "testdata/ladder-copies.txt"},
		{name: "paws", file: "testdata/ladder-paws.txt"},
		{name: "woven", file: "testdata/ladder-woven.txt"},
		{name: "woven-live", file: "testdata/ladder-woven.txt", views: Views{Live: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ladderOf(t, FormatText, c.views, contentsOf(t, c.file), func(o *Options) { o.Color = c.color })
			golden(t, "ladder-"+c.name+".golden", got)
			checkColumns(t, got)
		})
	}
}

// Names that a text has for hosts are shown, however long and hostile.
func TestLadderOfNames(t *testing.T) {
	text := strings.NewReplacer("192.0.2.1", "ant.example", "198.51.100.2", "a-very-long-name-of-a-host-in-a-rack-far-away.dc7.example").Replace(contentsOf(t, "testdata/ladder-woven.txt"))
	named := func(o *Options) {
		o.Views.Name = func(a netip.Addr) string {
			if a.As4()[0] != 0 {
				return ""
			}
			return [...]string{hostileName, strings.Repeat("very-", 40) + "long.example"}[a.As4()[3]%2]
		}
	}
	for _, live := range []bool{false, true} {
		got := ladderOf(t, FormatText, Views{Live: live}, text, named)
		checkColumns(t, got)
		if live {
			golden(t, "ladder-names.golden", got)
		}
	}
	got := ladderOf(t, FormatSVG, Views{}, text, named)
	checkXML(t, got)
	if strings.Contains(got, "<script") || !strings.Contains(got, "client very-very-very-...le:40000</text>") {
		t.Errorf("names are not as they should be: %s", got)
	}
}

// checkColumns takes care that a terminal shows all of it.
func checkColumns(t testing.TB, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := width(line); n > pageWidth {
			t.Errorf("%d columns: %s", n, line)
		}
		if bare := strings.ReplaceAll(line, "\x1b[", ""); Escape(bare) != bare {
			t.Errorf("not to be shown: %q", line)
		}
	}
}

// sink is where what is written is counted, and no more.
type sink struct{ lines, octets int }

func (s *sink) Write(b []byte) (int, error) {
	s.lines += bytes.Count(b, []byte("\n"))
	s.octets += len(b)
	return len(b), nil
}

// synOf is one of as many connections as are wanted.
func synOf(t testing.TB, n int) []byte {
	t.Helper()
	datagram, err := wire.AppendDatagram(nil, wire.Header{
		Src: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Dst: netip.AddrFrom4([4]byte{192, 0, 2, 1}), TTL: 64,
	}, wire.Segment{SrcPort: 40000, DstPort: 80, Seq: wire.Seq(n), Flags: wire.SYN})
	if err != nil {
		t.Fatal(err)
	}
	return datagram
}

// Whatever a capture holds, what a ladder keeps of it is bounded.
func TestLadderIsBounded(t *testing.T) {
	for live, connections := range map[bool]int{false: 100_000, true: 10_000} {
		o := testOptions(nil)
		o.Views = &Views{View: ViewLadder, Live: live}
		out := &sink{}
		o.Stdout = out
		v, err := Open([]Output{{Format: FormatText}}, o)
		if err != nil {
			t.Fatal(err)
		}
		l := v.(*multi).outputs[0].recordWriter.(*textView).view.(*ladder)
		// The first of all never leaves, and all others wait for it.
		first := flow.New(flow.Config{})
		see(t, v, first, 0, &Sight{At: noon, Datagram: synOf(t, connections+1)})
		table := flow.New(flow.Config{Connections: 1000, Leave: func(c *flow.Connection) {
			if err := v.Leave(c); err != nil {
				t.Fatal(err)
			}
		}})
		for n := range connections {
			see(t, v, table, 0, &Sight{At: noon.Add(time.Duration(n) * time.Microsecond), Datagram: synOf(t, n)})
			if len(l.talks) > 1002 || len(l.waiting) > maxWaiting || l.rungs > maxRungs || len(l.buf) > enough {
				t.Fatalf("%d connections, %d of them waiting with %d segments; %d octets", len(l.talks), len(l.waiting), l.rungs, len(l.buf))
			}
		}
		for _, table := range []*flow.Table{table, first} {
			for c := range table.All() {
				if err := v.Leave(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if len(l.talks)+len(l.waiting)+l.rungs != 0 {
			t.Errorf("%d connections are left, %d of them waiting with %d segments", len(l.talks), len(l.waiting), l.rungs)
		}
		// A title, the ends, the segment and the story of each.
		if out.lines < 6*connections {
			t.Errorf("live %v: %d lines of %d connections", live, out.lines, connections)
		}
	}
}

// A connection with more segments than there is room for is broken off, and
// goes on below.
func TestLadderOfALongConnection(t *testing.T) {
	var b strings.Builder
	o := testOptions(&b)
	o.Views = &Views{View: ViewLadder}
	v, err := Open([]Output{{Format: FormatText}}, o)
	if err != nil {
		t.Fatal(err)
	}
	table := flow.New(flow.Config{})
	datagram := synOf(t, 1)
	for n := range maxRungs + 2 {
		see(t, v, table, 0, &Sight{At: noon.Add(time.Duration(n)), Datagram: datagram})
	}
	for c := range table.All() {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	before, after, found := strings.Cut(text, "\n#1, continued\n")
	if !found || strings.Count(text, "\n#1, ") != 1 || strings.Count(after, "SYN seq 0") != 1 {
		t.Errorf("not broken off once: %.300s", after)
	}
	if !strings.Contains(before[len(before)-200:], "(no room to wait: it goes on below)") {
		t.Errorf("it does not say that more follows: %s", before[len(before)-200:])
	}
}

// Times that no connection has do not break the columns.
func TestAppendElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                            "0.000000",
		999_999_999:                  "1.000000",
		12 * time.Second:             "12.00000",
		time.Hour:                    "3600.000",
		1000 * time.Hour:             "3600000",
		-time.Microsecond:            "-0.00000",
		-90 * time.Second:            "-90.0000",
		3 * 365 * 24 * time.Hour:     "94608000",
		200 * 365 * 24 * time.Hour:   ">3 years",
		-200 * 365 * 24 * time.Hour:  "earlier",
		99_999_999 * time.Second:     "99999999",
		99_999_999_600_000 * 1000:    ">3 years",
		time.Duration(math.MaxInt64): ">3 years",
	} {
		if got := string(appendElapsed(nil, d)); got != want || len(got) > timeColumns {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

// FuzzLadder makes connections of random octets: nothing breaks a column, a
// terminal or a page.
func FuzzLadder(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x01\x10\x12\x00\x01\x01\x20\x10\x01\x01\x02\x00\x18\x01\x01\x03\x11\x11\x02\x04\x00\x04\x02\x04\x00"), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, octets []byte, absolute bool) {
		views := Views{View: ViewLadder, Absolute: absolute}
		for _, c := range []struct {
			format Format
			live   bool
		}{{FormatText, false}, {FormatText, true}, {FormatSVG, false}, {FormatHTML, false}} {
			var b strings.Builder
			o := testOptions(&b)
			views.Live = c.live
			o.Views = &views
			v, err := Open([]Output{{Format: c.format}}, o)
			if err != nil {
				t.Fatal(err)
			}
			wander(t, v, octets)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			switch c.format {
			case FormatText:
				checkColumns(t, b.String())
			case FormatSVG:
				checkXML(t, b.String())
			}
		}
	})
}

// wander shows segments that are made of octets: five for each, which say
// whose it is, its flags, its numbers and how long it took.
func wander(t *testing.T, v Viewer, octets []byte) {
	table := flow.New(flow.Config{Copies: true, Connections: 3, Leave: func(c *flow.Connection) {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}})
	at := noon
	ends := [2]netip.Addr{netip.AddrFrom4([4]byte{255, 255, 255, 254}), netip.AddrFrom4([4]byte{255, 255, 255, 253})}
	for len(octets) >= 5 {
		whose, flags, seq, ack, wait := octets[0], octets[1], octets[2], octets[3], octets[4]
		octets = octets[5:]
		from, to := whose&1, 1-whose&1
		at = at.Add(time.Duration(int8(wait)) << (wait & 63))
		datagram, err := wire.AppendDatagram(nil, wire.Header{Src: ends[from], Dst: ends[to], TTL: whose, ID: uint16(wait)}, wire.Segment{
			SrcPort: 65535 - uint16(from)*uint16(whose>>5), DstPort: 65535 - uint16(to)*uint16(whose>>5), Flags: wire.Flags(flags),
			Seq: wire.Seq(int32(int8(seq))) << (ack & 31), Ack: wire.Seq(int32(int8(ack))) << (seq & 31), Window: uint16(wait) << 8, Payload: make([]byte, whose>>1&7),
		})
		if err != nil {
			t.Fatal(err)
		}
		see(t, v, table, int(whose>>3&3), &Sight{At: at, Device: "e\x1b<\"&'\u202e\xff]]>", Datagram: datagram})
	}
	for c := range table.All() {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkLadder(b *testing.B) {
	o := testOptions(nil)
	o.Views = &Views{View: ViewLadder, Live: true}
	o.Stdout = &sink{}
	v, err := Open([]Output{{Format: FormatText}}, o)
	if err != nil {
		b.Fatal(err)
	}
	table := flow.New(flow.Config{})
	s := &Sight{At: noon, Datagram: synOf(b, 1)}
	see(b, v, table, 0, s)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Sight(s); err != nil {
			b.Fatal(err)
		}
	}
}
