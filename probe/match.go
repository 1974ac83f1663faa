package probe

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// hear takes in what the receive loop has read.
func (r *run) hear(batch []Heard) {
	for i := range batch {
		r.take(&batch[i])
	}
	r.listener.Done(batch)
}

// take matches one reply with its flight. What does not prove that its sender
// has seen the probe is counted and otherwise ignored.
func (r *run) take(h *Heard) {
	isn := r.plan.secret.isn(h.to().addr, h.to().port)
	if !r.ours(h.Local) || !h.Answers(isn) {
		r.count.strays.Add(1)
		return
	}
	f := r.flights.open[h.to()]
	if r.fromSelf(h) && (f == nil || f.host.hop != nil) {
		// Without a flight, or a hop that was asked, it is about those that
		// have ended with their hop.
		if f != nil && f.host.hop.state != unasked {
			r.lose(f.host.hop)
		}
		return
	}
	r.count.received.Add(1)
	// Every copy of a SYN-ACK is answered: the first reset may be lost.
	if h.Reply.Is(wire.SYN | wire.ACK) {
		r.out.Reset(h)
	}
	// A flight without a try waits for room in the device's queue, and this
	// answers an earlier run's probe.
	if f == nil || len(f.tries) == 0 {
		return
	}
	r.hops.find(f.host.hop)
	reply := h.Reply
	if reply.soft() {
		f.soft = &reply
		return
	}
	r.end(f, &reply)
}

// fromSelf reports whether the reply is our own kernel's word that the next
// hop does not answer (arp_error_report). It comes from any address of ours.
func (r *run) fromSelf(h *Heard) bool {
	if !h.Reply.ICMP || h.Reply.Type != wire.ICMPUnreachable || h.Reply.Code != hostUnreachable ||
		addrNumber(h.Reply.From) == h.to().addr { // then it is the destination's word
		return false
	}
	if h.Reply.From == h.Local.Addr() {
		return true
	}
	local, err := r.world.IsLocal(h.Reply.From)
	return err == nil && local
}

// ours reports whether local is one of the session's quiet ports.
func (s *Session) ours(local netip.AddrPort) bool {
	port := s.ports[local.Addr()]
	return port != nil && port.Local() == local
}

// refuse ends a flight that never left.
func (r *run) refuse(f *flight, err error) {
	x := f.exchange(r.plan)
	x.Refused = err
	r.finish(f, x)
}

// end ends a flight that left: by the reply that decides, or in silence.
func (r *run) end(f *flight, reply *Reply) {
	x := f.exchange(r.plan)
	if reply != nil {
		x.Reply = reply
		if t := f.answered(r.plan, reply); t != nil {
			x.At = t.at
			if rtt := reply.At.Sub(t.at); rtt > 0 {
				x.RTT = rtt
				f.host.rto.sample(rtt)
			}
		}
		r.burst.remove(f.burst)
		if !reply.ICMP { // which leaves the SYN in the connection tracking table
			r.tracked.remove(f.tracked)
		}
		if reply.Is(wire.SYN | wire.ACK) {
			r.count.open.Add(1)
		}
	}
	r.finish(f, x)
}

// finish forgets a flight, if it had begun, and keeps its exchange for the
// consumer. With its last probe a host is forgotten as well.
func (r *run) finish(f *flight, x Exchange) {
	r.flights.end(f)
	if f.host.left--; f.host.left == 0 {
		delete(r.hosts, addrNumber(f.probe.Addr))
	}
	r.count.done.Add(1)
	r.done = append(r.done, x)
}
