package capture

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	lineSYN    = "17:35:43.707223 IP 10.0.1.2.49302 > 10.0.2.2.5009: Flags [S], seq 267775201, win 8192, options [mss 1452,nop,wscale 2,nop,nop,sackOK], length 0"
	lineSYNACK = "17:35:43.707299 IP 10.0.2.2.5009 > 10.0.1.2.49302: Flags [S.], seq 3046340720, ack 267775202, win 29200, options [mss 1460,nop,nop,sackOK,nop,wscale 7], length 0"
)

func reads() TextConfig { return TextConfig{Options: probe.ParseOptions, Port: probe.ServicePort} }

// readText returns all lines, without what aliases the Text's memory.
func readText(tb testing.TB, text string, cfg TextConfig) ([]Line, *Text) {
	tb.Helper()
	r := NewText(strings.NewReader(text), cfg)
	var lines []Line
	for {
		l, err := r.Next()
		if err == io.EOF {
			return lines, r
		}
		if err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, l)
	}
}

// show puts what matters of a line into words.
func show(l Line) string {
	g := l.Segment
	return fmt.Sprintf("%v.%d > %v.%d [%v] seq %d/%d ack %d/%d win %d len %d opt %v", l.Header.Src, g.SrcPort, l.Header.Dst, g.DstPort,
		g.Flags, g.Seq, l.SeqOrigin, g.Ack, l.AckOrigin, g.Window, l.Length, g.Options)
}

const (
	shownSYN    = "10.0.1.2.49302 > 10.0.2.2.5009 [S] seq 267775201/1 ack 0/0 win 8192 len 0 opt [mss 1452 nop wscale 2 nop nop sackOK]"
	shownSYNACK = "10.0.2.2.5009 > 10.0.1.2.49302 [S.] seq 3046340720/1 ack 267775202/1 win 29200 len 0 opt [mss 1460 nop nop sackOK nop wscale 7]"
)

func TestTextForms(t *testing.T) {
	plain := strings.TrimPrefix(lineSYN, "17:35:43.707223 ")
	for _, c := range []struct{ name, text string }{
		{"plain", lineSYN},
		{"no stamp", plain},
		{"date", "2020-03-30 " + lineSYN},
		{"epoch", "1585573392.902396 " + plain},
		{"delta", " 00:00:00.000000 " + plain},
		{"nanoseconds", "17:35:43.707223001 " + plain},
		{"numbered", "    1  " + lineSYN},
		{"quoted", "> > " + lineSYN},
		{"remark behind", lineSYN + "    **first**"},
		{"remark in another script", lineSYN + "，first"},
		{"any device", "17:35:43.707223 eth0  Out " + plain},
		{"link header", "17:35:43.707223 52:54:00:12:34:56 > 52:54:00:65:43:21, ethertype IPv4 (0x0800), length 66: " + strings.TrimPrefix(plain, "IP ")},
		{"VLAN", "17:35:43.707223 52:54:00:12:34:56 > 52:54:00:65:43:21, ethertype 802.1Q (0x8100), length 70: vlan 5, p 0, ethertype IPv4 (0x0800), " + strings.TrimPrefix(plain, "IP ")},
		{"HTML", "<p><code class=\"x\">" + strings.ReplaceAll(lineSYN, " > ", " &gt;&nbsp;") + "</code><br/>prose"},
		{"terminal colours", "\x1b[32m" + lineSYN + "\x1b[0m\r"},
		{"no-break spaces", strings.ReplaceAll(lineSYN, " ", "\u00a0")},
		{"verbose", "17:35:43.707223 IP (tos 0x10, ttl 63, id 59055, offset 0, flags [DF], proto TCP (6), length 52)\n    " + strings.Replace(strings.TrimPrefix(plain, "IP "), ", seq", ", cksum 0x1732 (incorrect -> 0x8f2a), seq", 1)},
		{"wrapped before addresses", strings.Replace(lineSYN, "49302 > ", "49302 > \n", 1)},
		{"wrapped behind the protocol", strings.Replace(lineSYN, "IP ", "IP\n", 1)},
		{"wrapped in an address", strings.Replace(lineSYN, "10.0.1.2", "10.\n0.1.2", 1)},
		{"wrapped in a word", strings.Replace(lineSYN, "options", "opt\nions", 1)},
		{"wrapped in a number", strings.Replace(lineSYN, "267775201", "2677\n75201", 1)},
		{"wrapped three times", strings.NewReplacer("seq ", "seq\n  ", "wscale 2", "wsca\nle 2", "], length", "],\nlength").Replace(lineSYN)},
	} {
		lines, r := readText(t, "$ tcpdump -i any\n"+c.text+"\n", reads())
		if len(lines) != 1 || r.Problem() != nil {
			t.Errorf("%s: %d lines, %+v, %v", c.name, len(lines), r.Tally(), r.Problem())
			continue
		}
		if got := show(lines[0]); got != shownSYN {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, shownSYN)
		}
	}
}

