package flow

import "github.com/tcpscope/tcpscope/rawsock/wire"

// acknowledge takes what the segment acknowledges. It reports whether that is
// more than before, and whether it is for the first time the peer's FIN.
func (p *pass) acknowledge() (advanced, answersFIN bool) {
	s, r, ack := p.s, p.r, p.g.Ack
	if !r.stream.numbered {
		r.stream.next, r.stream.numbered = ack, true
		r.countFrom(ack - 1)
	}
	if d := ack.Sub(r.stream.next); d >= far || d <= -far || r.fin && ack.After(r.finEnd) {
		p.steps.add(UnacceptableACK)
		r.expect(ChallengeACK)
		return false, false
	}
	if !s.acks || ack.After(s.ack) {
		advanced = true
		s.ack, s.acks, s.dupACKs = ack, true, 0
		n, atEnd := r.stream.acknowledge(ack)
		if n > 0 {
			p.steps.add(Gap)
		}
		if atEnd {
			r.known = false // its FIN may be among what is missing
		}
	}
	if r.syn && ack.After(r.base) && !r.synAcked {
		r.synAcked = true
		if s.synAcked && !p.c.stands {
			p.steps.add(Handshake3)
			p.c.standsAt = p.at
		}
	}
	if r.fin {
		got := !s.ack.Before(r.finEnd)
		p.takesBack = p.takesBack || s.gotFIN && !got
		s.gotFIN = got
		if s.gotFIN && s.fin && !p.unanswered() {
			s.finAcked = true
		}
		if s.gotFIN && !ack.Before(r.finEnd) {
			r.finAcked = true
			if r.finAckAt.IsZero() {
				answersFIN = true
				r.finAckAt = p.at
				p.closing()
			}
		}
	}
	return advanced, answersFIN
}

// fin takes a FIN; answersFIN says that the segment is also the first to
// acknowledge the peer's.
func (p *pass) fin(answersFIN bool) {
	c, s, r := p.c, p.s, p.r
	if s.fin {
		if p.end == s.finEnd && p.unanswered() {
			p.takesBack = p.takesBack || s.finAcked
			s.finAcked = false
		}
		return
	}
	s.fin, s.known = true, true
	s.finEnd, s.finAt = p.end, p.at
	s.finACK = s.ack
	s.finLate = s.past && !p.end.After(s.beyond) && r.fin && !s.ack.Before(r.finEnd)
	if c.finCount == 0 {
		c.firstFIN = p.from
	}
	c.finCount++
	c.combined = answersFIN
	if r.fin && s.first(r) && r.first(s) {
		p.steps.add(SimultaneousClose)
	}
	p.closing()
	if r.acks && !r.ack.Before(s.finEnd) {
		// The capture lacked this FIN when it was acknowledged. If that was
		// before the peer closed, it was sent without the peer's.
		if r.fin && !r.finACK.Before(s.finEnd) {
			s.finACK = r.finEnd - 1
		} else if r.fin && !s.ack.Before(r.finEnd) && p.late() {
			s.finLate = true
		}
		s.finAcked, s.finAckAt, r.gotFIN = !p.late() || !p.unanswered(), p.at, true
		p.closing()
	}
}

// unanswered reports whether an end that sends a FIN again lacks its
// acknowledgement: it would not repeat it otherwise. Only if it has the peer's
// FIN, and that acknowledges its own, it repeats for another reason.
func (p *pass) unanswered() bool {
	s, r := p.s, p.r
	return !r.fin || !s.gotFIN || r.finACK.Before(s.finEnd)
}

// late reports whether the segment comes so long after the one before that it
// was sent because of the silence.
func (p *pass) late() bool { return p.at.Sub(p.c.last) > p.c.reorderingTime() }

// closing counts one of the four events of a close: two FINs, and the first
// acknowledgement of each.
func (p *pass) closing() {
	p.steps.add(Close1 + Step(min(p.c.events, 3)))
	p.c.events++
}

// pure names what a segment does that occupies no sequence number.
func (p *pass) pure(advanced, resized bool) {
	const named = 1<<Handshake3 | 1<<Close1 | 1<<Close2 | 1<<Close3 | 1<<Close4
	s := p.s
	switch {
	case p.steps&named != 0:
	case advanced:
		p.steps.add(Acknowledgement)
	case p.g.Seq.Before(s.stream.next) || p.g.Ack.Before(s.ack):
		p.steps.add(OutOfOrder)
	case p.owing:
		p.steps.add(p.owed)
	case resized && !p.sacks():
		p.steps.add(WindowUpdate)
	default:
		p.steps.add(DuplicateACK)
		s.dupACKs++
	}
}

// sacks reports whether the segment tells of octets behind a hole, or of some
// that came twice: it was sent for those, though the window has changed too
// (RFC 6675, Section 2; RFC 2883).
func (p *pass) sacks() bool {
	_, ok := p.g.Option(wire.OptSACK)
	return ok
}
