package netlab

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// reorderPatience is how long a datagram that shall be overtaken waits for
// another one to come.
const reorderPatience = 10 * time.Millisecond

// frame is what travels a lane.
type frame struct {
	// octets begin with the link-layer header; the datagram starts at ip. A
	// negative ip means that there is none (ARP).
	octets []byte
	ip     int
	in     time.Time
	due    time.Time
	delay  time.Duration
	// order breaks ties of due.
	order uint64
	index int
}

// datagram is the IPv4 datagram, link-layer padding included.
func (f *frame) datagram() []byte { return f.octets[f.ip:] }

// lane is one direction of a link: it decides what becomes of each frame, and
// when. It has no clock and no socket of its own.
type lane struct {
	shape    Shape
	dice     *rand.Rand
	seen     []int // datagrams matched so far, per drop rule
	queue    frameQueue
	order    uint64
	last     time.Time // the latest due time given out
	held     *frame    // waits to be overtaken
	counters Counters
}

// newLane makes a lane; direction keeps the two of a link apart when they
// have the same seed.
func newLane(shape Shape, direction uint64) *lane {
	seed := shape.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &lane{
		shape: shape,
		dice:  rand.New(rand.NewPCG(seed, direction)),
		seen:  make([]int, len(shape.Drop)),
	}
}

// admit takes a frame that came in at f.in. It returns Forwarded if the frame
// is on its way now, else why not. The lane keeps f.
func (l *lane) admit(f *frame) Fate {
	if f.ip < 0 {
		l.push(f, 0)
		return Forwarded
	}
	l.counters.Received++
	// Every die is thrown for every datagram, so that changing one
	// probability does not change what the others decide.
	lost, corrupt, duplicate, reorder := l.throw(l.shape.Loss), l.throw(l.shape.Corrupt), l.throw(l.shape.Duplicate), l.throw(l.shape.Reorder)
	bit, jitter := l.dice.Uint64(), time.Duration((2*l.dice.Float64()-1)*float64(l.shape.Jitter))
	if l.ruledOut(f.datagram()) {
		l.counters.Dropped++
		return Dropped
	}
	if lost {
		l.counters.Lost++
		return Lost
	}
	if corrupt && flipBit(f.datagram(), bit) {
		l.counters.Corrupted++
	}
	overtaken := l.held
	l.push(f, jitter)
	switch {
	case overtaken != nil:
		l.release(overtaken)
	case reorder:
		l.hold(f)
	}
	if duplicate {
		l.counters.Duplicated++
		twin := *f
		twin.octets = append([]byte(nil), f.octets...)
		l.order++
		twin.order = l.order
		heap.Push(&l.queue, &twin)
	}
	return Forwarded
}

func (l *lane) throw(probability float64) bool { return l.dice.Float64() < probability }

// ruledOut reports whether a drop rule names this datagram.
func (l *lane) ruledOut(datagram []byte) bool {
	if len(l.shape.Drop) == 0 {
		return false
	}
	h, g, ok := parseTCP(datagram)
	if !ok {
		return false
	}
	out := false
	for i, rule := range l.shape.Drop {
		if rule.Match(h, g) {
			l.seen[i]++
			out = out || rule.K == 0 || rule.K == l.seen[i]
		}
	}
	return out
}

// push gives a frame its due time: the shape's delay after it came, but never
// before a frame that came earlier, so that jitter alone does not reorder.
func (l *lane) push(f *frame, jitter time.Duration) {
	f.delay = max(0, l.shape.Delay+jitter)
	f.due = f.in.Add(f.delay)
	if f.due.Before(l.last) {
		f.due = l.last
	}
	l.last = f.due
	l.order++
	f.order = l.order
	heap.Push(&l.queue, f)
}

// hold makes a frame wait for the next one to overtake it.
func (l *lane) hold(f *frame) {
	l.held = f
	f.due = f.due.Add(reorderPatience)
	heap.Fix(&l.queue, f.index)
}

// release sends a held frame right behind the one that was just pushed.
func (l *lane) release(f *frame) {
	l.held = nil
	l.counters.Reordered++
	l.order++
	f.due, f.order = l.last, l.order
	heap.Fix(&l.queue, f.index)
}

// nextDue is when the next frame must go, if there is one.
func (l *lane) nextDue() (time.Time, bool) {
	if len(l.queue) == 0 {
		return time.Time{}, false
	}
	return l.queue[0].due, true
}

// pop takes the next frame that is due; nil if none is.
func (l *lane) pop(now time.Time) *frame {
	if len(l.queue) == 0 || l.queue[0].due.After(now) {
		return nil
	}
	f := heap.Pop(&l.queue).(*frame)
	if f == l.held {
		l.held = nil
	}
	return f
}

// flipBit inverts one bit of what the IPv4 header carries, so that routers
// pass the damage on to the receiver. It returns false if there is nothing.
func flipBit(datagram []byte, bit uint64) bool {
	_, payload, err := wire.ParseHeader(datagram)
	if err != nil || len(payload) == 0 {
		return false
	}
	bit %= uint64(len(payload)) * 8
	payload[bit/8] ^= 1 << (bit % 8)
	return true
}

// frameQueue is a heap of frames by due time, ties in order of admission.
type frameQueue []*frame

func (q frameQueue) Len() int { return len(q) }

func (q frameQueue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].order < q[j].order
	}
	return q[i].due.Before(q[j].due)
}

func (q frameQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is heap.Interface's.
func (q *frameQueue) Push(x any) {
	f := x.(*frame)
	f.index = len(*q)
	*q = append(*q, f)
}

// Pop is heap.Interface's.
func (q *frameQueue) Pop() any {
	old := *q
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return f
}
