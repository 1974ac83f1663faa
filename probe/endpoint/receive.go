package endpoint

import (
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// arrive takes a segment from the peer (RFC 9293, Section 3.10.7). It keeps
// neither h nor g.
func (c *conn) arrive(now time.Time, h *wire.Header, g *wire.Segment) {
	c.now = now
	d := Datagram{*h, *g}
	for range c.script.incoming(&d) {
		c.take(&d.Segment)
	}
	c.settle()
}

func (c *conn) take(g *wire.Segment) {
	switch c.state {
	case flow.Closed:
		if r, ok := refusal(g); ok {
			c.emit(r)
		}
	case flow.SynSent:
		c.takeSynSent(g)
	default:
		c.takeOtherwise(g)
	}
}

// refusal is the reset that answers a segment for which there is no
// connection (RFC 9293, Section 3.10.7.1). Its ports are the caller's business.
func refusal(g *wire.Segment) (wire.Segment, bool) {
	switch {
	case g.Flags&wire.RST != 0:
		return wire.Segment{}, false
	case g.Flags&wire.ACK != 0:
		return wire.Segment{Seq: g.Ack, Flags: wire.RST}, true
	}
	return wire.Segment{Ack: g.Seq.Add(g.Len()), Flags: wire.RST | wire.ACK}, true
}

// listen is what LISTEN does with a segment (RFC 9293, Section 3.10.7.2), for a
// connection that is still in CLOSED: it enters SYN-RECEIVED or stays, and
// answers. It reports whether the connection has begun.
func (c *conn) listen(now time.Time, h *wire.Header, g *wire.Segment) bool {
	c.now = now
	// First, a reset; second, an ACK; third, a SYN; fourth, all else.
	if g.Flags&wire.RST != 0 {
		return false
	}
	if g.Flags&(wire.ACK|wire.SYN) != wire.SYN {
		if r, ok := refusal(g); ok && g.Flags&wire.ACK != 0 {
			c.emit(r)
		}
		return false
	}
	c.begin(now)
	c.passive = true
	c.takeSYN(g, hear(g))
	c.state = flow.SynReceived
	c.sendSYN()
	c.settle()
	return true
}

// takeSYN notes the peer's numbers.
func (c *conn) takeSYN(g *wire.Segment, s said) {
	c.irs, c.rcvNxt = g.Seq, g.Seq.Add(1)
	c.edge, c.lastAck = c.rcvNxt.Add(c.synWindow()), c.rcvNxt
	c.peerScales = s.hasScale
	c.agree(s)
	c.wnd, c.maxWnd = uint32(g.Window), uint32(g.Window)
	c.wl1, c.wl2 = g.Seq, g.Ack
}

// takeSynSent is RFC 9293, Section 3.10.7.3.
func (c *conn) takeSynSent(g *wire.Segment) {
	acked := g.Flags&wire.ACK != 0
	// First, check the ACK bit.
	if acked && (!g.Ack.After(c.iss) || g.Ack.After(c.nxt)) {
		if r, ok := refusal(g); ok {
			c.emit(r)
		}
		return
	}
	// Second, check the RST bit.
	if g.Flags&wire.RST != 0 {
		if acked {
			c.end(syscall.ECONNREFUSED)
		}
		return
	}
	// Fourth, check the SYN bit. Fifth, drop what has neither.
	if g.Flags&wire.SYN == 0 {
		return
	}
	c.takeSYN(g, hear(g))
	if !acked {
		// Simultaneous open. Text in a SYN is not taken; it comes again.
		c.state = flow.SynReceived
		c.rtt.spoil()
		c.sendSYN()
		return
	}
	c.established(g.Ack)
	c.ackNow = true
	c.text(g)
	c.takeFIN()
}

// established enters ESTABLISHED.
func (c *conn) established(ack wire.Seq) {
	c.state = flow.Established
	c.una, c.progress = ack, c.now
	c.rtt.acknowledged(ack, c.now)
	c.rtt.established()
	c.timers.stop(retransmit)
	c.board.reset(ack)
	c.congestion.fixed = c.cfg.CongestionWindow
	c.congestion.begin(c.room(), c.rtt.synLost)
}

// takeOtherwise is RFC 9293, Section 3.10.7.4.
func (c *conn) takeOtherwise(g *wire.Segment) {
	s := hear(g)
	// A segment without the timestamp that was agreed upon (RFC 7323, Section
	// 3.2). Linux differs: it takes it.
	if c.stamps && !s.stamped && g.Flags&wire.RST == 0 {
		return
	}
	// First, check the sequence number; and before it, timestamps.
	if c.outdated(g, s) {
		c.unacceptable(g)
		return
	}
	if !c.acceptable(g) {
		// With nothing but a closed window in its way, a segment's ACK is good.
		if g.Seq == c.rcvNxt && g.Flags&(wire.SYN|wire.ACK|wire.RST) == wire.ACK && c.state != flow.SynReceived && !c.takeACK(g, s) {
			return
		}
		c.unacceptable(g)
		return
	}
	c.remember(g, s)
	// Second, check the RST bit (RFC 5961, Section 3.2).
	if g.Flags&wire.RST != 0 {
		if g.Seq == c.rcvNxt {
			c.takeReset()
		} else {
			c.challenge()
		}
		return
	}
	// Fourth, check the SYN bit (RFC 5961, Section 4.2).
	if g.Flags&wire.SYN != 0 {
		if c.state == flow.SynReceived && c.passive {
			c.end(errRefused) // back to LISTEN
		} else {
			c.challenge()
		}
		return
	}
	// Fifth, check the ACK field.
	if g.Flags&wire.ACK == 0 || !c.takeACK(g, s) {
		return
	}
	// Seventh, process the text; eighth, check the FIN bit. Sixth would be
	// the URG bit, of which no use is made.
	if c.state != flow.Closed {
		c.text(g)
		c.takeFIN()
	}
}

// acceptable is the test of RFC 9293, Section 3.4.
func (c *conn) acceptable(g *wire.Segment) bool {
	window, length := uint32(max(0, c.edge.Sub(c.rcvNxt))), g.Len()
	switch {
	case length == 0 && window == 0:
		return g.Seq == c.rcvNxt
	case window == 0:
		return false
	case length == 0:
		return g.Seq.InWindow(c.rcvNxt, window)
	}
	return g.Seq.InWindow(c.rcvNxt, window) || g.Seq.Add(length-1).InWindow(c.rcvNxt, window)
}

// unacceptable answers a segment that is out of the window.
func (c *conn) unacceptable(g *wire.Segment) {
	switch {
	case g.Flags&wire.RST != 0:
		return
	case c.state == flow.SynReceived && g.Flags&(wire.SYN|wire.ACK) == wire.SYN && g.Seq == c.irs:
		// The peer has not had our SYN-ACK, and an ACK would tell it nothing.
		c.rtt.spoil()
		c.sendSYN()
		return
	}
	if c.state == flow.TimeWait && g.Flags&wire.FIN != 0 {
		c.enterTimeWait()
	}
	n := uint32(len(g.Payload))
	if n > 0 && !g.Seq.Add(n).After(c.rcvNxt) {
		c.duplicate = wire.SACKBlock{Left: g.Seq, Right: g.Seq.Add(n)}
	}
	if n > 0 || g.Flags&wire.FIN != 0 {
		c.ackNow = c.state != flow.Closed
		return
	}
	c.challenge()
}

// challenge answers what an attacker may have sent (RFC 5961), at a bounded
// rate (Section 7), so that two ends cannot keep each other busy either.
func (c *conn) challenge() {
	if c.challenges.allow(c.now) {
		c.ackNow = true
	}
}

// throttle allows ten of something in each second.
type throttle struct {
	since time.Time
	n     int
}

func (t *throttle) allow(now time.Time) bool {
	if now.Sub(t.since) >= time.Second {
		t.since, t.n = now, 0
	}
	t.n++
	return t.n <= 10
}

// takeReset ends the connection, because of a reset that must be believed.
func (c *conn) takeReset() {
	switch c.state {
	case flow.SynReceived:
		c.end(syscall.ECONNREFUSED)
	case flow.Closing, flow.LastAck, flow.TimeWait:
		c.end(nil)
	default:
		c.readable = nil // RFC 9293: all segment queues are flushed
		c.end(syscall.ECONNRESET)
	}
}

// takeACK is the fifth check. It reports whether the segment may be processed
// further.
func (c *conn) takeACK(g *wire.Segment, s said) bool {
	if c.state == flow.SynReceived {
		if !g.Ack.After(c.una) || g.Ack.After(c.nxt) {
			if r, ok := refusal(g); ok {
				c.emit(r)
			}
			return false
		}
		c.established(g.Ack)
		c.wl1, c.wl2 = g.Seq.Add(^uint32(0)), g.Ack
	}
	// RFC 5961, Section 5.2.
	if g.Ack.After(c.nxt) || g.Ack.Before(c.una.Add(-c.maxWnd)) {
		c.challenge()
		return false
	}
	if g.Ack.Before(c.una) {
		return true // old, but what else is in it is good
	}
	widened := c.updateWindow(g)
	c.takeAdvance(g, s, widened)
	c.stepByACK()
	return c.state != flow.Closed
}

// updateWindow reports whether the segment changes the send window.
func (c *conn) updateWindow(g *wire.Segment) (changed bool) {
	if !c.wl1.Before(g.Seq) && (c.wl1 != g.Seq || c.wl2.After(g.Ack)) {
		return false
	}
	wnd := uint32(g.Window) << c.sendShift
	changed = wnd != c.wnd
	c.wnd, c.maxWnd = wnd, max(c.maxWnd, wnd)
	c.wl1, c.wl2 = g.Seq, g.Ack
	return changed
}

// stepByACK is what the acknowledgement of our FIN does in each state.
func (c *conn) stepByACK() {
	if !c.finSent() || c.una != c.nxt {
		return
	}
	switch c.state {
	case flow.FinWait1:
		c.state = flow.FinWait2
		if c.deaf {
			c.timers.set(timeWait, c.now.Add(orphanWait))
		}
	case flow.Closing:
		c.enterTimeWait()
	case flow.LastAck:
		c.end(nil)
	}
}

// text is the seventh step: the octets of the segment that are in the window,
// and the place of its FIN.
func (c *conn) text(g *wire.Segment) {
	switch c.state {
	case flow.Established, flow.FinWait1, flow.FinWait2:
	default:
		if c.state == flow.TimeWait && g.Flags&wire.FIN != 0 {
			c.ackNow = true
			c.enterTimeWait()
		}
		return
	}
	seq, octets, fin := g.Seq, g.Payload, g.Flags&wire.FIN != 0
	if g.Flags&wire.SYN != 0 {
		seq = seq.Add(1)
	}
	if old := c.rcvNxt.Sub(seq); old > 0 {
		octets = octets[min(int(old), len(octets)):]
		seq = c.rcvNxt
	}
	if c.finKnown {
		octets = octets[:min(len(octets), max(0, int(c.finAt.Sub(seq))))]
		fin = false
	}
	if fits := max(0, int(c.edge.Sub(seq))); fits <= len(octets) {
		octets, fin = octets[:fits], false // a FIN needs room as well
	}
	if fin && c.late.beyond(seq.Add(uint32(len(octets)))) {
		fin = false // a peer that goes on after its FIN is not believed
	}
	if fin {
		c.finKnown, c.finAt = true, seq.Add(uint32(len(octets)))
		c.ackNow = true
	}
	if len(octets) > 0 {
		c.deliver(seq, octets)
	}
}

// deliver takes octets that are in the window.
func (c *conn) deliver(seq wire.Seq, octets []byte) {
	if c.deaf {
		c.abort(c.now) // RFC 9293, Section 3.6.1
		return
	}
	c.longest = min(max(c.longest, len(octets)), int(c.cfg.MSS))
	if seq != c.rcvNxt {
		c.duplicate = c.late.insert(seq, octets)
		c.ackNow = true // RFC 5681, Section 4.2
		return
	}
	waiting := len(c.late.pieces) > 0
	c.readable = append(c.readable, octets...)
	c.rcvNxt = c.rcvNxt.Add(uint32(len(octets)))
	if more := c.late.take(c.rcvNxt); more != nil {
		c.readable = append(c.readable, more...)
		c.rcvNxt = c.rcvNxt.Add(uint32(len(more)))
	}
	c.unacked += len(octets)
	switch {
	case waiting || c.unacked >= 2*c.longest && c.unacked > len(octets) || c.unacked > int(c.cfg.MSS):
		c.ackNow = true
	case !c.timers.runs(delayedACK):
		c.timers.set(delayedACK, c.now.Add(ackDelay))
	}
}

// takeFIN is the eighth step, once all before the FIN has arrived.
func (c *conn) takeFIN() {
	if !c.finKnown || c.rcvNxt != c.finAt {
		return
	}
	switch c.state {
	case flow.Established:
		c.state = flow.CloseWait
	case flow.FinWait1: // our FIN is not acknowledged, or this were FIN-WAIT-2
		c.state = flow.Closing
	case flow.FinWait2:
		c.enterTimeWait()
	default:
		return
	}
	c.rcvNxt = c.rcvNxt.Add(1)
	c.edge = later(c.edge, c.rcvNxt)
	c.ackNow = true
}
