package rtt

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// ringDelay bounds how long a tap's stamps may take to come after the
	// reply itself. The ring hands a block over when it is 4 ms old.
	ringDelay = 50 * time.Millisecond
	// pollBatch is how many arrivals are taken from the tap at once.
	pollBatch = 256
	// maxDrain bounds how long an interrupted run listens on, to reset what its
	// last probes opened.
	maxDrain = time.Second
	// minDrain is how long it does at least.
	minDrain = 200 * time.Millisecond
	// maxBehind bounds how long a probe is not given up because something,
	// perhaps its answer, is always waiting to be read.
	maxBehind = time.Second
)

// Run sends the plan's probes and yields Samples as their fates are decided,
// several where that happens at once; they are valid until the next. It ends by itself after the plan's count or duration. When ctx ends
// it sends no more, resets what its last probes have opened, and ends with
// ctx's error; probes whose fate is not decided by then are not counted. Any
// other error ends the run as well. A session runs once.
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
	if s.deaf {
		r.arrivals, r.observed = make([]wire.Arrival, pollBatch), s.tapEvents()
	}
	return r, nil
}

// owner is the probe that a departure is; our resets have none.
type owner struct {
	target *target
	n      uint32
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

	// heardUntil is a time before which everything that arrived is taken in.
	heardUntil time.Duration
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
		if r.deaf {
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
	if !r.answers.empty() {
		due := r.answers.peek().at
		if due <= now { // and answers are still being read
			due = now + time.Millisecond
		}
		until = min(until, due)
	}
	if !r.rings.empty() {
		until = min(until, r.rings.peek().at)
	}
	return max(until-now, 0)
}

// catchUp takes in what the receive loops have read so far, and notes whether
// that is all that has arrived. It returns an error when the link's has ended.
func (r *run) catchUp() error {
	if now := r.now(); !r.answers.empty() && r.answers.peek().at <= now {
		if !r.unheard() {
			r.heardUntil = now
			if r.deaf {
				r.heardUntil -= ringDelay
			}
		} else {
			r.heardUntil = max(r.heardUntil, now-maxBehind)
		}
	}
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

// unheard reports whether anything waits to be heard that may be an answer.
func (r *run) unheard() bool {
	if r.deaf && r.tap.Pending() {
		return true
	}
	return r.link.Pending() || r.listener.Pending()
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

// poll takes in what the tap hears, until there is something else to do. Where
// there is much of it, this is for less than half the price of a goroutine that
// listens.
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

// expire decides about exchanges that have waited long enough.
func (r *run) expire() {
	now := r.now()
	for ; !r.rings.empty() && r.rings.peek().at <= now; r.rings.pop() {
		d := r.rings.peek()
		if x := r.awaited(d); x != nil {
			r.decide(r.targets[d.target], x)
		}
	}
	for ; !r.answers.empty() && r.answers.peek().at <= r.heardUntil; r.answers.pop() {
		d := r.answers.peek()
		if x := r.awaited(d); x != nil && x.state == waiting {
			r.decide(r.targets[d.target], x)
		}
	}
}

// dispatch sends what is due, in rounds where there is much of it: a wake-up
// costs as much as sending several segments.
func (r *run) dispatch() error {
	if now := r.now(); now >= r.round {
		if err := r.tracked.check(now); err != nil {
			return err
		}
		if more := r.fill(); !more && r.plan.Busy() {
			r.round = now + roundTime
		}
		return r.send()
	}
	return nil
}

// fill puts the probes that are due into the outbox. It reports whether there
// may be more than it has room for.
func (r *run) fill() (more bool) {
	if r.draining != 0 {
		return false
	}
	now := r.now()
	for !r.out.Full() {
		target, due := r.turn(now)
		if !due {
			return false
		}
		r.put(r.targets[target])
	}
	return true
}

// put makes a target's next probe.
func (r *run) put(t *target) {
	t.sent++
	if t.err != nil && !r.follow(t) {
		r.refuse(t, t.sent, t.err)
		return
	}
	slot := r.plan.slot(t.sent)
	t.exchanges[slot] = exchange{n: t.sent, state: waiting}
	local := t.rotation.locals[slot]
	isn := t.ISN(t.sent)
	r.out.Put(owner{t, t.sent}, t.syn, wire.Vary{
		Src:     local.Addr().As4(),
		Dst:     t.Addr.Addr().As4(),
		SrcPort: local.Port(),
		DstPort: t.Addr.Port(),
		Seq:     isn,
		ID:      uint16(isn>>16) | 1,
		TSval:   r.plan.tsval + uint32(r.now().Milliseconds()),
	})
	r.clearNext(t)
}

// clearNext resets what may be left of the exchange on the port that the next
// probe leaves from, where anything has been lost, or was sent again because of
// what was: our reset may be among it.
func (r *run) clearNext(t *target) {
	if t.stats.Sent == t.stats.Received && t.stats.Duplicates == 0 {
		return
	}
	if x := &t.exchanges[r.plan.slot(t.sent+1)]; x.n != 0 && x.over() && x.lingers() {
		r.clear(t, x)
	}
}

// clear resets what an exchange's SYN may have opened.
func (r *run) clear(t *target, x *exchange) {
	x.cleared = true
	r.out.ResetAt(t.rotation.locals[r.plan.slot(x.n)], t.Addr, t.ISN(x.n).Add(1))
}

// send hands the outbox to the link, and notes what became of it.
func (r *run) send() error {
	if r.out.Empty() {
		return nil
	}
	now := r.now()
	if err := r.link.Send(r.out.Departures); err != nil {
		return err
	}
	for i := range r.out.Departures {
		d := &r.out.Departures[i]
		if d.Err == nil {
			r.count.segments.Add(1)
		}
		if o := r.out.Owners[i]; o.target != nil {
			r.departed(o, d, now)
		}
	}
	r.out.Clear()
	return nil
}

// departed notes that a probe has left, or that the kernel did not let it.
func (r *run) departed(o owner, d *wire.Departure, now time.Duration) {
	x := &o.target.exchanges[r.plan.slot(o.n)]
	if d.Err != nil {
		x.state = ended
		r.refuse(o.target, o.n, d.Err)
		return
	}
	r.count.sent.Add(1)
	x.user.left, x.socket.left, x.stamped = now, d.At.UnixNano(), d.KernelStamp
	r.answers.push(deadline{o.target.place, o.n, now + r.plan.Spec.Timeout})
}

// refuse decides about a probe that never left.
func (r *run) refuse(t *target, n uint32, err error) {
	r.report(t, Sample{Target: t.place, N: n, At: time.Now(), Reply: finding.LocalRefusal, Refused: err})
}

// endpoints find a target and the place of its port; false for strangers.
func (s *Session) endpoints(local, remote netip.AddrPort) (t *target, slot int, known bool) {
	place, known := s.plan.places[remote]
	if !known {
		return nil, 0, false
	}
	t = s.targets[place]
	if t.rotation == nil {
		return nil, 0, false
	}
	slot, known = t.rotation.place(local)
	return t, slot, known
}
