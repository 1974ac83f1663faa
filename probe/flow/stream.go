package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// maxHoles is how many holes of one direction are remembered; with more, the
// oldest is given up as missing.
const maxHoles = 4

// hole is a stretch of sequence numbers that later ones have overtaken.
type hole struct {
	from, to wire.Seq
	at       time.Time
}

// stream is the sequence space that one end has used, as far as it was seen:
// everything before next but the holes.
type stream struct {
	next     wire.Seq
	numbered bool // next is known
	count    int
	holes    [maxHoles]hole // in the order of their numbers
	missing  uint64
}

// arrival is what a segment brought to a stream.
type arrival struct {
	fresh  uint32 // sequence numbers not seen before
	ahead  bool   // it made a hole
	fills  bool   // it filled one
	filled time.Time
	again  bool // it brought some that had been seen
	grew   bool // next has moved on
}

// take books the sequence numbers from seq up to end. The stream is numbered.
func (s *stream) take(seq, end wire.Seq, at time.Time) (a arrival) {
	if seq == end {
		return a
	}
	if end.After(s.next) {
		switch {
		case seq.After(s.next):
			s.push(hole{s.next, seq, at})
			a.ahead, a.fresh = true, uint32(end-seq)
		default:
			a.again, a.fresh = seq.Before(s.next), uint32(end-s.next)
		}
		if a.again {
			a.fresh += s.fill(seq, s.next, &a)
		}
		s.next, a.grew = end, true
		for s.count > 0 && uint32(s.next-s.holes[0].from) >= far {
			s.giveUp() // numbers that far apart cannot be compared
		}
		return a
	}
	a.fresh = s.fill(seq, end, &a)
	a.again = a.fresh < uint32(end-seq)
	return a
}

// push appends a hole.
func (s *stream) push(h hole) {
	if s.count == maxHoles {
		s.giveUp()
	}
	s.holes[s.count] = h
	s.count++
}

// giveUp counts the oldest hole as missing.
func (s *stream) giveUp() {
	s.missing += uint64(s.holes[0].to - s.holes[0].from)
	s.remove(0)
}

func (s *stream) remove(i int) {
	copy(s.holes[i:], s.holes[i+1:s.count])
	s.count--
}

// fill takes the numbers from seq up to end out of the holes, and returns how
// many there were.
func (s *stream) fill(seq, end wire.Seq, a *arrival) (n uint32) {
	for i := s.count - 1; i >= 0; i-- {
		h := &s.holes[i]
		from, to := later(seq, h.from), earlier(end, h.to)
		if !from.Before(to) {
			continue
		}
		n += uint32(to - from)
		a.fills, a.filled = true, h.at
		switch {
		case from == h.from && to == h.to:
			s.remove(i)
		case from == h.from:
			h.from = to
		case to == h.to:
			h.to = from
		default:
			// In the middle. Without room for the rest, that is given up.
			rest := hole{to, h.to, h.at}
			h.to = from
			if s.count == maxHoles {
				s.missing += uint64(rest.to - rest.from)
				continue
			}
			copy(s.holes[i+2:], s.holes[i+1:s.count])
			s.holes[i+1] = rest
			s.count++
		}
	}
	return n
}

// acknowledge books what the peer has: numbers that were not seen before ack
// are missing from the capture. It returns how many those are, and whether
// they reach the end of what was seen, so that a FIN may be among them.
func (s *stream) acknowledge(ack wire.Seq) (n uint32, atEnd bool) {
	for s.count > 0 && s.holes[0].from.Before(ack) {
		h := &s.holes[0]
		to := earlier(ack, h.to)
		n += uint32(to - h.from)
		if to != h.to {
			h.from = to
			break
		}
		s.remove(0)
	}
	if ack.After(s.next) {
		n, atEnd = n+uint32(ack-s.next), true
		s.next = ack
	}
	s.missing += uint64(n)
	return n, atEnd
}

// edge is the number up to which everything was seen.
func (s *stream) edge() wire.Seq {
	if s.count > 0 {
		return s.holes[0].from
	}
	return s.next
}

func later(a, b wire.Seq) wire.Seq {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b wire.Seq) wire.Seq {
	if a.Before(b) {
		return a
	}
	return b
}
