package flow

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// start is when every script begins.
func start() time.Time { return time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC) }

// player feeds a table with segments written one a line:
//
//	[+50ms] > PA 101+20 ack 301 win 500 = data / established established
//
// The client's segments point right, the server's left. Words that may follow:
// ack, win, ws, ts VAL ECR, sack, id, ttl, tos, place. The time counts from the line
// before. Behind "=" stand the steps that are expected, and behind "/" the
// states of client and server; "copy" stands for a copy.
type player struct {
	t     *testing.T
	table *Table
	at    time.Time
	last  Event
}

func newPlayer(t *testing.T, c Config) *player {
	return &player{t: t, table: New(c), at: start()}
}

func play(t *testing.T, script string) *Connection {
	t.Helper()
	p := newPlayer(t, Config{})
	p.play(script)
	return p.last.Connection
}

func (p *player) play(script string) {
	p.t.Helper()
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" {
			p.line(line)
		}
	}
}

func (p *player) line(line string) {
	p.t.Helper()
	text, want, _ := strings.Cut(line, "=")
	h, g, place, wait, err := parseLine(strings.Fields(text))
	if err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	p.at = p.at.Add(wait)
	p.last = p.table.Add(p.at, &h, &g, place)
	p.check(line, want)
}

func (p *player) check(line, want string) {
	p.t.Helper()
	steps := p.last.Steps.String()
	if p.last.Copy {
		steps = "copy"
	}
	got := fmt.Sprintf("%s / %v %v", steps, p.last.Client, p.last.Server)
	if want = strings.TrimSpace(want); got != want {
		p.t.Errorf("%s\n got %s", line, got)
	}
}

func parseLine(words []string) (h wire.Header, g wire.Segment, place int, wait time.Duration, err error) {
	if strings.HasPrefix(words[0], "+") {
		if wait, err = time.ParseDuration(words[0][1:]); err != nil {
			return
		}
		words = words[1:]
	}
	client, server := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	h.Src, h.Dst, g.SrcPort, g.DstPort = client, server, 40000, 80
	if words[0] == "<" {
		h.Src, h.Dst, g.SrcPort, g.DstPort = server, client, 80, 40000
	}
	for _, f := range words[1] {
		g.Flags |= map[rune]wire.Flags{'S': wire.SYN, 'F': wire.FIN, 'R': wire.RST, 'P': wire.PSH, '.': wire.ACK}[f]
	}
	seq, length, _ := strings.Cut(words[2], "+")
	g.Seq = wire.Seq(number(seq))
	g.Payload = make([]byte, number(length))
	g.Window = 500
	for rest := words[3:]; len(rest) > 0; rest = rest[2:] {
		if rest[0] == "sack" {
			g.Options = append(g.Options, wire.SACK(wire.SACKBlock{}))
			rest = append([]string{""}, rest...)
			continue
		}
		n := number(rest[1])
		switch rest[0] {
		case "ack":
			g.Ack = wire.Seq(n)
		case "win":
			g.Window = uint16(n)
		case "ws":
			g.Options = append(g.Options, wire.WindowScale(uint8(n)))
		case "ts":
			g.Options = append(g.Options, wire.Timestamps(n, number(rest[2])))
			rest = rest[1:]
		case "id":
			h.ID = uint16(n)
		case "ttl":
			h.TTL = uint8(n)
		case "tos":
			h.TOS = uint8(n)
		case "place":
			place = int(n)
		default:
			return h, g, 0, 0, fmt.Errorf("what is %q", rest[0])
		}
	}
	return h, g, place, wait, nil
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// Every script that begins with a plain handshake has this before it.
const handshake = `
	> S 100 = handshake-1/3 / syn-sent unknown
	+10ms < S. 300 ack 101 = handshake-2/3 / established syn-received
	+20ms > . 101 ack 301 = handshake-3/3 / established established
`
