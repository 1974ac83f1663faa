package report

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// wiretap shows datagrams to a viewer.
type wiretap struct {
	t     testing.TB
	v     Viewer
	table *flow.Table
	at    time.Time
	place int
	// snap is how many octets of a payload are captured; negative means all.
	snap int
	text bool
}

// tap opens a view that writes to out.
func tap(t testing.TB, out *strings.Builder, views Views, c flow.Config, change func(*Options)) *wiretap {
	t.Helper()
	o := testOptions(out)
	o.Views = &views
	if change != nil {
		change(&o)
	}
	v, err := Open([]Output{{Format: FormatText}}, o)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiretap{t: t, v: v, at: noon, snap: -1}
	c.Leave = func(c *flow.Connection) {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
	w.table = flow.New(c)
	return w
}

// pass shows a segment between ant, at a port, and port 80 of apple. The words
// are "> FLAGS SEQ ACK", or "<".
func (w *wiretap) pass(port uint16, words, payload string) {
	w.t.Helper()
	f := strings.Fields(words)
	h := wire.Header{TTL: 64, Protocol: wire.ProtocolTCP, Src: ant, Dst: apple}
	g := wire.Segment{SrcPort: port, DstPort: 80, Window: 500, Payload: []byte(payload)}
	if f[0] == "<" {
		h.Src, h.Dst, g.SrcPort, g.DstPort, h.TTL = apple, ant, 80, port, 63
	}
	for _, letter := range f[1] {
		g.Flags |= map[rune]wire.Flags{'S': wire.SYN, 'F': wire.FIN, 'R': wire.RST, 'P': wire.PSH, '.': wire.ACK}[letter]
	}
	if g.Flags&wire.RST != 0 {
		g.Window = 0
	}
	numbers := make([]wire.Seq, 2)
	for i, digits := range f[2:] {
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			w.t.Fatal(err)
		}
		numbers[i] = wire.Seq(n)
	}
	g.Seq, g.Ack = numbers[0], numbers[1]
	w.show(h, g)
}

func (w *wiretap) show(h wire.Header, g wire.Segment) {
	w.t.Helper()
	d, err := h.AppendTo(nil, 20+len(g.Payload))
	if err == nil {
		d, err = g.AppendTo(d, h.Src, h.Dst)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	missing := 0
	if w.snap >= 0 {
		missing = max(len(g.Payload)-w.snap, 0)
	}
	w.at = w.at.Add(time.Millisecond)
	header, payload, err := wire.ParseHeader(d[:len(d)-missing])
	segment, wrong := wire.ParseSegment(payload)
	if wrong != nil {
		w.t.Fatal(err, wrong)
	}
	event := w.table.Add(w.at, &header, &segment, w.place)
	s := Sight{
		At: w.at, Datagram: d[:len(d)-missing], Missing: missing, Text: w.text,
		Header: &header, Segment: &segment, Event: &event,
	}
	if err := w.v.Sight(&s); err != nil {
		w.t.Fatal(err)
	}
	clear(d) // nothing of a sight is kept
}

// begin is a handshake from a port; the first octets are 101 and 301.
func (w *wiretap) begin(port uint16) {
	w.t.Helper()
	w.pass(port, "> S 100", "")
	w.pass(port, "< S. 300 101", "")
	w.pass(port, "> . 101 301", "")
}

// end ends the view as a run does.
func (w *wiretap) end() {
	w.t.Helper()
	for c := range w.table.All() {
		if err := w.v.Leave(c); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.v.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// follows shows a conversation in the view that follows it.
func follows(t *testing.T, views Views, color bool, conversation func(*wiretap)) string {
	t.Helper()
	var out strings.Builder
	views.View = ViewFollow
	w := tap(t, &out, views, flow.Config{}, func(o *Options) { o.Color = color })
	conversation(w)
	w.end()
	return out.String()
}

// web is a request and its answer, with a hole, and another connection in
// between.
func web(w *wiretap) {
	w.begin(40000)
	w.pass(40000, "> P. 101 301", "GET / HTTP/1.1\r\nHost: apple\r")
	w.begin(40001)
	w.pass(40000, "> P. 129 301", "\n\r\n")
	w.pass(40001, "< P. 301 101", "220 apple ESMTP ready\r\n")
	w.pass(40000, "< P. 301 132", "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n")
	w.pass(40000, "< P. 1783 132", "last\tcolumn\nno line feed \xe2\x82")
	w.pass(40001, "> P. 101 324", "QUIT\r\n")
	w.pass(40000, "< P. 1810 132", "\xac \xff\x1b[31m\u202e")
	w.pass(40000, "> . 132 1821", "")
	w.pass(40000, "> F. 132 1821", "")
	w.pass(40000, "< F. 1821 133", "")
	w.pass(40001, "< R 324 0", "")
	w.pass(40001, "> P. 107 324", "is anybody there?")
	w.begin(40002)
	w.pass(40003, "> S 100", "")
	w.pass(40003, "< R. 0 101", "")
}

func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		views Views
		color bool
	}{
		"gathered": {}, "live": {views: Views{Live: true}}, "hex": {views: Views{Hex: true}},
		"color": {color: true}, "live-color": {views: Views{Live: true}, color: true},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "follow-"+name+".golden", follows(t, c.views, c.color, web))
		})
	}
}

