package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Shape says what kind of machine makes resets of that form. The zero value
// is ShapeUnknown.
type Shape uint8

// The shapes, in the order of finding.Shapes. Two of them are stateless: a reset that answers a segment with
// an acknowledgement looks different from one that answers a segment without
// (RFC 9293, Section 3.10.7.1).
const (
	ShapeUnknown Shape = iota
	StatelessACK
	StatelessNoACK
	Active
	Firewall
	SYNProxy
)

// String returns the word for the shape; the two stateless ones share theirs.
func (s Shape) String() string {
	if s >= StatelessNoACK {
		s--
	}
	return nameOf(finding.Shapes(), int(s))
}

// Reset is an RST segment.
type Reset struct {
	At    time.Time
	From  Side
	Shape Shape
	// TTL is the segment's, EndTTL that of the first segment of the same
	// end; zero where it is not known. Where they differ, something on the
	// path made the reset.
	TTL, EndTTL uint8
}

// shapeOf classifies a reset from s to r. Where a header is not known (its
// TTL is zero), the numbers alone decide.
//
// Linux differs from the letter of RFC 9293 where an aborting socket adds ACK,
// window and timestamps; on that the difference between stateless and active
// rests (tcp_send_active_reset, tcp_v4_send_reset).
func shapeOf(h *wire.Header, g *wire.Segment, s, r *End) Shape {
	empty := g.Window == 0 && len(g.Options) == 0 && g.DataOffset <= 5 // options may not have been captured
	acks := g.Flags&wire.ACK != 0
	stateless := ShapeUnknown
	switch {
	case empty && !acks && r.last.acked && g.Seq == r.last.ack:
		stateless = StatelessACK
	case empty && acks && g.Seq == 0 && r.segments > 0 && !r.last.acked && g.Ack == r.last.end:
		stateless = StatelessNoACK
	case empty && acks && r.last.acked && g.Seq == r.last.ack && g.Ack == r.last.seq:
		return SYNProxy
	case !empty && acks && (!s.stream.numbered || g.Seq == s.stream.next):
		return Active
	default:
		return ShapeUnknown
	}
	const dscp = 0xfc
	echoes := h.TOS&dscp == r.last.tos&dscp
	if h.TTL != 0 && (!echoes || r.last.tos&dscp == 0 && s.ttl != 0 && h.TTL != s.ttl) {
		return Firewall
	}
	return stateless
}

// accepts reports whether r takes a reset from s at its word: while it asks
// for a connection by the acknowledgement, later by the exact sequence number
// (RFC 9293, Sections 3.10.7.3 and 3.10.7.4; RFC 5961, Section 3.2). What was
// seen may have been lost before r, so the number that r last acknowledged
// counts as well.
func (r *End) accepts(g *wire.Segment, s *End) bool {
	switch {
	case r.syn && !r.gotSYN:
		return g.Flags&wire.ACK != 0 && g.Ack.After(r.base) && !g.Ack.After(r.stream.next)
	case !s.stream.numbered:
		return true
	default:
		return g.Seq == s.stream.next || g.Seq == s.stream.edge() || r.acks && g.Seq == r.ack
	}
}
