package endpoint

import (
	"slices"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// duplicateThreshold is DupThresh of RFC 6675, Section 2.
	duplicateThreshold = 3
	// mostRanges bounds what a receiver may make us remember.
	mostRanges = 1024
)

// scoreboard is what is known of the octets in flight (RFC 6675, Section 3).
// Those that are not SACKed are lost below one number, and sent again below
// another; everything follows from these.
type scoreboard struct {
	sacked []wire.SACKBlock // disjoint, in order, none touching another
	lost   wire.Seq         // below it, what is not SACKed is taken for lost
	again  wire.Seq         // HighRxt: below it, what was lost was sent again
	// mark is SND.NXT when the first hole was sent again. What was sent later
	// and is SACKed proves that this copy was lost too.
	mark wire.Seq
}

func (b *scoreboard) reset(una wire.Seq) {
	b.sacked, b.lost, b.again, b.mark = b.sacked[:0], una, una, una
}

// record takes a block in (Update), and reports whether it was news. Blocks
// that are not about octets in flight are not believed.
func (b *scoreboard) record(block wire.SACKBlock, una, nxt wire.Seq) bool {
	if !block.Left.Before(block.Right) || !block.Left.After(una) || block.Right.After(nxt) {
		return false
	}
	i := slices.IndexFunc(b.sacked, func(s wire.SACKBlock) bool { return !s.Right.Before(block.Left) })
	if i < 0 {
		i = len(b.sacked)
	}
	j := i
	for ; j < len(b.sacked) && !b.sacked[j].Left.After(block.Right); j++ {
		have := b.sacked[j]
		if !have.Left.After(block.Left) && !have.Right.Before(block.Right) {
			return false
		}
		block.Left, block.Right = earlier(block.Left, have.Left), later(block.Right, have.Right)
	}
	if i == j && len(b.sacked) >= mostRanges {
		return false
	}
	b.sacked = slices.Replace(b.sacked, i, j, block)
	return true
}

// acknowledged forgets what is below SND.UNA.
func (b *scoreboard) acknowledged(una, nxt wire.Seq) {
	n := 0
	for n < len(b.sacked) && !b.sacked[n].Right.After(una) {
		n++
	}
	b.sacked = slices.Delete(b.sacked, 0, n)
	if len(b.sacked) > 0 {
		b.sacked[0].Left = later(b.sacked[0].Left, una)
	}
	b.lost = later(b.lost, una)
	if b.again.After(una) {
		// The next hole was sent again at a time that nobody has noted.
		b.mark = nxt
	} else {
		b.again = una
	}
}

// judge finds out what is lost (IsLost): what lies below enough SACKed octets,
// or stretches of them. It reports whether anything is.
func (b *scoreboard) judge(mss int) bool {
	octets := 0
	for i, n := len(b.sacked)-1, 1; i >= 0; i, n = i-1, n+1 {
		octets += int(b.sacked[i].Right.Sub(b.sacked[i].Left))
		if n >= duplicateThreshold || octets > (duplicateThreshold-1)*mss {
			b.lost = later(b.lost, b.sacked[i].Left)
			return true
		}
	}
	return false
}

// lostAgain reports whether the first hole's second copy was lost as well, and
// has it sent once more if so.
func (b *scoreboard) lostAgain(una wire.Seq, mss int) bool {
	if len(b.sacked) == 0 || !b.again.After(una) ||
		int(b.sacked[len(b.sacked)-1].Right.Sub(b.mark)) <= duplicateThreshold*mss {
		return false
	}
	b.again = una
	return true
}

// allLost is what a timeout means: whatever is not SACKed is to be sent again.
func (b *scoreboard) allLost(una, nxt wire.Seq) { b.lost, b.again = nxt, una }

// firstLost takes the first octet for lost, if it is not SACKed: all that is
// known without SACK.
func (b *scoreboard) firstLost(una wire.Seq, n int) { b.lost = later(b.lost, una.Add(uint32(n))) }

// next returns the octets to be sent again first (NextSeg, rule 1).
func (b *scoreboard) next(una wire.Seq) (from, to wire.Seq, ok bool) {
	from = later(b.again, una)
	for _, s := range b.sacked {
		if from.Before(s.Left) {
			return from, earlier(s.Left, b.lost), from.Before(b.lost)
		}
		from = later(from, s.Right)
	}
	return from, b.lost, from.Before(b.lost)
}

// sentAgain notes that the octets up to a number were sent again.
func (b *scoreboard) sentAgain(from, to, una, nxt wire.Seq) {
	b.again = to
	if from == una {
		b.mark = nxt
	}
}

// pipe estimates how many octets are in the network (SetPipe).
func (b *scoreboard) pipe(una, nxt wire.Seq) int {
	octets, from := 0, una
	hole := func(to wire.Seq) {
		octets += max(0, int(to.Sub(later(from, b.lost))))
		octets += max(0, int(earlier(to, b.again).Sub(from)))
	}
	for _, s := range b.sacked {
		hole(s.Left)
		from = s.Right
	}
	hole(nxt)
	return octets
}

func earlier(s, t wire.Seq) wire.Seq {
	if s.Before(t) {
		return s
	}
	return t
}

func later(s, t wire.Seq) wire.Seq {
	if s.After(t) {
		return s
	}
	return t
}
