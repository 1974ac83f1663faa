//go:build linux

package flow_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// act is one connection on a stage, and a table that watches it from the
// middle of the wire. Another table gets everything twice, as from two devices,
// and must say the same.
type act struct {
	t                *testing.T
	stage            *stage
	table, copying   *flow.Table
	at               time.Time // the table's clock; the kernels have their own
	client, server   netip.AddrPort
	inside           netip.AddrPort // the client's own, where it is translated
	listener         *socket
	near, far        *socket // the client's and the server's
	taken            [2]map[span]bool
	first            [2]wire.Seq // of each side, so that scripts count from 0
	known            [2]bool
	held             [2][]parcel // seen, and not delivered yet
	deaf             [2]bool     // a segment to it was seen and lost
	mute             [2]bool     // a segment of it was lost before it was seen
	last             flow.Event
	lastSegment      parcel
	clientHost, host *netlab.Node
	apart            bool // the server's kernel does not tell what its segments do
}

// span is the sequence space of a segment. A SYN-ACK is another thing than the
// SYN that it repeats when SYNs cross.
type span struct {
	seq     wire.Seq
	size    uint32
	answers bool
}

// tick is what passes on the table's clock from one line to the next.
const tick = 100 * time.Microsecond

// newAct makes ready for a connection from ant to apple, on ports of its own.
func newAct(t *testing.T, s *stage) *act {
	s.port++
	return actOn(t, s, s.port)
}

func actOn(t *testing.T, s *stage, port uint16) *act {
	s.t = t
	a := &act{
		t: t, stage: s, table: flow.New(flow.Config{}), copying: flow.New(flow.Config{Copies: true}), at: time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC),
		client: netip.AddrPortFrom(s.ant.Addr(), 10000+port), server: netip.AddrPortFrom(s.apple.Addr(), port),
		clientHost: s.ant, host: s.apple,
	}
	a.inside = a.client
	for side := range a.taken {
		a.taken[side] = map[span]bool{}
		s.lanes[side].queue = nil
	}
	return a
}

// listen makes the server ready.
func (a *act) listen(options ...option) {
	a.t.Helper()
	a.listener = newSocket(a.t, a.host, a.server, options...)
	a.listener.listen()
}

// connect sends the client's SYN.
func (a *act) connect(options ...option) {
	a.t.Helper()
	a.near = newSocket(a.t, a.clientHost, a.inside, options...)
	a.near.connect(a.server)
}

// handshake is that of every connection.
const handshake = `
	> S = handshake-1/3 / syn-sent unknown
	< S. = handshake-2/3 / established syn-received
	> . = handshake-3/3 / established established
`

// stand opens the connection.
func (a *act) stand(options ...option) {
	a.t.Helper()
	a.listen()
	a.connect(options...)
	a.play(handshake)
	a.accept()
}

// accept takes the connection from the listener; what it is about to send
// goes out at once.
func (a *act) accept() {
	a.t.Helper()
	a.far = a.listener.accept()
	for _, s := range []*socket{a.near, a.far} {
		s.set(option{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1})
	}
}

// line is one of a script:
//
//	[+50ms] > F. +30 ack 12 again lost = steps / client server
//
// The client's segments point right, the server's left; "+" is the length,
// and PSH does not count. Behind "=" stand the steps that are expected, and
// behind "/" the states of client and server, which then must be the kernels'.
// Words that may follow the flags:
//
//	ack N      acknowledges N, relatively
//	again      repeats a segment that was taken already
//	overtakes  comes out of its turn
//	lost       is seen, and does not arrive
//	held       is seen, and arrives when "> release" says so
//	unseen     arrives, and the table is not told; without "="
//	gone       is lost before it is seen; without "="
//	beyond     its sender's kernel has another connection already
type line struct {
	text, want              string
	from                    flow.Side
	flags                   wire.Flags
	length                  uint32
	ack                     int64 // -1: any
	wait                    time.Duration
	again, overtakes        bool
	lost, held, unseen, out bool
	release, beyond         bool
	any                     bool // whatever comes next, and nothing is expected of it
}

