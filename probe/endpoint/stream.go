package endpoint

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Conn is a connection. It is a net.Conn, with a state that can be asked for
// and a script for its segments.
type Conn struct {
	e        *Endpoint
	name     pair
	core     *conn
	listener *Listener // until it is ready to be accepted
	closed   bool      // by Close or Abort
	waited   bool      // in TIME-WAIT
	ended    bool      // in CLOSED, and off the Endpoint's list
	changed  *sync.Cond
	timer    *time.Timer
	armed    time.Time
	done     chan struct{}

	readBy, writeBy deadline
}

var _ net.Conn = (*Conn)(nil)

// deadline is when calls give up.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(at time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.at = at; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), wake)
	}
}

// wake lets those who wait look again.
func (c *Conn) wake() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.changed.Broadcast()
}

// expire is called when a timer of the state machine may have run out.
func (c *Conn) expire() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	now := time.Now()
	c.armed = time.Time{}
	if d := c.core.deadline; !c.ended && !d.IsZero() && !now.Before(d) {
		c.core.expire(now)
		c.flush()
	}
	c.arm()
}

// arm sets the timer for the state machine's next deadline.
func (c *Conn) arm() {
	d := c.core.deadline
	switch {
	case c.ended || d.IsZero():
		c.timer.Stop()
		c.armed = time.Time{}
	case !d.Equal(c.armed):
		c.armed = d
		c.timer.Reset(time.Until(d))
	}
}

// flush sends what the state machine has to say, and lets all take note of
// what it has become.
func (c *Conn) flush() {
	if len(c.core.out) > 0 {
		refused := c.e.send(c.core, c.core.cfg.Log)
		c.core.out = c.core.out[:0]
		if refused != nil && c.core.state == flow.SynSent {
			c.core.end(refused) // later, a refusal is a loss
		}
	}
	c.settled()
}

// settled takes note of what the state machine has become.
func (c *Conn) settled() {
	c.waited = c.waited || c.core.state == flow.TimeWait
	if c.listener != nil {
		c.listener.settled(c)
	}
	if c.core.state == flow.Closed && !c.ended {
		c.ended = true
		c.e.forget(c)
	}
	c.arm()
	c.changed.Broadcast()
}

// do runs a call of the state machine.
func (c *Conn) do(call func(now time.Time)) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if !c.ended {
		call(time.Now())
		c.flush()
	}
}

func (c *Conn) fault(op string, err error) error {
	return opError(op, c.name.local, c.name.remote, err)
}

// Read reads what has arrived, at least one octet. Its error is io.EOF after
// the peer's FIN; or it is a *net.OpError that wraps ECONNRESET after a reset,
// ETIMEDOUT if the peer was silent for too long, os.ErrDeadlineExceeded, or
// net.ErrClosed after Close and Abort.
func (c *Conn) Read(b []byte) (int, error) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	for {
		if c.closed {
			return 0, c.fault("read", net.ErrClosed)
		}
		if len(b) == 0 {
			return 0, nil
		}
		n, ended := c.core.read(time.Now(), b)
		if n > 0 {
			c.flush()
			return n, nil
		}
		switch {
		case ended && c.core.err != nil && !c.core.finReceived():
			return 0, c.fault("read", c.core.err)
		case ended:
			return 0, io.EOF
		case c.readBy.passed():
			return 0, c.fault("read", os.ErrDeadlineExceeded)
		}
		c.changed.Wait()
	}
}

// Write writes all of b: it returns when the last octet has found room in the
// send buffer, not when it has arrived. Its errors are those of Read, but for
// io.EOF.
func (c *Conn) Write(b []byte) (written int, err error) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	for {
		switch {
		case c.closed:
			return written, c.fault("write", net.ErrClosed)
		case c.writeBy.passed():
			return written, c.fault("write", os.ErrDeadlineExceeded)
		}
		n, err := c.core.write(time.Now(), b[written:])
		written += n
		if n > 0 {
			c.flush()
		}
		if err != nil {
			return written, c.fault("write", err)
		}
		if written == len(b) {
			return written, nil
		}
		if n == 0 {
			c.changed.Wait()
		}
	}
}

// CloseWrite sends a FIN behind all that was written. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.do(c.core.closeWrite)
	return nil
}

// Close is CloseWrite by one who will not read any more: it sends a reset
// instead of a FIN if there are octets that were not read, or when more
// arrive. It does not wait; see Done. Closing twice is no error.
func (c *Conn) Close() error {
	c.do(func(now time.Time) {
		if !c.closed {
			c.core.close(now)
		}
	})
	c.shut()
	return nil
}

// Abort ends the connection with a reset.
func (c *Conn) Abort() error {
	c.do(c.core.abort)
	c.shut()
	return nil
}

// shut has Read and Write say that the connection was closed.
func (c *Conn) shut() {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
}

// Done is closed when nothing is left of a connection that Dial has made: it
// has ended, its port was kept for those who answer late, and was given back.
// A connection of an Endpoint leaves that to Endpoint.Wait, and its Done is
// never closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// State returns the connection's state.
func (c *Conn) State() flow.State {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.core.state
}

// Next returns SND.NXT and RCV.NXT.
func (c *Conn) Next() (send, receive wire.Seq) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.core.nxt, c.core.rcvNxt
}

// Script adds rules for the connection's next segments. They are tried in
// their order.
func (c *Conn) Script(rules ...Rule) {
	c.do(func(time.Time) { c.core.script.rules = append(c.core.script.rules, rules...) })
}

// Release lets go of the segments that rules have held, either the peer's or
// ours, and ends those rules that would serve for ever.
func (c *Conn) Release(incoming bool) {
	c.do(func(now time.Time) { c.core.release(now, incoming) })
}

// Send sends a segment of the caller's making, past the state machine. Its
// ports are filled in. It works after the connection has ended too, for as long
// as the Endpoint has the port.
func (c *Conn) Send(g wire.Segment) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.e.err == nil {
		c.core.emit(g)
		c.flush()
	}
}

// LocalAddr returns our end, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.name.local) }

// RemoteAddr returns the peer, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.name.remote) }

// SetDeadline sets when Read and Write give up; the zero Time is never.
func (c *Conn) SetDeadline(at time.Time) error {
	c.SetReadDeadline(at)
	return c.SetWriteDeadline(at)
}

// SetReadDeadline sets when Read gives up.
func (c *Conn) SetReadDeadline(at time.Time) error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.readBy.set(at, c.wake)
	c.changed.Broadcast()
	return nil
}

// SetWriteDeadline sets when Write gives up.
func (c *Conn) SetWriteDeadline(at time.Time) error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	c.writeBy.set(at, c.wake)
	c.changed.Broadcast()
	return nil
}
