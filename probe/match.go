package probe

import (
	"container/heap"
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// hear takes in what the receive loop has read.
func (r *run) hear(batch []heard) {
	for i := range batch {
		r.take(&batch[i])
	}
	r.unheard.Add(-1)
	r.spent <- batch[:0]
}

// take matches one reply with its flight. What does not prove that its sender
// has seen the probe is counted and otherwise ignored.
func (r *run) take(h *heard) {
	isn := r.plan.secret.isn(h.to.addr, h.to.port)
	if !r.ours(h.local) || !h.reply.answers(isn, h.quoted) {
		r.count.strays.Add(1)
		return
	}
	f := r.flights[h.to]
	if f != nil && h.reply.fromSelf(h.local.Addr(), f.probe.Addr) && f.host.hop != nil {
		r.lose(f.host.hop)
		return
	}
	r.count.received.Add(1)
	// Every copy of a SYN-ACK is answered: the first reset may be lost.
	if h.reply.is(wire.SYN | wire.ACK) {
		r.out.reset(h)
	}
	if f == nil || len(f.tries) == 0 {
		return
	}
	r.find(f.host.hop)
	reply := h.reply
	if reply.soft() {
		f.soft = &reply
		return
	}
	r.end(f, &reply, f.sent(&reply))
}

// ours reports whether local is one of the session's quiet ports.
func (s *Session) ours(local netip.AddrPort) bool {
	port := s.ports[local.Addr()]
	return port != nil && port.Local() == local
}

// refuse ends a flight that never left.
func (r *run) refuse(f *flight, err error) {
	x := f.exchange(r.plan)
	x.Tries, x.Refused = 0, err
	r.finish(f, x)
}

// end ends a flight: with the reply that decides, and the try that it
// answers, if that is known.
func (r *run) end(f *flight, reply *Reply, answered *try) {
	x := f.exchange(r.plan)
	x.Reply = reply
	if answered != nil {
		x.At = answered.at
		if rtt := reply.At.Sub(answered.at); rtt > 0 {
			x.RTT = rtt
			f.host.rto.sample(rtt)
		}
	}
	if reply != nil {
		if len(f.tries) > 0 {
			r.answered(f, reply)
		}
		if reply.is(wire.SYN | wire.ACK) {
			r.count.open.Add(1)
		}
	}
	r.finish(f, x)
}

// answered takes an answered flight out of what is outstanding. An ICMP error
// leaves the SYN in the connection tracking table.
func (r *run) answered(f *flight, reply *Reply) {
	r.burst.remove(f.burst)
	if !reply.ICMP {
		r.tracked.remove(f.tracked)
	}
}

// finish forgets a flight and keeps its exchange for the consumer.
func (r *run) finish(f *flight, x Exchange) {
	if !r.ended(f) {
		delete(r.flights, f.endpoint())
		if f.host.onLink() {
			r.onLink--
		}
	}
	if f.place >= 0 {
		heap.Remove(&r.waiting, f.place)
	}
	if f.host.left--; f.host.left == 0 {
		delete(r.hosts, addrNumber(f.probe.Addr))
	}
	r.count.done.Add(1)
	r.done = append(r.done, x)
}
