package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// troubled is connections of which hardly one is as it should be.
func troubled(w *wiretap) {
	w.begin(40000)
	w.pass(40000, "> P. 101 301", "GET / HTTP/1.1\r\n\r\n")
	w.at = w.at.Add(20 * time.Millisecond)
	w.pass(40000, "< P. 1749 119", "the rest")
	w.pass(40000, "> . 119 1757", "")
	w.pass(40000, "> F. 119 1757", "")
	w.at = w.at.Add(140 * time.Microsecond)
	w.pass(40000, "< F. 1757 120", "")
	w.pass(40000, "> . 120 1758", "")
	w.begin(40001)
	w.pass(40001, "< P. 301 101", "220 ready\r\n")
	w.pass(40001, "> R. 101 312", "")
	w.pass(50000, "> . 500 900", "joined late")
	w.pass(50001, "> S 100", "")
	w.pass(50001, "< R. 0 101", "")
	w.pass(50002, "> S 100", "")
	w.at = w.at.Add(1500 * time.Millisecond)
	w.pass(50002, "> S 100", "")
	w.begin(50003)
	w.pass(50003, "< P. 301 101", "hello")
	w.pass(50003, "> F. 101 306", "")
	w.pass(50003, "< F. 306 101", "")
	w.pass(50003, "< . 307 102", "")
	w.pass(50003, "> . 102 307", "")
	w.begin(50004)
	w.pass(50004, "< P. 301 101", strings.Repeat("x", 1000))
	w.place = 1
	w.pass(50004, "< P. 301 101", strings.Repeat("x", 1000))
	w.place = 0
	w.pass(50004, "> . 101 1301", "")
	w.pass(50004, "< P. 301 101", strings.Repeat("x", 1000))
	w.pass(50004, "< F. 1301 101", "")
	w.pass(50005, "> S 100", "")
	w.pass(50005, "< . 900 77", "") // of an earlier connection
	w.pass(50005, "> R 77", "")
	w.pass(50005, "> S 100", "")
	w.pass(50006, "> S 100", "")
	w.pass(50006, "< S 300", "")
	// The ports again: the first connection of them leaves before its time.
	w.begin(50001)
}

func TestConnections(t *testing.T) {
	for name, c := range map[string]struct {
		views Views
		color bool
	}{
		"plain": {}, "states": {views: Views{Fields: true}}, "color": {color: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			c.views.View = ViewSummary
			w := tap(t, &out, c.views, flow.Config{Copies: true}, func(o *Options) { o.Color = c.color })
			troubled(w)
			w.end()
			golden(t, "connections-"+name+".golden", out.String())
			for line := range strings.Lines(out.String()) {
				if n := width(strings.TrimSuffix(line, "\n")); n > pageWidth {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

// The there of everything has room.
func TestConnectionsOfLongWords(t *testing.T) {
	var out strings.Builder
	w := tap(t, &out, Views{View: ViewSummary}, flow.Config{}, nil)
	there := wire.Header{
		TTL: 64, Protocol: wire.ProtocolTCP,
		Src: netip.MustParseAddr("222.255.255.254"), Dst: netip.MustParseAddr("223.255.255.254"),
	}
	back := there
	back.Src, back.Dst = there.Dst, there.Src
	w.show(there, wire.Segment{SrcPort: 65534, DstPort: 65535, Seq: 1, Flags: wire.SYN})
	w.at = w.at.Add(997 * time.Millisecond)
	w.show(back, wire.Segment{SrcPort: 65535, DstPort: 65534, Seq: 1, Ack: 2, Flags: wire.SYN | wire.ACK})
	w.show(there, wire.Segment{SrcPort: 65534, DstPort: 65535, Seq: 2, Ack: 2, Flags: wire.ACK | wire.FIN})
	w.at = w.at.Add(5998 * time.Second)
	w.show(back, wire.Segment{SrcPort: 65535, DstPort: 65534, Seq: 2, Ack: 3, Flags: wire.ACK | wire.FIN})
	w.end()
	const want = "" +
		"client                server                close          handshake    duration\n" +
		"222.255.255.254:65534 223.255.255.254:65535 three-segment 999.000 ms 99 min 59 s\n"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%s", out.String())
	}
}

func BenchmarkConnections(b *testing.B) {
	w := quietly(b, Views{View: ViewSummary})
	w.begin(1)
	w.pass(1, "> P. 101 301", "octets")
	w.pass(1, "< R 301", "")
	b.ReportAllocs()
	for b.Loop() {
		for c := range w.table.All() {
			if err := w.v.Leave(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}
