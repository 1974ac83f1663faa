package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Close is how a connection ended, or that it has not.
type Close uint8

// The closes, in the order of finding.Closes. The zero value is NotKnown.
const (
	NotKnown Close = iota
	FourWay
	ThreeSegment
	Simultaneous
	ByReset
	OneSided
	Open
	Abandoned

	closes = iota
)

// String returns the word for the close.
func (c Close) String() string { return nameOf(finding.Closes(), int(c)) }

// Close returns how the connection ended, as far as it was seen.
func (c *Connection) Close() Close {
	client, server := &c.ends[Client], &c.ends[Server]
	first, second := c.closers()
	switch {
	case client.finAcked && server.finAcked, second != nil && !c.wasReset:
		return c.closeOf(first, second)
	case c.wasReset:
		return ByReset
	case c.attempted && !c.stands && client.stream.missing+server.stream.missing > 0:
		return NotKnown // one direction of the handshake may lack as a whole
	case c.attempted && !c.stands:
		return Abandoned
	case !client.known || !server.known:
		return NotKnown
	case first != nil:
		return OneSided
	default:
		return Open
	}
}

// closeOf names a close of two FINs.
func (c *Connection) closeOf(first, second *End) Close {
	switch {
	case second.finLate:
		return NotKnown
	case first.first(second) && second.first(first):
		return Simultaneous
	case !first.first(second):
		return NotKnown // it answers a FIN that was not seen in time
	case c.combined:
		return ThreeSegment
	default:
		return FourWay
	}
}

// closers returns the ends whose FINs were seen, in that order; nil if they
// were not.
func (c *Connection) closers() (first, second *End) {
	if c.finCount > 0 {
		first = &c.ends[c.firstFIN]
	}
	if c.finCount > 1 {
		second = &c.ends[c.firstFIN.Peer()]
	}
	return first, second
}

// ClosedFirst reports whether a side closed without having the other's FIN.
// That side holds TIME-WAIT once all is acknowledged; in a simultaneous close
// both do. It is false of both if nobody has closed, and where the capture
// does not tell.
func (c *Connection) ClosedFirst(s Side) bool {
	e := &c.ends[s]
	peer := &c.ends[s.Peer()]
	return e.fin && peer.known && e.first(peer)
}

// Delay is how long the second end took to close after the first.
type Delay struct {
	// AfterFIN is the time between the two FINs.
	AfterFIN time.Duration
	// AfterACK is the time between the second end's acknowledgement of the
	// FIN and its own FIN: what its application took, less the delay of that
	// ACK. It is zero if Combined.
	AfterACK time.Duration
	// Combined says that one segment was both, so that AfterFIN is what the
	// application took. Linux differs from always sending two: it
	// acknowledges a FIN at the next tick on a connection that has received
	// no data, else after 40 ms.
	Combined bool
}

// CloseDelay returns how long the second end took to close; ok is false if
// the FINs crossed, or if not all of the close was seen.
func (c *Connection) CloseDelay() (d Delay, ok bool) {
	first, second := c.closers()
	if second == nil || second.finLate || first.finAckAt.IsZero() || !first.first(second) || second.first(first) {
		return Delay{}, false
	}
	d = Delay{AfterFIN: second.finAt.Sub(first.finAt), Combined: c.combined}
	if !d.Combined {
		d.AfterACK = second.finAt.Sub(first.finAckAt)
	}
	return d, true
}
