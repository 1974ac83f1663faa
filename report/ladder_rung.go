package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// rung is one segment of a ladder, in little room.
type rung struct {
	at               time.Duration // since the first segment
	steps            flow.Steps
	seq, ack, length uint32
	// lacks is how many octets of each end are found to be missing from the
	// capture by this segment.
	lacks          [2]uint32
	window         uint16
	flags          wire.Flags
	from           flow.Side
	client, server flow.State
	shape          flow.Shape
	timed, copy    bool
}

// pauseFrom is how long nothing must happen for a ladder to show that.
const pauseFrom = time.Second

// tracker makes rungs of a connection's sights, one after the other.
type tracker struct {
	n       int       // of the connection, counted from 1
	began   time.Time // in the time zone in which to show it
	missing [2]uint64
}

// drawn is how far a connection's ladder has come.
type drawn struct {
	begun          bool
	at             time.Duration
	timed          bool
	client, server flow.State
}

// begin sets the states before the first segment.
func (d *drawn) begin(first *rung) {
	d.begun = true
	d.client, d.server = first.before()
}

// take goes on by one segment. It returns what is to be said before it, and the
// states that are others after it; "" if they are not.
func (d *drawn) take(r *rung) (asides []string, client, server string) {
	if pause := r.at - d.at; r.timed && d.timed && pause >= pauseFrom {
		asides = append(asides, span(pause)+" later")
	}
	d.at, d.timed = r.at, r.timed
	for side, n := range r.lacks {
		if n > 0 {
			asides = append(asides, Plural(int64(n), "octet")+" of the "+flow.Side(side).String()+" not captured")
		}
	}
	if r.client != d.client {
		client = stateName(r.client)
	}
	if r.server != d.server {
		server = stateName(r.server)
	}
	d.client, d.server = r.client, r.server
	return asides, client, server
}

func newTracker(n int, s *Sight) tracker {
	t := tracker{n: n, began: s.Event.Connection.Began()}
	if !t.began.IsZero() {
		t.began = t.began.In(s.At.Location())
	}
	return t
}

// rung returns the one of a sight that has an event.
func (t *tracker) rung(s *Sight, absolute bool) rung {
	e, g := s.Event, s.Segment
	r := rung{
		steps: e.Steps, seq: e.RelSeq, ack: e.RelAck, length: s.Header.DataLen(g), window: g.Window, flags: g.Flags,
		from: e.From, client: e.Client, server: e.Server, shape: e.Shape, copy: e.Copy,
	}
	if absolute || s.Relative {
		r.seq, r.ack = uint32(g.Seq), uint32(g.Ack)
	}
	if !s.At.IsZero() && !t.began.IsZero() {
		r.at, r.timed = s.At.Sub(t.began), true
	}
	for side := range t.missing {
		missing := e.Connection.End(flow.Side(side)).Missing()
		r.lacks[side] = uint32(missing - t.missing[side])
		t.missing[side] = missing
	}
	return r
}

// label names the segment, in words that may be parted. A brief one has the
// number of the first octet only.
func (r *rung) label(brief bool) []string {
	words := make([]string, 0, 5)
	words = append(words, r.flags.Names())
	if r.length > 0 || r.flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		seq := "seq " + strconv.FormatUint(uint64(r.seq), 10)
		if r.length > 0 && !brief {
			seq += ":" + strconv.FormatUint(uint64(r.seq+r.length), 10)
		}
		words = append(words, seq)
	}
	if r.flags&wire.ACK != 0 {
		words = append(words, "ack "+strconv.FormatUint(uint64(r.ack), 10))
	}
	if r.length > 0 {
		words = append(words, "("+strconv.FormatUint(uint64(r.length), 10)+")")
	}
	return words
}

// offer is the window that a handshake offers; "" elsewhere.
func (r *rung) offer() string {
	if r.flags&wire.SYN == 0 {
		return ""
	}
	return "win " + strconv.Itoa(int(r.window))
}

// remark says what the segment does, as far as its label and the ladder do not
// say so already.
func (r *rung) remark() string {
	var words []string
	if r.copy {
		words = append(words, "copy")
	}
	for step := range r.steps.All() {
		switch step {
		case flow.Data, flow.Acknowledgement, flow.Gap:
		case flow.ResetStep, flow.StrayReset:
			words = append(words, spoken(step)+" ("+r.shape.String()+")")
		case flow.Close3, flow.Close4:
			word := spoken(step)
			if n := len(words); n > 0 && strings.HasPrefix(words[n-1], "close ") {
				word = strings.TrimPrefix(word, "close ") // close 2/4, 3/4
			}
			words = append(words, word)
		default:
			words = append(words, spoken(step))
		}
	}
	return strings.Join(words, ", ")
}

// spoken is the word for a step as one would say it: "handshake 1/3".
func spoken(s flow.Step) string {
	name := s.String()
	if i := strings.IndexByte(name, '/'); i > 1 {
		name = name[:i-2] + " " + name[i-1:]
	}
	return name
}

// stateName is the name of a state as the RFC's figures write it. What nobody
// knows is no state.
func stateName(s flow.State) string {
	if s == flow.Unknown {
		return s.String()
	}
	return strings.ToUpper(s.String())
}

// before returns the states before a connection's first segment. Who asks for
// a connection had none; whether the other end was listening is yet to be
// seen.
func (r *rung) before() (client, server flow.State) {
	if r.steps.Has(flow.Handshake1) && r.from == flow.Client {
		return flow.Closed, flow.Unknown
	}
	return flow.Unknown, flow.Unknown
}

// style tells segments apart at a glance.
func (r *rung) style() style {
	const trouble = flow.Steps(1<<flow.Retransmission | 1<<flow.OutOfOrder | 1<<flow.DuplicateACK | 1<<flow.ChallengeACK | 1<<flow.ZeroWindow |
		1<<flow.ZeroWindowProbe | 1<<flow.StrayReset | 1<<flow.StraySYN | 1<<flow.OutOfWindow | 1<<flow.UnacceptableACK | 1<<flow.NoACK |
		1<<flow.OldACK | 1<<flow.PAWSTrouble | 1<<flow.Hole)
	switch {
	case r.copy:
		return dim
	case r.steps.Has(flow.ResetStep):
		return red
	case r.steps&trouble != 0:
		return yellow
	case r.flags&wire.SYN != 0:
		return cyan
	case r.flags&wire.FIN != 0:
		return magenta
	}
	return plain
}
