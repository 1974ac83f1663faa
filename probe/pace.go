package probe

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// pacer hands out permissions to send at a steady rate. It works on times
// that it is given, and never sleeps.
type pacer struct {
	// interval between two segments; zero means no limit.
	interval time.Duration
	// next is when the next segment may go, on the caller's clock.
	next time.Duration
}

// slack is how far the pacer lets segments bunch up after the process was
// kept from running, so that a coarse timer does not lower the rate.
const slack = 50 * time.Millisecond

func newPacer(rate float64) pacer {
	if rate == 0 {
		return pacer{}
	}
	return pacer{interval: time.Duration(float64(time.Second) / rate)}
}

// take reports whether a segment may go at now, and counts it if so.
func (p *pacer) take(now time.Duration) bool {
	if p.interval == 0 {
		return true
	}
	if now < p.next {
		return false
	}
	p.next = max(p.next, now-slack) + p.interval
	return true
}

// at is when the next segment may go.
func (p *pacer) at() time.Duration { return p.next }

const (
	// synSent is how long Linux remembers a SYN that nobody answered
	// (nf_conntrack_tcp_timeout_syn_sent).
	synSent = 120 * time.Second
	// burst is how many unanswered segments may be younger than burstTime:
	// their answers may all come at once, and must fit into the smallest
	// receive buffer that Linux gives by default (212,992 octets, doubled).
	burst     = 512
	burstTime = 30 * time.Millisecond
)

// outstanding counts the segments of the last while that nobody has answered.
// The zero value is not useful.
type outstanding struct {
	// room is how many there may be; below zero there is no limit.
	room int
	// tick is a hundredth of the while. ticks holds how many segments of each
	// of the last ticks are unanswered, the one that is now among them; no
	// number is below zero, and total is their sum.
	tick  time.Duration
	ticks [100]int
	now   int
	total int
}

func newOutstanding(room int, while time.Duration) outstanding {
	o := outstanding{room: room}
	o.tick = while / time.Duration(len(o.ticks))
	return o
}

// advance forgets the segments that are older than the while.
func (o *outstanding) advance(now time.Duration) {
	for tick := int(now / o.tick); o.now < tick; {
		if o.total == 0 {
			o.now = tick
			return
		}
		o.now++
		oldest := &o.ticks[o.now%len(o.ticks)]
		o.total -= *oldest
		*oldest = 0
	}
}

func (o *outstanding) full() bool { return o.room >= 0 && o.total >= o.room }

// add counts a segment that leaves now, and returns the tick for remove.
func (o *outstanding) add() int {
	o.ticks[o.now%len(o.ticks)]++
	o.total++
	return o.now
}

// remove takes back a segment that was answered. A segment may be removed
// once.
func (o *outstanding) remove(tick int) {
	if o.now-tick < len(o.ticks) {
		o.ticks[tick%len(o.ticks)]--
		o.total--
	}
}

// tracking counts the entries that a run's unanswered SYNs take in the
// connection tracking table, which this host's other traffic needs too.
type tracking struct {
	outstanding
	// before is how many entries there were.
	before int
	// checked says that the table was looked at again.
	checked bool
}

// newTracking allows half of what is free; a limit of zero stands for a host
// that tracks no connections.
func newTracking(used, limit int) tracking {
	room := -1
	if limit > 0 {
		room = max((limit-used)/2, 1)
	}
	return tracking{outstanding: newOutstanding(room, synSent), before: used}
}

// full reports whether there is no room for another SYN. When that seems so
// for the first time it looks at the table again. Where the kernel could
// track connections but no rule asks for it, it does not
// (nf_ct_netns_get), and the table is no limit.
func (t *tracking) full(table func() (used, limit int, err error)) bool {
	if t.outstanding.full() && !t.checked {
		t.checked = true
		if used, _, err := table(); err == nil && used-t.before < t.total/2 {
			t.room = -1
		}
	}
	return t.outstanding.full()
}

// limits notes what a run had to wait for.
type limits struct {
	rate, inFlight, conntrack, neighbors bool
}

// tightest is the limit to report; "" where the answers set the pace.
func (l limits) tightest() finding.Limit {
	switch {
	case l.conntrack:
		return finding.LimitConntrack
	case l.neighbors:
		return finding.LimitNeighbors
	case l.inFlight:
		return finding.LimitInFlight
	case l.rate:
		return finding.LimitRate
	}
	return ""
}
