package probe

import (
	"context"
	"errors"
	"iter"
	"math"
	"time"
)

const (
	// sendBatch is how many segments are handed to the link at once.
	sendBatch = 64
	// maxInFlight bounds the probes that wait for an answer.
	maxInFlight = 8192
	// maxDrain bounds how long an interrupted run listens on, to reset what
	// its last probes opened.
	maxDrain = time.Second
	// maxBehind bounds how long a try stays unexpired because something,
	// perhaps its answer, is always waiting to be read.
	maxBehind = time.Second
)

// ErrOwnPort says that a probe would have gone to the very port it leaves
// from.
var ErrOwnPort = errors.New("the port is this run's own source port")

// Run sends the plan's probes and yields an Exchange as each one ends. It is
// paced by the plan's rate, and by the consumer. When ctx ends it sends no
// more, resets what its last probes have opened, yields the exchanges that
// are complete, and ends with ctx's error; probes that were still waiting are
// not yielded, since nothing can be said about them. Any other error ends the
// run as well.
func (s *Session) Run(ctx context.Context, plan Plan) iter.Seq2[Exchange, error] {
	return func(yield func(Exchange, error) bool) {
		next, stop := iter.Pull(plan.Probes())
		defer stop()
		r, err := s.newRun(plan, next)
		if err != nil {
			yield(Exchange{}, err)
			return
		}
		r.loop(ctx, yield)
	}
}

// newRun prepares a run of the plan whose probes next gives.
func (s *Session) newRun(plan Plan, next func() (Probe, bool)) (*run, error) {
	out, err := NewOutbox[*flight]()
	if err != nil {
		return nil, err
	}
	used, limit, err := s.world.Conntrack()
	if err != nil {
		return nil, err
	}
	r := &run{
		Session: s,
		plan:    plan,
		start:   time.Now(),
		pace:    newPacer(plan.Spec.Rate),
		burst:   newOutstanding(burst, burstTime),
		tracked: newTracking(used, limit),
		next:    next,
		hosts:   make(map[uint32]*host),
		hops:    hops{all: make(map[hopName]*hop)},
		flights: flights{open: make(map[endpoint]*flight)},
		syns:    make(templates),
		out:     out,
	}
	r.advance()
	return r, nil
}

// run is one plan on its way. It belongs to one goroutine.
//
// A probe is in one place at a time, and moves on only: it is yet to come
// from the plan; parked for its next hop; a flight; an Exchange in done; or
// with the consumer.
type run struct {
	*Session
	plan    Plan
	start   time.Time
	pace    pacer
	burst   outstanding
	tracked tracking

	next  func() (Probe, bool)
	probe Probe // the plan's next one, if there are more
	more  bool
	group int // the last group that was begun

	// hosts are those with probes that have begun, or are about to, and not
	// all ended.
	hosts   map[uint32]*host
	hops    hops
	flights flights
	syns    templates
	out     *Outbox[*flight]
	done    []Exchange

	// heardUntil is a time before which everything that arrived is taken in;
	// it never goes back.
	heardUntil time.Duration
	// draining is when an interrupted run ends; zero while it is not.
	draining time.Duration
}

func (r *run) now() time.Duration { return time.Since(r.start) }

// loop goes round until nothing is waited for: take in what was heard, note
// what was not, send what may be sent, hand over what has ended, and sleep
// until there is more to do.
func (r *run) loop(ctx context.Context, yield func(Exchange, error) bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	interrupted := ctx.Done()
	for {
		if ctx.Err() != nil && r.draining == 0 {
			interrupted = nil
			r.drain()
		}
		if !r.catchUp() {
			yield(Exchange{}, r.listener.Err())
			return
		}
		r.expire()
		more := r.draining == 0 && r.fill()
		err := r.send()
		if !r.flush(yield) {
			return
		}
		if err != nil {
			yield(Exchange{}, err)
			return
		}
		if r.finished() {
			break
		}
		timer.Reset(r.pause(more))
		select {
		case batch, ok := <-r.listener.Heard:
			if ok { // else the next round says why
				r.hear(batch)
			}
		case <-timer.C:
		case <-interrupted:
		}
	}
	if r.draining != 0 {
		yield(Exchange{}, context.Cause(ctx))
	}
}

