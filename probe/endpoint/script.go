package endpoint

import (
	"slices"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Datagram is a segment in its datagram.
type Datagram struct {
	Header  wire.Header
	Segment wire.Segment
}

// clone copies what a Datagram refers to.
func (d Datagram) clone() Datagram {
	d.Header.Options = slices.Clone(d.Header.Options)
	d.Segment.Payload = slices.Clone(d.Segment.Payload)
	d.Segment.Options = slices.Clone(d.Segment.Options)
	for i := range d.Segment.Options {
		o := &d.Segment.Options[i]
		o.Data = slices.Clone(o.Data)
	}
	return d
}

// Action is what a Rule does to a segment.
type Action uint8

// The actions. Replaced segments go on as Rule.Edit has left them.
const (
	Drop Action = iota
	Duplicate
	Hold
	Replace
)

// String returns the action in lower case.
func (a Action) String() string {
	names := [...]string{"drop", "duplicate", "hold", "replace"}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown"
}

// Rule is what befalls the next segments of a kind.
type Rule struct {
	// Incoming says that it is about segments from the peer, before the state
	// machine sees them. Those about our own apply after it has made them: it
	// goes on as if they had been sent unchanged.
	Incoming bool
	// Match says which segment; nil means the next. It may be called with
	// any, and must not keep what it is given.
	Match func(*Datagram) bool
	Do    Action
	// Edit changes the segment for Replace. Checksums and lengths are computed
	// afterwards, unless it sets the Keep fields.
	Edit func(*Datagram)
	// Times is how many segments it serves for; zero means one, and below zero
	// all, until Conn.Release.
	Times int
}

// mostHeld bounds the segments that a script holds; what comes beyond them is
// dropped.
const mostHeld = 1024

// script is what befalls the next segments, and those that it holds.
type script struct {
	rules            []Rule
	heldOut, heldInc []Datagram
}

// rule returns the first rule that a segment meets, and takes it out of the
// script once it has served.
func (s *script) rule(d *Datagram, incoming bool) (Rule, bool) {
	for i, r := range s.rules {
		if r.Incoming == incoming && (r.Match == nil || r.Match(d)) {
			switch r.Times {
			case 0, 1:
				s.rules = slices.Delete(s.rules, i, i+1)
			default:
				s.rules[i].Times = max(-1, r.Times-1)
			}
			return r, true
		}
	}
	return Rule{}, false
}

// outgoing appends what becomes of a segment of ours.
func (s *script) outgoing(out []Datagram, d Datagram) []Datagram {
	r, ok := s.rule(&d, false)
	if !ok {
		return append(out, d)
	}
	switch r.Do {
	case Drop:
		return out
	case Duplicate:
		return append(out, d, d.clone())
	case Hold:
		s.heldOut = hold(s.heldOut, d)
		return out
	}
	d = d.clone()
	if r.Edit != nil {
		r.Edit(&d)
	}
	return append(out, d)
}

// incoming says how often a segment of the peer's is to be processed.
func (s *script) incoming(d *Datagram) (times int) {
	r, ok := s.rule(d, true)
	if !ok {
		return 1
	}
	switch r.Do {
	case Drop:
		return 0
	case Duplicate:
		return 2
	case Hold:
		s.heldInc = hold(s.heldInc, *d)
		return 0
	}
	*d = d.clone()
	if r.Edit != nil {
		r.Edit(d)
	}
	return 1
}

// release ends the rules of one direction that have no end of their own, and
// returns what was held.
func (s *script) release(incoming bool) (held []Datagram) {
	s.rules = slices.DeleteFunc(s.rules, func(r Rule) bool { return r.Incoming == incoming && r.Times < 0 })
	if incoming {
		held, s.heldInc = s.heldInc, nil
	} else {
		held, s.heldOut = s.heldOut, nil
	}
	return held
}

func hold(held []Datagram, d Datagram) []Datagram {
	if len(held) == mostHeld {
		return held
	}
	return append(held, d.clone())
}
