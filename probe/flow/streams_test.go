package flow

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// teller writes down what streams tell: octets as text, and the rest between
// brackets.
type teller struct {
	sides [2]strings.Builder
}

func (w *teller) tell(p Piece) {
	b := &w.sides[p.From]
	switch p.Kind {
	case PiecePayload:
		b.Write(p.Octets)
	case PieceHole:
		fmt.Fprintf(b, "[%d missing]", p.Length)
	case PieceLate:
		fmt.Fprintf(b, "[late %d: %s]", p.Offset, p.Octets)
	case PieceChanged:
		fmt.Fprintf(b, "[%d changed]", p.Length)
	case PieceEarly:
		fmt.Fprintf(b, "[%d early]", p.Length)
	case PieceOutside:
		fmt.Fprintf(b, "[%d outside]", p.Length)
	case PieceEnd:
		b.WriteString("[end]")
	}
}

// listen plays segments as a player does, without looking at the steps. A
// line's payload is what stands behind "=", as often as it has to be to fill
// the length before it; "cut N" is how many octets of it were captured.
func listen(t *testing.T, script string) *teller {
	t.Helper()
	table, streams, heard := New(Config{}), map[*Connection]*Streams{}, &teller{}
	var pool Pool
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		text, says, _ := strings.Cut(line, "=")
		text, cut, isCut := strings.Cut(text, " cut ")
		h, g, _, _, err := parseLine(strings.Fields(text))
		if err != nil {
			t.Fatal(line, err)
		}
		copy(g.Payload, says)
		e := table.Add(start(), &h, &g, 0)
		if streams[e.Connection] == nil {
			streams[e.Connection] = NewStreams(&pool)
		}
		octets := g.Payload
		if isCut {
			octets = octets[:number(strings.TrimSpace(cut))]
		}
		streams[e.Connection].Add(&e, &h, &g, octets, heard.tell)
	}
	for _, s := range streams {
		s.End(heard.tell)
		s.End(heard.tell)
	}
	if pool.used != 0 || pool.lent != 0 {
		t.Errorf("%d octets wait still, %d buffers are lent", pool.used, pool.lent)
	}
	return heard
}

