package rtt

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// take matches an event with its exchange. tapped says that the tap heard it;
// what the link hears comes by the tap as well, so only the link's events are
// counted and answered.
func (r *run) take(e *event, tapped bool) {
	t, slot, known := r.endpoints(e.local, e.remote)
	if !known || tapped && t.device != e.device {
		r.stray(tapped)
		return
	}
	if e.kind == challenged {
		r.stray(tapped)
		r.out.ResetAt(e.local, e.remote, e.isn)
		return
	}
	x := &t.exchanges[slot]
	n := t.n(e.isn)
	switch {
	case n == 0 || n > t.sent || r.plan.slot(n) != slot:
		r.stray(tapped)
	case tapped && n != x.n:
		// Of a probe long over.
	case e.kind == left:
		x.ring.left = e.at
		r.settle(t, x)
	case tapped:
		r.overheard(t, x, e)
	default:
		r.replied(t, x, n, e)
	}
}

func (r *run) stray(tapped bool) {
	if !tapped {
		r.count.strays.Add(1)
	}
}

// replied takes note of a reply that the link has heard.
func (r *run) replied(t *target, x *exchange, n uint32, e *event) {
	if e.reply == finding.SYNACK {
		// Every copy is answered: the first reset may be lost.
		x.cleared = true
		r.out.ResetAt(e.local, e.remote, e.isn.Add(1))
	}
	switch {
	case n == x.n && x.socket.heard == 0 && !x.over():
		x.socket.heard, x.user.heard = e.at, e.user.Sub(r.start)
		x.note(e)
		if x.state == waiting && r.observer != nil {
			x.state = stamping
			r.rings.push(deadline{t.place, n, r.now() + ringDelay})
		}
		r.settle(t, x)
	case n == x.n && x.socket.heard == 0 && x.reply != "":
		// The tap heard it long before.
		x.socket.heard = e.at
	case n == x.n && x.state != ended:
		t.stats.Duplicates++
	default:
		t.stats.Late++
	}
}

// overheard takes note of a reply that the tap has heard.
func (r *run) overheard(t *target, x *exchange, e *event) {
	if x.ring.heard != 0 || x.over() {
		return
	}
	x.ring.heard = e.at
	x.note(e)
	if x.state == waiting {
		// The link should have it too, and the user's clock with it.
		x.state = stamping
		r.rings.push(deadline{t.place, x.n, r.now() + ringDelay})
	}
	r.settle(t, x)
}

// note keeps the first reply.
func (x *exchange) note(e *event) {
	if x.reply == "" {
		x.reply, x.from, x.ttl = e.reply, e.from, e.ttl
	}
}

// settle decides about an exchange once there is a reply, with the stamps that
// the best clock needs.
func (r *run) settle(t *target, x *exchange) {
	switch {
	case x.over() || x.reply == "":
		return
	case x.reply != finding.SYNACK && x.reply != finding.RST:
		// Nobody asks how long an ICMP error took.
	case r.observer != nil && (x.socket.heard == 0 || x.ring.left == 0 || x.ring.heard == 0):
		return
	}
	r.decide(t, x)
}

// decide makes a sample of an exchange: nothing that comes from now on can
// change it.
func (r *run) decide(t *target, x *exchange) {
	s := x.sample(t.place)
	if s.Answered() && r.late(t, s) {
		s.Reply, s.Late = finding.NoReply, s.RTT
	}
	x.state = ended
	if s.Answered() {
		x.state = answered
		if t.fastest == 0 || s.RTT < t.fastest {
			t.fastest = s.RTT
		}
	}
	if !x.cleared && (x.reply == "" || x.reply == finding.SYNACK) {
		r.clear(t, x)
	}
	r.report(t, s)
}

const (
	// secondTry is when a peer's second SYN-ACK may follow the first, less two
	// of its ticks: after the initial retransmission timeout of one second
	// (RFC 6298, Section 2.1).
	secondTry = time.Second - 8*time.Millisecond
	// slowEnough is how many answers must come that late before we believe
	// that the path is that long.
	slowEnough = 3
)

// late reports whether an answer is no sample: it came after the timeout, or
// it may be the peer's second SYN-ACK, the first one being lost. That would be
// a measurement of the peer's timer (Karn's rule: RFC 6298, Section 3).
func (r *run) late(t *target, s Sample) bool {
	if s.RTT > r.plan.Spec.Timeout {
		return true
	}
	if s.Reply != finding.SYNACK || s.RTT < t.fastest+secondTry {
		return false
	}
	if t.fastest == 0 {
		t.slow++
		return t.slow < slowEnough
	}
	return true
}
