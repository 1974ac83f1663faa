package endpoint

import (
	"errors"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// conn is a connection's transmission control block: a state machine that is
// told the time and what happens, and that says what is to be sent (out) and
// when it wants to be woken (deadline). It owns no socket, goroutine or clock,
// and belongs to one goroutine at a time.
//
// The names are those of RFC 9293, Section 3.3.1: una is SND.UNA, rcvNxt is
// RCV.NXT. SND.NXT never goes back: what is sent again is the scoreboard's
// business.
type conn struct {
	cfg           Config
	local, remote netip.AddrPort
	state         flow.State
	// passive says that it comes from LISTEN, and not from an active open.
	passive bool
	// deaf says that nobody will read any more.
	deaf bool
	// err is why the connection ended other than by FINs.
	err error
	now time.Time // of the call under way
	// born is when TSval was cfg.TSval.
	born time.Time

	out      []Datagram
	deadline time.Time
	timers   timers
	script   script

	iss, una, nxt wire.Seq
	wnd, maxWnd   uint32 // SND.WND, and the largest it was
	wl1, wl2      wire.Seq
	sendShift     uint8
	peerMSS       int
	buf           []byte   // written and not acknowledged
	bufSeq        wire.Seq // of buf[0]
	fin           bool     // a FIN follows what is in buf
	probing       bool     // the octet in flight is a window probe
	repair        bool     // what is lost first is sent without asking cwnd
	progress      time.Time
	board         scoreboard
	congestion    congestion
	rtt           estimator

	irs, rcvNxt  wire.Seq
	edge         wire.Seq // the end of the window that we announced
	receiveShift uint8
	readable     []byte
	late         reassembly
	finAt        wire.Seq // of the peer's FIN, if finKnown
	finKnown     bool
	lastAck      wire.Seq // Last.ACK.sent
	unacked      int      // octets received since then
	longest      int      // payload received, for delayed ACKs
	ackNow       bool
	duplicate    wire.SACKBlock // to be told as D-SACK; empty if none
	challenges   throttle

	sack, stamps bool // in use on both sides
	peerScales   bool // the peer's SYN had a window scale
	tsRecent     uint32
	tsRecentAt   time.Time
}

// Errors of calls that come too late.
var (
	errClosing = errors.New("the connection is closing")
	errRefused = errors.New("no such connection")
)

// newConn returns a connection in CLOSED.
func newConn(cfg Config, local, remote netip.AddrPort) *conn {
	cfg = cfg.resolved()
	c := &conn{cfg: cfg, local: local, remote: remote, state: flow.Closed, peerMSS: 536}
	c.script.rules = append(c.script.rules, cfg.Script...)
	c.rtt = newEstimator()
	return c
}

// open begins an active open (RFC 9293, Section 3.10.1).
func (c *conn) open(now time.Time) {
	c.begin(now)
	c.state = flow.SynSent
	c.sendSYN()
	c.settle()
}

// begin chooses our numbers.
func (c *conn) begin(now time.Time) {
	c.now, c.born, c.progress = now, now, now
	c.iss = c.cfg.ISN()
	c.una, c.nxt = c.iss, c.iss.Add(1)
	c.bufSeq = c.nxt
	c.board.reset(c.una)
	c.timers.set(retransmit, now.Add(c.rtt.timeout()))
	c.rtt.start(c.nxt, now)
}

// write takes as many octets as there is room for (RFC 9293, Section 3.10.2).
func (c *conn) write(now time.Time, b []byte) (int, error) {
	c.now = now
	switch {
	case c.fin:
		return 0, errClosing
	case c.err != nil:
		return 0, c.err
	case c.state == flow.Closed:
		return 0, errRefused
	}
	n := min(len(b), c.cfg.SendBuffer-len(c.buf))
	c.buf = append(c.buf, b[:n]...)
	c.settle()
	return n, nil
}

// read takes what has arrived in order (RFC 9293, Section 3.10.3). n is zero
// while there is nothing; ended says that nothing will come.
func (c *conn) read(now time.Time, b []byte) (n int, ended bool) {
	c.now = now
	n = copy(b, c.readable)
	c.readable = c.readable[n:]
	if len(c.readable) == 0 {
		c.readable = nil // its array may be large
	}
	if n > 0 && c.synchronized() && !c.finReceived() && c.windowOpens() {
		c.ackNow = true
	}
	c.settle()
	return n, len(c.readable) == 0 && (c.finReceived() || c.state == flow.Closed)
}

// closeWrite says that no more will be written (RFC 9293, Section 3.10.4).
func (c *conn) closeWrite(now time.Time) {
	c.now = now
	switch c.state {
	case flow.Closed:
	case flow.SynSent:
		c.end(nil)
	default:
		c.fin = true
	}
	c.settle()
}

// close is closeWrite by one who will not read any more either. What has
// arrived unread makes it a reset, and so does what arrives later
// (RFC 9293, Section 3.6.1).
func (c *conn) close(now time.Time) {
	c.deaf = true
	if len(c.readable) > 0 && c.state != flow.TimeWait {
		c.abort(now)
		return
	}
	if c.state == flow.FinWait2 {
		c.timers.set(timeWait, now.Add(orphanWait))
	}
	c.closeWrite(now)
}

// abort ends the connection at once (RFC 9293, Section 3.10.5).
//
// Linux differs: its resets bear an ACK too.
func (c *conn) abort(now time.Time) {
	c.now = now
	switch c.state {
	case flow.SynReceived, flow.Established, flow.FinWait1, flow.FinWait2, flow.CloseWait:
		c.emit(wire.Segment{Seq: c.nxt, Flags: wire.RST})
	}
	c.end(nil)
	c.settle()
}

// end enters CLOSED. What was received stays readable.
func (c *conn) end(err error) {
	c.state, c.err = flow.Closed, err
	c.timers = timers{}
	c.buf, c.late, c.ackNow = nil, reassembly{}, false
}

// synchronized reports whether the peer's numbers are known and the
// connection lives.
func (c *conn) synchronized() bool { return c.state >= flow.SynReceived }

// release lets go of what a script holds in one direction.
func (c *conn) release(now time.Time, incoming bool) {
	c.now = now
	held := c.script.release(incoming)
	if incoming {
		for i := range held {
			c.take(&held[i].Segment)
		}
	} else {
		c.out = append(c.out, held...)
	}
	c.settle()
}

// finReceived reports whether the peer has said all, and we have it.
func (c *conn) finReceived() bool {
	switch c.state {
	case flow.CloseWait, flow.Closing, flow.LastAck, flow.TimeWait:
		return true
	}
	return c.finKnown && c.rcvNxt.After(c.finAt)
}

// settle ends every call: sends what may be sent, and looks for the next timer.
func (c *conn) settle() {
	if c.synchronized() && c.state != flow.SynReceived {
		for c.sendNext() {
		}
		c.persist()
	}
	if c.ackNow {
		c.sendACK()
	}
	c.deadline = c.timers.next()
}

// emit puts a segment into the output queue, past the script.
func (c *conn) emit(g wire.Segment) {
	g.SrcPort, g.DstPort = c.local.Port(), c.remote.Port()
	c.out = c.script.outgoing(c.out, Datagram{
		Header: wire.Header{
			TOS: c.cfg.DSCP << 2, DF: true, TTL: c.cfg.TTL, Protocol: wire.ProtocolTCP,
			Src: c.local.Addr(), Dst: c.remote.Addr(),
		},
		Segment: g,
	})
}
