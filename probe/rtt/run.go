package rtt

import (
	"context"
	"iter"
	"math"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// ringDelay bounds how long a tap's stamps may take to come after the
	// reply itself. The ring hands a block over when it is 4 ms old.
	ringDelay = 50 * time.Millisecond
	// maxDrain bounds how long an interrupted run listens on, to reset what its
	// last probes opened.
	maxDrain = time.Second
	// minDrain is how long it does at least.
	minDrain = 200 * time.Millisecond
)

// Run sends the plan's probes and yields Samples as their fates are decided,
// several where that happens at once; they are valid until the next yield. It
// ends by itself after the plan's count or duration. When ctx ends it sends no
// more, resets what its last probes have opened, and ends with ctx's cause;
// probes whose fate is not decided by then are not counted. Any other error
// ends the run as well. A session runs once.
func (s *Session) Run(ctx context.Context) iter.Seq2[[]Sample, error] {
	return func(yield func([]Sample, error) bool) {
		if s.connector != nil {
			s.connect(ctx, yield)
			return
		}
		r, err := s.newRun()
		if err != nil {
			yield(nil, err)
			return
		}
		r.loop(ctx, yield)
	}
}

func (s *Session) newRun() (*run, error) {
	out, err := probe.NewOutbox[owner]()
	if err != nil {
		return nil, err
	}
	tracked, err := newTracking(s.world, &s.plan)
	if err != nil {
		return nil, err
	}
	r := &run{Session: s, schedule: s.plan.schedule(), tracked: tracked, start: time.Now(), out: out}
	if s.polled {
		r.arrivals, r.observed = make([]wire.Arrival, pollBatch), s.tapEvents()
	}
	return r, nil
}

// run is a plan on its way. It belongs to one goroutine.
type run struct {
	*Session
	schedule
	tracked tracking
	start   time.Time
	out     *probe.Outbox[owner]
	// answers are the exchanges that wait for an answer, and rings those that
	// wait for the tap's stamps. Some of them are over.
	answers, rings deadlines
	// round is before when nothing more is sent.
	round time.Duration
	// arrivals and observed are for polling the tap.
	arrivals []wire.Arrival
	observed func(wire.Arrival) (event, bool)

	// heard is about what may be an answer, and overheard about what the tap
	// has stamped.
	heard, overheard backlog
	// draining is when an interrupted run ends; zero while it is not.
	draining time.Duration
}

func (r *run) now() time.Duration { return time.Since(r.start) }

// loop goes round until nothing is waited for.
func (r *run) loop(ctx context.Context, yield func([]Sample, error) bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	interrupted := ctx.Done()
	var err error
	for {
		if ctx.Err() != nil && r.draining == 0 {
			interrupted = nil
			r.drain()
		}
		if err == nil {
			err = r.catchUp()
		}
		if err == nil {
			r.expire()
			err = r.dispatch()
		}
		if !r.flush(yield) {
			r.abandon()
			return
		}
		if err != nil {
			r.abandon()
			yield(nil, err)
			return
		}
		if r.finished() {
			break
		}
		if r.polled {
			err = r.poll()
			continue
		}
		timer.Reset(r.pause())
		select {
		case batch, ok := <-r.listener.Heard:
			if ok { // else the next round says why
				r.hear(batch)
			}
		case batch, ok := <-r.tapped():
			r.overhear(batch, ok)
		case <-timer.C:
		case <-interrupted:
		}
	}
	if r.draining != 0 {
		r.abandon()
		yield(nil, context.Cause(ctx))
	}
}

// finished reports whether nothing is waited for any more.
func (r *run) finished() bool {
	if r.draining != 0 && r.now() >= r.draining {
		return true
	}
	return (r.draining != 0 || r.over()) && r.pending() == nil && r.out.Empty()
}

// pending is the exchange whose answer is awaited longest; nil if there is
// none.
func (r *run) pending() *exchange {
	for _, q := range []*deadlines{&r.answers, &r.rings} {
		for ; !q.empty(); q.pop() {
			if x := r.awaited(q.peek()); x != nil {
				return x
			}
		}
	}
	return nil
}

// awaited is the exchange of a deadline; nil if it is over.
func (r *run) awaited(d deadline) *exchange {
	x := &r.targets[d.target].exchanges[r.plan.slot(d.n)]
	if x.n != d.n || x.over() {
		return nil
	}
	return x
}

// drain stops sending, and leaves the answers under way time to come in.
func (r *run) drain() {
	wait := minDrain
	for _, t := range r.targets {
		wait = max(wait, 2*t.stats.Max())
	}
	r.draining = r.now() + min(wait, maxDrain, r.plan.Spec.Timeout)
}

// abandon resets what the probes that nothing is known of may have opened, as
// far as that is possible still.
func (r *run) abandon() {
	for ; !r.answers.empty(); r.answers.pop() {
		d := r.answers.peek()
		if x := r.awaited(d); x != nil && !x.cleared {
			r.clear(r.targets[d.target], x)
		}
	}
	_ = r.send()
}

// pause is how long there is nothing to do unless something arrives.
func (r *run) pause() time.Duration {
	r.pending() // takes those away that are over
	now, until := r.now(), time.Duration(math.MaxInt64)
	switch {
	case r.draining != 0:
		until = r.draining
	case !r.over():
		until = r.due()
	}
	if r.out.Empty() {
		until = max(until, r.round)
	} else {
		until = r.round
	}
	for _, q := range []*deadlines{&r.answers, &r.rings} {
		if q.empty() {
			continue
		}
		due := q.peek().at
		if due <= now { // and what came is still being read
			due = now + time.Millisecond
		}
		until = min(until, due)
	}
	return max(until-now, 0)
}

// expire decides about exchanges that have waited long enough.
func (r *run) expire() {
	for ; !r.rings.empty() && r.rings.peek().at <= r.overheard.until; r.rings.pop() {
		d := r.rings.peek()
		if x := r.awaited(d); x != nil {
			r.decide(r.targets[d.target], x)
		}
	}
	answered := r.heard.until
	if r.polled {
		answered -= ringDelay
	}
	for ; !r.answers.empty() && r.answers.peek().at <= answered; r.answers.pop() {
		d := r.answers.peek()
		if x := r.awaited(d); x != nil && x.state == waiting {
			r.decide(r.targets[d.target], x)
		}
	}
}
