package flow

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// tcpdumpLine is what tcpdump prints of a segment, without -v.
var tcpdumpLine = regexp.MustCompile(`^(\S+) IP (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[(\S+)\](?:, seq (\d+)(?::\d+)?)?(?:, ack (\d+))?, win (\d+)(?:, options \[(\S.*)\])?, length (\d+)`)

// listing reads tcpdump's lines. The numbers are relative from the second
// segment of each end on, unless absolute says that -S was given.
type listing struct {
	t        *testing.T
	absolute bool
	iss      map[netip.AddrPort]wire.Seq
}

func (l listing) parse(line string) (at time.Time, h wire.Header, g wire.Segment) {
	l.t.Helper()
	m := tcpdumpLine.FindStringSubmatch(line)
	if m == nil {
		l.t.Fatalf("no line of tcpdump: %s", line)
	}
	at, err := time.Parse("15:04:05.000000", m[1])
	if err != nil {
		l.t.Fatal(err)
	}
	src := netip.MustParseAddrPort(m[2] + ":" + m[3])
	dst := netip.MustParseAddrPort(m[4] + ":" + m[5])
	h.Src, h.Dst, g.SrcPort, g.DstPort = src.Addr(), dst.Addr(), src.Port(), dst.Port()
	for _, f := range m[6] {
		g.Flags |= map[rune]wire.Flags{'S': wire.SYN, 'F': wire.FIN, 'R': wire.RST, 'P': wire.PSH, '.': wire.ACK}[f]
	}
	g.Seq, g.Ack = wire.Seq(number(m[7])), wire.Seq(number(m[8]))
	g.Window = uint16(number(m[9]))
	g.Options = optionsOf(m[10])
	g.Payload = make([]byte, number(m[11]))
	syn := g.Flags&wire.SYN != 0
	if syn {
		l.iss[src] = g.Seq
	}
	if !l.absolute && !syn && g.Flags&wire.RST == 0 {
		g.Seq, g.Ack = g.Seq+l.iss[src], g.Ack+l.iss[dst]
	}
	return at, h, g
}

// optionsOf reads those options that a Table looks at.
func optionsOf(list string) (options []wire.Option) {
	for word := range strings.SplitSeq(list, ",") {
		switch f := strings.Fields(word); {
		case len(f) == 2 && f[0] == "wscale":
			n, _ := strconv.Atoi(f[1])
			options = append(options, wire.WindowScale(uint8(n)))
		case len(f) == 5 && f[0] == "TS":
			options = append(options, wire.Timestamps(number(f[2]), number(f[4])))
		case len(f) == 1 && f[0] == "nop":
			options = append(options, wire.NOP())
		}
	}
	return options
}

// The displays of four articles about TCP, as tcpdump printed them. tcpdump
// leaves out the sequence number of a pure ACK; it is the next.
func TestArticles(t *testing.T) {
	for _, c := range articles() {
		t.Run(c.name, func(t *testing.T) {
			text, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			l := listing{t, c.absolute, map[netip.AddrPort]wire.Seq{}}
			table := New(Config{})
			var last Event
			want := c.want
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "\t") {
					continue // octets
				}
				at, h, g := l.parse(line)
				if g.Flags&(wire.SYN|wire.FIN|wire.RST) == 0 && len(g.Payload) == 0 {
					c, side := table.Find(netip.AddrPortFrom(h.Src, g.SrcPort), netip.AddrPortFrom(h.Dst, g.DstPort))
					g.Seq, _ = c.End(side).Next()
				}
				last = table.Add(at, &h, &g, 0)
				got := fmt.Sprintf("%s %d %s / %v %v", map[Side]string{Client: ">", Server: "<"}[last.From], last.RelSeq, last.Steps, last.Client, last.Server)
				if len(want) == 0 || want[0] != got {
					t.Errorf("%sgot %q", line, got)
				}
				want = want[min(1, len(want)):]
			}
			c.check(t, last.Connection)
		})
	}
}