func TestStreams(t *testing.T) {
	const opening = "> S 100\n< S. 300 ack 101\n> . 101 ack 301\n"
	for _, c := range []struct{ name, script, client, server string }{
		{"request and answer", opening + "> P. 101+3 ack 301 =GET\n< P. 301+2 ack 104 =OK\n> F. 104 ack 303\n< F. 303 ack 105", "GET[end]", "OK[end]"},
		{"out of order", opening + "> . 104+3 ack 301 =def\n> . 107+3 ack 301 =ghi\n> . 101+3 ack 301 =abc", "abcdefghi", ""},
		{"two holes filled from behind", opening + "> . 107+1 ack 301 =g\n> . 103+1 ack 301 =c\n> . 104+3 ack 301 =def\n> . 101+2 ack 301 =ab", "abcdefg", ""},
		{"sent again, with more", opening + "> . 101+3 ack 301 =abc\n> . 101+3 ack 301 =abc\n> . 102+4 ack 301 =bcde", "abcde", ""},
		{"sent again, around what waits", opening + "> . 103+1 ack 301 =c\n> . 105+1 ack 301 =e\n> . 102+6 ack 301 =bcdefg\n> . 101+1 ack 301 =a", "abcdefg", ""},
		{"acknowledged and missing", opening + "> . 111+3 ack 301 =lmn\n< . 301 ack 111", "[10 missing]lmn", ""},
		{"missing at the end", opening + "> . 101+3 ack 301 =abc\n< . 301 ack 114", "abc[10 missing]", ""},
		{"never acknowledged", opening + "> . 111+3 ack 301 =lmn", "[10 missing]lmn", ""},
		{"missing before the FIN", opening + "> F. 103+1 ack 301 =c", "[2 missing]c[end]", ""},
		{"missing octets come late", opening + "> . 111+3 ack 301 =lmn\n< . 301 ack 111\n> . 102+3 ack 301 =bcd\n> . 101+9 ack 301 =abcdefghi", "[10 missing]lmn[late 1: bcd][late 4: efghi]", ""},
		{"sent again as something else", opening + "> . 101+3 ack 301 =abc\n> . 101+3 ack 301 =aXX\n> . 106+2 ack 301 =fg\n> . 104+4 ack 301 =deXX", "abc[2 changed][2 changed]defg", ""},
		{"changed after it was acknowledged", opening + "> . 101+3 ack 301 =abc\n< . 301 ack 104\n> . 101+3 ack 301 =XYZ", "abc", ""},
		{"frames cut short", opening + "> . 101+9 ack 301 cut 3 =abcdefghi\n> . 110+3 ack 301 =jkl\n> . 116+9 ack 301 cut 2 =pqrst\n> . 113+3 ack 301 cut 0 =mno", "abc[6 missing]jkl[3 missing]pq[7 missing]", ""},
		{"octets that were not captured", opening + "> . 101+9 ack 301 cut 0\n> . 110+9 ack 301 cut 0", "[9 missing][9 missing]", ""},
		{"wraparound", "> S 4294967290\n< S. 300 ack 4294967291\n> . 4294967291 ack 301\n> . 1+3 ack 301 =ghi\n> . 4294967291+6 ack 301 =abcdef\n< . 301 ack 4", "abcdefghi", ""},
		{"after the FIN", opening + "> F. 101+3 ack 301 =abc\n> . 104+9 ack 301 =and more\n> F. 101+3 ack 301 =abc", "abc[end][9 outside]", ""},
		{"after a reset", opening + "> . 101+1 ack 301 =a\n> . 104+3 ack 301 =def\n< R 301 win 0\n> . 102+2 ack 301 =bc", "a[5 outside]", ""},
		{"a reset that nobody believes", opening + "< R 9999\n> . 101+3 ack 301 =abc", "abc", ""},
		{"joined late", "> . 500+3 ack 900 =abc\n< . 903+2 ack 503 =OK\n> . 503+1 ack 905 =d\n> . 498+5 ack 905 =XYabc", "abcd[2 early]", "[3 missing]OK"},
		{"joined late, at an acknowledgement", "< . 900 ack 500\n> . 510+1 ack 900 =k\n< . 900 ack 511", "[10 missing]k", ""},
		{"with the SYN", "> S 100+3 =abc\n< S. 300+2 ack 104 =OK\n> . 104+1 ack 303 =d", "abcd", "OK"},
		{"with the SYN, not accepted", "> S 100+3 =abc\n< S. 300 ack 101\n> . 101+3 ack 301 =abc", "abc", ""},
		{"keepalives carry what is no data", opening + "> . 101+3 ack 301 =abc\n< . 301 ack 104\n> . 103+1 ack 301 =X\n< . 301 ack 104", "abc", ""},
		{"zero-window probes", opening + "< . 301 ack 101 win 0\n> . 101+1 ack 301 =a\n< . 301 ack 101 win 0\n> . 101+3 ack 301 =abc", "abc", ""},
		{"too far away", opening + "> . 2000000000+3 ack 301 =far\n> . 101+3 ack 301 =abc", "abc", ""},
		{"without ACK", opening + "> P 101+3 =XYZ\n> . 101+3 ack 301 =abc", "abc", ""},
		{"half closed", opening + "> F. 101 ack 301\n< . 301+2 ack 102 =OK\n< F. 303 ack 102", "[end]", "OK[end]"},
		{"a FIN that was acknowledged unseen", opening + "> . 101+3 ack 301 =abc\n< . 301 ack 105\n> F. 104 ack 301", "abc[1 missing]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			heard := listen(t, c.script)
			if got := heard.sides[Client].String(); got != c.client {
				t.Errorf("client says %s, want %s", got, c.client)
			}
			if got := heard.sides[Server].String(); got != c.server {
				t.Errorf("server says %s, want %s", got, c.server)
			}
		})
	}
}

