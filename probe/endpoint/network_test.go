package endpoint

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

var (
	antAddr   = netip.MustParseAddrPort("10.0.0.1:40000")
	appleAddr = netip.MustParseAddrPort("10.0.0.2:80")
	epoch     = time.Unix(1_700_000_000, 0)
)

// weather is what a simulated link does to each datagram.
type weather struct {
	delay, jitter         time.Duration
	loss, duplicate, late float64
}

// flight is a datagram under way.
type flying struct {
	at time.Time
	n  int // in the order of departure
	to int
	d  Datagram
}

type flights []flying

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].n < f[j].n
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(flying)) }
func (f *flights) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// network joins two state machines over a link, in simulated time.
type network struct {
	t       *testing.T
	now     time.Time
	ends    [2]*conn
	air     flights
	n       int
	rng     *rand.Rand
	weather weather
	octets  []byte
	sent    int  // segments
	log     bool // every segment
	crossed bool // both open at once
}

func newNetwork(t *testing.T, w weather, ant, apple Config) *network {
	n := &network{t: t, now: epoch, rng: rand.New(rand.NewPCG(1, 2)), weather: w}
	n.ends[0] = newConn(ant, antAddr, appleAddr)
	n.ends[1] = newConn(apple, appleAddr, antAddr)
	return n
}

// collect puts what the ends have to say on the link, through octets.
func (n *network) collect() {
	for from, end := range n.ends {
		for _, d := range end.out {
			n.sent++
			b, err := wire.AppendDatagram(n.octets[:0], d.Header, d.Segment)
			if err != nil {
				n.t.Fatal(err)
			}
			if len(b) > end.cfg.MTU {
				n.t.Fatalf("datagram of %d octets", len(b))
			}
			n.octets = b
			if n.log {
				n.t.Logf("%v %d %v %v", n.now.Sub(epoch), from, end.state, line(d.Segment, 0, 0))
			}
			if n.rng.Float64() < n.weather.loss {
				continue
			}
			copies := 1
			if n.rng.Float64() < n.weather.duplicate {
				copies = 2
			}
			for range copies {
				at := n.now.Add(n.weather.delay + time.Duration(n.rng.Float64()*float64(n.weather.jitter)))
				if n.rng.Float64() < n.weather.late {
					at = at.Add(n.weather.delay / 2)
				}
				n.n++
				heap.Push(&n.air, flying{at, n.n, 1 - from, reparse(n.t, b)})
			}
		}
		end.out = end.out[:0]
		checkInvariants(n.t, end)
	}
}

