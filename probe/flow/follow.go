package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// reordering is how far a segment may fall behind a later one and still count
// as out of order where no round-trip time is known. What comes later than one
// round trip was sent again.
const reordering = 3 * time.Millisecond

// pass is one segment on its way through its connection, from s to r.
type pass struct {
	c      *Connection
	at     time.Time
	h      *wire.Header
	g      *wire.Segment
	from   Side
	s, r   *End
	length uint32   // of the payload on the wire, which the capture may lack
	end    wire.Seq // just after the segment
	owed   Step     // the answer that was expected of s
	owing  bool
	steps  Steps
	shape  Shape
	// The segment shows that its sender lacks what was seen to be sent to it.
	takesBack bool
}

// follow takes one segment that is no copy.
func (c *Connection) follow(at time.Time, h *wire.Header, g *wire.Segment, from Side) Event {
	p := pass{c: c, at: at, h: h, g: g, from: from, s: &c.ends[from], r: &c.ends[from.Peer()]}
	p.length = h.DataLen(g)
	p.end = g.Seq.Add(p.length)
	for _, f := range [...]wire.Flags{wire.SYN, wire.FIN} {
		if g.Flags&f != 0 {
			p.end = p.end.Add(1)
		}
	}
	p.owed, p.owing, p.s.owing = p.s.owes, p.s.owing, false
	if c.segments == 0 && g.Flags&wire.SYN == 0 {
		p.steps.add(PickUp)
	}
	switch {
	case g.Flags&wire.RST != 0:
		p.reset()
	case g.Flags&(wire.SYN|wire.ACK) == wire.SYN|wire.ACK:
		p.answer()
	case g.Flags&wire.SYN != 0:
		p.request()
	case p.r.syn && !p.r.gotSYN && !p.s.stream.numbered && p.length == 0 && g.Flags&wire.FIN == 0 && g.Ack != p.r.stream.next:
		p.remnant()
	default:
		p.segment()
	}
	p.account()
	return Event{Steps: p.steps, Shape: p.shape}
}

// account books the segment, and the states that it leaves.
func (p *pass) account() {
	c, s, g := p.c, p.s, p.g
	c.segments++
	c.last = p.at
	s.segments++
	if p.steps.Has(Retransmission) {
		s.repeats++
	}
	if g.Flags&wire.RST == 0 {
		s.last = trigger{seq: g.Seq, end: p.end, ack: g.Ack, acked: g.Flags&wire.ACK != 0, tos: p.h.TOS}
		if s.ttl == 0 {
			s.ttl = p.h.TTL
		}
	}
	if p.steps&(1<<Handshake1|1<<Handshake2) != 0 && p.length > 0 && !p.steps.Has(Retransmission) {
		p.steps.add(Data) // before the handshake is over (RFC 7413)
		s.octets += uint64(p.length)
	}
	if !c.stands && s.synAcked && p.r.synAcked {
		c.stands = true
	}
	s.show(s.shown(p.r), p.at, p.takesBack)
	p.r.suggest(p.r.shown(s), p.at)
}

// reset follows an RST.
func (p *pass) reset() {
	c, s, r := p.c, p.s, p.r
	p.shape = shapeOf(p.h, p.g, s, r)
	s.countFrom(p.g.Seq)
	if c.remnant.stage == remnantAnswered && p.g.Seq == c.remnant.ack {
		c.remnant.stage = remnantReset
		p.steps.add(StrayReset)
		return
	}
	if !r.accepts(p.g, s) {
		p.steps.add(StrayReset)
		r.expect(ChallengeACK)
		return
	}
	p.steps.add(ResetStep)
	if !c.wasReset {
		c.wasReset = true
		c.reset = Reset{At: p.at, From: p.from, Shape: p.shape, TTL: p.h.TTL, EndTTL: s.ttl}
	}
	// A device on the path resets one end, and leaves the other as it is.
	r.gone = true
	s.gone = s.gone || p.shape != Firewall
}

// segment follows what has neither SYN nor RST.
func (p *pass) segment() {
	s, r, g := p.s, p.r, p.g
	if g.Flags&wire.ACK == 0 {
		p.steps.add(NoACK)
		s.countFrom(g.Seq)
		r.expect(ChallengeACK)
		return
	}
	known := s.stream.numbered
	if !known {
		p.pickUp()
	}
	if d := g.Seq.Sub(s.stream.next); d >= far || d <= -far {
		p.steps.add(OutOfWindow)
		r.expect(ChallengeACK)
		return
	}
	if s.syn && g.Seq.After(s.base) && (!s.gotSYN || !s.synAcked && p.unlocks()) {
		// It would not send this without having had the answer to its SYN.
		s.gotSYN, s.synAcked = true, true
		if !r.stream.numbered {
			p.steps.add(Gap) // that answer
			p.c.stands = true
		}
	}
	advanced, answersFIN := p.acknowledge()
	if p.steps.Has(UnacceptableACK) {
		return
	}
	p.revive()
	resized := p.resize()
	if p.probes() {
		return
	}
	a := s.stream.take(g.Seq, p.end, p.at)
	p.data(a, known)
	if g.Flags&wire.FIN != 0 {
		p.fin(answersFIN)
	}
	if s.fin && s.stream.edge() == s.finEnd && (p.end == s.finEnd || a.fills) {
		r.gotFIN = true
	}
	if p.end == g.Seq {
		p.beyond()
		p.pure(advanced, resized)
	}
}

