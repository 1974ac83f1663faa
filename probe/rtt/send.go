package rtt

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// owner is the probe that a departure is; our resets have none.
type owner struct {
	target *target
	n      uint32
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
	x := &t.exchanges[slot]
	if x.n != 0 && !x.over() { // for once, what came is read too slowly
		r.decide(t, x)
	}
	*x = exchange{n: t.sent, state: waiting}
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
	began := r.now()
	if err := r.link.Send(r.out.Departures); err != nil {
		return err
	}
	// The wait begins now and not before: a process may be kept from running
	// between its own clock and the kernel's.
	until := r.now() + r.plan.Spec.Timeout
	for i := range r.out.Departures {
		d := &r.out.Departures[i]
		if d.Err == nil {
			r.count.segments.Add(1)
		}
		if o := r.out.Owners[i]; o.target != nil {
			r.departed(o, d, began, until)
		}
	}
	r.out.Clear()
	return nil
}

// departed notes that a probe has left, or that the kernel did not let it. left
// is no later than that, by the user's clock; its answer is awaited until then.
func (r *run) departed(o owner, d *wire.Departure, left, until time.Duration) {
	x := &o.target.exchanges[r.plan.slot(o.n)]
	if d.Err != nil {
		x.state = ended
		r.refuse(o.target, o.n, d.Err)
		return
	}
	r.count.sent.Add(1)
	x.user.left, x.socket.left, x.stamped = left, d.At.UnixNano(), d.KernelStamp
	r.answers.push(deadline{o.target.place, o.n, until})
}

// refuse decides about a probe that never left.
func (r *run) refuse(t *target, n uint32, err error) {
	r.report(t, Sample{Target: t.place, N: n, At: time.Now(), Reply: finding.LocalRefusal, Refused: err})
}
