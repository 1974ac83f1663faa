package probe

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	// sendBatch is how many segments are handed to the link at once.
	sendBatch = 64
	// maxInFlight bounds the probes that wait for an answer.
	maxInFlight = 8192
	// maxDrain bounds how long an interrupted run listens on, to reset what
	// its last probes opened.
	maxDrain = time.Second
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
		r := &run{
			Session: s,
			plan:    plan,
			start:   time.Now(),
			pace:    newPacer(plan.Spec.Rate),
			burst:   newOutstanding(burst, burstTime),
			tracked: newOutstanding(s.table.room(), synSent),
			next:    next,
			flights: make(map[endpoint]*flight),
			hosts:   make(map[uint32]*host),
			hops:    make(map[netip.AddrPort]*hop),
		}
		var err error
		if r.out, err = newOutbox(); err != nil {
			yield(Exchange{}, err)
			return
		}
		r.probe, r.more = r.next()
		r.loop(ctx, yield)
	}
}

// run is one plan on its way. It belongs to one goroutine.
type run struct {
	*Session
	plan    Plan
	start   time.Time
	pace    pacer
	burst   outstanding
	tracked outstanding // entries in the connection tracking table
	// asked says that the table was looked at again when it seemed full.
	asked bool

	next   func() (Probe, bool)
	probe  Probe // the next one to be sent, if more
	more   bool
	group  int // the last group that was begun
	onLink int // flights to neighbours of ours

	flights map[endpoint]*flight
	waiting byDeadline
	again   []*flight // unanswered, to be sent again when the pace allows
	hosts   map[uint32]*host
	out     *outbox

	hops   map[netip.AddrPort]*hop // by address and device
	asking []*hop                  // those that are not yet found or lost
	parked int                     // probes that wait for their hops
	ready  []*host                 // with parked probes that wait no longer
	done   []Exchange

	// eager says that there was more to do than one round does.
	eager bool
	// heardUntil is a time before which everything that arrived is taken in.
	heardUntil time.Duration
	// draining is when an interrupted run ends; zero while it is not.
	draining time.Duration
}

func (r *run) now() time.Duration { return time.Since(r.start) }

func (r *run) loop(ctx context.Context, yield func(Exchange, error) bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	interrupted := ctx.Done()
	for {
		if !r.catchUp() {
			yield(Exchange{}, r.deaf())
			return
		}
		r.expire()
		if r.draining == 0 {
			r.fill()
		}
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
		timer.Reset(r.pause())
		select {
		case batch, ok := <-r.heard:
			if !ok {
				yield(Exchange{}, r.deaf())
				return
			}
			r.hear(batch)
		case <-timer.C:
		case <-interrupted:
			interrupted = nil
			r.drain()
		}
	}
	if r.draining != 0 {
		yield(Exchange{}, context.Cause(ctx))
	}
}

// deaf is the error that ended the receive loop.
func (r *run) deaf() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return net.ErrClosed
}

// finished reports whether no answer is waited for any more.
func (r *run) finished() bool {
	if r.draining != 0 {
		return len(r.flights) == 0 || r.now() >= r.draining
	}
	return !r.more && len(r.flights) == 0 && r.parked == 0
}

// drain stops sending, and leaves the answers under way time to come in.
func (r *run) drain() {
	wait := minRTO
	for _, f := range r.flights {
		wait = max(wait, f.host.rto.wait())
	}
	r.more, r.again, r.ready = false, nil, nil
	r.draining = r.now() + min(wait, maxDrain)
}

// pause is how long there is nothing to do unless something arrives.
func (r *run) pause() time.Duration {
	if r.draining != 0 {
		return max(r.draining-r.now(), 0)
	}
	until := time.Duration(1<<63 - 1)
	if len(r.waiting) > 0 {
		until = r.waiting[0].deadline
	}
	if len(r.again) > 0 || len(r.ready) > 0 && !r.full() || r.more && !r.held() {
		until = min(until, r.pace.at())
	}
	for _, h := range r.asking {
		until = min(until, h.look)
	}
	if r.tracked.full() {
		until = min(until, r.now()+r.tracked.tick)
	}
	if r.burst.full() {
		until = r.now() + r.burst.tick
	}
	if r.eager {
		until = 0
	}
	return max(until-r.now(), r.behind())
}