func parse(t *testing.T, text string) (l line) {
	t.Helper()
	l = line{text: strings.TrimSpace(text), ack: -1}
	left, want, _ := strings.Cut(l.text, "=")
	l.want = strings.TrimSpace(want)
	words := strings.Fields(left)
	if strings.HasPrefix(words[0], "+") {
		wait, err := time.ParseDuration(words[0][1:])
		must(t, err)
		l.wait, words = wait, words[1:]
	}
	if words[0] == "<" {
		l.from = flow.Server
	}
	if words[1] == "release" {
		l.release = true
		return l
	}
	for _, f := range words[1] {
		l.flags |= map[rune]wire.Flags{'S': wire.SYN, 'F': wire.FIN, 'R': wire.RST, '.': wire.ACK}[f]
	}
	for i := 2; i < len(words); i++ {
		switch word := words[i]; {
		case word == "again":
			l.again = true
		case word == "overtakes":
			l.overtakes = true
		case word == "lost":
			l.lost = true
		case word == "held":
			l.held = true
		case word == "unseen":
			l.unseen = true
		case word == "gone":
			l.out = true
		case word == "beyond":
			l.beyond = true
		case word == "ack":
			i++
			n, err := strconv.ParseInt(words[i], 10, 64)
			must(t, err)
			l.ack = n
		case word[0] == '+':
			n, err := strconv.ParseUint(word[1:], 10, 32)
			must(t, err)
			l.length = uint32(n)
		default:
			t.Fatalf("%s: what is %q", l.text, word)
		}
	}
	return l
}

// play lets the segments of a script through, one by one. Lines that begin
// with client or server are what these do in between.
func (a *act) play(script string) {
	a.t.Helper()
	for text := range strings.Lines(script) {
		switch words := strings.Fields(text); {
		case len(words) == 0:
		case words[0] == "client":
			a.near.do(words[1:])
		case words[0] == "server":
			a.far.do(words[1:])
		default:
			a.line(parse(a.t, text))
		}
	}
}

func (a *act) line(l line) {
	a.t.Helper()
	a.at = a.at.Add(tick + l.wait)
	if l.release {
		p := a.held[l.from][0]
		a.held[l.from] = a.held[l.from][1:]
		a.arrive(l.from, p)
		return
	}
	p := a.take(l)
	if l.from == flow.Client {
		p.header.Src, p.segment.SrcPort = a.client.Addr(), a.client.Port() // as a NAT would
	}
	a.mute[l.from] = l.out || l.beyond
	if l.again {
		a.deaf = [2]bool{}
	}
	if !l.unseen && !l.out {
		a.see(p)
	}
	switch {
	case l.out:
		return
	case l.lost:
		a.deaf[l.from.Peer()] = true
	case l.held:
		a.held[l.from] = append(a.held[l.from], p)
	default:
		a.arrive(l.from, p)
	}
	if !l.unseen {
		a.check(l)
	}
}

// see shows a segment to the tables.
func (a *act) see(p parcel) {
	a.t.Helper()
	a.last = a.table.Add(a.at, &p.header, &p.segment, 0)
	a.lastSegment = p
	first := a.copying.Add(a.at, &p.header, &p.segment, 1)
	if first.Copy || first.Steps != a.last.Steps || first.Client != a.last.Client || first.Server != a.last.Server || first.Shape != a.last.Shape {
		a.t.Errorf("with copies: %v / %v %v, copy %v", first.Steps, first.Client, first.Server, first.Copy)
	}
	p.header.TTL-- // behind a router
	if second := a.copying.Add(a.at, &p.header, &p.segment, 2); !second.Copy {
		a.t.Errorf("not a copy: %v", second.Steps)
	}
}

// take waits for a segment. Repetitions that nobody asked for are lost, for a
// slow machine's kernels repeat a lot, and so are pure ACKs: a delayed one may
// be on its way before the segment that would have carried it.
func (a *act) take(l line) parcel {
	a.t.Helper()
	queue := &a.stage.lanes[l.from].queue
	for deadline := time.Now().Add(patience); ; {
		for i := 0; i < len(*queue); i++ {
			p := (*queue)[i]
			again := a.repeats(l.from, p)
			switch {
			case again == l.again && a.matches(l, p):
				*queue = slices.Delete(*queue, i, i+1)
				a.taken[l.from][spanOf(p)] = true
				return p
			case l.overtakes:
			case again || pure(p):
				*queue = slices.Delete(*queue, i, i+1)
				i--
			default:
				a.t.Fatalf("%s\n got %v seq %d ack %d length %d", l.text, p.segment.Flags, a.relative(l.from, p.segment.Seq), a.relative(l.from.Peer(), p.segment.Ack), len(p.segment.Payload))
			}
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("%s: does not come", l.text)
		}
		a.stage.pump(a.mine)
	}
}

// mine tells the segments of this connection from those of others.
func (a *act) mine(p parcel) bool {
	ends := [2]netip.AddrPort{netip.AddrPortFrom(p.header.Src, p.segment.SrcPort), netip.AddrPortFrom(p.header.Dst, p.segment.DstPort)}
	return ends == [2]netip.AddrPort{a.inside, a.server} || ends == [2]netip.AddrPort{a.server, a.client}
}

// matches reports whether p is what l waits for. PSH does not count.
func (a *act) matches(l line, p parcel) bool {
	if !a.known[l.from] && p.segment.Flags&wire.RST == 0 {
		a.first[l.from], a.known[l.from] = p.segment.Seq, true
	}
	if l.any {
		return true
	}
	const counted = wire.SYN | wire.FIN | wire.RST | wire.ACK
	return p.segment.Flags&counted == l.flags && uint32(len(p.segment.Payload)) == l.length &&
		(l.ack < 0 || a.relative(l.from.Peer(), p.segment.Ack) == l.ack)
}