// beyond notices that an end has sent more than was seen: its FIN may be
// among that.
func (p *pass) beyond() {
	if s := p.s; p.g.Seq.After(s.stream.next) {
		p.steps.add(Hole)
		s.beyond, s.past, s.known = p.g.Seq, true, false
	}
}

// revive notices that a reset, which was seen, has not reached the sender, or
// that it was not the sender's own, and neither was a SYN: a connection that is
// gone sends nothing.
func (p *pass) revive() {
	p.s.doubted = false
	if p.s.gone {
		p.s.gone, p.takesBack = false, true
		p.c.wasReset = p.c.wasReset && p.c.reset.From == p.from && p.r.gone
	}
}

// unlocks reports whether no end sends such a segment before its own SYN is
// acknowledged: data, unless it answers data that came with a SYN, or an
// acknowledgement of more than its answer to the SYN acknowledged. Other ACKs
// also come from SYN-RECEIVED.
func (p *pass) unlocks() bool {
	return p.end != p.g.Seq && !p.c.early || p.s.acks && p.g.Ack.After(p.s.ack) || p.sacks()
}

// pickUp numbers an end whose SYN was not seen.
func (p *pass) pickUp() {
	s, r := p.s, p.r
	if r.syn && !r.gotSYN {
		p.steps.add(Gap) // the answer to the SYN
		r.gotSYN, r.synAcked = true, true
		p.c.stands = true
	}
	s.stream.next, s.stream.numbered = p.g.Seq, true
	s.countFrom(p.g.Seq)
}

// resize takes the window, and reports whether it is another.
func (p *pass) resize() (resized bool) {
	s := p.s
	window := uint32(p.g.Window)
	if s.scale >= 0 && p.r.scale >= 0 {
		window <<= s.scale
	}
	resized = s.windowed && window != s.window
	s.window, s.windowed = window, true
	if window == 0 {
		p.steps.add(ZeroWindow)
	}
	return resized
}

// probes recognises keepalives and zero-window probes, which ask by a number
// that the peer has already (RFC 9293, Sections 3.8.4 and 3.8.6.1). Linux makes
// both without data; others send one octet, zero-window probes a new one.
func (p *pass) probes() bool {
	s, r, g := p.s, p.r, p.g
	if p.length > 1 || g.Flags&wire.FIN != 0 {
		return false
	}
	closed := r.windowed && r.window == 0
	switch {
	case closed && p.length == 1 && g.Seq == s.stream.next:
		p.steps.add(ZeroWindowProbe)
		r.expect(ZeroWindowAnswer)
		return false // the octet is a new one
	case !r.acks || g.Seq != r.ack-1 || s.syn && g.Seq == s.base && s.stream.next != r.ack:
		return false
	case closed:
		p.steps.add(ZeroWindowProbe)
		r.expect(ZeroWindowAnswer)
		return true
	case r.ack != s.stream.next:
		return false
	default:
		p.steps.add(Keepalive)
		r.expect(KeepaliveAnswer)
		return true
	}
}

// data books what the segment brought. The sender was known before it if its
// next number was.
func (p *pass) data(a arrival, known bool) {
	s, r := p.s, p.r
	fresh := a.fresh
	if p.g.Flags&wire.FIN != 0 && fresh > 0 && !s.fin {
		fresh--
	}
	if fresh > 0 {
		p.steps.add(Data)
		s.octets += uint64(fresh)
		if a.grew && known {
			s.known = true // what still sends has not sent a FIN
		}
	}
	if a.ahead {
		p.steps.add(Hole)
	}
	if a.fills && p.at.Sub(a.filled) <= p.c.reorderingTime() && r.dupACKs < 3 {
		p.steps.add(OutOfOrder)
	} else if a.fills {
		p.steps.add(Retransmission)
	}
	if a.again {
		p.steps.add(Retransmission)
		if r.acks && !p.end.After(r.ack) {
			p.steps.add(Spurious)
		}
	}
	if p.length > 0 && r.fin && s.gotFIN {
		p.steps.add(HalfClosed)
	}
}

// reorderingTime is how far a segment may fall behind a later one without
// having been sent again.
func (c *Connection) reorderingTime() time.Duration {
	if rtt, ok := c.HandshakeRTT(); ok && rtt > reordering {
		return rtt
	}
	return reordering
}