// full reports whether flights have to end before another one may begin, and
// notes why.
func (r *run) full() bool {
	switch {
	case len(r.flights) >= maxInFlight:
		r.limited.inFlight = true
	case r.tracked.full() && r.isTracked():
		r.limited.conntrack = true
	default:
		return false
	}
	return true
}

// held reports whether the plan's next probe has to wait for others to end,
// and notes why.
func (r *run) held() bool {
	switch {
	case r.full():
	case r.parked >= maxParked, r.onLink > 0 && r.probe.Group > r.group && r.host(r.probe).onLink():
		r.limited.neighbors = true
	default:
		return false
	}
	return true
}

// isTracked reports whether our SYNs have entries in the table at all. Where
// the kernel could track connections but no rule asks for it, it does not
// (nf_ct_netns_get), and the table is no limit.
func (r *run) isTracked() bool {
	if !r.asked {
		r.asked = true
		used, _, err := r.world.Conntrack()
		if err == nil && used-r.table.used < r.tracked.total/2 {
			r.tracked.room = -1
		}
	}
	return r.tracked.room >= 0
}

// maxBehind bounds how long a try stays unexpired because something, perhaps
// its answer, is always waiting to be read.
const maxBehind = time.Second

// catchUp takes in what the receive loop has read so far, and notes whether
// that is all that has arrived: a try must not count as unanswered while its
// answer waits for us. It returns false when the receive loop has ended.
func (r *run) catchUp() bool {
	now := r.now()
	if pending := r.link.Pending() || r.unheard.Load() > 0; !pending {
		r.heardUntil = now
	} else {
		r.heardUntil = max(r.heardUntil, now-maxBehind)
	}
	for {
		select {
		case batch, ok := <-r.heard:
			if !ok {
				return false
			}
			r.hear(batch)
		default:
			return true
		}
	}
}

// behind is how long to wait at least before there is a point in looking
// again, while arrivals are still being read.
func (r *run) behind() time.Duration {
	if len(r.waiting) == 0 {
		return 0
	}
	if due := r.waiting[0].deadline; due > r.heardUntil && due <= r.now() {
		return firstLook
	}
	return 0
}

// expire takes note of the tries that were not answered in time.
func (r *run) expire() {
	now := r.heardUntil
	r.burst.advance(now)
	r.tracked.advance(now)
	r.lookAround(r.now())
	for len(r.waiting) > 0 && r.waiting[0].deadline <= now {
		r.overdue(heap.Pop(&r.waiting).(*flight))
	}
}

// fill puts what may be sent now into the outbox: retries first, since
// someone waits for them, then the probes that waited for their hops.
func (r *run) fill() {
	now := r.now()
	for r.eager = false; !r.out.full(); {
		if r.eager = len(r.done) >= sendBatch; r.eager {
			return
		}
		for len(r.again) > 0 && r.ended(r.again[0]) {
			r.again = r.again[1:]
		}
		fresh := len(r.again) == 0 && len(r.ready) == 0
		switch {
		case fresh && (!r.more || r.held()):
			return
		case len(r.again) == 0 && r.full():
			return
		}
		if fresh && !r.admit(r.probe) {
			r.probe, r.more = r.next()
			continue
		}
		if r.burst.full() {
			r.limited.inFlight = true
			return
		}
		if !r.pace.take(now) {
			r.limited.rate = true
			return
		}
		r.put(r.pick())
	}
}

// ended reports whether a flight is over.
func (r *run) ended(f *flight) bool { return r.flights[f.endpoint()] != f }

// admit reports whether a probe is to be sent as soon as the pace allows.
// Those that cannot be sent end here, and those that must wait for their hop
// are parked.
func (r *run) admit(p Probe) bool {
	r.group = p.Group
	h := r.host(p)
	switch {
	case h.err != nil:
		r.refuse(h.flight(p.Port), h.err)
	case netip.AddrPortFrom(p.Addr, p.Port) == h.local:
		r.refuse(h.flight(p.Port), ErrOwnPort)
	case h.hop == nil || h.hop.found:
		return true
	case h.hop.lost:
		r.strand(h.flight(p.Port))
	case !h.hop.asked:
		return true
	default:
		r.park(h, p.Port)
	}
	return false
}

