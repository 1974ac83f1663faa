package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// textLine is a segment of which there is tcpdump's line, and little else.
type textLine struct{ capture.Line }

// madeUp reports whether most of the segment's octets are.
func (l *textLine) madeUp() bool { return l.Datagram == nil }

// relative reports whether the numbers are relative to ones that the text
// does not tell.
func (l *textLine) relative() bool {
	return l.SeqOrigin == capture.OriginRelative || l.AckOrigin == capture.OriginRelative
}

// complete finds a number that the line does not show, by what its connection
// has come to. Without one, nothing is known of the segment's place, and it is
// false.
func (l *textLine) complete(t *flow.Table, h *wire.Header, g *wire.Segment) bool {
	if l.SeqOrigin != capture.OriginNone && l.SeqOrigin != capture.OriginInferred {
		return true
	}
	c, side := t.Find(netip.AddrPortFrom(h.Src, g.SrcPort), netip.AddrPortFrom(h.Dst, g.DstPort))
	if c != nil {
		if next, ok := c.End(side).Next(); ok {
			g.Seq = next
			return true
		}
	}
	return l.SeqOrigin == capture.OriginInferred
}

// learn notes which names stand for which made-up addresses.
func (l *textLine) learn(known names) {
	for addr, name := range map[netip.Addr]string{l.Header.Src: l.SrcName, l.Header.Dst: l.DstName} {
		if name != "" && len(known) < maxNames {
			known[addr] = name
		}
	}
}

// maxNames bounds the memory for names of hosts.
const maxNames = 1 << 16

// named is an endpoint whose address is not known.
func named(host string, port uint16) string { return fmt.Sprintf("%s:%d", host, port) }

// amend takes out of a record what was made up, and puts in what the line
// says besides, and the number that complete has found; g is nil if it has not.
func (l *textLine) amend(r finding.Record, g *wire.Segment) finding.Record {
	if l.madeUp() {
		r = r.Set("checksum", nil)
		if !l.Verbose {
			r = r.Set("ttl", nil).Set("ip_id", nil)
		}
	}
	switch {
	case l.relative():
		r = r.Set("rel_seq", r.Get("seq")).Set("rel_ack", r.Get("ack")).Set("seq", nil).Set("ack", nil)
	case g != nil:
		r = r.Set("seq", uint32(g.Seq))
	case l.SeqOrigin == capture.OriginNone:
		r = r.Set("seq", nil)
	}
	if l.SrcName != "" {
		r = r.Set("from", named(l.SrcName, l.Segment.SrcPort))
	}
	if l.DstName != "" {
		r = r.Set("to", named(l.DstName, l.Segment.DstPort))
	}
	if len(l.Unread) > 0 {
		r = r.Set("options", slices.Concat(r.List("options"), l.Unread))
	}
	return r
}
