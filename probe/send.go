package probe

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// fill puts what may be sent now into the outbox. It returns true where it
// stopped only because so many probes have ended that they are handed over
// first.
func (r *run) fill() (more bool) {
	now := r.now()
	for !r.out.Full() {
		switch {
		case len(r.done) >= sendBatch:
			return true
		case !r.sendable():
			return false
		case r.fromPlan() && !r.admit(r.probe):
			r.advance()
			continue
		case r.burst.full():
			r.limited.inFlight = true
			return false
		case !r.pace.take(now):
			r.limited.rate = true
			return false
		}
		r.put(r.pick())
	}
	return false
}

// sendable reports whether there is anything to be sent as soon as pace and
// burst allow: retries first, since someone waits for them, then the probes
// that waited for their hops, then the plan's next one.
func (r *run) sendable() bool {
	return r.flights.retry() != nil || len(r.hops.ready) > 0 && !r.full() || r.more && !r.held()
}

// fromPlan reports whether the plan's next probe is what comes next.
func (r *run) fromPlan() bool { return r.flights.retry() == nil && len(r.hops.ready) == 0 }

// full reports whether flights have to end before another one may begin, and
// notes why.
func (r *run) full() bool {
	switch {
	case len(r.flights.open) >= maxInFlight:
		r.limited.inFlight = true
	case r.tracked.full(r.world.Conntrack):
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
	case r.hops.parked >= maxParked:
		r.limited.inFlight = true
	case r.probe.Group > r.group && r.host(r.probe).onLink() && (r.flights.onLink > 0 || len(r.hops.asking) > 0):
		r.limited.neighbors = true
	default:
		return false
	}
	return true
}

// advance takes the next probe from the plan.
func (r *run) advance() { r.probe, r.more = r.next() }

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
	case h.hop == nil || h.hop.state == unasked || h.hop.state == found:
		return true
	case h.hop.state == asked:
		r.hops.park(h, p.Port)
	default:
		r.strand(h.flight(p.Port))
	}
	return false
}

// pick returns the flight that is sent next.
func (r *run) pick() *flight {
	if f := r.flights.retry(); f != nil {
		r.flights.again = r.flights.again[1:]
		return f
	}
	var f *flight
	if len(r.hops.ready) > 0 {
		f = r.hops.unpark()
	} else {
		f = r.host(r.probe).flight(r.probe.Port)
		r.advance()
	}
	r.flights.begin(f)
	if h := f.host.hop; h != nil && h.state == unasked {
		r.hops.ask(h, r.now())
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
	path, err := r.world.Path(p.Addr)
	if err != nil {
		h.err = err
		return h
	}
	h.local = r.local(path.Source)
	h.hop = r.hops.of(path, p.Addr)
	h.syn, h.err = r.syns.of(r.plan, path)
	return h
}

// put writes the flight's next try into the outbox.
func (r *run) put(f *flight) {
	t := try{tsval: r.timestamp()}
	f.tries = append(f.tries, t)
	f.burst = r.burst.add()
	r.out.Put(f, f.host.syn, wire.Vary{
		Src:     f.host.local.Addr().As4(),
		Dst:     f.probe.Addr.As4(),
		SrcPort: f.host.local.Port(),
		DstPort: f.probe.Port,
		Seq:     r.plan.ISN(f.probe.Addr, f.probe.Port),
		ID:      r.plan.ipID(f.endpoint(), len(f.tries)),
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

// send hands the outbox to the link, and notes what became of it.
func (r *run) send() error {
	if r.out.Empty() {
		return nil
	}
	if err := r.link.Send(r.out.Departures); err != nil {
		return err
	}
	for i, d := range r.out.Departures {
		if d.Err == nil {
			r.count.sent.Add(1)
		}
		if f := r.out.Owners[i]; f != nil {
			r.departed(f, d)
		} else if d.Err != nil {
			r.count.unreset.Add(1)
		}
	}
	r.out.Clear()
	return nil
}

// The device's queue may be full for a while.
const (
	maxDelayed = 100
	delay      = 20 * time.Millisecond
)

// departed notes that a flight's latest try has left, or that the kernel did
// not let it. A retry that is refused is as good as lost: the answer to an
// earlier try may still come.
func (r *run) departed(f *flight, d wire.Departure) {
	latest := len(f.tries) - 1
	if d.Err == nil {
		f.tries[latest].at = d.At
		if latest == 0 {
			f.tracked = r.tracked.add()
		}
		r.flights.await(f, r.now()+r.wait(f))
		return
	}
	f.tries = f.tries[:latest]
	full := errors.Is(d.Err, syscall.EAGAIN) || errors.Is(d.Err, syscall.ENOBUFS)
	switch {
	case full && f.delayed < maxDelayed:
		f.delayed++
		r.flights.await(f, r.now()+delay)
	case latest > 0:
		f.skipped++
		r.flights.await(f, r.now()+r.wait(f))
	default:
		// It asked for no hop either. The others need not wait for word.
		r.hops.find(f.host.hop)
		r.refuse(f, d.Err)
	}
}

// wait is how long an answer to the flight's latest try is waited for. Of a
// host that nothing is known of, the last one may take all of the time there
// is.
func (r *run) wait(f *flight) time.Duration {
	limit, known := r.plan.Spec.Timeout, f.host.rto.smoothed != 0
	if !known && f.turns() == r.plan.Spec.Tries {
		return limit
	}
	return backoff(f.host.rto.wait(), f.turns()-1, limit)
}
