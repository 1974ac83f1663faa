package netlab

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ethernetFrame carries a segment whose sequence number is n, without ports.
func ethernetFrame(t *testing.T, n int, flags wire.Flags) []byte {
	t.Helper()
	header := wire.Header{TTL: 64, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	frame := append(make([]byte, 12), 0x08, 0x00)
	frame, err := wire.AppendDatagram(frame, header, wire.Segment{Seq: wire.Seq(n), Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// travel sends n segments, one per interval, through a lane, and returns the
// numbers of those that come out, in order, and the times they take.
func travel(t *testing.T, l *lane, n int, interval time.Duration) (numbers []int, delays []time.Duration) {
	t.Helper()
	for i := range n {
		octets := ethernetFrame(t, i, wire.ACK)
		l.admit(&frame{octets: octets, ip: ethernet.locate(octets), in: epoch.Add(time.Duration(i) * interval)})
	}
	for {
		due, any := l.nextDue()
		if !any {
			return numbers, delays
		}
		if l.pop(due.Add(-1)) != nil {
			t.Fatal("a frame left before it was due")
		}
		f := l.pop(due)
		_, g, ok := parseTCP(f.datagram())
		if !ok {
			t.Fatal("not TCP any more")
		}
		numbers = append(numbers, int(g.Seq))
		delays = append(delays, f.due.Sub(f.in))
	}
}

// upTo returns 0 to n-1 without some.
func upTo(n int, without ...int) []int {
	var numbers []int
	for i := range n {
		if !slices.Contains(without, i) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func numbered(n int) func(wire.Header, wire.Segment) bool {
	return func(_ wire.Header, g wire.Segment) bool { return int(g.Seq) >= n }
}

func TestLane(t *testing.T) {
	const n, ms = 1000, time.Millisecond
	for _, test := range []struct {
		name  string
		shape Shape
		want  []int // nil if it is left to the dice
		min   time.Duration
		max   time.Duration
		check func(Counters) bool
	}{
		{"nothing", Shape{}, upTo(n), 0, 0, func(c Counters) bool { return c == Counters{Received: n} }},
		{"delay", Shape{Delay: 5 * ms}, upTo(n), 5 * ms, 5 * ms, func(c Counters) bool { return c == Counters{Received: n} }},
		{"jitter keeps the order", Shape{Delay: 5 * ms, Jitter: 4 * ms}, upTo(n), ms, 9 * ms, func(c Counters) bool { return c.Reordered == 0 }},
		{"jitter beyond delay", Shape{Delay: ms, Jitter: 4 * ms}, upTo(n), 0, 5 * ms, func(c Counters) bool { return c.Reordered == 0 }},
		{"all lost", Shape{Loss: 1}, upTo(0), 0, 0, func(c Counters) bool { return c == Counters{Received: n, Lost: n} }},
		{"some lost", Shape{Loss: 0.1}, nil, 0, 0, func(c Counters) bool { return c.Lost > 70 && c.Lost < 130 }},
		{"all doubled", Shape{Duplicate: 1}, nil, 0, 0, func(c Counters) bool { return c.Duplicated == n }},
		{"first dropped", Shape{Drop: []DropRule{{K: 1, Match: numbered(0)}}}, upTo(n, 0), 0, 0, func(c Counters) bool { return c.Dropped == 1 }},
		{"third of some dropped", Shape{Drop: []DropRule{{K: 3, Match: numbered(10)}}}, upTo(n, 12), 0, 0, func(c Counters) bool { return c.Dropped == 1 }},
		{"every one of some dropped", Shape{Drop: []DropRule{{Match: numbered(10)}}}, upTo(10), 0, 0, func(c Counters) bool { return c.Dropped == n-10 }},
		{"two rules count apart", Shape{Drop: []DropRule{{K: 2, Match: numbered(0)}, {K: 2, Match: numbered(5)}}}, upTo(n, 1, 6), 0, 0, func(c Counters) bool { return c.Dropped == 2 }},
		{"dropped is not lost as well", Shape{Loss: 1, Drop: []DropRule{{Match: numbered(0)}}}, upTo(0), 0, 0, func(c Counters) bool { return c.Dropped == n && c.Lost == 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.shape.Seed = 1
			l := newLane(test.shape, 1)
			numbers, delays := travel(t, l, n, ms)
			if test.want != nil && !slices.Equal(numbers, test.want) {
				t.Errorf("%d came out: %v", len(numbers), numbers)
			}
			if got := len(numbers); got != n-int(l.counters.Lost+l.counters.Dropped)+int(l.counters.Duplicated) {
				t.Errorf("%d came out, counters say %+v", got, l.counters)
			}
			if !test.check(l.counters) {
				t.Errorf("%+v", l.counters)
			}
			for i, d := range delays {
				if d < test.min || d > test.max {
					t.Fatalf("segment %d took %v, want %v to %v", numbers[i], d, test.min, test.max)
				}
			}
		})
	}
}

// A reordered segment leaves right behind the next one; the last has nobody
// to wait for.
func TestLaneReorder(t *testing.T) {
	l := newLane(Shape{Delay: 5 * time.Millisecond, Reorder: 1}, 1)
	numbers, delays := travel(t, l, 5, time.Millisecond)
	if want := []int{1, 0, 3, 2, 4}; !slices.Equal(numbers, want) {
		t.Errorf("order %v, want %v", numbers, want)
	}
	if want := 5*time.Millisecond + reorderPatience; delays[4] != want {
		t.Errorf("the last took %v, want %v", delays[4], want)
	}
	if l.counters.Reordered != 2 {
		t.Errorf("%d reordered, want 2", l.counters.Reordered)
	}
}

// The same seed makes the same decisions, another seed or direction others,
// and changing one probability leaves the other dice alone.
func TestLaneSeed(t *testing.T) {
	run := func(shape Shape, direction uint64) string {
		l := newLane(shape, direction)
		numbers, _ := travel(t, l, 200, time.Millisecond)
		return fmt.Sprint(numbers)
	}
	shape := Shape{Seed: 7, Loss: 0.2, Duplicate: 0.1, Reorder: 0.1}
	first := run(shape, 1)
	if run(shape, 1) != first {
		t.Error("the same seed decides otherwise")
	}
	if run(shape, 2) == first {
		t.Error("both directions decide alike")
	}
	shape.Seed = 8
	if run(shape, 1) == first {
		t.Error("another seed decides alike")
	}
	onlyLoss := newLane(Shape{Seed: 7, Loss: 0.2}, 1)
	travel(t, onlyLoss, 200, time.Millisecond)
	both := newLane(Shape{Seed: 7, Loss: 0.2, Corrupt: 0.5}, 1)
	lostToo := 0
	for i := range 200 {
		octets := ethernetFrame(t, i, wire.ACK)
		if both.admit(&frame{octets: octets, ip: ethernetLen, in: epoch}) == Lost {
			lostToo++
		}
	}
	if lostToo != int(onlyLoss.counters.Lost) {
		t.Errorf("%d lost with corruption, %d without", lostToo, onlyLoss.counters.Lost)
	}
}

// Corruption inverts one bit behind the IPv4 header, and ARP is exempt.
func TestLaneCorrupt(t *testing.T) {
	l := newLane(Shape{Corrupt: 1, Loss: 0}, 1)
	before := ethernetFrame(t, 1, wire.ACK)
	f := &frame{octets: bytes.Clone(before), ip: ethernetLen, in: epoch}
	l.admit(f)
	changed := 0
	for i := range before {
		for x := before[i] ^ f.octets[i]; x != 0; x &= x - 1 {
			changed++
			if i < ethernetLen+ipv4Len {
				t.Errorf("octet %d is in a header that routers check", i)
			}
		}
	}
	if changed != 1 || l.counters.Corrupted != 1 {
		t.Errorf("%d bits changed, %d counted", changed, l.counters.Corrupted)
	}
}

func TestLaneARP(t *testing.T) {
	l := newLane(Shape{Delay: time.Millisecond, Loss: 1, Duplicate: 1, Corrupt: 1}, 1)
	arp := append(make([]byte, 12), 0x08, 0x06, 0, 1)
	octets := bytes.Clone(arp)
	if fate := l.admit(&frame{octets: octets, ip: ethernet.locate(octets), in: epoch}); fate != Forwarded {
		t.Fatalf("ARP was %v", fate)
	}
	f := l.pop(epoch.Add(time.Millisecond))
	if f == nil || !bytes.Equal(f.octets, arp) || len(l.queue) != 0 || l.counters != (Counters{}) {
		t.Errorf("frame %+v, %d more, %+v", f, len(l.queue), l.counters)
	}
}

func TestJournal(t *testing.T) {
	for _, room := range []int{0, 1, 3, 10} {
		j := journal{room: room}
		for i := range 7 {
			j.add(Passage{Delay: time.Duration(i)})
		}
		var got []int
		for _, p := range j.list() {
			got = append(got, int(p.Delay))
		}
		if want := upTo(7)[7-min(room, 7):]; !slices.Equal(got, want) {
			t.Errorf("room %d: %v, want %v", room, got, want)
		}
	}
}
