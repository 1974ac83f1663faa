package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// What a ladder that is drawn whole keeps until then. When there is more, what
// began first is written out before its time, and the ladder says so.
const (
	// maxRungs bounds the segments of all connections: 14 MiB of them, and 20
	// of text.
	maxRungs = 1 << 18
	// maxWaiting bounds the connections, at 2 KiB each.
	maxWaiting = 1 << 15
)

// ladder is the view of both ends as columns, a terminal wide. Live ladders
// draw each segment at once, and say whose it is when that changes; others
// draw one connection below the other, in the order in which they began.
type ladder struct {
	pen
	talks map[*flow.Connection]*talk
	begun int
	// last is the connection of the segment above, in live ladders.
	last *talk
	// waiting are those to be drawn, and rungs how many segments they have.
	waiting []*talk
	rungs   int
}

// talk is one connection of a ladder.
type talk struct {
	*flow.Connection
	tracker
	drawn  drawn
	rungs  []rung
	queued bool
	// left says that nothing follows, told that the ladder has been closed
	// by what there is to say at the end.
	left, told bool
}

func newLadder(w io.Writer, o Options) *ladder {
	return &ladder{pen: newPen(w, o), talks: map[*flow.Connection]*talk{}}
}

func (l *ladder) sight(s *Sight) error {
	if s.Event == nil {
		return nil // of no connection: the summary counts it
	}
	t := l.talks[s.Event.Connection]
	if t == nil {
		l.begun++
		t = &talk{Connection: s.Event.Connection, tracker: newTracker(l.begun, s)}
		l.talks[t.Connection] = t
	}
	r := t.rung(s, l.Views.Absolute)
	if l.Views.Live {
		l.draw(t, &r)
		return l.flush()
	}
	l.wait(t)
	t.rungs = append(t.rungs, r)
	l.rungs++
	for l.rungs > maxRungs || len(l.waiting) > maxWaiting {
		if err := l.next(); err != nil {
			return err
		}
	}
	return nil
}

// draw adds a segment to a live ladder.
func (l *ladder) draw(t *talk, r *rung) {
	switch {
	case !t.drawn.begun:
		l.title(t, r)
	case l.last != t:
		if l.last == nil { // the end of another stands above
			l.gap()
		}
		l.ends(t)
	}
	l.last = t
	l.rung(&t.drawn, r)
	t.told = false
	if r.client.Over() && r.server.Over() {
		l.foot(t)
	}
}

// foot closes a connection's ladder, unless nothing has happened since that was
// done.
func (l *ladder) foot(t *talk) {
	if t.told {
		return
	}
	if l.Views.Live && l.last != t {
		l.gap()
	}
	l.story(t)
	t.told, l.last = true, nil
}

func (l *ladder) leave(c *flow.Connection) error {
	t := l.talks[c]
	if t == nil {
		return nil
	}
	delete(l.talks, c)
	if l.Views.Live {
		l.foot(t)
		return l.flush()
	}
	t.left = true
	l.wait(t)
	for len(l.waiting) > 0 && l.waiting[0].left {
		if err := l.next(); err != nil {
			return err
		}
	}
	return nil
}

// wait takes care that a connection is drawn.
func (l *ladder) wait(t *talk) {
	if !t.queued {
		t.queued = true
		l.waiting = append(l.waiting, t)
	}
}

// next draws the connection that has waited longest, as far as it is known.
func (l *ladder) next() error {
	t := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.rungs -= len(t.rungs)
	if len(t.rungs) > 0 {
		l.title(t, &t.rungs[0])
	}
	for i := range t.rungs {
		l.rung(&t.drawn, &t.rungs[i])
		if err := l.spill(); err != nil {
			return err
		}
	}
	t.rungs, t.queued = nil, false
	if t.left {
		l.foot(t)
	} else {
		l.broken()
	}
	return l.flush()
}

func (l *ladder) end() error {
	for len(l.waiting) > 0 {
		if err := l.next(); err != nil {
			return err
		}
	}
	return l.flush()
}
