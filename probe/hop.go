package probe

import (
	"container/heap"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpscope/tcpscope/probe/link"
)

// NoARPError says that a probe could not leave because nobody answers our
// kernel's ARP requests for the next hop.
type NoARPError struct {
	// NextHop is the destination itself, or the gateway to it.
	NextHop netip.Addr
}

func (e *NoARPError) Error() string { return fmt.Sprintf("%v does not answer ARP", e.NextHop) }

// hop is a neighbour of ours that datagrams are sent to first: a host on our
// own link, or a gateway. Until ARP has found it, one probe goes there and
// all others are parked: the kernel would queue only a few, drop others
// without a word, and charge them all to our socket (neigh_event_send).
type hop struct {
	addr  netip.Addr
	index int // of the device
	// asked says that a probe is on its way there; found, that ARP has
	// answered; lost, that it has not.
	asked, found, lost bool
	// look is when to look into the neighbour table next, and pause the time
	// between two looks.
	look, pause time.Duration
	// hosts have parked probes.
	hosts []*host
}

// The bounds of the pause between two looks into the neighbour table. A host
// that answers is found without.
const (
	firstLook = time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// maxParked bounds the probes that wait for their hops.
const maxParked = 1 << 16

// hop returns the next hop of a path; nil where there is none to be found.
func (r *run) hop(path link.Path, dst netip.Addr) *hop {
	if !path.Neighbors || path.Local {
		return nil
	}
	if path.Gateway.IsValid() {
		dst = path.Gateway
	}
	name := netip.AddrPortFrom(dst, uint16(path.Index))
	h := r.hops[name]
	if h == nil {
		h = &hop{addr: dst, index: path.Index, pause: firstLook}
		r.hops[name] = h
	}
	return h
}

// park keeps a probe back until its hop is found.
func (r *run) park(h *host, port uint16) {
	if len(h.parked) == 0 {
		h.hop.hosts = append(h.hop.hosts, h)
	}
	h.parked = append(h.parked, port)
	r.parked++
}

// ask notes that the first probe goes to a hop.
func (r *run) ask(h *hop) {
	h.asked, h.look = true, r.now()+h.pause
	r.asking = append(r.asking, h)
}

// lookAround finds out which of the hops that were asked are there.
func (r *run) lookAround(now time.Duration) {
	still := r.asking[:0]
	for _, h := range r.asking {
		if !h.found && !h.lost && h.look <= now {
			r.lookFor(h)
			h.pause = min(2*h.pause, lastLook)
			h.look = now + h.pause
		}
		if !h.found && !h.lost {
			still = append(still, h)
		}
	}
	clear(r.asking[len(still):])
	r.asking = still
}

// lookFor asks the kernel whether ARP has found a hop, or given up on it.
func (r *run) lookFor(h *hop) {
	switch unresolved, failed, err := r.world.Unresolved(h.addr, h.index); {
	case err != nil || !unresolved:
		r.find(h)
	case failed:
		r.lose(h)
	}
}

// overdue takes note of a try that was not answered in time.
func (r *run) overdue(f *flight) {
	hop, last := f.host.hop, len(f.tries)+f.waits == r.plan.Spec.Tries
	if hop != nil && !hop.found && last {
		r.lookFor(hop)
	}
	switch {
	case hop != nil && hop.lost:
		// The flight has ended with it.
	case hop != nil && !hop.found && last:
		// There is no more time for ARP than for an answer.
		r.lose(hop)
	case hop != nil && !hop.found:
		// The kernel still holds the first try, and a second one would not
		// make it ask more often.
		f.waits++
		f.deadline = r.now() + r.wait(f)
		heap.Push(&r.waiting, f)
	case last:
		r.end(f, f.soft, f.sent(f.soft))
	case r.draining == 0:
		r.again = append(r.again, f)
	}
}

// find sets the probes that were parked for a hop going.
func (r *run) find(h *hop) {
	if h == nil || h.found || h.lost {
		return
	}
	h.found = true
	r.ready = append(r.ready, h.hosts...)
	h.hosts = nil
}

// lose ends all probes that would have to go by a hop that does not answer.
func (r *run) lose(h *hop) {
	if h.lost {
		return
	}
	h.lost = true
	for _, f := range r.flights {
		if f.host.hop == h {
			r.strand(f)
		}
	}
	for _, host := range h.hosts {
		r.strandParked(host)
	}
	h.hosts = nil
	r.ready = slices.DeleteFunc(r.ready, func(host *host) bool {
		if host.hop == h {
			r.strandParked(host)
		}
		return host.hop == h
	})
}

func (r *run) strandParked(h *host) {
	for _, port := range h.parked {
		r.strand(h.flight(port))
	}
	r.parked -= len(h.parked)
	h.parked = nil
}

// strand ends a flight whose hop is lost.
func (r *run) strand(f *flight) {
	x := f.exchange(r.plan)
	x.Refused = &NoARPError{f.host.hop.addr}
	r.finish(f, x)
}

// unpark takes the next of the probes that wait no longer, going round the
// hosts.
func (r *run) unpark() *flight {
	h := r.ready[0]
	r.ready = r.ready[1:]
	f := h.flight(h.parked[0])
	h.parked = h.parked[1:]
	r.parked--
	if len(h.parked) > 0 {
		r.ready = append(r.ready, h)
	}
	return f
}

// flight begins a flight to one of the host's ports.
func (h *host) flight(port uint16) *flight {
	f := &flight{probe: h.probe, host: h, place: -1}
	f.probe.Port = port
	return f
}
