package capture

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// tcpdump shows numbers relative to the initial ones unless it is called with
// -S. By print-tcp.c of tcpdump 4.99, a segment without ACK has absolute
// numbers always; so has the first segment with ACK of a connection, and any
// SYN with ACK; from those it takes what all others are relative to.

// maxFlows is how many connections' numbers are remembered.
const maxFlows = 1 << 16

// flowKey is a connection's endpoints, the lesser first.
type flowKey struct{ low, high netip.AddrPort }

// stream is one direction of a connection.
type stream struct {
	base, next           wire.Seq // what numbers are relative to; what comes next
	baseKnown, nextKnown bool
}

// flow is what the text has told of a connection's numbers.
type flow struct {
	streams  [2]stream // from the lesser endpoint, from the greater one
	decided  bool      // whether numbers are relative is known
	relative bool
}

// numbers remembers the numbers of connections, and forgets the oldest.
type numbers struct {
	flows  map[flowKey]*flow
	order  []flowKey // a ring once it is full
	oldest int
}

func newNumbers() numbers { return numbers{flows: map[flowKey]*flow{}} }

// direction is a flow as its sender sees it.
type direction struct {
	*flow
	from, to *stream
}

// of returns the line's flow.
func (n *numbers) of(l *Line) direction {
	src := netip.AddrPortFrom(l.Header.Src, l.Segment.SrcPort)
	dst := netip.AddrPortFrom(l.Header.Dst, l.Segment.DstPort)
	key, forward := flowKey{src, dst}, 0
	if dst.Compare(src) < 0 {
		key, forward = flowKey{dst, src}, 1
	}
	f := n.flows[key]
	if f == nil {
		f = &flow{}
		n.flows[key] = f
		if len(n.order) < maxFlows {
			n.order = append(n.order, key)
		} else {
			delete(n.flows, n.order[n.oldest])
			n.order[n.oldest] = key
			n.oldest = (n.oldest + 1) % maxFlows
		}
	}
	return direction{f, &f.streams[forward], &f.streams[1-forward]}
}

// restore turns the line's numbers into absolute ones where it can, and says
// of each which it is.
func (n *numbers) restore(l *Line) direction {
	d, g := n.of(l), &l.Segment
	switch {
	case g.Flags&wire.ACK == 0:
		if g.Flags&wire.SYN != 0 && !d.from.baseKnown {
			d.from.base, d.from.baseKnown = g.Seq, true
		}
	case g.Flags&wire.SYN != 0:
		*d.flow = flow{}
		d.from.base, d.from.baseKnown = g.Seq, true
		d.to.base, d.to.baseKnown = g.Ack-1, true
	case d.isRelative(l):
		if l.seqShown {
			g.Seq, l.SeqOrigin = d.from.restored(g.Seq)
		}
		if g.Ack, l.AckOrigin = d.to.restored(g.Ack); l.AckOrigin == OriginRestored {
			restoreSACK(g.Options, d.to.base)
		}
	default:
		if l.seqShown && !d.from.baseKnown {
			d.from.base, d.from.baseKnown = g.Seq, true
		}
		if !d.to.baseKnown {
			d.to.base, d.to.baseKnown = g.Ack-1, true
		}
	}
	return d
}

func (s *stream) restored(number wire.Seq) (wire.Seq, Origin) {
	if !s.baseKnown {
		return number, OriginRelative
	}
	return s.base + number, OriginRestored
}

// restoreSACK makes the edges of blocks absolute.
func restoreSACK(options []wire.Option, base wire.Seq) {
	for i, o := range options {
		blocks, ok := o.SACKBlocks()
		if !ok {
			continue
		}
		for j := range blocks {
			blocks[j].Left += base
			blocks[j].Right += base
		}
		options[i] = wire.SACK(blocks...)
		options[i].Offset = o.Offset
	}
}

// smallNumbers is what numbers are taken for relative below, where no initial
// ones are known to hold them to. Initial ones are random: two are below it
// once in 2^16 connections.
const smallNumbers = 1 << 24

// isRelative reports whether the line's numbers are relative; it is decided
// once for a connection, by what they are nearer to.
func (d direction) isRelative(l *Line) bool {
	if d.decided {
		return d.relative
	}
	toBase, toZero, known := int64(0), int64(0), false
	hold := func(s *stream, number wire.Seq) {
		if s.baseKnown {
			known = true
			toBase += abs(number.Sub(s.base))
			toZero += abs(number.Sub(0))
		}
	}
	if l.seqShown {
		hold(d.from, l.Segment.Seq)
	}
	hold(d.to, l.Segment.Ack)
	if known {
		d.decided, d.relative = d.from.baseKnown && d.to.baseKnown, toZero < toBase
		return d.relative
	}
	d.relative = l.Segment.Ack < smallNumbers && l.Segment.Seq < smallNumbers
	d.decided = d.relative
	return d.relative
}

func abs(n int32) int64 { return max(int64(n), -int64(n)) }

// teach learns from a hex dump, which has the true numbers, what the printed
// ones are relative to.
func (d direction) teach(l *Line, seq, ack wire.Seq) {
	g := &l.Segment
	if g.Flags&(wire.ACK|wire.SYN) != wire.ACK {
		return
	}
	if l.seqShown && seq != g.Seq {
		d.from.base, d.from.baseKnown = g.Seq-seq, true
	}
	if ack != g.Ack {
		d.to.base, d.to.baseKnown = g.Ack-ack, true
		d.decided, d.relative = true, true
	}
}

// follow infers a number that is not shown, and notes what will come next.
func (d direction) follow(l *Line) {
	g := &l.Segment
	if l.SeqOrigin == OriginNone && d.from.nextKnown {
		g.Seq, l.SeqOrigin = d.from.next, OriginInferred
	}
	if l.SeqOrigin != OriginNone && g.Flags&wire.RST == 0 {
		end := g.Seq.Add(uint32(l.Length))
		if g.Flags&wire.SYN != 0 {
			end++
		}
		if g.Flags&wire.FIN != 0 {
			end++
		}
		d.from.reach(end, g.Flags&wire.SYN != 0)
	}
	if l.AckOrigin != OriginNone && !d.to.nextKnown {
		d.to.reach(g.Ack, true)
	}
}

// reach notes that a stream goes on at next; a beginning is believed whatever
// came before.
func (s *stream) reach(next wire.Seq, beginning bool) {
	if beginning || !s.nextKnown || next.After(s.next) {
		s.next, s.nextKnown = next, true
	}
}
