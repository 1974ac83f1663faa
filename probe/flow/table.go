package flow

import (
	"iter"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Config sets up a Table. The zero value suits a capture on one device.
type Config struct {
	// Connections bounds how many are remembered, at 1.5 KiB each; zero means
	// 32,768. The one that has been silent longest makes room.
	Connections int
	// Copies looks for segments that were seen in more than one place: for
	// captures on lo, on all devices, or on several. A segment is a copy only
	// if it was seen elsewhere, never because its octets repeat.
	Copies bool
	// CopyWithin is how long after a segment its copies come; zero means
	// 100 ms.
	CopyWithin time.Duration
	// Leave, if not nil, is called with a connection that the table lets go
	// of: to make room, or because its ports are used again.
	Leave func(*Connection)
	// Recycle takes the memory of a connection that makes room for another:
	// after Leave has returned, nobody may look at it any more. A flood of
	// connections then leaves nothing to collect.
	Recycle bool
}

// Table follows connections. It is not safe for concurrent use.
type Table struct {
	config      Config
	connections map[key]*Connection
	ring        Connection // of all, in the order of use: its newer one is the oldest
	sights      *sights    // nil if no copies are looked for
	serial      uint64
	evicted     uint64
	copies      uint64
	paws        uint64
}

// key is a connection's two endpoints, the lower one first.
type key struct{ low, high netip.AddrPort }

// keyOf returns the key for two endpoints; reversed says that the first is the
// higher one.
func keyOf(src, dst netip.AddrPort) (k key, reversed bool) {
	if dst.Compare(src) < 0 {
		return key{dst, src}, true
	}
	return key{src, dst}, false
}

// New returns an empty table.
func New(c Config) *Table {
	if c.Connections <= 0 {
		c.Connections = 1 << 15
	}
	if c.CopyWithin <= 0 {
		c.CopyWithin = 100 * time.Millisecond
	}
	t := &Table{config: c, connections: make(map[key]*Connection)}
	t.ring.older, t.ring.newer = &t.ring, &t.ring
	if c.Copies {
		t.sights = &sights{within: c.CopyWithin}
	}
	return t
}

// Event is what one segment did.
type Event struct {
	Connection *Connection
	From       Side
	// Steps is empty for a copy.
	Steps Steps
	// RelSeq and RelAck are relative to the initial sequence numbers; where
	// those were not seen, to the first number seen of the segment's sender,
	// and to the one before the first acknowledged of its receiver, as
	// tcpdump counts. RelAck is zero without ACK.
	RelSeq, RelAck uint32
	// Client and Server are the states after the segment.
	Client, Server State
	// InFlight is how many sequence numbers of the sender wait for their
	// acknowledgement; zero where that is not known.
	InFlight uint32
	// Shape is that of a reset.
	Shape Shape
	// New says that the connection begins with this segment.
	New bool
	// Copy says that the segment was seen before, in another place. It
	// changes nothing.
	Copy bool
}

// Add follows one segment, seen at a time. It keeps neither h nor g. Where
// the header is not known, as in tcpdump's text, TotalLen and TTL are zero and
// the payload's length is that of g.Payload. Segments are given in the order in
// which they were seen.
//
// The place says where: a device's index, another number for each direction
// where a device shows one segment twice, as lo does. It matters only for
// copies.
func (t *Table) Add(at time.Time, h *wire.Header, g *wire.Segment, place int) Event {
	src, dst := netip.AddrPortFrom(h.Src, g.SrcPort), netip.AddrPortFrom(h.Dst, g.DstPort)
	k, reversed := keyOf(src, dst)
	c, isNew := t.connections[k], false
	if c == nil {
		c, isNew = t.admit(at, k, src, dst, g), true
	}
	from := c.sideOf(reversed)
	if t.sights != nil && t.sights.copy(at, faceOf(c, h, g, from), place) {
		c.copies++
		t.copies++
		return c.event(g, from, Event{Copy: true})
	}
	if !isNew && g.Flags&(wire.SYN|wire.RST) == wire.SYN {
		if next := t.again(at, k, c, src, dst, g, from); next != nil {
			c, isNew, from = next, true, next.sideOf(reversed)
			if t.sights != nil {
				t.sights.copy(at, faceOf(c, h, g, from), place)
			}
		}
	}
	t.touch(c)
	before := c.paws
	e := c.follow(at, h, g, from)
	t.paws += c.paws - before
	e.New = isNew
	return c.event(g, from, e)
}

// again returns the connection that a SYN begins on ports that have one
// already; nil if it belongs to that one.
func (t *Table) again(at time.Time, k key, c *Connection, src, dst netip.AddrPort, g *wire.Segment, from Side) *Connection {
	agreed := c.stray.seen && c.stray.from != from && g.Flags&wire.ACK != 0 && g.Ack == c.stray.segment.seq.Add(1)
	if !agreed && !c.gives(g, from) {
		return nil
	}
	t.drop(c)
	next := t.admit(at, k, src, dst, g)
	if agreed {
		next.ask(&next.ends[Client], c.stray.segment, c.stray.at)
		next.began = c.stray.at
	}
	if c.remnant.stage == remnantReset {
		next.remnant = c.remnant
	}
	return next
}

// admit makes a connection whose first segment is g.
func (t *Table) admit(at time.Time, k key, src, dst netip.AddrPort, g *wire.Segment) *Connection {
	var c *Connection
	if len(t.connections) >= t.config.Connections {
		t.evicted++
		oldest := t.ring.newer
		t.drop(oldest)
		if t.config.Recycle {
			c = oldest
		}
	}
	if c == nil {
		c = new(Connection)
	}
	client, server := src, dst
	guessed := g.Flags&wire.SYN == 0
	if guessed && src.Port() < dst.Port() || !guessed && g.Flags&wire.ACK != 0 {
		client, server = dst, src
	}
	t.serial++
	*c = Connection{key: k, serial: t.serial, began: at, sidesGuessed: guessed}
	c.ends[Client].addr, c.ends[Server].addr = client, server
	c.ends[Client].scale, c.ends[Server].scale = -1, -1
	if k.low != client {
		c.low = Server
	}
	t.connections[k] = c
	c.older, c.newer = c, c
	t.touch(c)
	return c
}

// touch makes c the one that was used last.
func (t *Table) touch(c *Connection) {
	c.older.newer, c.newer.older = c.newer, c.older
	c.older, c.newer = t.ring.older, &t.ring
	c.older.newer, t.ring.older = c, c
}

// drop lets go of c.
func (t *Table) drop(c *Connection) {
	delete(t.connections, c.key)
	c.older.newer, c.newer.older = c.newer, c.older
	c.older, c.newer = nil, nil
	if t.config.Leave != nil {
		t.config.Leave(c)
	}
}

// Find returns the connection between two endpoints, and the side of the
// first of them; nil if the table remembers none. Whoever reads tcpdump's text
// completes its numbers by it: they are relative, and pure ACKs lack their own.
func (t *Table) Find(src, dst netip.AddrPort) (*Connection, Side) {
	k, reversed := keyOf(src, dst)
	c := t.connections[k]
	if c == nil {
		return nil, Client
	}
	return c, c.sideOf(reversed)
}

// Len is the number of connections that the table remembers.
func (t *Table) Len() int { return len(t.connections) }

// All yields the connections that the table remembers, the one that has been
// silent longest first. The table must not be added to meanwhile.
func (t *Table) All() iter.Seq[*Connection] {
	return func(yield func(*Connection) bool) {
		for c := t.ring.newer; c != &t.ring; c = c.newer {
			if !yield(c) {
				return
			}
		}
	}
}

// Evicted counts the connections that were forgotten to make room.
func (t *Table) Evicted() uint64 { return t.evicted }

// Copies counts the segments that were seen again in another place.
func (t *Table) Copies() uint64 { return t.copies }

// PAWSTrouble counts, over all connections, what Connection.PAWSTrouble does.
func (t *Table) PAWSTrouble() uint64 { return t.paws }

// sideOf returns the side that a segment comes from; reversed says that its
// source is the higher of the key's endpoints.
func (c *Connection) sideOf(reversed bool) Side {
	if reversed {
		return c.low.Peer()
	}
	return c.low
}

// event completes e with what holds after the segment.
func (c *Connection) event(g *wire.Segment, from Side, e Event) Event {
	s, r := &c.ends[from], &c.ends[from.Peer()]
	e.Connection, e.From = c, from
	e.RelSeq = uint32(g.Seq - s.base)
	if g.Flags&wire.ACK != 0 {
		e.RelAck = uint32(g.Ack - r.base)
	}
	e.Client, e.Server = c.ends[Client].state, c.ends[Server].state
	e.InFlight, _ = c.InFlight(from)
	return e
}
