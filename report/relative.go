package report

import (
	"bytes"
	"encoding/binary"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// maxOrigins bounds how many pairs of endpoints have their numbers counted
// from an origin, at some 60 octets each.
const maxOrigins = 1 << 16

// origins are what sequence numbers are relative to, as print-tcp.c counts
// them: a pair of endpoints has two, both set by its first segment with ACK
// and again by every SYN-ACK; numbers of segments without ACK stay absolute.
// The pair that has been silent longest makes room for a new one, and counts
// anew if it speaks again; tcpdump forgets none.
type origins struct {
	limit int
	place map[pair]int32 // in all
	all   []origin
	// newest and oldest are the ends of the order of use; they mean nothing
	// while all is empty.
	newest, oldest int32
}

// pair is two endpoints, in an order that does not depend on the direction.
type pair struct{ low, high, ports uint32 }

// origin has the numbers that those of the low and of the high endpoint are
// relative to.
type origin struct {
	pair         pair
	low, high    uint32
	older, newer int32 // in all; none at the ends
}

const none = -1

// newOrigins returns origins of limit pairs at most, which is one or more.
func newOrigins(limit int) *origins { return &origins{limit: limit, place: map[pair]int32{}} }

// count returns the numbers of a segment with ACK as they are shown, and what
// its acknowledgements are relative to. d is the datagram, g the segment.
func (o *origins) count(d, g []byte, seq, ack uint32) (shownSeq, shownAck, peer uint32) {
	be := binary.BigEndian
	src, dst, srcPort, dstPort := d[12:16], d[16:20], be.Uint16(g), be.Uint16(g[2:])
	key := pair{low: be.Uint32(src), high: be.Uint32(dst), ports: uint32(srcPort)<<16 | uint32(dstPort)}
	fromHigh := srcPort > dstPort || srcPort == dstPort && bytes.Compare(src, dst) > 0
	if fromHigh {
		key = pair{low: key.high, high: key.low, ports: uint32(dstPort)<<16 | uint32(srcPort)}
	}
	x, known := o.find(key)
	own, other := &x.low, &x.high
	if fromHigh {
		own, other = other, own
	}
	if !known || wire.Flags(g[13])&wire.SYN != 0 {
		*own, *other = seq, ack-1
		return seq, ack, *other
	}
	return seq - *own, ack - *other, *other
}

// find returns the origin of a pair, which becomes the newest.
func (o *origins) find(key pair) (x *origin, known bool) {
	if len(o.all) > 0 && o.all[o.newest].pair == key {
		return &o.all[o.newest], true
	}
	at, known := o.place[key]
	switch {
	case known:
		o.unlink(at)
	case len(o.all) < o.limit:
		at = int32(len(o.all))
		o.all = append(o.all, origin{})
	default:
		at = o.oldest
		delete(o.place, o.all[at].pair)
		o.unlink(at)
	}
	if !known {
		o.all[at] = origin{pair: key}
		o.place[key] = at
	}
	o.link(at)
	return &o.all[at], known
}

// unlink takes an origin out of the order of use.
func (o *origins) unlink(at int32) {
	x := &o.all[at]
	if x.older == none {
		o.oldest = x.newer
	} else {
		o.all[x.older].newer = x.newer
	}
	if x.newer == none {
		o.newest = x.older
	} else {
		o.all[x.newer].older = x.older
	}
}

// link makes an origin the newest.
func (o *origins) link(at int32) {
	x := &o.all[at]
	x.older, x.newer = o.newest, none
	if len(o.place) == 1 {
		x.older, o.oldest = none, at
	} else {
		o.all[o.newest].newer = at
	}
	o.newest = at
}