func reparse(t *testing.T, b []byte) Datagram {
	h, payload, err := wire.ParseHeader(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	g, err := wire.ParseSegment(payload)
	if err != nil {
		t.Fatal(err)
	}
	return Datagram{h, g}
}

// step goes on to the next event; false if there is none.
func (n *network) step() bool {
	n.collect()
	var at time.Time
	which := -1
	for i, end := range n.ends {
		if d := end.deadline; !d.IsZero() && (at.IsZero() || d.Before(at)) {
			at, which = d, i
		}
	}
	if len(n.air) > 0 && (at.IsZero() || !at.Before(n.air[0].at)) {
		f := heap.Pop(&n.air).(flying)
		n.now = f.at
		end := n.ends[f.to]
		if end.state == flow.Closed && end.irs == 0 && end.err == nil && end.nxt == 0 {
			end.listen(n.now, &f.d.Header, &f.d.Segment)
		} else {
			end.arrive(n.now, &f.d.Header, &f.d.Segment)
		}
		return true
	}
	if which < 0 {
		return false
	}
	n.now = at
	n.ends[which].expire(at)
	return true
}

// checkInvariants is what must hold whatever arrives.
func checkInvariants(t testing.TB, c *conn) {
	t.Helper()
	switch {
	case c.una.After(c.nxt):
		t.Fatalf("SND.UNA %d > SND.NXT %d", c.una, c.nxt)
	case len(c.buf) > c.cfg.SendBuffer:
		t.Fatalf("%d octets to send", len(c.buf))
	case len(c.late.pieces) > mostPieces || len(c.board.sacked) > mostRanges:
		t.Fatalf("%d pieces, %d ranges", len(c.late.pieces), len(c.board.sacked))
	}
	octets := len(c.readable)
	for i, p := range c.late.pieces {
		octets += len(p.octets)
		if !p.seq.After(c.rcvNxt) || p.end().After(c.edge) || i > 0 && !c.late.pieces[i-1].end().Before(p.seq) {
			t.Fatalf("piece %d-%d, RCV.NXT %d, window to %d", p.seq, p.end(), c.rcvNxt, c.edge)
		}
	}
	if octets > int(c.cfg.Window) {
		t.Fatalf("%d octets wait, window %d", octets, c.cfg.Window)
	}
	for i, s := range c.board.sacked {
		if c.state != flow.Closed && (!s.Left.After(c.una) || s.Right.After(c.nxt) || !s.Left.Before(s.Right) || i > 0 && !c.board.sacked[i-1].Right.Before(s.Left)) {
			t.Fatalf("SACKed %v, SND.UNA %d, SND.NXT %d", c.board.sacked, c.una, c.nxt)
		}
	}
	if c.state != flow.Closed && c.board.pipe(c.una, c.nxt) < 0 {
		t.Fatal("pipe below zero")
	}
	if c.state >= flow.Established && c.state != flow.TimeWait && c.flight() > 0 && !c.timers.runs(retransmit) && !c.timers.runs(window) {
		t.Fatalf("%v: %d in flight and no timer", c.state, c.flight())
	}
}

// transfer is one application's side: what it says, and what it has heard.
type transfer struct {
	say, heard []byte
	ended      bool
}

func (a *transfer) run(c *conn, now time.Time) {
	if c.state < flow.Established && c.irs == 0 {
		return
	}
	if len(a.say) > 0 {
		n, _ := c.write(now, a.say)
		a.say = a.say[n:]
	} else if !c.fin && c.state >= flow.Established {
		c.closeWrite(now)
	}
	var b [32 << 10]byte
	for !a.ended {
		n, ended := c.read(now, b[:])
		a.heard = append(a.heard, b[:n]...)
		a.ended = ended
		if n == 0 {
			break
		}
	}
}

func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// exchange lets each end send octets to the other and close.
func (n *network) exchange(octets int) {
	n.t.Helper()
	want := [2][]byte{pattern(octets, 1), pattern(octets, 2)}
	apps := [2]transfer{{say: want[0]}, {say: want[1]}}
	n.ends[0].open(n.now)
	if n.crossed {
		n.ends[1].open(n.now)
	}
	for range 20_000_000 {
		if !n.step() {
			break
		}
		for i := range apps {
			apps[i].run(n.ends[i], n.now)
		}
		if n.now.Sub(epoch) > 24*time.Hour {
			n.t.Fatal("it does not end")
		}
	}
	for i, end := range n.ends {
		if end.state != flow.Closed || end.err != nil {
			n.t.Fatalf("end %d: %v %v, heard %d", i, end.state, end.err, len(apps[i].heard))
		}
		if !bytes.Equal(apps[i].heard, want[1-i]) {
			n.t.Fatalf("end %d heard %d octets, not what was said", i, len(apps[i].heard))
		}
	}
}

func TestTransfers(t *testing.T) {
	calm := weather{delay: 5 * time.Millisecond}
	bad := weather{delay: 5 * time.Millisecond, jitter: time.Millisecond, loss: .02, duplicate: .02, late: .02}
	awful := weather{delay: 5 * time.Millisecond, jitter: 20 * time.Millisecond, loss: .15, duplicate: .1, late: .2}
	plain := Config{NoSACK: true, NoTimestamps: true, NoWindowScale: true}
	wrap := Config{ISN: FixedISN(0xffffff00)}
	for name, c := range map[string]struct {
		weather    weather
		ant, apple Config
		octets     int
		within     time.Duration
	}{
		"calm":                 {calm, Config{}, Config{}, 1 << 20, 3 * time.Second},
		"2 % of all":           {bad, Config{}, Config{}, 1 << 20, 12 * time.Second},
		"without options":      {bad, plain, plain, 1 << 20, 30 * time.Second},
		"one without options":  {bad, plain, Config{}, 1 << 20, 30 * time.Second},
		"no SACK":              {bad, Config{NoSACK: true}, Config{}, 1 << 20, 30 * time.Second},
		"no timestamps":        {bad, Config{NoTimestamps: true}, Config{}, 1 << 20, 12 * time.Second},
		"timestamps stand":     {bad, Config{TSTick: -1}, Config{}, 1 << 20, 12 * time.Second},
		"timestamps wrap":      {bad, Config{TSval: 0xffffff80}, Config{}, 1 << 20, 12 * time.Second},
		"numbers wrap":         {bad, wrap, wrap, 1 << 20, 12 * time.Second},
		"MSS 536":              {bad, Config{MSS: 536}, Config{MSS: 536}, 1 << 20, 40 * time.Second},
		"MSS 8960":             {bad, Config{MTU: 9000}, Config{MTU: 9000}, 1 << 20, 6 * time.Second},
		"awful":                {awful, Config{}, Config{}, 200_000, 300 * time.Second},
		"awful without SACK":   {awful, Config{NoSACK: true}, Config{NoSACK: true}, 200_000, 600 * time.Second},
		"window 1":             {calm, Config{Window: 1}, Config{}, 2_000, time.Hour},
		"window 1 twice":       {bad, Config{Window: 1}, Config{Window: 1}, 1_000, time.Hour},
		"window 100":           {bad, Config{Window: 100}, wrap, 10_000, time.Hour},
		"large window scale":   {bad, Config{WindowScale: 14}, Config{WindowScale: 10}, 1 << 20, 12 * time.Second},
		"coarse window":        {bad, Config{Window: 1000, WindowScale: 9}, Config{}, 1 << 16, 60 * time.Second},
		"small send buffer":    {bad, Config{SendBuffer: 3000}, Config{}, 1 << 18, 60 * time.Second},
		"nothing":              {bad, Config{}, Config{}, 0, 10 * time.Second},
		"window below segment": {calm, Config{Window: 1000}, Config{}, 1 << 16, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, c.weather, c.ant, c.apple)
			n.exchange(c.octets)
			t.Logf("%v, %d segments", n.now.Sub(epoch), n.sent)
			if took := n.now.Sub(epoch) - 2*time.Second; took > c.within {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Two SYNs cross, and so do the FINs (RFC 9293, Sections 3.5 and 3.6).
func TestSimultaneousOpenAndClose(t *testing.T) {
	for name, w := range map[string]weather{
		"calm": {delay: 5 * time.Millisecond},
		"bad":  {delay: 5 * time.Millisecond, jitter: 9 * time.Millisecond, loss: .2, duplicate: .2, late: .2},
	} {
		for _, octets := range []int{0, 1, 100_000} {
			t.Run(fmt.Sprint(name, " ", octets), func(t *testing.T) {
				n := newNetwork(t, w, Config{ISN: FixedISN(0xffffffff)}, Config{})
				n.crossed = true
				n.exchange(octets)
			})
		}
	}
}

// line is a segment as tcpdump shows it, with numbers relative to two others.
func line(g wire.Segment, seqBase, ackBase wire.Seq) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Flags [%v], seq %d", g.Flags, uint32(g.Seq-seqBase))
	if len(g.Payload) > 0 {
		fmt.Fprintf(&b, ":%d", uint32(g.Seq-seqBase)+uint32(len(g.Payload)))
	}
	if g.Flags&wire.ACK != 0 {
		fmt.Fprintf(&b, ", ack %d", uint32(g.Ack-ackBase))
	}
	fmt.Fprintf(&b, ", win %d", g.Window)
	for i, o := range g.Options {
		if i == 0 {
			b.WriteString(", options [")
		} else {
			b.WriteString(",")
		}
		b.WriteString(o.Words(ackBase))
	}
	if len(g.Options) > 0 {
		b.WriteString("]")
	}
	return b.String()
}
