package flow

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// far is the distance beyond which a number is taken for wrong, not for the
// sign of missing segments: the largest window there is (RFC 7323, Section
// 2.3).
const far = 1 << 30

// End is what is known of one end of a connection.
type End struct {
	addr   netip.AddrPort
	state  State
	before State
	since  time.Time
	spent  [states]time.Duration
	// What it last showed itself, before others' segments suggested more.
	told struct {
		state State
		valid bool
		spent [states]time.Duration
	}
	// lately is how long ago the last of those suggestions came, and before is
	// the state before it.
	lately time.Duration

	stream   stream
	base     wire.Seq // relative sequence numbers are counted from here
	based    bool
	ack      wire.Seq // the highest acknowledgement that it sent
	acks     bool     // it has sent one
	window   uint32   // scaled
	windowed bool
	scale    int8 // of its windows; -1 if it offered none

	// What it has done and what has reached it.
	syn, synACK, synAcked, gotSYN bool
	unseen                        bool // its SYN, which was answered
	fin, finAcked, gotFIN         bool
	finEnd                        wire.Seq  // just after its FIN
	finAt, finAckAt               time.Time // of the first of each; zero if none
	finACK                        wire.Seq  // what it had of the peer when it closed
	finLate                       bool      // its FIN may be older than what it acknowledges
	known                         bool      // whether it has sent a FIN is known
	beyond                        wire.Seq  // up to there it says to have sent; valid if past
	past                          bool
	gone                          bool // by a reset
	doubted                       bool // a SYN for another connection bears its name

	last     trigger
	ttl      uint8 // of its first segment; zero if not known
	owes     Step  // the answer that its peer's last segment asks for
	owing    bool
	dupACKs  int // since it last acknowledged something new
	segments uint64
	octets   uint64
	repeats  uint64
}

// trigger is an end's last segment, which a stateless reset is made of.
type trigger struct {
	seq, end, ack wire.Seq
	acked         bool
	tos           uint8
}

// Addr returns the end's address and port.
func (e *End) Addr() netip.AddrPort { return e.addr }

// State returns the end's state after the last segment.
func (e *End) State() State { return e.state }

// ISS returns the end's initial sequence number; ok is false if its SYN was
// not seen.
func (e *End) ISS() (iss wire.Seq, ok bool) { return e.base, e.syn }

// Next returns the sequence number just after the highest that was seen of
// the end or acknowledged by its peer; ok is false if there is none.
func (e *End) Next() (next wire.Seq, ok bool) { return e.stream.next, e.stream.numbered }

// Segments counts the segments that it sent, copies excepted.
func (e *End) Segments() uint64 { return e.segments }

// Octets counts the octets of payload that were seen of it, each once.
func (e *End) Octets() uint64 { return e.octets }

// Retransmissions counts the segments that it sent again.
func (e *End) Retransmissions() uint64 { return e.repeats }

// Missing counts the sequence numbers that its peer acknowledged and that
// the capture lacks.
func (e *End) Missing() uint64 { return e.stream.missing }

// Window returns the window that it last offered, in octets, scaled; ok is
// false if none was seen.
func (e *End) Window() (octets uint32, ok bool) { return e.window, e.windowed }

// Spent returns how long the end was in a state, up to the last segment.
func (e *End) Spent(s State) time.Duration {
	if int(s) >= len(e.spent) {
		return 0
	}
	return e.spent[s]
}

// begin numbers the end by its SYN.
func (e *End) begin(iss wire.Seq) {
	e.syn, e.known = true, true
	e.base, e.based = iss, true
	e.stream = stream{next: iss, numbered: true, missing: e.stream.missing}
}

// countFrom makes seq the origin of relative numbers if there is none yet.
func (e *End) countFrom(seq wire.Seq) {
	if !e.based {
		e.base, e.based = seq, true
	}
}

// derive returns the end's state by what it and its peer have done.
func (e *End) derive(peer *End) State {
	switch {
	case e.gone:
		return Closed
	case e.syn && e.gotSYN && !e.synAcked && !e.fin:
		return SynReceived
	case e.syn && !e.gotSYN:
		return SynSent
	case !e.known || !peer.known:
		return Unknown
	case e.fin && !e.gotFIN && !e.finAcked:
		return FinWait1
	case e.fin && !e.gotFIN:
		return FinWait2
	case e.fin && e.finLate:
		return Unknown
	case e.fin && e.first(peer) && !e.finAcked:
		return Closing
	case e.fin && e.first(peer):
		return TimeWait
	case e.fin && !e.finAcked:
		return LastAck
	case e.fin:
		return Closed
	case e.gotFIN:
		return CloseWait
	default:
		return Established
	}
}

// shown is the state to be told. An end that asks for another connection has
// forgotten this one, or somebody else asks in its name.
func (e *End) shown(peer *End) State {
	if e.doubted && !e.gone {
		return Unknown
	}
	return e.derive(peer)
}

// first reports whether the end closed without having the peer's FIN.
func (e *End) first(peer *End) bool {
	return !peer.fin || !e.finLate && e.finACK.Before(peer.finEnd)
}

// suggest moves the end to a state that its peer's segment brings about if it
// arrives.
func (e *End) suggest(s State, at time.Time) {
	e.book(at)
	if s != e.state {
		if !e.told.valid {
			e.told.state, e.told.valid, e.told.spent = e.state, true, e.spent
		}
		e.before, e.lately = e.state, 0
	}
	e.state = s
}

// show moves the end to the state that its own segment tells. If it takes back
// what was suggested, the time since was spent in the state before: all of it
// if the end is still where it last showed itself, else that since the last
// suggestion. A FIN that crosses the peer's denies that one, and nothing of the
// handshake.
func (e *End) show(s State, at time.Time, takesBack bool) {
	e.book(at)
	switch {
	case !takesBack || !e.told.valid:
	case s != e.told.state:
		e.spent[e.state] -= e.lately
		e.spent[e.before] += e.lately
	default:
		var total time.Duration
		for i := range e.spent {
			total += e.spent[i] - e.told.spent[i]
		}
		e.spent = e.told.spent
		e.spent[e.told.state] += total
	}
	e.state, e.told.valid = s, false
}

// book books the time in the end's state.
func (e *End) book(at time.Time) {
	if d := at.Sub(e.since); d > 0 && !e.since.IsZero() {
		e.spent[e.state] += d
		e.lately += d
	}
	e.since = at
}

// expect remembers that an end should answer.
func (e *End) expect(answer Step) { e.owes, e.owing = answer, true }
