package flow

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The same segment on the way through two devices is one segment.
func TestCopies(t *testing.T) {
	p := newPlayer(t, Config{Copies: true})
	p.play(`
		> S 100 id 5 ttl 64 place 1 = handshake-1/3 / syn-sent unknown
		> S 100 id 5 ttl 63 place 2 = copy / syn-sent unknown
		< R. 0 ack 101 win 0 place 2 = reset / closed closed
		< R. 0 ack 101 win 0 place 1 = copy / closed closed
		< R. 0 ack 101 win 0 place 2 = reset / closed closed
		< R. 0 ack 101 win 0 place 2 = reset / closed closed
		< R. 0 ack 101 win 0 place 1 = copy / closed closed
		< R. 0 ack 101 win 0 place 1 = copy / closed closed
		+1s < R. 0 ack 101 win 0 place 1 = reset / closed closed
		> S 100 id 6 ttl 64 place 1 = handshake-1/3 / syn-sent unknown
		> S 100 id 6 ttl 63 place 2 = copy / syn-sent unknown
	`)
	if got := p.table.Copies(); got != 5 {
		t.Errorf("%d copies", got)
	}
	if c := p.last.Connection; c.Copies() != 1 || c.Segments() != 1 {
		t.Errorf("%d copies of %d segments", c.Copies(), c.Segments())
	}
}

// In a capture of one device nothing is a copy, however alike.
func TestNoCopiesOnOneDevice(t *testing.T) {
	p := newPlayer(t, Config{})
	p.play(`
		> S 100 place 1 = handshake-1/3 / syn-sent unknown
		> S 100 place 2 = handshake-1/3 retransmission / syn-sent unknown
	`)
	if p.table.Copies() != 0 {
		t.Error("copies were looked for")
	}
}

func TestTimes(t *testing.T) {
	c := play(t, handshake+`
		+70ms > F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
		+1ms < . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
		+99ms < F. 301 ack 102 = close-3/4 / time-wait last-ack
		+20ms > . 102 ack 302 = close-4/4 / time-wait closed
	`)
	if rtt, ok := c.HandshakeRTT(); !ok || rtt != 30*time.Millisecond {
		t.Errorf("handshake %v %v", rtt, ok)
	}
	if d, ok := c.CloseDelay(); !ok || d != (Delay{AfterFIN: 100 * time.Millisecond, AfterACK: 99 * time.Millisecond}) {
		t.Errorf("delay %+v %v", d, ok)
	}
	for state, want := range map[State]time.Duration{
		SynSent: 10 * time.Millisecond, Established: 90 * time.Millisecond,
		FinWait1: time.Millisecond, FinWait2: 99 * time.Millisecond, TimeWait: 20 * time.Millisecond,
	} {
		if got := c.End(Client).Spent(state); got != want {
			t.Errorf("client in %v for %v, want %v", state, got, want)
		}
	}
	if got := c.End(Server).Spent(CloseWait); got != 100*time.Millisecond {
		t.Errorf("server in close-wait for %v", got)
	}
}

// Nobody knows which of two SYNs was answered.
func TestNoTimeOfARepeatedHandshake(t *testing.T) {
	c := play(t, `
		> S 100 = handshake-1/3 / syn-sent unknown
		+1s > S 100 = handshake-1/3 retransmission / syn-sent unknown
		< S. 300 ack 101 = handshake-2/3 / established syn-received
		> . 101 ack 301 = handshake-3/3 / established established
	`)
	if rtt, ok := c.HandshakeRTT(); ok {
		t.Errorf("handshake %v", rtt)
	}
}

func TestInFlight(t *testing.T) {
	p := newPlayer(t, Config{})
	p.play(handshake + "> P. 101+30 ack 301 = data / established established")
	if p.last.InFlight != 30 {
		t.Errorf("%d in flight", p.last.InFlight)
	}
	p.play("< . 301 ack 121 = ack / established established")
	if n, ok := p.last.Connection.InFlight(Client); !ok || n != 10 {
		t.Errorf("%d in flight", n)
	}
}

// A capture may cut the payload short; its length stands in the headers.
func TestLengthOnTheWire(t *testing.T) {
	table := New(Config{})
	h, g := exchange()
	h[0].IHL, g[0].DataOffset, h[0].TotalLen = 5, 8, 20+32+1448
	e := table.Add(start(), &h[0], &g[0], 0)
	if got := e.Connection.End(Client).Octets(); got != 1448 {
		t.Errorf("%d octets", got)
	}
	client, server := e.Connection.End(Client).Addr(), e.Connection.End(Server).Addr()
	if c, side := table.Find(server, client); c != e.Connection || side != Server {
		t.Errorf("found %v of %p", side, c)
	}
	if c, _ := table.Find(server, server); c != nil {
		t.Error("found a connection that there is not")
	}
	if !e.Connection.SidesGuessed() || e.From != Client || e.Connection.SimultaneousOpen() {
		t.Errorf("%+v", e)
	}
}

