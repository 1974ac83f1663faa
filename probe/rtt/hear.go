package rtt

import (
	"errors"
	"syscall"
)

// pollBatch is how many arrivals are taken from the tap at once.
const pollBatch = 256

// catchUp takes in what the receive loops have read so far, and notes whether
// that is all that has arrived. It returns an error when the link's has ended.
func (r *run) catchUp() error {
	r.look()
	for {
		select {
		case batch, ok := <-r.listener.Heard:
			if !ok {
				return r.listener.Err()
			}
			r.hear(batch)
		case batch, ok := <-r.tapped():
			r.overhear(batch, ok)
		default:
			return nil
		}
	}
}

// look asks for what waits, where a probe's time is up.
func (r *run) look() {
	now := r.now()
	due := func(q *deadlines) bool { return !q.empty() && q.peek().at <= now }
	if due(&r.answers) {
		r.heard.look(now, r.unheard())
	} else {
		r.heard.pass(now)
	}
	if due(&r.rings) {
		r.overheard.look(now, r.untaken())
	} else {
		r.overheard.pass(now)
	}
}

// unheard reports whether anything waits to be heard that may be an answer.
func (r *run) unheard() bool {
	return r.polled && r.untaken() || r.link.Pending() || r.listener.Pending()
}

// untaken reports whether the tap has anything for us. What it stamps, it shows
// within ringDelay.
func (r *run) untaken() bool {
	switch {
	case r.polled:
		return r.tap.Pending()
	case r.observer != nil:
		return r.tap.Pending() || r.observer.Pending()
	}
	return false
}

// tapped delivers what the tap hears; it is nil without one.
func (r *run) tapped() <-chan []event {
	if r.observer == nil {
		return nil
	}
	return r.observer.Heard
}

// overhear takes in what the tap has heard. A tap that goes deaf because its
// device was down hears again when that comes up. Without the tap the link goes
// on alone.
func (r *run) overhear(batch []event, ok bool) {
	if ok {
		for i := range batch {
			r.take(&batch[i], true)
		}
		r.observer.Done(batch)
		return
	}
	err := r.observer.Err()
	r.observer = nil
	if errors.Is(err, syscall.ENETDOWN) {
		r.observe()
		return
	}
	r.untapped = err
}

// poll takes in what the tap hears, until there is something else to do.
func (r *run) poll() error {
	n, err := r.tap.Poll(r.pause(), r.arrivals)
	if err != nil && !errors.Is(err, syscall.ENETDOWN) {
		return err
	}
	for i := range r.arrivals[:n] {
		if e, ok := r.observed(r.arrivals[i]); ok {
			r.take(&e, true)
		}
	}
	return nil
}

func (r *run) hear(batch []event) {
	for i := range batch {
		r.take(&batch[i], false)
	}
	r.listener.Done(batch)
}
