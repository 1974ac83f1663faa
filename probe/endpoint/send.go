package endpoint

import (
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// dataEnd is the number after the last octet that was written.
func (c *conn) dataEnd() wire.Seq { return c.bufSeq.Add(uint32(len(c.buf))) }

// finSent reports whether our FIN has been sent.
func (c *conn) finSent() bool { return c.fin && c.nxt.After(c.dataEnd()) }

// flight is FlightSize.
func (c *conn) flight() int { return int(c.nxt.Sub(c.una)) }

// room is how many octets a segment may carry (RFC 6691): less if it has
// selective acknowledgements to carry too.
func (c *conn) room() int {
	return max(min(c.peerMSS, c.cfg.MTU-headers), leastMSS) - c.optionLength()
}

// sendSYN sends our SYN, with an ACK once there is something to acknowledge.
func (c *conn) sendSYN() {
	g := wire.Segment{Seq: c.iss, Flags: wire.SYN}
	if c.state != flow.SynSent {
		g.Flags |= wire.ACK
		g.Ack = c.rcvNxt
	}
	g.Options = c.synOptions(g.Flags&wire.ACK != 0)
	g.Window = uint16(c.synWindow())
	c.ackNow = false
	c.emit(g)
}

// synWindow is what our SYN announces: it is never scaled (RFC 7323, Section
// 2.2).
func (c *conn) synWindow() uint32 { return min(c.cfg.Window, 0xffff) }

// sendACK sends a segment without text.
func (c *conn) sendACK() { c.transmit(c.nxt, 0, false) }

// transmit sends n octets from seq on, and the FIN behind them.
func (c *conn) transmit(seq wire.Seq, n int, fin bool) {
	g := wire.Segment{Seq: seq, Ack: c.rcvNxt, Flags: wire.ACK}
	g.Options = c.options()
	if n > 0 {
		g.Payload = c.buf[seq.Sub(c.bufSeq):][:n:n]
		if seq.Add(uint32(n)) == c.dataEnd() {
			g.Flags |= wire.PSH
		}
	}
	if fin {
		g.Flags |= wire.FIN
	}
	g.Window = c.announce()
	c.lastAck, c.unacked, c.ackNow, c.duplicate = c.rcvNxt, 0, false, wire.SACKBlock{}
	c.timers.stop(delayedACK)
	c.emit(g)
}

// offer is where our window could end now.
func (c *conn) offer() wire.Seq {
	free := c.cfg.Window - min(c.cfg.Window, uint32(len(c.readable)))
	free = min(free>>c.receiveShift, 0xffff) << c.receiveShift
	return c.rcvNxt.Add(free)
}

// announce returns the window field, and moves the window's end: never back,
// and not by too little (RFC 9293, Section 3.8.6.2.2).
func (c *conn) announce() uint16 {
	if offer := c.offer(); c.worthwhile(offer) {
		c.edge = offer
	}
	return uint16(min(c.shown(c.edge), 0xffff))
}

// shown is what the window field shows of a window that ends at edge.
func (c *conn) shown(edge wire.Seq) uint32 {
	return uint32(max(0, edge.Sub(c.rcvNxt))) >> c.receiveShift
}

// worthwhile reports whether the window is to be opened: by so much that the
// peer can do something with it, or from a rest that the field cannot show.
func (c *conn) worthwhile(offer wire.Seq) bool {
	least := max(1, int32(min(c.cfg.Window/2, uint32(c.cfg.MSS))))
	rest := c.edge != c.rcvNxt && c.shown(c.edge) == 0
	return offer.Sub(c.edge) >= least || rest && c.shown(offer) > 0
}

// windowOpens reports whether the peer should be told of the room that reading
// has made: it has used up half of what it knew of.
func (c *conn) windowOpens() bool {
	return c.worthwhile(c.offer()) && 2*int64(c.edge.Sub(c.rcvNxt)) <= int64(c.cfg.Window)
}

// sendNext sends a segment if there is one to be sent: first what was lost
// (NextSeg of RFC 6675, rules 1 and 2).
func (c *conn) sendNext() bool {
	if c.probing || c.state == flow.TimeWait || c.state == flow.Closed {
		return false
	}
	pipe := max(0, c.board.pipe(c.una, c.nxt)-c.congestion.departed)
	from, to, lost := c.board.next(c.una)
	if !lost {
		c.repair = false
		return c.sendNew(pipe)
	}
	n := min(int(to.Sub(from)), c.room())
	if !c.repair && pipe > 0 && pipe+n > c.congestion.window() {
		return false
	}
	c.sendAgain(from, n)
	return true
}

// sendAgain sends n numbers from seq on, of which the last may be the FIN's.
func (c *conn) sendAgain(seq wire.Seq, n int) {
	octets := min(n, int(c.dataEnd().Sub(seq)))
	c.repair = false
	c.rtt.spoil()
	c.transmit(seq, octets, n > octets)
	c.board.sentAgain(seq, seq.Add(uint32(n)), c.una, c.nxt)
	c.startRetransmit()
}

// sendNew sends what was not sent before, as far as the windows let it, and
// avoids silly ones (RFC 9293, Section 3.8.6.2.1).
func (c *conn) sendNew(pipe int) bool {
	if c.finSent() {
		return false
	}
	usable := int(c.una.Add(c.wnd).Sub(c.nxt))
	pending, room := int(c.dataEnd().Sub(c.nxt)), c.room()
	n := min(pending, room, usable)
	fin := c.fin && n == pending && n < usable
	if usable <= 0 || n == 0 && !fin {
		return false
	}
	silly := n == usable && n < min(pending, room)
	if silly && n < int(c.maxWnd/2) || pipe > 0 && pipe+n > c.congestion.window() {
		return false
	}
	c.sendFresh(n, fin)
	return true
}

// sendFresh sends n octets from SND.NXT on, and the FIN behind them.
func (c *conn) sendFresh(n int, fin bool) {
	seq := c.nxt
	length := uint32(n)
	if fin {
		length++
	}
	if c.una == c.nxt {
		c.progress = c.now
	}
	c.transmit(seq, n, fin)
	c.nxt = seq.Add(length)
	c.rtt.start(c.nxt, c.now)
	c.startRetransmit()
	if fin {
		c.stepByFIN()
	}
}

// stepByFIN is what sending our FIN does.
func (c *conn) stepByFIN() {
	switch c.state {
	case flow.Established:
		c.state = flow.FinWait1
	case flow.CloseWait:
		c.state = flow.LastAck
	}
}

// startRetransmit is RFC 6298, rule 5.1.
func (c *conn) startRetransmit() {
	if !c.timers.runs(retransmit) && !c.probing {
		c.timers.set(retransmit, c.now.Add(c.rtt.timeout()))
	}
}

// persist sees to it that a window that lets nothing through is probed.
func (c *conn) persist() {
	waiting := c.dataEnd().After(c.nxt) || c.fin && !c.finSent() || c.probing
	if !waiting || c.timers.runs(retransmit) || c.state == flow.TimeWait || c.state == flow.Closed {
		c.timers.stop(window)
		return
	}
	if !c.timers.runs(window) {
		c.timers.set(window, c.now.Add(c.rtt.timeout()))
	}
}

// probeWindow sends what fits, or else one octet (RFC 9293, Section 3.8.6.1).
func (c *conn) probeWindow() {
	if c.givenUp() {
		return
	}
	if usable := int(c.una.Add(c.wnd).Sub(c.nxt)); usable > 0 {
		n := min(int(c.dataEnd().Sub(c.nxt)), c.room(), usable)
		c.sendFresh(n, c.fin && c.nxt.Add(uint32(n)) == c.dataEnd() && n < usable)
		return
	}
	c.rtt.backOff()
	if c.probing {
		c.transmit(c.una, min(1, int(c.dataEnd().Sub(c.una))), c.una == c.dataEnd())
	} else {
		progress := c.progress
		c.probing = true
		c.sendFresh(min(1, int(c.dataEnd().Sub(c.nxt))), c.nxt == c.dataEnd())
		c.progress = progress
	}
	c.rtt.spoil()
}

// takeAdvance takes note of what an ACK at or beyond SND.UNA says, and of how
// the window has changed.
func (c *conn) takeAdvance(g *wire.Segment, s said, windowChanged bool) {
	news := false
	if c.sack {
		for _, b := range s.blocks {
			news = c.board.record(b, c.una, c.nxt) || news
		}
	}
	octets := int(g.Ack.Sub(c.una))
	switch {
	case octets > 0:
		c.advance(g.Ack, octets)
	case c.probing:
		c.progress = c.now // it lives
	case c.flight() > 0 && g.Len() == 0 && (c.sack && news || !c.sack && !windowChanged):
		c.congestion.duplicates++
		if !c.sack {
			c.congestion.departed = min(c.congestion.departed+c.room(), c.flight())
		}
	}
	c.detectLoss()
	c.endProbe()
}

// advance moves SND.UNA.
func (c *conn) advance(ack wire.Seq, octets int) {
	limited := 2*c.flight() >= c.congestion.cwnd
	c.una, c.progress = ack, c.now
	n := min(max(0, int(ack.Sub(c.bufSeq))), len(c.buf))
	c.buf, c.bufSeq = c.buf[n:], c.bufSeq.Add(uint32(n))
	if len(c.buf) == 0 {
		c.buf = nil
	}
	c.rtt.acknowledged(ack, c.now)
	c.board.acknowledged(ack, c.nxt)
	partial := c.congestion.acknowledged(ack, octets, c.room(), limited)
	if partial && !c.sack && c.congestion.recovering {
		c.repairFirst()
	}
	if !c.congestion.lossy() {
		c.congestion.departed = 0
	}
	// RFC 6298, rules 5.2 and 5.3.
	c.timers.stop(retransmit)
	if c.flight() > 0 {
		c.startRetransmit()
	}
}

// detectLoss begins fast recovery where it is due (RFC 6675, Section 5; without
// SACK RFC 6582, Section 3.2), or repeats what was lost again.
func (c *conn) detectLoss() {
	room := c.room()
	lost := c.board.judge(room)
	k := &c.congestion
	switch {
	case c.flight() == 0:
	case k.lossy():
		if c.board.lostAgain(c.una, room) {
			c.timers.set(retransmit, c.now.Add(c.rtt.timeout()))
		}
	case lost || k.duplicates >= duplicateThreshold:
		k.lose(c.flight(), room, c.nxt)
		c.repairFirst()
	}
}

// repairFirst has the first segment in flight sent again, whatever the
// congestion window says (RFC 6675, Section 5, step 4.3; RFC 6582, Section 3.2,
// step 3).
func (c *conn) repairFirst() {
	c.board.firstLost(c.una, min(c.room(), c.flight()))
	c.repair = true
}

// endProbe goes back to ordinary sending once the window has opened. An octet
// that was sent as a probe and not taken is then sent again.
func (c *conn) endProbe() {
	if !c.probing || c.wnd == 0 && c.flight() > 0 {
		return
	}
	c.probing = false
	c.timers.stop(window)
	c.rtt.backoff = 0
	if c.flight() > 0 {
		c.board.allLost(c.una, c.nxt)
	}
}