func TestCounts(t *testing.T) {
	c := play(t, handshake+`
		> P. 101+10 ack 301 = data / established established
		> P. 101+10 ack 301 = retransmission / established established
		< . 301 ack 111 = ack / established established
	`)
	e := c.End(Client)
	if e.Segments() != 4 || e.Retransmissions() != 1 || e.Octets() != 10 || e.State() != Established || c.Segments() != 6 {
		t.Errorf("%d segments, %d sent again, %d octets, %v", e.Segments(), e.Retransmissions(), e.Octets(), e.State())
	}
	if !c.Last().Equal(start().Add(30 * time.Millisecond)) {
		t.Errorf("last %v", c.Last())
	}
	if w, ok := e.Window(); !ok || w != 500 || e.Spent(99) != 0 {
		t.Errorf("window %d", w)
	}
}

// A flood of SYNs costs the table its oldest connections, and no more room.
func TestFlood(t *testing.T) {
	var left int
	table := New(Config{Connections: 100, Leave: func(*Connection) { left++ }})
	h := wire.Header{Dst: netip.MustParseAddr("192.0.2.1")}
	g := wire.Segment{DstPort: 80, Flags: wire.SYN}
	for i := range uint32(1000) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 10<<24+i)
		h.Src, g.SrcPort = netip.AddrFrom4(b), uint16(1024+i)
		table.Add(start(), &h, &g, 0)
	}
	if table.Len() != 100 || table.Evicted() != 900 || left != 900 {
		t.Errorf("%d remembered, %d evicted, %d left", table.Len(), table.Evicted(), left)
	}
	var ports []uint16
	for c := range table.All() {
		ports = append(ports, c.End(Client).Addr().Port())
	}
	if len(ports) != 100 || ports[0] != 1024+900 || !slices.IsSorted(ports) {
		t.Errorf("remembered %v", ports)
	}
}

// A stream with more holes than are remembered gives the oldest up: what comes
// for it later counts as sent again.
func TestManyHoles(t *testing.T) {
	const still = " / established established\n"
	c := play(t, handshake+`
		> . 111+1 ack 301 = data hole`+still+`
		> . 121+1 ack 301 = data hole`+still+`
		> . 131+1 ack 301 = data hole`+still+`
		> . 141+1 ack 301 = data hole`+still+`
		> . 151+1 ack 301 = data hole`+still+`
		> . 101+2 ack 301 = retransmission`+still+`
		> . 114+2 ack 301 = data out-of-order`+still+`
		> . 112+9 ack 301 = data retransmission out-of-order`+still+`
		> . 122+60 ack 301 = data retransmission out-of-order`+still)
	if e := c.End(Client); e.Missing() != 10+5 || e.Octets() != 81-15 {
		t.Errorf("%d octets, %d missing", e.Octets(), e.Missing())
	}
}

func TestWords(t *testing.T) {
	for name, list := range map[string]struct {
		words []finding.Word
		count int
		last  string
	}{
		"states": {finding.EndStates(), states, TimeWait.String()},
		"steps":  {finding.Steps(), steps, Gap.String()},
		"closes": {finding.Closes(), closes, Abandoned.String()},
		"shapes": {finding.Shapes(), int(SYNProxy), SYNProxy.String()}, // two are stateless
	} {
		seen := map[string]bool{}
		for i, w := range list.words {
			if w.Name == "" || w.Meaning == "" || seen[w.Name] {
				t.Errorf("%s: word %d is %+v", name, i, w)
			}
			seen[w.Name] = true
		}
		if len(list.words) != list.count || list.words[list.count-1].Name != list.last {
			t.Errorf("%s: %d words for %d values, the last is %s", name, len(list.words), list.count, list.last)
		}
	}
	if got := stepsOf(Close3, Close2).String(); got != "close-2/4 close-3/4" {
		t.Error(got)
	}
	if got := State(99).String() + Step(99).String() + Close(99).String() + Shape(99).String(); got != "unknownunknownunknownunknown" {
		t.Error(got)
	}
	if StatelessACK.String() != "stateless" || StatelessNoACK.String() != "stateless" || Active.String() != "active" {
		t.Error("shapes have others' words")
	}
	if n := testing.AllocsPerRun(100, func() {
		for step := range Steps(1<<steps - 1).All() {
			_ = step.String()
		}
	}); n != 0 {
		t.Errorf("words take %v allocations", n)
	}
}