// body is the view without titles.
func body(shown string) string {
	var b strings.Builder
	for line := range strings.Lines(shown) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestFollowSays(t *testing.T) {
	for _, c := range []struct {
		name string
		talk func(*wiretap)
		want string
	}{
		{"lines in pieces", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "one")
			w.pass(1, "> P. 104 301", " line\nand ")
			w.pass(1, "> P. 114 301", "more")
			w.pass(1, "< P. 301 118", "yes\n\n\nno")
			w.pass(1, "> P. 118 309", "!")
		}, "> one line\n> and more\n< yes\n<\n<\n< no\n> !\n"},
		{"carriage returns", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "a\r\nb\rc\r")
			w.pass(1, "< P. 301 108", "d\r")
			w.pass(1, "> P. 108 303", "\n\r\r\n")
			w.pass(1, "< P. 303 112", "e")
		}, "> a\n> b\\x0dc\n< d\n>\n> \\x0d\n< \\x0de\n"},
		{"characters in pieces", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "\xe2")
			w.pass(1, "> P. 102 301", "\x82")
			w.pass(1, "> P. 103 301", "\xac\xf0\x9f")
			w.pass(1, "< P. 301 106", "\xe2\x82")
			w.pass(1, "> P. 106 303", "x\xc3")
		}, "> €\n> \\xf0\\x9fx\\xc3\n< \\xe2\\x82\n"},
		{"what looks like ours", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "[end]\n#1: client\n>[reset]\n")
		}, "> [end]\n> #1: client\n> >[reset]\n"},
		{"out of order, and never seen", func(w *wiretap) {
			w.pass(1, "> P. 103 301", "c\n")
			w.pass(1, "> P. 101 301", "ab")
			w.pass(1, "> P. 1553 301", "d\n")
			w.pass(1, "< . 301 1555", "")
		}, "> abc\n>[1,448 octets not captured]\n> d\n"},
		{"late", func(w *wiretap) {
			w.pass(1, "> P. 104 301", "d\n")
			w.pass(1, "< . 301 106", "")
			w.pass(1, "> P. 101 301", "abc")
			w.pass(1, "> P. 106 301", "e\n")
		}, ">[3 octets not captured]\n> d\n>[3 octets of those not captured, late:]\n> abc\n> e\n"},
		{"sent again", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "abc")
			w.pass(1, "> P. 101 301", "aXX")
			w.pass(1, "> P. 104 301", "d")
		}, "> abc\n>[2 octets sent again as something else]\n> d\n"},
		{"half closed, and then reset", func(w *wiretap) {
			w.pass(1, "> F. 101 301", "bye")
			w.pass(1, "< P. 301 105", "still here")
			w.pass(1, "> R 105", "")
			w.pass(1, "< P. 311 105", "and here")
			w.pass(1, "< P. 319 105", "or not")
		}, "> bye\n>[end]\n< still here\n>[reset]\n<[14 octets that nobody was given]\n"},
		{"cut short", func(w *wiretap) {
			w.snap = 4
			w.pass(1, "> P. 101 301", "GET / HTTP/1.1\r\n")
			w.pass(1, "> P. 117 301", "Host: apple\r\n")
		}, "> GET \n>[12 octets not captured]\n> Host\n>[9 octets not captured]\n"},
		{"as text only", func(w *wiretap) {
			w.text = true
			w.pass(1, "> P. 101 301", "\x00\x00\x00\x00")
			w.pass(1, "> P. 105 301", "\x00\x00\x00\x00")
			w.pass(1, "< P. 301 109", "\x00")
		}, ">[8 octets that tcpdump's text does not have]\n<[1 octet that tcpdump's text does not have]\n"},
		{"joined late", func(w *wiretap) {
			w.pass(40000, "> P. 500 900", "b")
			w.pass(40000, "> P. 499 900", "ab")
		}, "the lower port is taken for the server's)\n> b\n>[1 octet sent again from before the first]\n\n1 connection without octets\n"},
		{"copies", func(w *wiretap) {
			w.pass(1, "> P. 101 301", "once\n")
			w.pass(1, "< . 301 106", "")
			w.pass(1, "> . 105 301", "X") // a keepalive with an octet
		}, "> once\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := body(follows(t, Views{}, false, func(w *wiretap) {
				w.begin(1)
				c.talk(w)
			}))
			if got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// A prompt without a line feed is there as soon as it was seen.
