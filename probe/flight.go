package probe

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// host is what a run knows of a host while it probes it.
type host struct {
	path  link.Path
	err   error // there is no way to it
	local netip.AddrPort
	syn   *wire.Template
	left  int // probes not yet done
	rto   rto
	// hop is where its datagrams go first; nil where no neighbour has to be
	// found.
	hop *hop
	// probe is one of its probes, and parked are the ports of those that wait
	// for the hop.
	probe  Probe
	parked []uint16
}

// onLink reports whether reaching the host takes an entry of its own in our
// neighbour table.
func (h *host) onLink() bool { return h.hop != nil && !h.path.Gateway.IsValid() }

// flight is a probe that has been sent and not yet been answered.
type flight struct {
	probe Probe
	host  *host
	tries []try
	// soft is an answer that a later try may better.
	soft *Reply
	// burst and tracked are when its latest try left, and its first one, as
	// the run's counts of outstanding segments want to know it.
	burst, tracked int
	// waits counts the times that a try was left out because the next hop was
	// not found yet.
	waits int
	// delayed counts the times that the device had no room for its next try.
	delayed int
	// deadline is when the latest try counts as unanswered, and place the
	// flight's index in the queue of deadlines, -1 outside.
	deadline time.Duration
	place    int
}

// try is one segment of a flight.
type try struct {
	at    time.Time
	tsval uint32
	id    uint16
}

func (f *flight) endpoint() endpoint { return endpoint{addrNumber(f.probe.Addr), f.probe.Port} }

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

// sent is the try that a reply answers: a SYN-ACK echoes its timestamp, an
// ICMP error quotes its IP ID. Nil where it cannot be told.
func (f *flight) sent(r *Reply) *try {
	if r == nil {
		return nil
	}
	for i := range f.tries {
		t := &f.tries[i]
		if len(f.tries) == 1 || r.ICMP && t.id == r.Quoted || r.echoes(t.tsval) {
			return t
		}
	}
	return nil
}

func (r *Reply) echoes(tsval uint32) bool {
	for _, o := range r.Options {
		if _, ecr, ok := o.Timestamps(); ok {
			return ecr == tsval
		}
	}
	return false
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