// Whatever comes, nothing panics and the table stays within its bounds.
func FuzzAdd(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 0, 0, 1, 0x12, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0})
	f.Add([]byte("\x00\x02\x7f\xff\xff\xff\x01\x11\x80\x00\x00\x00\x00\x04\x01\x01\x01\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const room = 3
		table := New(Config{Connections: room, Copies: len(b)%2 == 0})
		at := start()
		for ; len(b) >= 6; b = b[6:] {
			// Few endpoints and numbers near each other and near the
			// wraparound, so that segments meet.
			h := wire.Header{Src: address(b[0] & 3), Dst: address(b[0] >> 2 & 3), TTL: b[0] >> 6, ID: uint16(b[0] >> 5 & 1)}
			g := wire.Segment{
				SrcPort: uint16(b[0] >> 4 & 1), Flags: wire.Flags(b[1]),
				Seq: wire.Seq(int32(int8(b[2]))) << (b[4] & 31), Ack: wire.Seq(int32(int8(b[3]))) << (b[5] & 31),
				Window: uint16(b[4] >> 5), Payload: make([]byte, b[5]>>5),
			}
			at = at.Add(time.Duration(int8(b[4])) * time.Millisecond)
			e := table.Add(at, &h, &g, int(b[5]&1))
			if e.Connection == nil || table.Len() > room || e.Copy && e.Steps != 0 {
				t.Fatalf("%+v, %d connections", e, table.Len())
			}
			checkConnection(t, e.Connection)
		}
		n := 0
		for range table.All() {
			n++
		}
		if n != table.Len() {
			t.Fatalf("%d in the order of use, %d in the table", n, table.Len())
		}
	})
}

// address returns a few addresses, among them none.
func address(b byte) netip.Addr {
	if b == 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, b})
}

func checkConnection(t *testing.T, c *Connection) {
	t.Helper()
	_ = c.Close()
	c.CloseDelay()
	for _, s := range []Side{Client, Server} {
		e := c.End(s)
		if e.stream.count > maxHoles {
			t.Fatalf("%d holes", e.stream.count)
		}
		for i, h := range e.stream.holes[:e.stream.count] {
			if !h.from.Before(h.to) || h.to.After(e.stream.next) || i > 0 && h.from.Before(e.stream.holes[i-1].to) {
				t.Fatalf("holes %v before %d", e.stream.holes[:e.stream.count], e.stream.next)
			}
		}
	}
}

// exchange is a request, an answer and its acknowledgement.
func exchange() (h [2]wire.Header, g [4]wire.Segment) {
	client, server := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	h = [2]wire.Header{{Src: client, Dst: server, TTL: 64}, {Src: server, Dst: client, TTL: 63}}
	stamps := []wire.Option{wire.NOP(), wire.NOP(), wire.Timestamps(1, 2)}
	for i := range g {
		g[i] = wire.Segment{SrcPort: 40000, DstPort: 80, Seq: 1, Ack: 1, Flags: wire.ACK, Window: 500, Options: stamps}
		if i%2 == 1 {
			g[i].SrcPort, g[i].DstPort = 80, 40000
		}
	}
	g[0].Payload, g[3].Payload = make([]byte, 100), make([]byte, 1000)
	return h, g
}

// advance moves an exchange on to the next one.
func advance(g *[4]wire.Segment) {
	g[0].Seq, g[0].Ack = g[0].Seq.Add(100), g[3].Seq.Add(1000)
	g[1].Seq, g[1].Ack = g[0].Ack, g[0].Seq.Add(100)
	g[2].Seq, g[2].Ack = g[1].Ack, g[1].Seq
	g[3].Seq, g[3].Ack = g[1].Seq, g[1].Ack
}

func TestAddDoesNotAllocate(t *testing.T) {
	for _, copies := range []bool{false, true} {
		table := New(Config{Copies: copies})
		h, g := exchange()
		at := start()
		table.Add(at, &h[0], &g[0], 0)
		if n := testing.AllocsPerRun(1000, func() {
			at = at.Add(time.Millisecond)
			advance(&g)
			for i := range g {
				table.Add(at, &h[i%2], &g[i], 0)
			}
		}); n != 0 {
			t.Errorf("copies %v: %v allocations", copies, n)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for name, copies := range map[string]bool{"one device": false, "any": true} {
		b.Run(name, func(b *testing.B) {
			table := New(Config{Copies: copies})
			h, g := exchange()
			at := start()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%4 == 0 {
					advance(&g)
				}
				table.Add(at, &h[i%2], &g[i%4], 0)
			}
		})
	}
}

// A flood of connections takes no memory beyond that of those remembered.
func TestRecycle(t *testing.T) {
	left := 0
	table := New(Config{Connections: 8, Recycle: true, Leave: func(c *Connection) {
		if left++; c.Segments() != 1 || c.End(Client).State() != SynSent {
			t.Errorf("connection %d: %d segments, %v", left, c.Segments(), c.End(Client).State())
		}
	}})
	h, g := exchange()
	g[0].Flags, g[0].Payload = wire.SYN, nil
	at := start()
	flood := func() {
		g[0].SrcPort++
		e := table.Add(at, &h[0], &g[0], 0)
		if !e.New || e.Connection.Segments() != 1 || e.Client != SynSent {
			t.Fatalf("%+v", e)
		}
	}
	for range 8 {
		flood()
	}
	if n := testing.AllocsPerRun(100, flood); n > 0 {
		t.Errorf("%v allocations for each connection", n)
	}
	if left != 101 || table.Len() != 8 {
		t.Errorf("%d have left, %d are there", left, table.Len())
	}
}
