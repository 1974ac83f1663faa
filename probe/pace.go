package probe

import "time"

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
const slack = 5 * time.Millisecond

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

// conntrack is the connection tracking table as it was when the session was
// opened. A limit of zero means that there is none.
type conntrack struct{ used, limit int }

// room is how many entries we may add: half of what is free, since others
// need it too; below zero there is no limit.
func (c conntrack) room() int {
	if c.limit == 0 {
		return -1
	}
	return max((c.limit-c.used)/2, 1)
}

// synSent is how long Linux remembers a SYN that nobody answered
// (nf_conntrack_tcp_timeout_syn_sent), in seconds.
const synSent = 120

// tracked counts the connection tracking entries that our unanswered SYNs
// occupy. What was answered leaves the table soon after our reset or theirs,
// and is not counted. The zero value has no room at all.
type tracked struct {
	// room is how many there may be; below zero there is no limit.
	room int
	// seconds holds, for each second of the last two minutes, how many SYNs
	// of that second are unanswered; second is the latest.
	seconds [synSent]int
	second  int
	total   int
	// asked says that the table was looked at again when it seemed full.
	asked bool
}

// advance forgets the entries that the kernel has forgotten by now.
func (t *tracked) advance(now time.Duration) {
	for second := int(now / time.Second); t.second < second; {
		t.second++
		oldest := &t.seconds[t.second%synSent]
		t.total -= *oldest
		*oldest = 0
	}
}

func (t *tracked) full() bool { return t.room >= 0 && t.total >= t.room }

// add counts a SYN that leaves now, and returns the second for remove.
func (t *tracked) add() int {
	t.seconds[t.second%synSent]++
	t.total++
	return t.second
}

// remove takes back a SYN that was answered.
func (t *tracked) remove(second int) {
	if t.second-second < synSent {
		t.seconds[second%synSent]--
		t.total--
	}
}

// limits notes what a run had to wait for.
type limits struct {
	rate, inFlight, conntrack, neighbors bool
}

// String names the tightest limit; "" where the answers set the pace.
func (l limits) String() string {
	switch {
	case l.conntrack:
		return "conntrack"
	case l.neighbors:
		return "neighbors"
	case l.inFlight:
		return "in-flight"
	case l.rate:
		return "rate"
	}
	return ""
}