// What comes for a receiver that was reset waits until it shows that it lives.
func TestStreamsOnHold(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(a *assembly, tell func(Piece))
		want string
	}{
		{"gone", func(*assembly, func(Piece)) {}, "ab[4 outside]"},
		{"alive", func(a *assembly, tell func(Piece)) { a.hold(false, tell) }, "ab[1 missing]def"},
		{"alive, and complete", func(a *assembly, tell func(Piece)) {
			a.take(2, []byte("c"), 1, tell)
			a.hold(false, tell)
			a.finish(6, tell)
		}, "abcdef[end]"},
		{"sent too much", func(a *assembly, tell func(Piece)) {
			a.take(6, make([]byte, waitingOctets), waitingOctets, tell)
			a.take(2, []byte("X"), 1, tell)
			a.hold(false, tell)
		}, fmt.Sprintf("ab[%d outside]X", waitingOctets+3)},
	} {
		var pool Pool
		a, heard := assembly{pool: &pool, begun: true}, &teller{}
		a.take(0, []byte("ab"), 2, heard.tell)
		a.hold(true, heard.tell)
		a.take(3, []byte("def"), 3, heard.tell)
		a.acknowledge(6, heard.tell)
		if c.name == "gone" {
			a.take(2, []byte("c"), 1, heard.tell)
		}
		c.then(&a, heard.tell)
		a.end(heard.tell)
		if got := heard.sides[Client].String(); got != c.want || pool.used != 0 || pool.lent != 0 {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// What waits is bounded: by direction, by the number of holes, and in all.
func TestStreamsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name         string
		limit        int
		length, step uint32
		most         int
	}{
		{"octets", 0, 50000, 50000, waitingOctets + 60000},
		{"holes", 0, 1, 2, waitingChunks * (chunkCost + 1)},
		{"all", 1000, 100, 200, 1000},
	} {
		pool := Pool{Octets: c.limit}
		a, told := assembly{pool: &pool, begun: true}, uint64(0)
		tell := func(p Piece) {
			if p.Kind != PiecePayload && p.Kind != PieceHole || p.Offset != told {
				t.Fatalf("%s: %v at %d, after %d", c.name, p.Kind, p.Offset, told)
			}
			told += p.Length
		}
		octets := make([]byte, c.length)
		end := uint32(0)
		for n := range uint32(1000) {
			at := n*c.step + 1
			a.take(wire.Seq(at), octets, c.length, tell)
			end = at + c.length
			if pool.used > c.most || pool.used != a.held {
				t.Fatalf("%s: %d octets wait, %d of this direction", c.name, pool.used, a.held)
			}
		}
		a.end(tell)
		if told != uint64(end) || pool.used != 0 || pool.lent != 0 {
			t.Errorf("%s: %d of %d told, %d wait, %d are lent", c.name, told, end, pool.used, pool.lent)
		}
	}
}

// More directions than there are buffers for are not compared, and that is
// all.
func TestPoolLendsNoMore(t *testing.T) {
	var pool Pool
	heard := &teller{}
	var all []*assembly
	for range keepers + 1 {
		a := &assembly{pool: &pool, begun: true}
		a.take(0, []byte("abc"), 3, heard.tell)
		all = append(all, a)
	}
	heard.sides[Client].Reset()
	all[0].take(0, []byte("abX"), 3, heard.tell)
	all[keepers].take(0, []byte("abX"), 3, heard.tell)
	all[keepers].take(3, []byte("d"), 1, heard.tell)
	for _, a := range all {
		a.end(heard.tell)
	}
	if got := heard.sides[Client].String(); got != "[1 changed]d" || pool.lent != 0 {
		t.Errorf("%q, %d lent", got, pool.lent)
	}
}

// model is a direction as it is kept with all the memory there is.
type model struct {
	t       *testing.T
	octets  map[uint64]int // the first that came for each place, -1 if it was not captured
	next    uint64
	lost    map[uint64]bool
	fin     uint64
	hasFIN  bool
	ended   bool
	over    bool
	current map[uint64]byte // of the segment that is being taken
}

func (m *model) tell(p Piece) {
	switch p.Kind {
	case PiecePayload, PieceHole:
		if p.Offset != m.next || p.Length == 0 || m.ended || p.Kind == PiecePayload != (len(p.Octets) > 0) {
			m.t.Fatalf("%+v, after %d", p, m.next)
		}
		for i := range p.Length {
			at := p.Offset + i
			if p.Kind == PieceHole {
				if first, known := m.octets[at]; known && first >= 0 {
					m.t.Fatalf("%d is missing, and was %d", at, first)
				}
				m.lost[at] = true
			} else if first, known := m.octets[at]; !known || first != int(p.Octets[i]) {
				m.t.Fatalf("%d at %d, not %d", p.Octets[i], at, first)
			}
		}
		m.next += p.Length
	case PieceLate:
		for i, octet := range p.Octets {
			at := p.Offset + uint64(i)
			if !m.lost[at] || m.current[at] != octet {
				m.t.Fatalf("%d comes late at %d", octet, at)
			}
			delete(m.lost, at)
		}
	case PieceEnd:
		if !m.hasFIN || m.ended || m.next != m.fin {
			m.t.Fatalf("the end is told at %d", m.next)
		}
		m.ended = true
	}
}

// take is what the assembly is told, octet by octet.
func (m *model) take(at uint64, octets []byte, length uint32) {
	clear(m.current)
	for i := range uint64(length) {
		place := at + i
		if m.over || m.hasFIN && place >= m.fin {
			break
		}
		if i < uint64(len(octets)) {
			m.current[place] = octets[i]
		}
		if _, known := m.octets[place]; known || place < m.next {
			continue
		}
		m.octets[place] = -1
		if i < uint64(len(octets)) {
			m.octets[place] = int(octets[i])
		}
	}
}

