package rtt

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// take matches an event with its exchange. tapped says that the tap heard it.
func (r *run) take(e *event, tapped bool) {
	t, slot, known := r.endpoints(e.local, e.remote)
	if !known || tapped && r.passing(t, e) {
		r.stray(tapped)
		return
	}
	x := &t.exchanges[slot]
	n := t.n(e.isn)
	switch {
	case e.kind == challenged:
		r.challenged(x, n, e, tapped)
	case n == 0 || n > t.sent || r.plan.slot(n) != slot:
		r.stray(tapped)
	case e.kind == replied:
		r.replied(t, x, n, e, tapped)
	case n == x.n:
		x.ring.left = e.at
		r.settle(t, x)
	}
}

// passing reports whether the tap, which hears all devices, has met a segment
// on another one than the target's: below it, or above.
func (s *Session) passing(t *target, e *event) bool {
	return s.device.Index == 0 && t.path.Index != e.device
}

// counts reports whether events from the tap, or from the link, are those that
// are counted and answered: what comes by both would be twice.
func (s *Session) counts(tapped bool) bool { return s.polled || !tapped }

func (s *Session) stray(tapped bool) {
	if s.counts(tapped) {
		s.count.strays.Add(1)
	}
}

// maxAnswers bounds what is sent because something has come, for each probe.
// Linux sends a SYN-ACK five times more (tcp_synack_retries); who sends more, or
// answers resets, keeps nobody busy.
const maxAnswers = 8

// answer resets what a segment of the peer's shows that it knows of: the first
// reset may be lost.
func (r *run) answer(x *exchange, e *event) {
	if x.answers < maxAnswers {
		x.answers++
		r.out.ResetAt(e.local, e.remote, e.isn.Add(1))
	}
}

// challenged resets what the peer still knows: its bare ACK tells what sequence
// number it expects, that of the nth probe if it is honest.
func (r *run) challenged(x *exchange, n uint32, e *event, tapped bool) {
	if r.counts(tapped) {
		r.answer(x, e)
	}
	if x.state != waiting || n == 0 || n >= x.n || r.plan.slot(n) != r.plan.slot(x.n) {
		r.stray(tapped)
		return
	}
	x.met = n
}

// replied takes note of a reply.
func (r *run) replied(t *target, x *exchange, n uint32, e *event, tapped bool) {
	counts := r.counts(tapped)
	if counts && e.reply == finding.SYNACK {
		r.answer(x, e)
		x.cleared = x.cleared || n == x.n
	}
	if !isAnswer(e.reply) {
		if n == x.n && x.state == waiting {
			r.note(t, x, e)
		}
		return
	}
	heard := &x.socket.heard
	if tapped {
		heard = &x.ring.heard
	}
	switch {
	case n != x.n || *heard != 0 || x.over() && !isAnswer(x.reply):
		if !counts {
			return
		}
		if n == x.n && x.state != ended {
			t.stats.Duplicates++
		} else {
			t.stats.Late++
		}
	case x.over():
		*heard = e.at // the other source was first
	default:
		*heard = e.at
		if !tapped {
			x.user.heard = e.user.Sub(r.start)
		}
		r.note(t, x, e)
	}
}

// note keeps the first reply, and gives the stamps that go with it time to
// come. An ICMP error gives way to an answer that comes close behind: the two may
// have changed places on their way through the kernel.
func (r *run) note(t *target, x *exchange, e *event) {
	if !isAnswer(x.reply) {
		x.reply, x.from, x.ttl = e.reply, e.from, e.ttl
		x.state = stamping
		r.rings.push(deadline{t.place, x.n, r.now() + ringDelay})
	}
	r.settle(t, x)
}

// settle decides about an exchange once there is a reply, with the stamps that
// the best clock needs.
func (r *run) settle(t *target, x *exchange) {
	switch {
	case x.over() || !isAnswer(x.reply):
		return
	case (r.polled || r.observer != nil) && (x.ring.left == 0 || x.ring.heard == 0), !r.polled && x.socket.heard == 0:
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
	if !x.cleared && x.lingers() {
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

// endpoints find a target and the place of its port; false for strangers.
func (s *Session) endpoints(local, remote netip.AddrPort) (t *target, slot int, known bool) {
	place, known := s.plan.places[remote]
	if !known {
		return nil, 0, false
	}
	t = s.targets[place]
	if t.rotation == nil {
		return nil, 0, false
	}
	slot, known = t.rotation.place(local)
	return t, slot, known
}
