package netlab

import (
	"fmt"
	"time"
)

// Counters say what became of the IPv4 datagrams of one direction of a shaped
// link. Received is the sum of Lost, Dropped, Forwarded, Intercepted, Unsent
// and those under way, less Duplicated and Inserted.
type Counters struct {
	// Received from the sending host, or put here by a Tamper of the other
	// direction.
	Received uint64
	// Lost by the dice, Dropped by a DropRule.
	Lost, Dropped uint64
	// Duplicated, Corrupted and Reordered by the dice. Reordered counts the
	// datagrams that a later one overtook.
	Duplicated, Corrupted, Reordered uint64
	// Intercepted were held by a Tamper that forwarded nothing for them;
	// Inserted is what it forwarded beyond one for one.
	Intercepted, Inserted uint64
	// Forwarded to the receiving host.
	Forwarded uint64
	// Unsent could not be handed to the receiving host, Overrun were dropped
	// by the kernel before the link saw them. Both spoil an experiment.
	Unsent, Overrun uint64
}

// Fate is what became of a datagram on a link.
type Fate uint8

// The fates.
const (
	Forwarded Fate = iota
	Lost
	Dropped
	Intercepted
	Unsent
)

// String returns the fate in lower case.
func (f Fate) String() string {
	switch f {
	case Forwarded:
		return "forwarded"
	case Lost:
		return "lost"
	case Dropped:
		return "dropped"
	case Intercepted:
		return "intercepted"
	case Unsent:
		return "unsent"
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// Passage is one datagram's way through a shaped link.
type Passage struct {
	// FromA says in which direction it travelled.
	FromA bool
	Fate  Fate
	// Datagram is the IPv4 datagram as it left the link, or would have left.
	Datagram []byte
	// In is the kernel's stamp of its arrival on the link. Out is the time
	// just before it was handed to the receiving host, or when it was lost.
	In, Out time.Time
	// Delivered is the time just after Out: in between, the receiving host's
	// kernel took it. The two are far apart where this process was kept from
	// running. It is zero for what was lost.
	Delivered time.Time
	// Delay is what the shape asked for between the two.
	Delay time.Duration
}

// journal keeps the last passages, as many as it has room for.
type journal struct {
	room     int
	passages []Passage
	next     int
}

func (j *journal) add(p Passage) {
	switch {
	case j.room == 0:
	case len(j.passages) < j.room:
		j.passages = append(j.passages, p)
	default:
		j.passages[j.next] = p
		j.next = (j.next + 1) % j.room
	}
}

// list returns the passages, oldest first.
func (j *journal) list() []Passage {
	return append(append([]Passage(nil), j.passages[j.next:]...), j.passages[:j.next]...)
}
