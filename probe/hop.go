package probe

import (
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
	hopName
	state hopState
	// held says that a hop was lost before the kernel has given up on it, and
	// that it still holds a datagram of ours for it.
	held bool
	// again says that the hop was found once and then lost, and may be asked
	// for once more.
	again bool
	// look is when to look into the neighbour table next, and pause the time
	// between two looks.
	look, pause time.Duration
	// hosts have parked probes.
	hosts []*host
}

// hopName tells next hops apart: two devices may have neighbours of one
// address.
type hopName struct {
	addr  netip.Addr
	index int // of the device
}

// hopState is what is known of a hop.
type hopState uint8

const (
	// unasked: no probe has gone there.
	unasked hopState = iota
	// asked: one flight is on its way there, which finds or loses the hop at
	// its end, so that nothing is parked for ever.
	asked
	// found: ARP has answered, or the kernel does not wait for it.
	found
	// lost: ARP has not answered, or no longer does. No flight goes there.
	lost
)

// The bounds of the pause between two looks into the neighbour table. A host
// that answers is found without.
const (
	firstLook = time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// maxParked bounds the probes that wait for their hops.
const maxParked = 1 << 16

// hops are the next hops of a run, and the probes that wait for them.
type hops struct {
	all    map[hopName]*hop
	asking []*hop  // those asked, those held, and some that were
	parked int     // probes that wait: for their hops, or in ready
	ready  []*host // with parked probes, by hops that are found
}

// of returns the next hop of a path; nil where there is none to be found.
func (s *hops) of(path link.Path, dst netip.Addr) *hop {
	if !path.Neighbors || path.Local {
		return nil
	}
	if path.Gateway.IsValid() {
		dst = path.Gateway
	}
	name := hopName{dst, path.Index}
	h := s.all[name]
	if h == nil {
		h = &hop{hopName: name, pause: firstLook}
		s.all[name] = h
	}
	return h
}

// ask notes that the first probe goes to a hop.
func (s *hops) ask(h *hop, now time.Duration) {
	h.state, h.look = asked, now+h.pause
	s.asking = append(s.asking, h)
}

// park keeps a probe back until its hop is found.
func (s *hops) park(h *host, port uint16) {
	if len(h.parked) == 0 {
		h.hop.hosts = append(h.hop.hosts, h)
	}
	h.parked = append(h.parked, port)
	s.parked++
}

// find sets the probes that were parked for a hop going.
func (s *hops) find(h *hop) {
	if h == nil || h.state != asked {
		return
	}
	h.state, h.again = found, false
	s.ready = append(s.ready, h.hosts...)
	h.hosts = nil
}

// unpark takes the next of the probes that wait no longer, going round the
// hosts.
func (s *hops) unpark() *flight {
	h := s.ready[0]
	s.ready = s.ready[1:]
	f := h.flight(h.parked[0])
	h.parked = h.parked[1:]
	s.parked--
	if len(h.parked) > 0 {
		s.ready = append(s.ready, h)
	}
	return f
}

// lookAround finds out which of the hops that were asked are there, and which
// of those held are not any more.
func (r *run) lookAround() {
	if len(r.hops.asking) == 0 {
		return
	}
	now := r.now()
	tables := make(map[int]map[netip.Addr]link.NeighborState)
	for _, h := range r.hops.asking {
		if h.look > now {
			continue
		}
		h.pause = min(2*h.pause, lastLook)
		h.look = now + h.pause
		table, known := tables[h.index]
		if !known {
			table, _ = r.world.Neighbors(h.index) // no news is none to act on
			tables[h.index] = table
		}
		if table != nil {
			r.settle(h, table[h.addr])
		}
	}
	r.hops.asking = slices.DeleteFunc(r.hops.asking, func(h *hop) bool { return h.state != asked && !h.held })
}

// settle takes note of what ARP knows of a hop. No entry says nothing of one
// that was asked: the first datagram may still wait for room on its way.
func (r *run) settle(h *hop, state link.NeighborState) {
	h.held = h.held && state == link.Incomplete
	switch {
	case h.state != asked:
	case state == link.Found:
		r.hops.find(h)
	case state == link.Failed:
		r.lose(h)
	}
}

// giveUp decides about a hop that was asked when there is no more time to
// wait: there is no more for ARP than for an answer.
func (r *run) giveUp(h *hop) {
	table, err := r.world.Neighbors(h.index)
	switch state := table[h.addr]; {
	case err != nil || state == link.Found || state == link.NoEntry:
		// Without an entry the kernel needs none for this hop.
		r.hops.find(h)
	default:
		h.held = state == link.Incomplete
		r.lose(h)
	}
}

// lose ends the flights that went by a hop that does not answer. Where it has
// answered before it may be asked again, by a later probe; otherwise all
// probes end that would have to go there.
func (r *run) lose(h *hop) {
	once := h.state == found && !h.again
	h.state = lost
	for _, f := range r.flights.open {
		if f.host.hop == h {
			r.strand(f)
		}
	}
	if once {
		h.state, h.again, h.pause = unasked, true, firstLook
		return
	}
	for _, host := range h.hosts {
		r.strandParked(host)
	}
	h.hosts = nil
	r.hops.ready = slices.DeleteFunc(r.hops.ready, func(host *host) bool {
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
	r.hops.parked -= len(h.parked)
	h.parked = nil
}

// strand ends a flight whose hop is lost.
func (r *run) strand(f *flight) {
	x := f.exchange(r.plan)
	x.Refused = &NoARPError{f.host.hop.addr}
	r.finish(f, x)
}
