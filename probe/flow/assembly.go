package flow

import (
	"slices"
	"sort"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// chunkCost is what a chunk takes besides its octets.
const chunkCost = 64

// assembly puts the octets of one direction in order. Offsets count them from
// the first.
type assembly struct {
	side   Side
	pool   *Pool
	begun  bool
	base   wire.Seq // of the octet at offset 0
	next   uint64   // everything before it was told
	fin    uint64   // where the FIN stands
	hasFIN bool
	ended  bool // the FIN was told
	over   bool // nothing more is told
	// onHold says that the receiver seems to be gone, so that nothing is given
	// to it.
	onHold bool
	// waiting are those beyond next, in order, without overlap.
	waiting []chunk
	held    int
	lost    [maxHoles]span // the last holes that were told, in order
	losses  int
	kept    []byte // the oldest that are told and not acknowledged
	keptAt  uint64
}

// span is a stretch of octets.
type span struct{ from, to uint64 }

// chunk is octets that wait for those before them. A capture that has cut its
// frames short has none for the end of a segment: then octets is nil.
type chunk struct {
	span
	octets []byte
}

// begin numbers the octets by the end's SYN, or else from seq on.
func (a *assembly) begin(e *End, seq wire.Seq) {
	if a.begun {
		return
	}
	if iss, ok := e.ISS(); ok {
		seq = iss.Add(1)
	}
	a.base, a.begun = seq, true
}

// offset returns where a sequence number stands; ok is false if it is too far
// away to be compared. Before the first octet it is negative.
func (a *assembly) offset(seq wire.Seq) (at int64, ok bool) {
	d := seq.Sub(a.base.Add(uint32(a.next)))
	return int64(a.next) + int64(d), d < far && d > -far
}

// take takes a segment's octets, of which the last of length may not be known.
func (a *assembly) take(seq wire.Seq, octets []byte, length uint32, tell func(Piece)) {
	at, ok := a.offset(seq)
	switch {
	case length == 0:
		return
	case !ok || a.over:
		a.aside(PieceOutside, uint64(length), tell)
		return
	case at < 0:
		early := min(uint32(-at), length)
		a.aside(PieceEarly, uint64(early), tell)
		octets = octets[min(len(octets), int(early)):]
		length -= early
		at = 0
	}
	s := span{uint64(at), uint64(at) + uint64(length)}
	if a.hasFIN && s.to > a.fin {
		a.aside(PieceOutside, s.to-max(a.fin, s.from), tell)
		s.to = max(a.fin, s.from)
		octets = octets[:min(uint64(len(octets)), s.to-s.from)]
	}
	if s.from < a.next {
		n := min(a.next, s.to) - s.from
		known := min(uint64(len(octets)), n)
		a.again(s.from, octets[:known], tell)
		s.from, octets = s.from+n, octets[known:]
	}
	if s.from == a.next && len(a.waiting) == 0 && !a.onHold {
		a.pass(chunk{s, octets}, tell)
	} else if s.from < s.to {
		a.wait(s, octets, tell)
	}
	a.drain(tell)
}

// pass tells octets that are in order, and the hole where they end too early.
func (a *assembly) pass(c chunk, tell func(Piece)) {
	if n := uint64(len(c.octets)); n > 0 {
		a.keep(c.octets)
		tell(Piece{Kind: PiecePayload, From: a.side, Offset: a.next, Octets: c.octets, Length: n})
		a.next += n
	}
	a.skip(c.to, tell)
}

// skip tells that what comes before an offset is missing.
func (a *assembly) skip(to uint64, tell func(Piece)) {
	if to <= a.next {
		return
	}
	tell(Piece{Kind: PieceHole, From: a.side, Offset: a.next, Length: to - a.next})
	if n := a.losses; n > 0 && a.lost[n-1].to == a.next {
		a.lost[n-1].to = to
	} else {
		if n == maxHoles {
			a.forgetLoss(0)
		}
		a.lost[a.losses] = span{a.next, to}
		a.losses++
	}
	a.next = to
}

func (a *assembly) forgetLoss(i int) {
	copy(a.lost[i:], a.lost[i+1:a.losses])
	a.losses--
}

// aside tells of octets that are not of the stream.
func (a *assembly) aside(kind PieceKind, n uint64, tell func(Piece)) {
	tell(Piece{Kind: kind, From: a.side, Offset: a.next, Length: n})
}

// wait remembers octets that others must come before. Where there are some
// already, those stay.
func (a *assembly) wait(s span, octets []byte, tell func(Piece)) {
	changed := uint64(0)
	i := sort.Search(len(a.waiting), func(i int) bool { return a.waiting[i].to > s.from })
	for s.from < s.to {
		there := i < len(a.waiting) && a.waiting[i].from <= s.from
		to := s.to
		if there {
			to = min(to, a.waiting[i].to)
		} else if i < len(a.waiting) {
			to = min(to, a.waiting[i].from)
		}
		part := octets[:min(uint64(len(octets)), to-s.from)]
		if there {
			changed += differ(a.waiting[i].from, a.waiting[i].octets, s.from, part)
			i++
		} else {
			i = a.put(i, span{s.from, to}, part)
		}
		s.from, octets = to, octets[len(part):]
	}
	a.change(s.to, changed, tell)
	if a.onHold && a.crowded() {
		a.discard(tell)
	}
	for a.crowded() {
		a.skip(a.waiting[0].from, tell)
		a.drain(tell)
	}
}

// crowded reports whether more waits than there is room for.
func (a *assembly) crowded() bool {
	return len(a.waiting) > 0 && (a.held > waitingOctets || len(a.waiting) > waitingChunks || a.pool.full())
}

// discard gives up what waits for a receiver that is gone.
func (a *assembly) discard(tell func(Piece)) {
	n := uint64(0)
	for _, c := range a.waiting {
		n += c.to - c.from
	}
	if n > 0 {
		a.aside(PieceOutside, n, tell)
	}
	a.waiting = nil
	a.book(-a.held)
}

// put inserts octets before chunk i, and returns the place behind them.
func (a *assembly) put(i int, s span, octets []byte) int {
	known := span{s.from, s.from + uint64(len(octets))}
	for _, c := range [...]chunk{{known, octets}, {span{known.to, s.to}, nil}} {
		if c.from == c.to {
			continue
		}
		a.book(len(c.octets))
		if i > 0 && a.waiting[i-1].to == c.from && (a.waiting[i-1].octets == nil) == (c.octets == nil) {
			before := &a.waiting[i-1]
			before.to, before.octets = c.to, append(before.octets, c.octets...)
			continue
		}
		a.book(chunkCost)
		c.octets = slices.Clone(c.octets)
		a.waiting = slices.Insert(a.waiting, i, c)
		i++
	}
	return i
}

func (a *assembly) book(n int) {
	a.held += n
	a.pool.used += n
}

// drain tells what need not wait any longer.
func (a *assembly) drain(tell func(Piece)) {
	for len(a.waiting) > 0 && a.waiting[0].from == a.next && !a.onHold {
		c := a.waiting[0]
		a.waiting = slices.Delete(a.waiting, 0, 1)
		a.book(-len(c.octets) - chunkCost)
		a.pass(c, tell)
	}
	if a.hasFIN && !a.ended && a.next == a.fin {
		a.ended = true
		tell(Piece{Kind: PieceEnd, From: a.side, Offset: a.next})
	}
}

// settle waits no longer for what comes before an offset.
func (a *assembly) settle(to uint64, tell func(Piece)) {
	for a.next < to {
		if len(a.waiting) > 0 && a.waiting[0].from < to {
			a.skip(a.waiting[0].from, tell)
		} else {
			a.skip(to, tell)
		}
		a.drain(tell)
	}
}

// acknowledge takes what the peer has.
func (a *assembly) acknowledge(ack wire.Seq, tell func(Piece)) {
	at, ok := a.offset(ack)
	if !ok || at < 0 || a.over || a.onHold {
		return
	}
	to := uint64(at)
	if a.hasFIN {
		to = min(to, a.fin)
	}
	a.settle(to, tell)
	a.forget(to)
}

// finish takes a FIN. One that stands before what has been seen is none.
func (a *assembly) finish(seq wire.Seq, tell func(Piece)) {
	at, ok := a.offset(seq)
	if !ok || a.hasFIN || a.over || at < int64(a.next) {
		return
	}
	if n := len(a.waiting); n > 0 && a.waiting[n-1].to > uint64(at) {
		return
	}
	a.fin, a.hasFIN = uint64(at), true
	a.drain(tell)
}

// hold says whether the receiver is gone.
func (a *assembly) hold(yes bool, tell func(Piece)) {
	if a.onHold == yes {
		return
	}
	a.onHold = yes
	a.drain(tell)
}

// end tells what is left.
func (a *assembly) end(tell func(Piece)) {
	if a.over {
		return
	}
	if a.onHold {
		a.discard(tell)
	} else if n := len(a.waiting); n > 0 {
		a.settle(a.waiting[n-1].to, tell)
	}
	if a.hasFIN && !a.onHold {
		a.settle(a.fin, tell)
	}
	a.over = true
	a.pool.takeBack(a.kept)
	a.kept = nil
}

// again takes octets that were told already, or whose hole was.
func (a *assembly) again(at uint64, octets []byte, tell func(Piece)) {
	a.change(at, differ(a.keptAt, a.kept, at, octets), tell)
	end := at + uint64(len(octets))
	for i := a.losses - 1; i >= 0; i-- {
		h := a.lost[i]
		from, to := max(at, h.from), min(end, h.to)
		if from >= to {
			continue
		}
		tell(Piece{Kind: PieceLate, From: a.side, Offset: from, Octets: octets[from-at : to-at], Length: to - from})
		// The larger of what is left on its two sides is remembered.
		if left, right := (span{h.from, from}), (span{to, h.to}); right.to-right.from > left.to-left.from {
			a.lost[i] = right
		} else {
			a.lost[i] = left
		}
		if a.lost[i].from == a.lost[i].to {
			a.forgetLoss(i)
		}
	}
}

// change tells that octets were sent again and were others.
func (a *assembly) change(at, n uint64, tell func(Piece)) {
	if n > 0 {
		tell(Piece{Kind: PieceChanged, From: a.side, Offset: at, Length: n})
	}
}

// keep keeps octets that are in order, as many as there is room for.
func (a *assembly) keep(octets []byte) {
	if len(a.kept) == 0 {
		if a.kept == nil {
			a.kept = a.pool.lend()
		}
		a.keptAt = a.next
	}
	if a.keptAt+uint64(len(a.kept)) == a.next {
		a.kept = append(a.kept, octets[:min(len(octets), cap(a.kept)-len(a.kept))]...)
	}
}

// forget lets go of octets that nobody sends again.
func (a *assembly) forget(to uint64) {
	switch n := uint64(len(a.kept)); {
	case to <= a.keptAt || a.kept == nil:
	case to-a.keptAt >= n:
		a.pool.takeBack(a.kept)
		a.kept = nil
	default:
		a.kept = a.kept[:copy(a.kept, a.kept[to-a.keptAt:])]
		a.keptAt = to
	}
}

// differ counts the octets that two stretches have at the same place and that
// are not the same.
func differ(at uint64, octets []byte, otherAt uint64, other []byte) (n uint64) {
	from := max(at, otherAt)
	to := min(at+uint64(len(octets)), otherAt+uint64(len(other)))
	if from >= to {
		return 0
	}
	octets, other = octets[from-at:to-at], other[from-otherAt:to-otherAt]
	for i := range octets {
		if octets[i] != other[i] {
			n++
		}
	}
	return n
}
