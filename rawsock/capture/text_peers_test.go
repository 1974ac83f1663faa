//go:build peers

package capture

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// conversation is a connection with all that a line can show.
func conversation(tb testing.TB) [][]byte {
	tb.Helper()
	ant, apple := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.2.2")
	var all [][]byte
	add := func(up bool, g wire.Segment) {
		h := wire.Header{TTL: 64, ID: uint16(len(all)), DF: up, TOS: 0x10, Src: ant, Dst: apple}
		g.SrcPort, g.DstPort = 47762, 80
		if !up {
			h.Src, h.Dst, g.SrcPort, g.DstPort = apple, ant, 80, 47762
		}
		d, err := wire.AppendDatagram(nil, h, g)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, d)
	}
	x, y := wire.Seq(4294967200), wire.Seq(2873299660) // the first wraps
	ts := []wire.Option{wire.NOP(), wire.NOP(), wire.Timestamps(4236541223, 398188058)}
	add(true, wire.Segment{Seq: x, Flags: wire.SYN | wire.ECE | wire.CWR, Window: 29200, Options: []wire.Option{wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(7, 0), wire.NOP(), wire.WindowScale(7)}})
	add(false, wire.Segment{Seq: y, Ack: x + 1, Flags: wire.SYN | wire.ACK, Window: 28960, Options: []wire.Option{wire.MSS(1460), wire.FastOpen([]byte("cook")), {Kind: wire.OptEnd}}})
	add(true, wire.Segment{Seq: x + 1, Ack: y + 1, Flags: wire.ACK, Window: 229, Options: ts})
	add(true, wire.Segment{Seq: x + 1, Ack: y + 1, Flags: wire.ACK | wire.PSH, Window: 229, Options: ts, Payload: []byte("GET / HTTP/1.1\r\nHost: apple\r\n\r\n" + strings.Repeat("x y", 100))})
	add(false, wire.Segment{Seq: y + 1, Ack: x + 1, Flags: wire.ACK, Window: 227, Options: []wire.Option{wire.NOP(), wire.NOP(), wire.SACK(wire.SACKBlock{Left: x + 11, Right: x + 21})}})
	add(false, wire.Segment{Seq: y + 1, Ack: x + 332, Flags: wire.ACK | wire.URG, Urgent: 3, Window: 227, Payload: []byte("HTTP")})
	add(false, wire.Segment{Seq: y + 5, Ack: x + 332, Flags: wire.ACK | wire.FIN, Window: 227})
	add(true, wire.Segment{Seq: x + 332, Ack: y + 6, Flags: wire.ACK | wire.FIN, Window: 229, Options: []wire.Option{{Kind: 77, Data: []byte{1, 2}}}})
	add(false, wire.Segment{Seq: y + 6, Flags: wire.RST})
	return all
}

// Whatever tcpdump is asked to print, all of it is read back.
func TestTextAgainstTcpdump(t *testing.T) {
	for _, link := range []LinkType{LinkRaw, LinkEthernet, LinkSLL2} {
		header := map[LinkType][]byte{
			LinkEthernet: {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0},
			LinkSLL2:     {8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0},
		}[link]
		var frames [][]byte
		for _, d := range conversation(t) {
			frames = append(frames, slices.Concat(header, d))
		}
		file := pcapOf(t, link, frames...)
		for _, flags := range []string{"-n", "-nS", "-nt", "-ntt", "-nttt", "-ntttt", "-nttttt", "-nv", "-nSvv", "-ne", "-nev", "-n#", "-nx", "-nX", "-nxx", "-nXX", "-nvX", "-nSeXX"} {
			checkPrinted(t, flags, file)
		}
	}
}

func checkPrinted(t *testing.T, flags string, file []byte) {
	t.Helper()
	cmd := exec.Command("tcpdump", flags, "-r", "-")
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump %s: %v", flags, err)
	}
	cfg := reads()
	cfg.SinceFirst = flags == "-nttttt"
	text := NewText(bytes.NewReader(out), cfg)
	for i, d := range conversation(t) {
		l, err := text.Next()
		if err != nil {
			t.Fatalf("tcpdump %s, packet %d: %v\n%s", flags, i+1, text.Problem(), out)
		}
		h, payload, err := wire.ParseHeader(d)
		if err != nil {
			t.Fatal(err)
		}
		g, err := wire.ParseSegment(payload)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(flags, "xX") {
			if !bytes.Equal(l.Datagram, d) {
				t.Errorf("tcpdump %s, packet %d: octets %x, want %x", flags, i+1, l.Datagram, d)
			}
		} else if l.Verbose && (l.Header.ID != h.ID || l.Header.TTL != h.TTL || l.Header.DF != h.DF || l.Header.TOS != h.TOS) {
			t.Errorf("tcpdump %s, packet %d: header %+v", flags, i+1, l.Header)
		}
		want := Line{Header: h, Segment: g, Length: len(g.Payload), SeqOrigin: l.SeqOrigin, AckOrigin: l.AckOrigin}
		if show(l) != show(want) || l.SeqOrigin == OriginRelative || l.AckOrigin == OriginRelative {
			t.Errorf("tcpdump %s, packet %d:\ngot  %s\nwant %s", flags, i+1, show(l), show(want))
		}
		var at time.Time
		switch begins := time.Unix(pcapBegins, 0).UTC(); l.Stamp {
		case StampDelta:
			at = time.Unix(int64(i), 0)
		case StampTimeOfDay:
			h, m, s := begins.Clock()
			at = time.Date(1970, 1, 1, h, m, s+i, 0, time.UTC)
		case StampDate, StampEpoch:
			at = begins.Add(time.Duration(i) * time.Second)
		}
		if !l.At.Equal(at) {
			t.Errorf("tcpdump %s, packet %d: at %v, want %v", flags, i+1, l.At, at)
		}
	}
	if _, err := text.Next(); err != io.EOF || text.Problem() != nil || text.Tally().Other+text.Tally().Unreadable+text.Tally().Dumps != 0 {
		t.Errorf("tcpdump %s: %v, %v, %+v", flags, err, text.Problem(), text.Tally())
	}
}