func (a *act) relative(side flow.Side, n wire.Seq) int64 { return int64(n.Sub(a.first[side])) }

// repeats reports whether a segment's sequence numbers were taken before.
func (a *act) repeats(from flow.Side, p parcel) bool {
	return p.segment.Flags&wire.RST == 0 && p.segment.Len() > 0 && a.taken[from][spanOf(p)]
}

func spanOf(p parcel) span {
	const answer = wire.SYN | wire.ACK
	return span{p.segment.Seq, p.segment.Len(), p.segment.Flags&answer == answer}
}

// pure reports whether a segment is an ACK and nothing else.
func pure(p parcel) bool { return p.segment.Flags == wire.ACK && p.segment.Len() == 0 }

// arrive hands a segment over, and waits until the other side's TCP has it.
func (a *act) arrive(from flow.Side, p parcel) {
	a.t.Helper()
	host := a.clientHost
	if from == flow.Client {
		host = a.host
	}
	if a.stage.router != nil {
		a.stage.deliver(from, p) // who gets it is the router's affair
		return
	}
	before := a.received(host)
	if from == flow.Server {
		p.header.Dst, p.segment.DstPort = a.inside.Addr(), a.inside.Port()
	}
	a.stage.deliver(from, p)
	for deadline := time.Now().Add(patience); a.received(host) == before; {
		if time.Now().After(deadline) {
			a.t.Fatalf("%s has not got the segment", host.Name())
		}
	}
}

// received counts the segments that a host's TCP has got.
func (a *act) received(host *netlab.Node) (n uint64) {
	a.t.Helper()
	const inSegs = 10 // in the second of the lines that begin with Tcp:
	must(a.t, host.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if fields := strings.Fields(lines.Text()); fields[0] == "Tcp:" && fields[inSegs] != "InSegs" {
				n, err = strconv.ParseUint(fields[inSegs], 10, 64)
				return err
			}
		}
		return os.ErrNotExist
	}))
	return n
}

// check compares what the table says with the script, and with the kernels.
func (a *act) check(l line) {
	a.t.Helper()
	if got := fmt.Sprintf("%v / %v %v", a.last.Steps, a.last.Client, a.last.Server); got != l.want && !l.any {
		a.t.Errorf("%s\n got %s", l.text, got)
	}
	a.stage.pump(a.mine)
	a.kernel(l, flow.Client, a.clientHost, a.inside, a.server)
	a.kernel(l, flow.Server, a.host, a.server, a.client)
}

// state is what the table says of the end that has an address. Its client is
// the one whose SYN it saw first.
func (a *act) state(side flow.Side) flow.State {
	end := a.last.Connection.End(side)
	if (side == flow.Client) != (end.Addr() == a.client) {
		end = a.last.Connection.End(side.Peer())
	}
	return end.State()
}

// kernel compares a side's state with that of its own kernel, where the table
// has seen what this side has sent and got, and nothing else: no segment of it
// waits to be taken or was lost unseen, and none to it waits to arrive or was
// seen and lost, which the table learns when one is sent again.
func (a *act) kernel(l line, side flow.Side, host *netlab.Node, local, remote netip.AddrPort) {
	a.t.Helper()
	want := a.state(side)
	if side == flow.Server && a.apart || want == flow.Unknown || a.deaf[side] || a.mute[side] || len(a.held[side.Peer()]) > 0 {
		return
	}
	var got string
	for deadline := time.Now().Add(patience); got != want.String(); {
		if time.Now().After(deadline) {
			a.t.Fatalf("%s\n the %v's kernel says %s, the table %v", l.text, side, got, want)
		}
		a.stage.pump(a.mine)
		if slices.ContainsFunc(a.stage.lanes[side].queue, func(p parcel) bool { return !pure(p) && !a.repeats(side, p) }) {
			return
		}
		got = stateOf(a.t, host, local, remote)
	}
}

// stateOf is the state of a kernel's socket.
func stateOf(t *testing.T, host *netlab.Node, local, remote netip.AddrPort) (state string) {
	t.Helper()
	must(t, host.Do(func() error {
		socket, ok, err := sockdiag.Lookup(local, remote)
		state = "closed"
		if ok {
			state = socket.State.String()
		}
		return err
	}))
	return state
}

// awaitClosed waits until the server's kernel has forgotten the connection.
func (a *act) awaitClosed() {
	a.t.Helper()
	for deadline := time.Now().Add(patience); stateOf(a.t, a.host, a.server, a.client) != "closed"; {
		if time.Now().After(deadline) {
			a.t.Fatal("the server's connection stands")
		}
	}
}