func TestTextVerbose(t *testing.T) {
	lines, _ := readText(t, "IP (tos 0x10, ttl 63, id 59055, offset 0, flags [+, DF, rsvd], proto TCP (6), length 40)\n"+
		"    10.0.1.2.1 > 10.0.2.2.2: Flags [none], cksum 0x1732 (correct), win 0, urg 7, length 0\n", reads())
	if len(lines) != 1 {
		t.Fatal("not read")
	}
	h, g := lines[0].Header, lines[0].Segment
	if !lines[0].Verbose || h.TOS != 0x10 || h.TTL != 63 || h.ID != 59055 || !h.DF || !h.MF || !h.Evil || h.TotalLen != 40 ||
		g.Checksum != 0x1732 || !g.KeepChecksum || g.Urgent != 7 || g.DataOffset != 5 {
		t.Errorf("%+v %+v", h, g)
	}
}

func TestTextNames(t *testing.T) {
	lines, r := readText(t, `IP ant.example.49302 > 10.0.2.2.http: Flags [.], ack 1, win 5, length 0
IP 10.0.2.2.http > ant.example.49302: Flags [.], ack 1, win 5, length 0
IP apple.ssh > ant.example.nothing: Flags [.], ack 1, win 5, length 0
IP 10.0.2.2.80 > localhost.9: Flags [.], ack 1, win 5, length 0
`, reads())
	if len(lines) != 3 || r.Tally().Unreadable != 1 {
		t.Fatalf("%d lines, %+v", len(lines), r.Tally())
	}
	ant := netip.MustParseAddr("0.0.0.1")
	if l := lines[0]; l.SrcName != "ant.example" || l.Header.Src != ant || l.Segment.DstPort != 80 || l.DstName != "" {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.DstName != "ant.example" || l.Header.Dst != ant {
		t.Errorf("%+v", l)
	}
	if l := lines[2]; l.DstName != "localhost" || l.Header.Dst == ant {
		t.Errorf("%+v", l)
	}
	if err := r.Problem(); err == nil || err.Error() != `line 3: "nothing" is not a port` {
		t.Errorf("problem %v", err)
	}
}

func TestTextNumbers(t *testing.T) {
	const up, down = "IP 10.0.1.2.49302 > 10.0.2.2.5009: Flags ", "IP 10.0.2.2.5009 > 10.0.1.2.49302: Flags "
	handshake := lineSYN + "\n" + lineSYNACK + "\n"
	for _, c := range []struct {
		name, before string
		line         string
		seq          wire.Seq
		seqOrigin    Origin
		ack          wire.Seq
		ackOrigin    Origin
	}{
		{"absolute", handshake, up + "[P.], seq 267775202:267775212, ack 3046340721, win 5, length 10", 267775202, OriginAbsolute, 3046340721, OriginAbsolute},
		{"relative", handshake, up + "[P.], seq 1:11, ack 1, win 5, length 10", 267775202, OriginRestored, 3046340721, OriginRestored},
		{"keepalive of an octet", handshake, up + "[.], seq 0:1, ack 1, win 5, length 1", 267775201, OriginRestored, 3046340721, OriginRestored},
		{"before the first", handshake, up + "[.], seq 4294967295:0, ack 1, win 5, length 1", 267775200, OriginRestored, 3046340721, OriginRestored},
		{"not shown", handshake, up + "[.], ack 1, win 5, length 0", 267775202, OriginInferred, 3046340721, OriginRestored},
		{"not shown, after data", handshake + up + "[P.], seq 1:11, ack 1, win 5, length 10\n", up + "[.], ack 7, win 5, length 0", 267775212, OriginInferred, 3046340727, OriginRestored},
		{"reset", handshake + up + "[.], ack 1, win 5, length 0\n", down + "[R], seq 3046340721, win 0, length 0", 3046340721, OriginAbsolute, 0, OriginNone},
		{"reset of a closed port", lineSYN + "\n", down + "[R.], seq 0, ack 267775202, win 0, length 0", 0, OriginAbsolute, 267775202, OriginAbsolute},
		{"no SYN", "", up + "[P.], seq 33:35, ack 33, win 5, length 2", 33, OriginRelative, 33, OriginRelative},
		{"no SYN, absolute", "", up + "[P.], seq 267775202:267775212, ack 3046340721, win 5, length 10", 267775202, OriginAbsolute, 3046340721, OriginAbsolute},
		{"no SYN, first is absolute", up + "[P.], seq 267775202:267775212, ack 3046340721, win 5, length 10\n",
			down + "[P.], seq 1:3, ack 10, win 5, length 2", 3046340721, OriginRestored, 267775212, OriginRestored},
		{"SYN-ACK missing", lineSYN + "\n", up + "[P.], seq 1:3, ack 1, win 5, length 2", 267775202, OriginRestored, 1, OriginRelative},
		{"nothing known", "", up + "[.], ack 3046340721, win 5, length 0", 0, OriginNone, 3046340721, OriginAbsolute},
		{"wrap", "IP 10.0.1.2.49302 > 10.0.2.2.5009: Flags [S], seq 4294967290, win 5, length 0\nIP 10.0.2.2.5009 > 10.0.1.2.49302: Flags [S.], seq 7, ack 4294967291, win 5, length 0\n",
			up + "[P.], seq 11:21, ack 1, win 5, length 10", 5, OriginRestored, 8, OriginRestored},
	} {
		lines, r := readText(t, c.before+c.line, reads())
		if len(lines) == 0 || r.Problem() != nil {
			t.Errorf("%s: %v", c.name, r.Problem())
			continue
		}
		l := lines[len(lines)-1]
		if l.Segment.Seq != c.seq || l.SeqOrigin != c.seqOrigin || l.Segment.Ack != c.ack || l.AckOrigin != c.ackOrigin {
			t.Errorf("%s: %s", c.name, show(l))
		}
	}
}

func TestTextSACK(t *testing.T) {
	r := NewText(strings.NewReader(lineSYN+"\n"+lineSYNACK+"\n"+
		"IP 10.0.1.2.49302 > 10.0.2.2.5009: Flags [.], ack 1, win 5, options [nop,nop,sack 2 {11:21}{31:41}], length 0\n"), reads())
	var last Line
	for l, err := r.Next(); err == nil; l, err = r.Next() {
		last = l
	}
	if got, want := fmt.Sprint(last.Segment.Options), "[nop nop sack 2 {3046340731:3046340741}{3046340751:3046340761}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTextOptionsThatAreNotRead(t *testing.T) {
	lines, _ := readText(t, "IP 10.0.1.2.1 > 10.0.2.2.2: Flags [S], seq 1, win 5, options [mss 1460,nonsense 7,eol], length 0\n", reads())
	if len(lines) != 1 || fmt.Sprint(lines[0].Unread) != "[nonsense 7]" || len(lines[0].Segment.Options) != 2 || lines[0].Segment.DataOffset != 7 {
		t.Fatalf("%+v", lines)
	}
	lines, _ = readText(t, lineSYN, TextConfig{})
	if len(lines) != 1 || len(lines[0].Unread) != 6 {
		t.Errorf("without a reader of options: %+v", lines)
	}
}

const dumpOfACK = `	0x0000:  4500 0038 e6b1 4000 3d06 400b 0a00 0102  E..8..@.=.@.....
	0x0010:  0a00 0202 ba92 270f 52a8 f440 17e9 98b8  ......'.R..@....
	0x0020:  8018 00e5 172e 0000 0101 080a fc86 cdb0  ................
	0x0030:  17bb de1a 6162 630a                      ....abc.
`

func TestTextDumps(t *testing.T) {
	const line = "IP 10.0.1.2.47762 > 10.0.2.2.9999: Flags [P.], seq 1:5, ack 1, win 229, options [nop,nop,TS val 1 ecr 2], length 4\n"
	const next = "IP 10.0.2.2.9999 > 10.0.1.2.47762: Flags [.], ack 5, win 227, length 0\n"
	link := "0x0000:  0200 0000 0001 0200 0000 0002 0800 4500\n0x0010:  0028 0000 4000 4006 0000 0a00 0102 0a00\n0x0020:  0202 ba92 270f 52a8 f440 17e9 98b8 5018\n0x0030:  00e5 0000 0000\n"
	for _, c := range []struct {
		name, text string
		payload    string
		length     int
		tally      Tally
		problem    string
	}{
		{"with characters", line + dumpOfACK + next, "abc\n", 4, Tally{Segments: 2}, ""},
		{"without", line + dumpRows(dumpOfACK) + next, "abc\n", 4, Tally{Segments: 2}, ""},
		{"a blank line between", line + "\n" + dumpOfACK + next, "abc\n", 4, Tally{Segments: 2}, ""},
		{"quoted", "> " + line + "> " + strings.ReplaceAll(strings.TrimSpace(dumpOfACK), "\n", "\n> ") + "\n> " + next, "abc\n", 4, Tally{Segments: 2}, ""},
		{"link header", line + link + next, "", 0, Tally{Segments: 2}, ""},
		{"a row is missing", line + strings.Replace(dumpOfACK, "0x0020", "0x0030", 1), "", 4, Tally{Segments: 1, Dumps: 1}, "line 4, column 1: the hex dump is damaged here"},
		{"a wrong digit", line + strings.Replace(dumpOfACK, "270f", "27of", 1), "", 4, Tally{Segments: 1, Dumps: 1}, "line 3, column 28: the hex dump is damaged here"},
		{"another segment's", strings.ReplaceAll(line, "47762", "47763") + dumpOfACK, "", 4, Tally{Segments: 1, Dumps: 1}, "line 1: the hex dump beneath is of another segment"},
		{"cut short", line + strings.Replace(dumpOfACK, " 6162 630a ", " 61 ", 1), "a", 4, Tally{Segments: 1}, ""},
	} {
		r := NewText(strings.NewReader(c.text), reads())
		l, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		payload := string(l.Segment.Payload)
		if read := c.tally.Dumps == 0; (l.Datagram != nil) != read || payload != c.payload || l.Length != c.length || read && (l.Segment.Seq != 1386804288 || l.SeqOrigin != OriginAbsolute) {
			t.Errorf("%s: %q, %s", c.name, payload, show(l))
		}
		if l, err = r.Next(); err == nil && (l.Segment.Ack < 1386804289 || l.AckOrigin != OriginRestored) {
			t.Errorf("%s, next line: %s", c.name, show(l)) // the dump tells what it is relative to
		}
		if err := r.Problem(); r.Tally() != c.tally || err != nil && err.Error() != c.problem || err == nil && c.problem != "" {
			t.Errorf("%s: %+v, %v", c.name, r.Tally(), err)
		}
	}
}

// dumpRows takes the characters off a dump.
func dumpRows(dump string) string {
	var b strings.Builder
	for row := range strings.Lines(dump) {
		b.WriteString(strings.TrimRight(row[:min(len(row), 50)], " \n") + "\n")
	}
	return b.String()
}

func TestTextStamps(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.FixedZone("east", 8*3600))
	const rest = " IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.], ack 1, win 5, length 0\n"
	at := func(offset time.Duration) time.Time { return day.Add(offset) }
	const h, s = time.Hour, time.Second
	for _, c := range []struct {
		name   string
		cfg    TextConfig
		stamps string
		kind   StampKind
		want   []time.Time
	}{
		{"time of day", TextConfig{Day: day}, "23:59:59.000000 00:00:01.000000 00:00:00.500000", StampTimeOfDay, []time.Time{at(24*h - s), at(24*h + s), at(24*h + s/2)}},
		{"since the line before", TextConfig{Day: day}, "00:00:00.000000 00:00:02.000000 00:00:01.000000", StampDelta, []time.Time{day, at(2 * s), at(3 * s)}},
		{"since the first line", TextConfig{Day: day, SinceFirst: true}, "00:00:00.000000 00:00:02.000000 00:00:03.000000", StampDelta, []time.Time{day, at(2 * s), at(3 * s)}},
		{"date", TextConfig{Day: day}, "2020-03-30_21:03:12.902396", StampDate, []time.Time{time.Date(2020, 3, 30, 21, 3, 12, 902396000, day.Location())}},
		{"epoch", TextConfig{}, "1585573392.902396789", StampEpoch, []time.Time{time.Unix(1585573392, 902396789).UTC()}},
		{"none", TextConfig{}, "", StampNone, []time.Time{{}}},
	} {
		var text strings.Builder
		for stamp := range strings.SplitSeq(c.stamps, " ") {
			text.WriteString(strings.TrimSpace(strings.ReplaceAll(stamp, "_", " ")+rest) + "\n")
		}
		lines, _ := readText(t, text.String(), c.cfg)
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d lines", c.name, len(lines))
			continue
		}
		for i, l := range lines {
			if !l.At.Equal(c.want[i]) || l.Stamp != c.kind {
				t.Errorf("%s, line %d: %v, kind %d; want %v", c.name, i+1, l.At, l.Stamp, c.want[i])
			}
		}
	}
}

