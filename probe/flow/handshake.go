package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// request follows a SYN.
func (p *pass) request() {
	c, s, r, g := p.c, p.s, p.r, p.g
	o := openingOf(g, p.end)
	switch {
	case s.syn && g.Seq == s.base && s.unseen && !p.late():
		p.steps |= stepsOf(Handshake1, OutOfOrder) // overtaken by its answer
		s.unseen = false
		s.stream.missing--
		s.offer(o)
		return
	case s.syn && g.Seq == s.base:
		p.steps.add(Handshake1)
		p.steps.add(Retransmission)
		c.repeated = true
		if s.acks {
			// It had the answer: this is a late duplicate.
			p.steps.add(Spurious)
			r.expect(ChallengeACK)
			return
		}
		p.takesBack = s.gotSYN
		s.gotSYN, s.synAcked = false, false
	case !s.stream.numbered && r.syn && !r.gotSYN:
		p.steps |= stepsOf(Handshake1, SimultaneousOpen)
		c.simulOpen = true
		s.open(o)
		r.gotSYN = true
	case !s.stream.numbered && !r.stream.numbered:
		p.steps.add(Handshake1)
		c.ask(s, o, p.at)
	default:
		p.steps.add(StraySYN)
		c.stray = straySYN{seen: true, from: p.from, at: p.at, segment: o}
		s.doubted = true
		r.expect(ChallengeACK)
		return
	}
	if c.remnant.stage == remnantReset {
		p.steps.add(PAWSTrouble)
		c.paws++
		c.remnant = remnant{}
	}
}

// ask begins a connection by its first SYN.
func (c *Connection) ask(e *End, o opening, at time.Time) {
	c.attempted, c.synAt = true, at
	e.open(o)
}

// open numbers an end by its SYN, and takes the window that it offers.
func (e *End) open(o opening) {
	e.begin(o.seq)
	e.stream.next = o.end
	e.offer(o)
}

// offer takes the window that a SYN offers.
func (e *End) offer(o opening) {
	e.window, e.windowed, e.scale = uint32(o.window), true, o.scale
}

// missed numbers an end by the answer to a SYN that was not seen.
func (e *End) missed(iss wire.Seq) {
	e.begin(iss)
	e.stream.next = iss.Add(1)
	e.stream.missing++
	e.unseen = true
}

// answer follows a SYN with ACK.
func (p *pass) answer() {
	c, s, r, g := p.c, p.s, p.r, p.g
	fits := r.syn && g.Ack.After(r.base) && !g.Ack.After(r.stream.next)
	switch {
	case fits && s.syn && g.Seq == s.base && s.synACK:
		p.steps.add(Retransmission)
		if r.acks && r.ack.After(s.base) {
			p.steps.add(Spurious)
		}
		c.repeated = true
		p.takesBack = s.synAcked
		s.synAcked = false
	case fits && s.syn && g.Seq == s.base:
		// Of a simultaneous open: its SYN may be acknowledged already.
	case fits && !s.stream.numbered:
		s.open(openingOf(g, p.end))
		c.answerAt = p.at
		c.early = g.Ack.After(r.base.Add(1))
	case s.syn && g.Seq == s.base && !s.gotSYN && !r.stream.numbered:
		// It answers a SYN that crossed its own and is not in the capture.
		p.steps |= stepsOf(SimultaneousOpen, Gap)
		c.simulOpen = true
		r.missed(g.Ack - 1)
	case !s.stream.numbered && !r.stream.numbered:
		// The SYN that it answers is not in the capture.
		p.steps.add(Gap)
		r.missed(g.Ack - 1)
		s.open(openingOf(g, p.end))
		c.attempted = true
	default:
		p.steps.add(StraySYN)
		r.expect(ChallengeACK)
		return
	}
	p.steps.add(Handshake2)
	s.synACK, s.gotSYN = true, true
	r.gotSYN, r.synAcked = true, true
	if !s.acks || g.Ack.After(s.ack) {
		s.ack, s.acks = g.Ack, true
	}
	c.remnant = remnant{}
}

// remnant follows an answer to a SYN that knows nothing of it: an earlier
// connection on the same ports is not forgotten. It leaves no numbers behind.
//
// Linux differs: TIME-WAIT answers with IP ID 0, a connection that still
// stands with its own, and only of the first the SYN's failure is told by
// timestamps.
func (p *pass) remnant() {
	p.steps.add(OldACK)
	if p.h.TTL != 0 && p.h.ID != 0 {
		p.steps.add(ChallengeACK)
		return
	}
	p.c.remnant = remnant{stage: remnantAnswered, ack: p.g.Ack}
}
