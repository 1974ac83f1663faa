package flow

import "github.com/tcpscope/tcpscope/rawsock/wire"

// Piece is the next that is known of what one end has said.
type Piece struct {
	Kind PieceKind
	From Side
	// Offset counts the octets of that side from its SYN; if that was not
	// seen, from the first that was seen or acknowledged.
	Offset uint64
	// Octets are valid until the function returns that is told of them.
	Octets []byte
	// Length is how many octets this is about.
	Length uint64
}

// PieceKind says what a Piece is.
type PieceKind uint8

// The kinds of pieces. Payloads and holes follow each other without gap or
// overlap; the others stand beside that order.
const (
	// PiecePayload is what the receiving application is given.
	PiecePayload PieceKind = iota
	// PieceHole is octets that were sent and that the capture lacks. Octets is
	// nil, as it is in all that follow but late ones.
	PieceHole
	// PieceLate is octets of a hole that was told already.
	PieceLate
	// PieceChanged is octets that were sent again and are not what they were.
	// The first count.
	PieceChanged
	// PieceEarly is octets from before the first that was told.
	PieceEarly
	// PieceOutside is octets that nobody was given: they came after a FIN, or
	// after a reset that their receiver believed.
	PieceOutside
	// PieceEnd says that a FIN ends what the side has to say.
	PieceEnd
)

// The bounds of what waits to be put in order.
const (
	// waitingOctets and waitingChunks are for one direction.
	waitingOctets = 4 << 20
	waitingChunks = 256
	// keptOctets of one direction, the oldest that are not acknowledged, are
	// kept to be compared with what is sent again; for keepers directions at
	// most.
	keptOctets = 16 << 10
	keepers    = 256
)

// Pool is the memory of many Streams. The zero value lets 32 MiB wait in all
// of them together, and 4 MiB in each direction. A direction that needs more
// does not wait any longer for what is missing. Besides, 4 MiB of the latest
// octets are kept for comparison. It belongs to one goroutine.
type Pool struct {
	// Octets is how many may wait in all; zero means 32 MiB.
	Octets int

	used  int
	lent  int
	spare [][]byte
}

// full reports whether nothing more may wait.
func (p *Pool) full() bool {
	limit := p.Octets
	if limit == 0 {
		limit = 32 << 20
	}
	return p.used > limit
}

// lend returns an empty buffer of keptOctets; nil if too many are lent.
func (p *Pool) lend() []byte {
	if p.lent == keepers {
		return nil
	}
	p.lent++
	if n := len(p.spare); n > 0 {
		b := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return b
	}
	return make([]byte, 0, keptOctets)
}

// takeBack takes what lend has returned.
func (p *Pool) takeBack(b []byte) {
	if b != nil {
		p.lent--
		p.spare = append(p.spare, b[:0])
	}
}

// Streams puts together what the two applications of one connection have said
// to each other: segments in, in the order in which they were seen, octets out
// in their own, each once. What is missing is waited for until the peer
// acknowledges it, there is no more room, or the connection is over. Of octets
// that were sent more than once the first are taken.
//
// In order, nothing is allocated. It belongs to one goroutine.
type Streams struct {
	sides [2]assembly
}

// NewStreams returns the streams of a connection.
func NewStreams(p *Pool) *Streams {
	return &Streams{[2]assembly{{side: Client, pool: p}, {side: Server, pool: p}}}
}

// Add takes a segment, what a Table has said of it, and as much of its payload
// as is known, from the start. It calls tell with whatever can be said now.
func (s *Streams) Add(e *Event, h *wire.Header, g *wire.Segment, octets []byte, tell func(Piece)) {
	const ignored = 1<<NoACK | 1<<OutOfWindow | 1<<UnacceptableACK | 1<<OldACK | 1<<StraySYN | 1<<StrayReset
	if e.Copy || e.Steps&ignored != 0 {
		return
	}
	for side := range s.sides {
		// Whether a reset was believed may show later only.
		s.sides[side].hold(e.Connection.ends[Side(side).Peer()].gone, tell)
	}
	if g.Flags&wire.RST != 0 {
		return
	}
	out, in := &s.sides[e.From], &s.sides[e.From.Peer()]
	seq := g.Seq
	if g.Flags&wire.SYN != 0 {
		seq = seq.Add(1)
	}
	out.begin(e.Connection.End(e.From), seq)
	if g.Flags&wire.ACK != 0 {
		in.begin(e.Connection.End(e.From.Peer()), g.Ack)
		in.acknowledge(g.Ack, tell)
	}
	length := h.DataLen(g)
	if e.Steps&(1<<Data|1<<Retransmission) != 0 {
		out.take(seq, octets[:min(uint32(len(octets)), length)], length, tell)
	}
	if g.Flags&wire.FIN != 0 {
		out.finish(seq.Add(length), tell)
	}
}

// End tells what is left, when nothing more will come.
func (s *Streams) End(tell func(Piece)) {
	for i := range s.sides {
		s.sides[i].end(tell)
	}
}