func TestTextDevices(t *testing.T) {
	lines, _ := readText(t, `1:2 nothing
17:35:43.707223 eth0  In  IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.], ack 1, win 5, length 0
17:35:43.707223 Out IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.], ack 1, win 5, length 0
17:35:43.707223 wg0   ?   IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.e], ack 1, win 5, length 0
`, reads())
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range []Line{{Device: "eth0", Direction: Inbound}, {Direction: Outbound}, {Device: "wg0"}} {
		if l := lines[i]; l.Device != want.Device || l.Direction != want.Direction || l.Row != i+2 || l.Number != i+1 {
			t.Errorf("%+v", l)
		}
	}
	if lines[2].Segment.Reserved != 1 {
		t.Error("AE is not read")
	}
}

func TestTextCountsTheRest(t *testing.T) {
	_, r := readText(t, `root@apple:~# tcpdump -n tcp port 5009
listening on eth0, link-type EN10MB (Ethernet), capture size 262144 bytes

`+lineSYN+`
17:35:43.8 no packet
17:35:43.700000 IP 10.0.1.2.53 > 10.0.2.2.4000: 1234+ A? example.org. (29)
17:35:43.700000 ARP, Request who-has 10.0.1.2 tell 10.0.1.1, length 28
17:35:43.700000 IP6 2001:db8::1.80 > 2001:db8::2.5000: Flags [.], ack 1, win 5, length 0
17:35:43.700000 IP6 (flowlabel 0x7, hlim 64, next-header TCP (6) payload length: 20)
    2001:db8::1.80 > 2001:db8::2.5000: Flags [.], cksum 0x1732 (correct), ack 1, win 5, length 0
17:35:43.700000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.], ack 4294967296, win 5, length 0
17:35:43.700000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [X], ack 1, win 5, length 0
17:35:43.700000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [P.], seq 1:5, ack 1, win 5, length 5
25:35:43.700000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [.], ack 1, win 5, length 0
17:35:43.700000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [S], seq 1, win 5, options [mss 1460
3 packets captured
`, reads())
	if got, want := r.Tally(), (Tally{Segments: 1, Other: 4, Unreadable: 5, Text: 4}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := r.Problem(); err == nil || err.Error() != `line 11: ack: "4294967296" is not a number from 0 to 4294967295` {
		t.Errorf("problem %v", err)
	}
}

func TestTextOfABrokenReader(t *testing.T) {
	broken := errors.New("broken")
	r := NewText(io.MultiReader(strings.NewReader(lineSYN+"\n"+lineSYNACK[:40]), iotest.ErrReader(broken)), reads())
	if l, err := r.Next(); err != nil || show(l) != shownSYN {
		t.Errorf("%v", err)
	}
	if _, err := r.Next(); err != broken {
		t.Errorf("%v", err)
	}
}

// A line without end takes no memory beyond the buffer, and what follows it is
// read.
func TestTextLineWithoutEnd(t *testing.T) {
	long := io.LimitReader(&repeated{of: []byte("<br>IP x > ")}, 8<<20)
	r := NewText(io.MultiReader(long, strings.NewReader("\n"+lineSYN)), reads())
	if l, err := r.Next(); err != nil || show(l) != shownSYN || l.Row != 2 {
		t.Errorf("%v, %v", l, err)
	}
}

func TestFlowsAreForgotten(t *testing.T) {
	n := newNumbers()
	for i := range maxFlows + 10 {
		l := Line{Header: wire.Header{Src: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("10.0.2.2")}}
		n.of(&l)
	}
	if len(n.flows) != maxFlows || len(n.order) != maxFlows {
		t.Errorf("%d flows, %d in order", len(n.flows), len(n.order))
	}
}

func FuzzText(f *testing.F) {
	articles, err := os.ReadFile("testdata/articles.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(articles))
	f.Add(lineSYN + "\n" + dumpOfACK)
	f.Add("IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto TCP (6), length 40)\n a.http > b.9: Flags [none], win 0, length\n 0")
	f.Add(" 00:00:00.000000 1.2.3.4.5 &gt; 6.7.8.9.10: Flags [.e], ack 1, win 1, options [nop,nop,sack 1 {1:2}], length 0<br>x")
	f.Fuzz(func(t *testing.T, text string) {
		lines, r := readText(t, text, reads())
		if r.Tally().Segments != len(lines) {
			t.Fatalf("%d lines, %+v", len(lines), r.Tally())
		}
		again := NewText(strings.NewReader(text), reads())
		for range lines {
			l, err := again.Next()
			if err != nil {
				t.Fatal(err)
			}
			if l.Datagram == nil {
				if d, err := l.AppendDatagram(nil); err != nil || len(d) != int(l.Header.TotalLen) {
					t.Fatalf("%s: %d octets, %v", show(l), len(d), err)
				}
			}
		}
	})
}

func BenchmarkText(b *testing.B) {
	text := strings.Repeat(lineSYN+"\n"+lineSYNACK+"\n", 500)
	cfg := reads()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := NewText(strings.NewReader(text), cfg)
		for _, err := r.Next(); err == nil; _, err = r.Next() {
		}
		if n := r.Tally().Segments; n != 1000 {
			b.Fatalf("%d segments", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}