// finished reports whether no answer is waited for any more.
func (r *run) finished() bool {
	if r.draining != 0 {
		return len(r.flights.open) == 0 || r.now() >= r.draining
	}
	return !r.more && len(r.flights.open) == 0 && r.hops.parked == 0
}

// drain stops sending, and leaves the answers under way time to come in.
func (r *run) drain() {
	wait := minRTO
	for _, f := range r.flights.open {
		wait = max(wait, f.host.rto.wait())
	}
	r.more, r.flights.again, r.hops.ready = false, nil, nil
	r.draining = r.now() + min(wait, maxDrain)
}

// pause is how long there is nothing to do unless something arrives. All that
// a run can wait for has a time of its own here, so that it does not sleep
// for ever; and a round leaves none of these times behind it undone, so that
// it does not spin.
func (r *run) pause(more bool) time.Duration {
	now := r.now()
	if r.draining != 0 {
		return max(r.draining-now, 0)
	}
	until := time.Duration(math.MaxInt64)
	if len(r.flights.waiting) > 0 {
		until = r.flights.waiting[0].deadline
	}
	for _, h := range r.hops.asking {
		until = min(until, h.look)
	}
	if r.tracked.outstanding.full() {
		until = min(until, now+r.tracked.tick)
	}
	switch {
	case more:
		until = now
	case !r.sendable():
	case r.burst.full():
		until = min(until, now+r.burst.tick)
	default:
		until = min(until, r.pace.at())
	}
	return max(until-now, r.behind(now))
}

// behind is how long to wait at least, because a try that is due cannot
// expire while arrivals are still being read.
func (r *run) behind(now time.Duration) time.Duration {
	if len(r.flights.waiting) > 0 {
		if due := r.flights.waiting[0].deadline; due > r.heardUntil && due <= now {
			return firstLook
		}
	}
	return 0
}

// catchUp takes in what the receive loop has read so far, and notes whether
// that is all that has arrived: a try must not count as unanswered while its
// answer waits for us. It returns false when the receive loop has ended.
func (r *run) catchUp() bool {
	now := r.now()
	// In this order: what leaves the link is counted as unheard before the
	// link says that nothing is pending.
	if pending := r.link.Pending() || r.listener.Pending(); !pending {
		r.heardUntil = now
	} else {
		r.heardUntil = max(r.heardUntil, now-maxBehind)
	}
	for {
		select {
		case batch, ok := <-r.listener.Heard:
			if !ok {
				return false
			}
			r.hear(batch)
		default:
			return true
		}
	}
}

// expire takes note of the tries that were not answered in time.
func (r *run) expire() {
	r.burst.advance(r.heardUntil)
	r.tracked.advance(r.heardUntil)
	r.lookAround()
	for f := r.flights.overdue(r.heardUntil); f != nil; f = r.flights.overdue(r.heardUntil) {
		r.overdue(f)
	}
}

// overdue decides what becomes of a flight that has waited long enough.
func (r *run) overdue(f *flight) {
	h, last := f.host.hop, f.turns() == r.plan.Spec.Tries
	if h != nil && h.state == asked && last {
		r.giveUp(h)
	}
	switch {
	case h != nil && h.state == lost:
		// The flight has ended with it.
	case h != nil && h.state == asked && len(f.tries) > 0:
		// The kernel still holds the first try, and a second one would not
		// make it ask more often.
		f.skipped++
		r.flights.await(f, r.now()+r.wait(f))
	case last:
		r.end(f, f.soft)
	case r.draining == 0:
		r.flights.again = append(r.flights.again, f)
	}
}

// flush hands the finished exchanges over; false says that nobody wants more.
func (r *run) flush(yield func(Exchange, error) bool) bool {
	for i := range r.done {
		if !yield(r.done[i], nil) {
			return false
		}
	}
	clear(r.done)
	r.done = r.done[:0]
	return true
}
