package report

import (
	"slices"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// moment is a stretch of a time line: the times of the probes that were
// answered, in us, and how many were not.
type moment struct {
	place                        int64 // in steps since the line's origin
	sum                          float64
	min, max                     float32
	answered, lost, late, unsent uint32
}

func (m *moment) mean() float64 { return m.sum / float64(m.answered) }

// timeline is what became of a target's probes in the course of time, in room
// that does not grow with their number: when it is full, the steps become
// twice as long, and neighbours one. Where probes are few it is sparse.
type timeline struct {
	origin  time.Time
	step    time.Duration
	moments []moment // in the order of their places, of which each occurs once
}

// firstStep is the shortest interval of rtt.
const firstStep = time.Millisecond

// add takes in a record of kind rtt, and keeps to that many moments at most.
// Records come in any order, for silence is known later than an answer.
func (l *timeline) add(r finding.Record, most int) {
	at := r.Time("at")
	if at.IsZero() {
		return
	}
	if l.step == 0 {
		l.origin, l.step = at, firstStep
	}
	m := newMoment(r)
	since := at.Sub(l.origin)
	m.place = int64(since / l.step)
	if since%l.step < 0 {
		m.place-- // division rounds towards zero
	}
	i, found := slices.BinarySearchFunc(l.moments, m.place, func(m moment, place int64) int { return int(m.place - place) })
	if found {
		l.moments[i].join(m)
		return
	}
	l.moments = slices.Insert(l.moments, i, m)
	for len(l.moments) > max(most, 1) {
		l.coarsen()
	}
}

// newMoment is one probe.
func newMoment(r finding.Record) moment {
	var m moment
	rtt, timed := r.Number("rtt_us")
	switch reply := finding.Reason(r.Text("reply")); {
	case timed:
		m = moment{sum: rtt, min: float32(rtt), max: float32(rtt), answered: 1}
	case reply == finding.LocalRefusal:
		m.unsent = 1
	case reply == finding.NoReply && r.Get("late_us") == nil, reply != finding.NoReply:
		m.lost = 1
	default: // something came, after all
		m.late = 1
	}
	return m
}

// join adds what happened in another moment.
func (m *moment) join(other moment) {
	switch {
	case m.answered == 0:
		m.min, m.max = other.min, other.max
	case other.answered > 0:
		m.min, m.max = min(m.min, other.min), max(m.max, other.max)
	}
	m.sum += other.sum
	m.answered += other.answered
	m.lost += other.lost
	m.late += other.late
	m.unsent += other.unsent
}

// coarsen doubles the step.
func (l *timeline) coarsen() {
	l.step *= 2
	kept := l.moments[:0]
	for _, m := range l.moments {
		m.place >>= 1
		if last := len(kept) - 1; last >= 0 && kept[last].place == m.place {
			kept[last].join(m)
			continue
		}
		kept = append(kept, m)
	}
	l.moments = kept
}

// span returns when the line begins and how long it is.
func (l *timeline) span() (time.Time, time.Duration) {
	if len(l.moments) == 0 {
		return l.origin, 0
	}
	first, last := l.moments[0].place, l.moments[len(l.moments)-1].place
	return l.origin.Add(time.Duration(first) * l.step), time.Duration(last-first+1) * l.step
}

// extremes returns the least and the greatest time in us, and false if there
// is none.
func (l *timeline) extremes() (least, most float64, ok bool) {
	for _, m := range l.moments {
		if m.answered == 0 {
			continue
		}
		if !ok {
			least, most, ok = float64(m.min), float64(m.max), true
		}
		least, most = min(least, float64(m.min)), max(most, float64(m.max))
	}
	return least, most, ok
}
