package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Connection is what is known of one connection. It changes with every Add
// of the Table that it comes from, and stays readable after the table has let
// go of it.
type Connection struct {
	ends     [2]End
	key      key
	serial   uint64
	low      Side // the side of the lower endpoint in key
	began    time.Time
	last     time.Time
	segments uint64
	copies   uint64
	vouched  [2]bool

	// The handshake.
	attempted, stands bool // a SYN was seen; both SYNs are acknowledged
	repeated          bool // a SYN was sent twice: no time is told by it
	early             bool // the answer to the SYN took its data (RFC 7413)
	synAt, answerAt   time.Time
	standsAt          time.Time
	stray             straySYN
	remnant           remnant
	paws              uint64
	sidesGuessed      bool

	// The close.
	finCount  int
	firstFIN  Side
	events    int  // FINs and their first acknowledgements
	combined  bool // the second FIN acknowledged the first
	simulOpen bool
	reset     Reset
	wasReset  bool

	older, newer *Connection // in the table's order of use
}

// straySYN is a SYN into a connection that stands. An answer that agrees to
// it shows that the connection stood no more.
type straySYN struct {
	seen    bool
	from    Side
	at      time.Time
	segment opening
}

// remnant follows what stays of an earlier connection in the way of a SYN.
type remnant struct {
	stage remnantStage
	ack   wire.Seq // of the old connection
}

type remnantStage uint8

const (
	noRemnant remnantStage = iota
	remnantAnswered
	remnantReset
)

// opening is what a SYN says of its sender.
type opening struct {
	seq, end wire.Seq
	window   uint16
	scale    int8
}

func openingOf(g *wire.Segment, end wire.Seq) opening {
	o := opening{seq: g.Seq, end: end, window: g.Window, scale: -1}
	for i := range g.Options {
		if shift, ok := g.Options[i].WindowScale(); ok {
			o.scale = int8(min(shift, 14))
		}
	}
	return o
}

// End returns what is known of one side.
func (c *Connection) End(s Side) *End { return &c.ends[s] }

// Began returns when its first segment was seen.
func (c *Connection) Began() time.Time { return c.began }

// Last returns when its last segment was seen.
func (c *Connection) Last() time.Time { return c.last }

// Segments counts the segments of both directions, copies excepted.
func (c *Connection) Segments() uint64 { return c.segments }

// Copies counts the segments that were the same one seen again elsewhere.
func (c *Connection) Copies() uint64 { return c.copies }

// SidesGuessed reports that no SYN was seen, so that the lower port was taken
// for the server's.
func (c *Connection) SidesGuessed() bool { return c.sidesGuessed }

// SimultaneousOpen reports whether two SYNs crossed.
func (c *Connection) SimultaneousOpen() bool { return c.simulOpen }

// PAWSTrouble counts how often a SYN was answered by a pure ACK of an earlier
// connection, which its sender reset before it tried again: what befalls
// connections behind one NAT whose timestamps do not agree.
func (c *Connection) PAWSTrouble() uint64 { return c.paws }

// Reset returns the first reset that its receiver had to believe; ok is false
// if there was none. A connection that both ends had closed may have one too.
func (c *Connection) Reset() (r Reset, ok bool) {
	return c.reset, c.wasReset
}

// HandshakeRTT returns the time from the SYN to the ACK that ends the
// handshake: one round trip and the answering end's own delay, wherever on the
// path the capture was made. ok is false if one of the three was not seen or
// was sent more than once, so that nobody knows which was answered (RFC 6298,
// Section 3).
func (c *Connection) HandshakeRTT() (rtt time.Duration, ok bool) {
	if c.synAt.IsZero() || c.answerAt.IsZero() || c.standsAt.IsZero() || c.repeated {
		return 0, false
	}
	return c.standsAt.Sub(c.synAt), true
}

// InFlight returns how many sequence numbers of a side were seen and are not
// acknowledged; ok is false if it has not been acknowledged at all.
func (c *Connection) InFlight(s Side) (octets uint32, ok bool) {
	e, peer := &c.ends[s], &c.ends[s.Peer()]
	if !e.stream.numbered || !peer.acks {
		return 0, false
	}
	return uint32(max(e.stream.next.Sub(peer.ack), 0)), true
}

// over reports whether nothing of the connection is left but TIME-WAIT.
func (c *Connection) over() bool {
	return c.ends[Client].state.Over() && c.ends[Server].state.Over()
}

// gives reports whether a SYN from side s, which is no repetition, begins
// another connection.
func (c *Connection) gives(g *wire.Segment, s Side) bool {
	e, peer := &c.ends[s], &c.ends[s.Peer()]
	if g.Flags&wire.ACK != 0 {
		return c.over() && g.Seq != e.base
	}
	switch {
	case e.syn && g.Seq == e.base:
		return e.gone
	case !e.syn && peer.state == SynSent:
		return false // simultaneous open
	default:
		return !e.derive(peer).synchronized() || !peer.derive(e).synchronized()
	}
}
