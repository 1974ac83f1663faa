package rtt

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Spec is what the user asked for: whom to probe, how often and how long.
type Spec struct {
	// Scope lists addresses and ports; every pair is a target of its own.
	Scope probe.Scope
	// Count is how many probes each target gets; zero means no limit.
	Count int
	// Interval is the time between two probes of one target.
	Interval time.Duration
	// Duration is how long probes are sent; zero means no limit.
	Duration time.Duration
	// Timeout is how long an answer counts.
	Timeout time.Duration
	// SourcePort is the first of the ports to send from; zero leaves them to
	// the kernel.
	SourcePort uint16
	// Like is the system whose SYN ours looks like.
	Like probe.Preset
	// Clock is the best clock to use; "" means finding.PacketRing. Where it
	// cannot be had, the next one serves.
	Clock finding.Clock
	// Connect times connect() instead of sending segments of our own.
	Connect bool
}

// The bounds of a spec's numbers.
const (
	minInterval = time.Millisecond
	minTimeout  = time.Millisecond
	maxTimeout  = 5 * time.Minute
	// maxRate keeps a slip of the fingers from becoming a flood, in probes a
	// second over all targets.
	maxRate = 100_000
	// maxPorts bounds the source ports, and with them open sockets.
	maxPorts = 4096
	// maxTargets bounds what is kept in memory.
	maxTargets = 1 << 16
)

// margin is how much longer than the timeout a source port rests, for what is
// still on its way, and for probes that leave a little late.
const margin = 200 * time.Millisecond

// maxStagger is the longest time between the first probes of two targets.
const maxStagger = 10 * time.Millisecond

// Target is one port of one address.
type Target struct {
	// Name is the host name that Addr was resolved from; "" if there is none.
	Name string
	Addr netip.AddrPort
	// isn is where its ISNs begin.
	isn wire.Seq
	// record is what all of its rtt objects have in common.
	record finding.Record
}

// newTarget returns a target whose ISNs begin at isn.
func newTarget(name string, addr netip.AddrPort, isn wire.Seq) Target {
	t := Target{Name: name, Addr: addr, isn: isn}
	t.record = finding.New("rtt").
		Set("target", t.name()).
		Set("addr", addr.Addr()).
		Set("port", addr.Port())
	return t
}

// name is the target as it was asked for.
func (t *Target) name() string {
	if t.Name != "" {
		return t.Name
	}
	return t.Addr.Addr().String()
}

// Plan is all that will be sent, decided before anything is.
type Plan struct {
	Spec    Spec
	Targets []Target
	// Ports is how many source ports the probes of one target go round.
	Ports int
	// tsval is where our timestamp clock begins (RFC 7323, Section 5.4).
	tsval uint32
	// places are the targets' places in Targets.
	places map[netip.AddrPort]int
}

// Plan decides what to send. The same spec and random numbers give the same
// plan. Its errors name what the user got wrong.
func (s Spec) Plan(rng *rand.Rand) (Plan, error) {
	p := Plan{Spec: s, tsval: rng.Uint32(), places: make(map[netip.AddrPort]int)}
	targets := s.Scope.Probes()
	p.Ports = int((s.Timeout+margin)/max(s.Interval, 1)) + 2
	switch {
	case targets == 0:
		return Plan{}, fmt.Errorf("no target")
	case targets > maxTargets:
		return Plan{}, fmt.Errorf("%d targets: %d at most", targets, maxTargets)
	case s.Count < 0 || s.Duration < 0:
		return Plan{}, fmt.Errorf("neither a count of %d nor a duration of %v can be", s.Count, s.Duration)
	case s.Interval < minInterval:
		return Plan{}, fmt.Errorf("an interval of %v: %v is the shortest", s.Interval, minInterval)
	case s.Timeout < minTimeout || s.Timeout > maxTimeout:
		return Plan{}, fmt.Errorf("a timeout of %v: from %v to %v are possible", s.Timeout, minTimeout, maxTimeout)
	case float64(targets)/s.Interval.Seconds() > maxRate:
		return Plan{}, fmt.Errorf("%d targets every %v are more than %d probes a second: lengthen the interval", targets, s.Interval, maxRate)
	case p.Ports > maxPorts && !s.Connect:
		return Plan{}, fmt.Errorf("a timeout of %v with an interval of %v takes %d source ports, and %d are possible: shorten the timeout or lengthen the interval",
			s.Timeout, s.Interval, p.Ports, maxPorts)
	}
	for i := range s.Scope.Hosts() {
		addr, block := s.Scope.Host(i)
		for nth := range block.Ports.Len() {
			t := newTarget(block.Name, netip.AddrPortFrom(addr, block.Ports.At(nth)), wire.Seq(rng.Uint32()))
			p.places[t.Addr] = len(p.Targets)
			p.Targets = append(p.Targets, t)
		}
	}
	return p, nil
}

// Rate is the number of probes a second over all targets.
func (p Plan) Rate() float64 { return float64(len(p.Targets)) / p.Spec.Interval.Seconds() }

// schedule is the plan's timetable.
func (p *Plan) schedule() schedule {
	targets := len(p.Targets)
	return schedule{
		spec:    p.Spec,
		turns:   uint64(targets),
		stagger: min(p.Spec.Interval/time.Duration(targets), maxStagger),
	}
}

// manyProbes is how many a second are too many to be dealt with one by one.
const manyProbes = 1000

// Busy reports whether there are so many probes that they leave in rounds. If
// besides they all leave by one device, its tap is polled for the answers, and
// Sample.User is not known.
func (p *Plan) Busy() bool { return p.Rate() > manyProbes }

// roundTime is the time between two rounds of a busy run. It bounds how many
// segments leave back to back, each of which makes those behind it wait in the
// device.
const roundTime = time.Millisecond

// slot is the place of the nth probe's source port among a target's.
func (p *Plan) slot(n uint32) int { return int((n - 1) % uint32(p.Ports)) }

// The ISNs of a target are stride apart, which spreads them over all numbers;
// unstride is its inverse modulo 2^32.
const (
	stride   = 0x9e3779b1
	unstride = 0x0e8b2f51
)

// ISN is the initial sequence number of a target's nth probe. It is another
// one for every probe, and nobody who has not seen a SYN to this target can
// know it.
func (t *Target) ISN(n uint32) wire.Seq { return t.isn.Add(n * stride) }

// n is the inverse of ISN.
func (t *Target) n(isn wire.Seq) uint32 { return uint32(isn-t.isn) * unstride }