// discarded forgets what was given up for a receiver that is gone.
func (m *model) discarded(a *assembly) {
	if !a.onHold || len(a.waiting) > 0 {
		return
	}
	for at := range m.octets {
		if at >= m.next {
			delete(m.octets, at)
		}
	}
}

// Whatever comes, in whatever order: what is told follows on what was told,
// and is what came first.
func FuzzStreams(f *testing.F) {
	f.Add(uint32(1<<32-20), []byte("\x05\x03\x03a\x00\x05\x05b\x40\x08\x00\x00\x02\x09\x04c\x80\x0b\x00\x00\x00\x0a\x03d"))
	f.Add(uint32(0), []byte("\x0a\x01\x01a\x14\x01\x01b\x1e\x01\x01c\x00\x20\x10d\xc0\x00\x00\x00\x20\x03\x03e"))
	f.Fuzz(func(t *testing.T, base uint32, b []byte) {
		pool := Pool{Octets: 500} // so that the bound is met
		a := assembly{pool: &pool, begun: true, base: wire.Seq(base)}
		m := &model{t: t, octets: map[uint64]int{}, lost: map[uint64]bool{}, current: map[uint64]byte{}}
		for ; len(b) >= 4; b = b[4:] {
			at := uint64(b[0]&0x3f) + m.next&^0x1f
			seq := a.base.Add(uint32(at))
			switch b[0] >> 6 {
			case 1:
				a.acknowledge(seq, m.tell)
				if !m.over && m.next < at && !m.hasFIN && !a.onHold {
					t.Fatalf("%d was acknowledged, %d told", at, m.next)
				}
			case 2:
				if last := len(a.waiting) - 1; !m.hasFIN && !m.over && at >= m.next && (last < 0 || a.waiting[last].to <= at) {
					m.fin, m.hasFIN = at, true
				}
				a.finish(seq, m.tell)
			case 3:
				switch b[1] & 7 {
				case 0:
					a.end(m.tell)
					m.over = true
				case 1:
					a.hold(b[2]&1 == 1, m.tell)
				}
			default:
				length := uint32(b[1] & 0x1f)
				octets := bytes.Repeat(b[3:4], int(min(uint32(b[2]&0x1f), length)))
				m.take(at, octets, length)
				a.take(seq, octets, length, m.tell)
			}
			m.discarded(&a)
			if pool.used != a.held || pool.full() || len(a.waiting) > 0 && a.waiting[0].from <= a.next && !a.onHold {
				t.Fatalf("%d wait, %d of all, after %d: %+v", a.held, pool.used, a.next, a.waiting)
			}
		}
		a.end(m.tell)
		m.discarded(&a)
		if a.held != 0 || pool.used != 0 || pool.lent != 0 {
			t.Fatalf("%d wait, %d lent", pool.used, pool.lent)
		}
		for at := range m.octets {
			if at >= m.next {
				t.Fatalf("%d was not told, only up to %d", at, m.next)
			}
		}
	})
}

// inOrder adds an exchange and its octets to streams again and again.
func inOrder() func() {
	table, pool := New(Config{}), &Pool{}
	streams := NewStreams(pool)
	h, g := exchange()
	tell := func(Piece) {}
	return func() {
		advance(&g)
		for i := range g {
			e := table.Add(start(), &h[i%2], &g[i], 0)
			streams.Add(&e, &h[i%2], &g[i], g[i].Payload, tell)
		}
	}
}

func TestStreamsDoNotAllocate(t *testing.T) {
	next := inOrder()
	next()
	if n := testing.AllocsPerRun(1000, next); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStreams(b *testing.B) {
	b.Run("in order", func(b *testing.B) {
		next := inOrder()
		b.ReportAllocs()
		b.SetBytes(1100)
		for b.Loop() {
			next()
		}
	})
	b.Run("out of order", func(b *testing.B) {
		a := assembly{pool: &Pool{}, begun: true}
		octets := make([]byte, 1448)
		tell := func(Piece) {}
		b.ReportAllocs()
		b.SetBytes(2 * 1448)
		for seq := wire.Seq(0); b.Loop(); seq += 2 * 1448 {
			a.take(seq+1448, octets, 1448, tell)
			a.take(seq, octets, 1448, tell)
			a.acknowledge(seq+2*1448, tell)
		}
	})
}
