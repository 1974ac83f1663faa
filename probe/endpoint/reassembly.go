package endpoint

import (
	"slices"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// mostPieces bounds the stretches that wait for what is missing before them. A
// sender of ordinary segments needs fewer; what exceeds it is dropped, and
// comes again.
const mostPieces = 1024

// piece is a stretch of octets that wait.
type piece struct {
	seq    wire.Seq
	octets []byte
	use    uint64 // when it last grew
}

func (p piece) end() wire.Seq { return p.seq.Add(uint32(len(p.octets))) }

// reassembly keeps octets that came too early, each once; of those that differ
// the first count. The zero value is empty.
type reassembly struct {
	pieces []piece // disjoint, in order, none touching another
	uses   uint64
}

// insert copies octets in. It returns a stretch of them that was there already;
// an empty one if none was.
func (r *reassembly) insert(seq wire.Seq, octets []byte) (again wire.SACKBlock) {
	end := seq.Add(uint32(len(octets)))
	i := slices.IndexFunc(r.pieces, func(p piece) bool { return !p.end().Before(seq) })
	if i < 0 {
		i = len(r.pieces)
	}
	j := i
	for j < len(r.pieces) && !r.pieces[j].seq.After(end) {
		j++
	}
	r.uses++
	if i == j {
		if len(r.pieces) < mostPieces {
			r.pieces = slices.Insert(r.pieces, i, piece{seq, slices.Clone(octets), r.uses})
		}
		return wire.SACKBlock{}
	}
	merged := piece{seq: earlier(seq, r.pieces[i].seq), use: r.uses}
	if merged.seq == r.pieces[i].seq {
		merged.octets = r.pieces[i].octets // grows in place
	} else {
		merged.octets = slices.Clone(octets[:r.pieces[i].seq.Sub(seq)])
	}
	for _, p := range r.pieces[i:j] {
		if from, to := later(seq, p.seq), earlier(end, p.end()); from.Before(to) {
			again = wire.SACKBlock{Left: from, Right: to}
		}
		if at := merged.end(); at.Before(p.seq) {
			merged.octets = append(merged.octets, octets[at.Sub(seq):p.seq.Sub(seq)]...)
		}
		if at := merged.end(); at.Before(p.end()) {
			merged.octets = append(merged.octets, p.octets[at.Sub(p.seq):]...)
		}
	}
	if at := merged.end(); at.Before(end) {
		merged.octets = append(merged.octets, octets[at.Sub(seq):]...)
	}
	r.pieces = slices.Replace(r.pieces, i, j, merged)
	return again
}

// take removes what is in order at nxt, and below.
func (r *reassembly) take(nxt wire.Seq) (octets []byte) {
	for len(r.pieces) > 0 && !r.pieces[0].seq.After(nxt) {
		if p := r.pieces[0]; p.end().After(nxt) {
			octets = p.octets[nxt.Sub(p.seq):] // pieces do not touch: there is but one
		}
		r.pieces = slices.Delete(r.pieces, 0, 1)
	}
	return octets
}

// blocks returns up to n blocks for a SACK option, the latest first (RFC 2018,
// Section 4).
func (r *reassembly) blocks(n int) (all []wire.SACKBlock) {
	below := r.uses + 1
	for len(all) < n {
		var latest *piece
		for i := range r.pieces {
			if p := &r.pieces[i]; p.use < below && (latest == nil || p.use > latest.use) {
				latest = p
			}
		}
		if latest == nil {
			break
		}
		all = append(all, wire.SACKBlock{Left: latest.seq, Right: latest.end()})
		below = latest.use
	}
	return all
}

// beyond reports whether octets at or after a number wait.
func (r *reassembly) beyond(seq wire.Seq) bool {
	return len(r.pieces) > 0 && r.pieces[len(r.pieces)-1].end().After(seq)
}
