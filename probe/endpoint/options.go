package endpoint

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// optionRoom is how many octets of options a header holds.
const optionRoom = 40

// said are the options of an arriving segment.
type said struct {
	mss                             uint16
	scale                           uint8
	hasMSS, hasScale, sackPermitted bool
	stamped                         bool
	val, ecr                        uint32
	blocks                          []wire.SACKBlock
}

// hear reads a segment's options; of each kind the first counts.
func hear(g *wire.Segment) (s said) {
	for _, o := range g.Options {
		if mss, ok := o.MSS(); ok && !s.hasMSS {
			s.mss, s.hasMSS = mss, true
		} else if scale, ok := o.WindowScale(); ok && !s.hasScale {
			s.scale, s.hasScale = min(scale, maxScale), true
		} else if val, ecr, ok := o.Timestamps(); ok && !s.stamped {
			s.val, s.ecr, s.stamped = val, ecr, true
		} else if o.Kind == wire.OptSACKPermitted && !o.Malformed {
			s.sackPermitted = true
		} else if o.Kind == wire.OptSACK && s.blocks == nil {
			s.blocks, _ = o.SACKBlocks()
		}
	}
	return s
}

// agree takes note of a SYN's options (RFC 9293, Section 3.7.1; RFC 7323,
// Sections 2.2 and 3.2; RFC 2018, Section 2).
func (c *conn) agree(s said) {
	if s.hasMSS {
		c.peerMSS = int(s.mss)
	}
	c.sack = s.sackPermitted && !c.cfg.NoSACK
	if s.hasScale && !c.cfg.NoWindowScale {
		c.sendShift, c.receiveShift = s.scale, c.cfg.WindowScale
	}
	if s.stamped && !c.cfg.NoTimestamps {
		c.stamps, c.tsRecent, c.tsRecentAt = true, s.val, c.now
	}
}

// tsval is what our clock says (RFC 7323, Section 5.4).
func (c *conn) tsval() uint32 {
	if c.cfg.TSTick < 0 {
		return c.cfg.TSval
	}
	return c.cfg.TSval + uint32(max(0, c.now.Sub(c.born))/c.cfg.TSTick)
}

// synOptions are those of our SYN; of a SYN-ACK those that the peer's SYN had
// too. They stand in the order in which Linux sends them.
func (c *conn) synOptions(answer bool) (all []wire.Option) {
	if !c.cfg.NoMSS {
		all = append(all, wire.MSS(c.cfg.MSS))
	}
	sack := !c.cfg.NoSACK && (!answer || c.sack)
	stamps := !c.cfg.NoTimestamps && (!answer || c.stamps)
	switch {
	case sack && stamps:
		all = append(all, wire.SACKPermitted())
	case sack:
		all = append(all, wire.NOP(), wire.NOP(), wire.SACKPermitted())
	case stamps:
		all = append(all, wire.NOP(), wire.NOP())
	}
	if stamps {
		all = append(all, wire.Timestamps(c.tsval(), c.tsRecent))
	}
	if !c.cfg.NoWindowScale && (!answer || c.scaling()) {
		all = append(all, wire.NOP(), wire.WindowScale(c.cfg.WindowScale))
	}
	return all
}

// scaling reports whether the peer's SYN had a window scale and ours has.
func (c *conn) scaling() bool { return c.peerScales && !c.cfg.NoWindowScale }

// stampLength is that of a timestamps option with its padding.
const stampLength = 12

// sackBlocks is how many blocks the next segment's SACK option has.
func (c *conn) sackBlocks() int {
	if !c.sack {
		return 0
	}
	n, room := len(c.late.pieces), optionRoom-4
	if c.stamps {
		room -= stampLength
	}
	if c.duplicate.Left != c.duplicate.Right {
		n++
	}
	return min(n, room/8)
}

// optionLength is the length of options, in octets.
func (c *conn) optionLength() (n int) {
	if c.stamps {
		n = stampLength
	}
	if blocks := c.sackBlocks(); blocks > 0 {
		n += 4 + 8*blocks
	}
	return n
}

// options are those of a segment other than a SYN.
func (c *conn) options() (all []wire.Option) {
	if c.stamps {
		all = append(all, wire.NOP(), wire.NOP(), wire.Timestamps(c.tsval(), c.tsRecent))
	}
	n := c.sackBlocks()
	if n == 0 {
		return all
	}
	blocks := make([]wire.SACKBlock, 0, n)
	if c.duplicate.Left != c.duplicate.Right { // RFC 2883, Section 4
		blocks = append(blocks, c.duplicate)
	}
	blocks = append(blocks, c.late.blocks(n-len(blocks))...)
	return append(all, wire.NOP(), wire.NOP(), wire.SACK(blocks...))
}

// pawsIdle is how long TS.Recent is believed (RFC 7323, Section 5.5).
const pawsIdle = 24 * 24 * time.Hour

// outdated is the test of PAWS (RFC 7323, Section 5.3, rule R1).
func (c *conn) outdated(g *wire.Segment, s said) bool {
	return c.stamps && s.stamped && g.Flags&wire.RST == 0 &&
		int32(s.val-c.tsRecent) < 0 && c.now.Sub(c.tsRecentAt) < pawsIdle
}

// remember is RFC 7323, Section 4.3, rule 2.
func (c *conn) remember(g *wire.Segment, s said) {
	if c.stamps && s.stamped && int32(s.val-c.tsRecent) >= 0 && !g.Seq.After(c.lastAck) {
		c.tsRecent, c.tsRecentAt = s.val, c.now
	}
}
