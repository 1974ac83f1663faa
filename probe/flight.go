package probe

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// host is what a run knows of a host, from its first probe to its last.
type host struct {
	// probe is one of its probes, for what they have in common.
	probe Probe
	left  int   // probes not yet done
	err   error // there is no way to it
	local netip.AddrPort
	syn   *wire.Template
	rto   rto
	// hop is where its datagrams go first; nil where no neighbour has to be
	// found. parked are the ports of the probes that wait for it.
	hop    *hop
	parked []uint16
}

// onLink reports whether reaching the host takes an entry of its own in our
// neighbour table.
func (h *host) onLink() bool { return h.hop != nil && h.hop.addr == h.probe.Addr }

// flight makes a flight to one of the host's ports.
func (h *host) flight(port uint16) *flight {
	f := &flight{probe: h.probe, host: h, place: -1}
	f.probe.Port = port
	f.tries = f.first[:0]
	return f
}

// flight is a probe between its first try and its end.
type flight struct {
	probe Probe
	host  *host
	// tries are those that left this host. Most flights have one, and first
	// has room for it.
	tries []try
	first [1]try
	// skipped counts the tries that were not made when it was time for them:
	// the next hop was not found yet, or the kernel refused a retry.
	skipped int
	// delayed counts the times that the device had no room for the next try.
	delayed int
	// soft is an answer that a later try may better.
	soft *Reply
	// burst and tracked are when its latest try left, and its first one, as
	// the run's counts of outstanding segments want to know it.
	burst, tracked int
	// deadline is until when it waits, and place its index in the heap of
	// those that do, -1 outside.
	deadline time.Duration
	place    int
}

// try is one segment of a flight.
type try struct {
	at    time.Time
	tsval uint32
}

func (f *flight) endpoint() endpoint { return endpoint{addrNumber(f.probe.Addr), f.probe.Port} }

// turns is how many of its tries a flight has had, made or not.
func (f *flight) turns() int { return len(f.tries) + f.skipped }

// exchange is what the flight comes to if it ends in silence.
func (f *flight) exchange(plan Plan) Exchange {
	x := Exchange{
		Method: plan.Spec.Method,
		Probe:  f.probe,
		Local:  f.host.local,
		Tries:  len(f.tries),
	}
	if len(f.tries) > 0 {
		x.At = f.tries[len(f.tries)-1].at
	}
	return x
}

// answered is the try that a reply answers: an ICMP error quotes its IP ID, a
// SYN-ACK echoes its timestamp. Nil where it cannot be told.
func (f *flight) answered(plan Plan, r *Reply) *try {
	if len(f.tries) == 1 {
		return &f.tries[0]
	}
	if r.ICMP {
		if n := plan.try(f.endpoint(), r.Quoted); n >= 1 && n <= len(f.tries) {
			return &f.tries[n-1]
		}
		return nil
	}
	echo, ok := r.echo()
	for i := range f.tries {
		if ok && f.tries[i].tsval == echo {
			return &f.tries[i]
		}
	}
	return nil
}

// flights are the probes that have begun and not ended. Each is in one place:
// in the outbox, until its try is handed to the kernel in the same round; in
// waiting, until it is answered or its deadline comes; or in again, until the
// pace allows its next try. Of an interrupted run, those that would be tried
// again are in none: only a late answer ends them.
type flights struct {
	open    map[endpoint]*flight
	waiting byDeadline
	// again holds flights that have ended since, too; retry skips them.
	again []*flight
	// onLink counts the flights to neighbours of ours.
	onLink int
}

func (s *flights) begin(f *flight) {
	s.open[f.endpoint()] = f
	if f.host.onLink() {
		s.onLink++
	}
}

// end forgets a flight, if it had begun.
func (s *flights) end(f *flight) {
	if s.ended(f) {
		return
	}
	delete(s.open, f.endpoint())
	if f.host.onLink() {
		s.onLink--
	}
	if f.place >= 0 {
		heap.Remove(&s.waiting, f.place)
	}
}

func (s *flights) ended(f *flight) bool { return s.open[f.endpoint()] != f }

// await puts a flight among those that wait.
func (s *flights) await(f *flight, deadline time.Duration) {
	f.deadline = deadline
	heap.Push(&s.waiting, f)
}

// overdue takes one of those whose deadline has come; nil if there is none.
func (s *flights) overdue(now time.Duration) *flight {
	if len(s.waiting) == 0 || s.waiting[0].deadline > now {
		return nil
	}
	return heap.Pop(&s.waiting).(*flight)
}

// retry is the first of those to be tried again; nil if there is none.
func (s *flights) retry() *flight {
	for len(s.again) > 0 && s.ended(s.again[0]) {
		s.again = s.again[1:]
	}
	if len(s.again) == 0 {
		return nil
	}
	return s.again[0]
}

// byDeadline is a heap of flights, the one that is due first on top.
type byDeadline []*flight

func (q byDeadline) Len() int           { return len(q) }
func (q byDeadline) Less(i, j int) bool { return q[i].deadline < q[j].deadline }
func (q byDeadline) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *byDeadline) Push(x any) {
	f := x.(*flight)
	f.place = len(*q)
	*q = append(*q, f)
}

// Pop implements heap.Interface.
func (q *byDeadline) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = nil
	*q, f.place = (*q)[:last], -1
	return f
}
