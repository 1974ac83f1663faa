package endpoint

import (
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// timer names one of a connection's timers.
type timer int

const (
	retransmit timer = iota // RFC 6298, Section 5
	window                  // RFC 9293, Section 3.8.6.1: the zero-window probe
	delayedACK              // RFC 9293, Section 3.8.6.3
	timeWait                // RFC 9293, Section 3.3.2
	timerCount
)

const (
	ackDelay = 40 * time.Millisecond
	// orphanWait is how long a peer may take for its FIN once nobody reads.
	orphanWait = 60 * time.Second
)

// timers are when each timer runs out; the zero Time is never.
type timers [timerCount]time.Time

func (t *timers) set(which timer, at time.Time) { t[which] = at }
func (t *timers) stop(which timer)              { t[which] = time.Time{} }
func (t *timers) runs(which timer) bool         { return !t[which].IsZero() }

// next returns when the first timer runs out.
func (t *timers) next() (first time.Time) {
	for _, at := range t {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// expire runs the timers that have run out (RFC 9293, Section 3.10.8).
func (c *conn) expire(now time.Time) {
	c.now = now
	for which := range timerCount {
		if at := c.timers[which]; at.IsZero() || at.After(now) {
			continue
		}
		c.timers.stop(which)
		switch which {
		case retransmit:
			c.retransmissionTimeout()
		case window:
			c.probeWindow()
		case delayedACK:
			c.ackNow = true
		case timeWait:
			c.timeWaitOver()
		}
		if c.state == flow.Closed {
			break
		}
	}
	c.settle()
}

// timeWaitOver ends TIME-WAIT, or the wait for a FIN in FIN-WAIT-2 that nobody
// would read.
func (c *conn) timeWaitOver() {
	if c.state == flow.FinWait2 {
		c.abort(c.now)
		return
	}
	c.end(nil)
}

// enterTimeWait starts the wait for repeated FINs, or starts it again.
func (c *conn) enterTimeWait() {
	c.state = flow.TimeWait
	c.timers = timers{}
	wait := c.cfg.TimeWait
	if wait == 0 {
		wait = max(defaultTimeWait, 3*c.rtt.timeout())
	}
	c.timers.set(timeWait, c.now.Add(wait))
}

// givenUp reports whether the peer has been silent for too long, and ends the
// connection if so, without a reset that would go unheard as well.
func (c *conn) givenUp() bool {
	if c.now.Sub(c.progress) < c.cfg.GiveUp {
		return false
	}
	c.end(syscall.ETIMEDOUT)
	return true
}

// retransmissionTimeout is RFC 6298, Section 5, rules 5.4 to 5.7, with RFC 5681,
// Section 3.1.
func (c *conn) retransmissionTimeout() {
	if c.givenUp() {
		return
	}
	c.rtt.backOff()
	c.timers.set(retransmit, c.now.Add(c.rtt.timeout()))
	switch c.state {
	case flow.SynSent, flow.SynReceived:
		c.rtt.synLost = true
		c.sendSYN()
		return
	}
	c.congestion.timeout(c.flight(), c.room(), c.nxt)
	// A receiver may forget what it has acknowledged selectively (RFC 2018,
	// Section 8); one timeout alone does not suggest it.
	if c.rtt.backoff > 1 {
		c.board.sacked = nil
	}
	c.board.allLost(c.una, c.nxt)
}
