package probe

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
)

// HostFinding is what stands in place of the ports of a host that answered
// nothing.
type HostFinding struct {
	Target string
	Addr   netip.Addr
	Status finding.HostStatus
	// Reason and From are the reply that says so, where there is one.
	Reason finding.Reason
	From   netip.Addr
	// Ports is how many ports it speaks for.
	Ports  int
	Detail string
}

// Record returns the finding as a host-status object.
func (h HostFinding) Record() finding.Record {
	return finding.New("host-status").
		Set("target", named(h.Target, h.Addr)).
		Set("addr", h.Addr).
		Set("status", h.Status).
		Set("reason", h.Reason).
		Set("from", h.From).
		Set("ports", h.Ports).
		Set("detail", h.Detail)
}

// census keeps what is known of each host while its ports are probed. Silence
// says that a port is filtered only if the host is there at all, so the
// silent ports of a host are held back until it has answered something; if it
// never does, one HostFinding stands in their place.
type census struct {
	hosts map[netip.Addr]*resident
}

// resident is one host of a census.
type resident struct {
	target string
	left   int
	alive  bool
	// silent are the ports that nothing was heard of, or only that the host
	// cannot be reached.
	silent []silence
	// gone, noRoute and away are the last word of our kernel's ARP, of its
	// routes, and of a router on the way.
	gone    *NoARPError
	noRoute error
	away    *Reply
}

// silence is an Exchange without an answer from the host, cut down to what
// distinguishes it from the others: hosts that drop everything have many.
type silence struct {
	port  uint16
	tries uint8
	at    time.Time
	rtt   time.Duration
	reply *Reply
	// refused is why it was not sent.
	refused error
}

func newCensus() *census { return &census{hosts: make(map[netip.Addr]*resident)} }

// add takes in an exchange and emits what it lets us say. When it was the
// last of its host, the host's finding comes with ok set if the host was
// silent.
func (c *census) add(x Exchange, emit func(Finding) error) (h HostFinding, ok bool, err error) {
	r := c.hosts[x.Probe.Addr]
	if r == nil {
		r = &resident{target: x.Probe.Target, left: x.Probe.HostPorts}
		c.hosts[x.Probe.Addr] = r
	}
	r.left--
	switch {
	case x.Reply == nil && x.Refused == nil, r.note(x):
		r.silent = append(r.silent, silence{x.Probe.Port, uint8(x.Tries), x.At, x.RTT, x.Reply, x.Refused})
	default:
		if x.Reply != nil && (!x.Reply.ICMP || x.Reply.From == x.Probe.Addr) {
			r.alive = true
		}
		err = emit(Judge(x))
	}
	if r.alive && err == nil {
		err = r.release(x, emit)
	}
	if r.left > 0 || err != nil {
		return HostFinding{}, false, err
	}
	delete(c.hosts, x.Probe.Addr)
	if len(r.silent) == 0 {
		return HostFinding{}, false, nil
	}
	return r.finding(x.Probe.Addr), true, nil
}

// note takes in an exchange that is about the host rather than its port, and
// reports whether it is one.
func (r *resident) note(x Exchange) bool {
	switch {
	case x.noRoute():
		r.noRoute = x.Refused
	case errors.As(x.Refused, &r.gone):
	case x.Reply == nil:
		return false
	case x.Reply.soft() && x.Reply.From != x.Probe.Addr:
		r.away = x.Reply
	default:
		return false
	}
	return true
}

// release emits the silent ports of a host that turned out to be alive.
func (r *resident) release(x Exchange, emit func(Finding) error) error {
	for _, s := range r.silent {
		x.Probe.Port, x.Tries, x.At = s.port, int(s.tries), s.at
		x.Reply, x.RTT, x.Refused = s.reply, s.rtt, s.refused
		if err := emit(Judge(x)); err != nil {
			return err
		}
	}
	r.silent = nil
	return nil
}

// finding says what the silence of a host means.
func (r *resident) finding(addr netip.Addr) HostFinding {
	h := HostFinding{Target: r.target, Addr: addr, Ports: len(r.silent), Status: finding.Silent}
	switch {
	case errors.Is(r.noRoute, link.ErrBroadcast):
		h.Status, h.Detail = finding.Unreachable, link.ErrBroadcast.Error()
	case r.noRoute != nil:
		h.Status, h.Detail = finding.Unreachable, r.noRoute.Error()
	case r.gone != nil:
		h.Status = finding.NoARP
		if r.gone.NextHop != addr {
			h.Detail = fmt.Sprintf("the gateway %v does not answer", r.gone.NextHop)
		}
	case r.away != nil:
		h.Status, h.Reason, h.From = finding.Unreachable, finding.ICMP(r.away.Type, r.away.Code), r.away.From
	}
	return h
}

// rest returns what can be said of the silent hosts that an interrupted run
// had not finished, by their addresses.
func (c *census) rest() []HostFinding {
	var findings []HostFinding
	for _, addr := range slices.SortedFunc(maps.Keys(c.hosts), netip.Addr.Compare) {
		r := c.hosts[addr]
		if len(r.silent) == 0 {
			continue
		}
		h := r.finding(addr)
		if h.Detail != "" {
			h.Detail += "; "
		}
		h.Detail += fmt.Sprintf("interrupted with %d ports left to probe", r.left)
		findings = append(findings, h)
	}
	return findings
}