// pick returns the flight that is sent next.
func (r *run) pick() *flight {
	if len(r.again) > 0 {
		f := r.again[0]
		r.again = r.again[1:]
		return f
	}
	var f *flight
	if len(r.ready) > 0 {
		f = r.unpark()
	} else {
		f = r.host(r.probe).flight(r.probe.Port)
		r.probe, r.more = r.next()
	}
	r.flights[f.endpoint()] = f
	if hop := f.host.hop; hop != nil {
		if f.host.onLink() {
			r.onLink++
		}
		if !hop.asked {
			r.ask(hop)
		}
	}
	return f
}

// host returns what the run knows of a probe's host.
func (r *run) host(p Probe) *host {
	h := r.hosts[addrNumber(p.Addr)]
	if h != nil {
		return h
	}
	h = &host{left: p.HostPorts, probe: p}
	r.hosts[addrNumber(p.Addr)] = h
	if h.path, h.err = r.world.Path(p.Addr); h.err != nil {
		return h
	}
	h.local = r.local(h.path.Source)
	h.hop = r.hop(h.path, p.Addr)
	h.syn, h.err = r.out.template(r.plan, h.path)
	return h
}

// put writes the flight's next try into the outbox.
func (r *run) put(f *flight) {
	t := try{tsval: r.timestamp(), id: r.plan.ipID(f.endpoint(), len(f.tries)+1)}
	f.tries = append(f.tries, t)
	f.burst = r.burst.add()
	r.out.put(f, f.host.syn, wire.Vary{
		Src:     f.host.local.Addr().As4(),
		Dst:     f.probe.Addr.As4(),
		SrcPort: f.host.local.Port(),
		DstPort: f.probe.Port,
		Seq:     r.plan.ISN(f.probe.Addr, f.probe.Port),
		ID:      t.id,
		TSval:   t.tsval,
	})
}

// timestamp is the present value of our timestamp clock: one tick a
// millisecond, from an offset that the plan chose, as Linux has it
// (RFC 7323, Section 5.4).
func (r *run) timestamp() uint32 {
	return uint32(r.plan.secret.hash(timestampOffset)) + uint32(r.now().Milliseconds())
}

const timestampOffset = 1<<63 + 1

// send hands the outbox to the link and sets the deadlines of what left.
func (r *run) send() error {
	if r.out.empty() {
		return nil
	}
	if err := r.link.Send(r.out.departures); err != nil {
		return err
	}
	for i, d := range r.out.departures {
		f := r.out.flights[i]
		switch {
		case d.Err == nil:
			r.count.sent.Add(1)
		case f == nil:
			r.count.unreset.Add(1)
		}
		if f != nil && !r.ended(f) {
			r.left(f, d)
		}
	}
	r.out.clear()
	return nil
}

// The device's queue may be full for a while.
const (
	maxDelayed = 100
	delay      = 20 * time.Millisecond
)

// left notes that a flight's latest try has left, or that the kernel did not
// let it.
func (r *run) left(f *flight, d wire.Departure) {
	first := len(f.tries) == 1
	full := errors.Is(d.Err, syscall.EAGAIN) || errors.Is(d.Err, syscall.ENOBUFS)
	if full && f.delayed < maxDelayed {
		f.delayed++
		f.tries = f.tries[:len(f.tries)-1]
		f.deadline = r.now() + delay
		heap.Push(&r.waiting, f)
		return
	}
	if d.Err != nil && first {
		r.refuse(f, d.Err)
		return
	}
	f.tries[len(f.tries)-1].at = d.At
	if first {
		f.tracked = r.tracked.add()
	}
	f.deadline = r.now() + r.wait(f)
	heap.Push(&r.waiting, f)
}

// wait is how long an answer to the flight's latest try is waited for. Of a
// host that nothing is known of, the last one may take all of the time there
// is.
func (r *run) wait(f *flight) time.Duration {
	limit, tries := r.plan.Spec.Timeout, len(f.tries)+f.waits
	if f.host.rto.smoothed == 0 && tries == r.plan.Spec.Tries {
		return limit
	}
	return backoff(f.host.rto.wait(), tries-1, limit)
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