func TestFollowShowsPromptsAtOnce(t *testing.T) {
	var out strings.Builder
	w := tap(t, &out, Views{View: ViewFollow, Live: true}, flow.Config{}, nil)
	w.begin(1)
	w.begin(2)
	for _, c := range []struct {
		port           uint16
		words, payload string
		want           string
	}{
		{1, "< P. 301 101", "login: ", "#1: client 10.0.1.2:1, server 10.0.2.2:80, at 12:00:00.124456\n< login: "},
		{1, "> P. 101 308", "ro", "\n> ro"},
		{1, "> P. 103 308", "ot\n", "ot\n"},
		{1, "< P. 308 106", "password: ", "< password: "},
		{2, "< P. 301 101", "220\n", "\n\n#2: client 10.0.1.2:2, server 10.0.2.2:80, at 12:00:00.127456\n< 220\n"},
		{1, "> P. 106 318", "\n", "\n#1, continued: client 10.0.1.2:1, server 10.0.2.2:80\n>\n"},
	} {
		if err := w.v.Flush(); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		w.pass(c.port, c.words, c.payload)
		if err := w.v.Flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("got %q, want %q", out.String(), c.want)
		}
	}
	w.end()
}

// What has no room any longer is written out before its time, and continued.
func TestFollowIsBounded(t *testing.T) {
	var out strings.Builder
	w := tap(t, &out, Views{View: ViewFollow}, flow.Config{}, nil)
	w.begin(1)
	w.begin(2)
	line := strings.Repeat("x", 60000)
	for i := range 2 * maxSaid / len(line) {
		seq := strconv.Itoa(101 + i*len(line))
		w.pass(1, "> . "+seq+" 301", line)
		if i == 0 {
			w.pass(2, "> P. 101 301", "y")
		}
	}
	w.end()
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, line[:min(len(line), 20)])
	}
	want := []string{
		"#1: client 10.0.1.2:", "> xxxxxxxxxxxxxxxxxx", "\n", "#2: client 10.0.1.2:", "> y\n", "\n",
		"#1, continued: clien", "> xxxxxxxxxxxxxxxxxx",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
	if got, want := strings.Count(out.String(), "x"), 2*maxSaid/len(line)*len(line); got != want {
		t.Errorf("%d octets of %d", got, want)
	}
}

// Whatever peers send, no terminal is told anything by it.
func FuzzFollow(f *testing.F) {
	f.Add("plain\r\n\x1b]0;x\x07", "\xff\xfe\u202e\n", 3)
	f.Add("\r", "\n\xe2\x82\xac", 0)
	f.Fuzz(func(t *testing.T, client, server string, cut int) {
		if len(client)+len(server) > 1000 {
			return
		}
		cut = max(0, min(cut, len(client)))
		for _, views := range []Views{{}, {Hex: true}, {Live: true}} {
			shown := follows(t, views, false, func(w *wiretap) {
				w.begin(1)
				w.pass(1, "> . 101 301", client[:cut])
				w.pass(1, "< . 301 101", server)
				w.pass(1, "> . "+strconv.Itoa(101+cut)+" 301", client[cut:])
			})
			for line := range strings.Lines(shown) {
				text := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", " ")
				if Escape(text) != text {
					t.Errorf("%q", line)
				}
				if text != "" && !strings.ContainsRune("#<>", rune(text[0])) && text != "1 connection without octets" {
					t.Errorf("%q", line)
				}
			}
		}
	})
}

// quietly lets a view write to nobody.
func quietly(b *testing.B, views Views) *wiretap {
	var out strings.Builder
	return tap(b, &out, views, flow.Config{}, func(o *Options) { o.Stdout = discard{} })
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkFollow(b *testing.B) {
	for name, octets := range map[string]string{
		"text":   strings.Repeat("Header: of a protocol that people can read\r\n", 32),
		"binary": strings.Repeat("\x00\xff\x80\x7f\xc3\xa4 ~", 181),
	} {
		b.Run(name, func(b *testing.B) {
			w := quietly(b, Views{View: ViewFollow, Live: true})
			w.begin(1)
			h := wire.Header{Src: ant, Dst: apple, TTL: 64}
			g := wire.Segment{SrcPort: 1, DstPort: 80, Seq: 101, Ack: 301, Flags: wire.ACK, Window: 500, Payload: []byte(octets)}
			b.SetBytes(int64(len(octets)))
			b.ReportAllocs()
			for b.Loop() {
				event := w.table.Add(w.at, &h, &g, 0)
				if err := w.v.Sight(&Sight{At: w.at, Header: &h, Segment: &g, Event: &event}); err != nil {
					b.Fatal(err)
				}
				g.Seq = g.Seq.Add(uint32(len(octets)))
			}
		})
	}
}
