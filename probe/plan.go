package probe

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// groupSize is how many hosts are probed side by side. A group's hosts are
// interleaved; where they are on our own link, one group's neighbours are all
// that we have unresolved at a time, so that the neighbour table, which the
// whole machine shares (gc_thresh1 is 128, gc_thresh3 1024), is not filled.
const groupSize = 256

// Plan is all that will be sent, in its order, decided before anything is.
// Nothing is listed: a Plan of a million probes is as small as one of ten.
type Plan struct {
	Spec  Spec
	Scope Scope

	secret secret
	// plain leaves the timestamps option out.
	plain bool
}

// Probe is one port of one host to be probed.
type Probe struct {
	Addr netip.Addr
	Port uint16
	// Target is the name that Addr was resolved from, else "".
	Target string
	// HostPorts is how many ports of this host the plan probes.
	HostPorts int
	// Group counts the groups of hosts in the order they are probed.
	Group int
}

// Plan decides what to send. The same spec and the same random numbers give
// the same plan: ISNs and order, though not the ports and paths that only the
// kernel knows. Its errors name what the user got wrong.
func (s Spec) Plan(rng *rand.Rand) (Plan, error) {
	switch {
	case s.Tries < 1 || s.Tries > maxTries:
		return Plan{}, fmt.Errorf("%d tries: from 1 to %d are possible", s.Tries, maxTries)
	case s.Timeout < minTimeout || s.Timeout > maxTimeout:
		return Plan{}, fmt.Errorf("a timeout of %v: from %v to %v are possible", s.Timeout, minTimeout, maxTimeout)
	case s.Rate < 0 || math.IsNaN(s.Rate):
		return Plan{}, fmt.Errorf("a rate of %v: it must be above zero", s.Rate)
	case s.Rate > 0 && s.Rate < minRate:
		return Plan{}, fmt.Errorf("a rate of %v: %v a second is the slowest", s.Rate, minRate)
	}
	scope, err := Normalize(s.Targets, s.Exclude, s.Ports)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Spec: s, Scope: scope, secret: newSecret(rng)}, nil
}

// The bounds of a spec's numbers.
const (
	maxTries   = 100
	minRate    = 1e-6
	minTimeout = time.Millisecond
	maxTimeout = 5 * time.Minute
)

// Probes yields every probe once, in the plan's order.
func (p Plan) Probes() iter.Seq[Probe] {
	return func(yield func(Probe) bool) {
		hosts := p.Scope.Hosts()
		if hosts == 0 {
			return
		}
		order := p.secret.permute(hosts, hostOrder)
		for first := uint64(0); first < hosts; first += groupSize {
			group := make([]member, 0, min(groupSize, hosts-first))
			for i := first; i < min(first+groupSize, hosts); i++ {
				at := i
				if p.Spec.Order == RandomOrder {
					at = order.at(i)
				}
				addr, block := p.Scope.Host(at)
				group = append(group, member{addr, block.Name, block.Ports, block.Ports.Len()})
			}
			if !p.group(int(first/groupSize), group, yield) {
				return
			}
		}
	}
}

// member is one host of a group.
type member struct {
	addr  netip.Addr
	name  string
	ports Ports
	count int
}

// group yields the probes of one group: every host's nth port before any
// host's next one, or all of them shuffled.
func (p Plan) group(number int, hosts []member, yield func(Probe) bool) bool {
	most := 0
	for _, h := range hosts {
		most = max(most, h.count)
	}
	n := uint64(most) * uint64(len(hosts))
	if n == 0 {
		return true
	}
	order := p.secret.permute(n, uint64(number))
	for i := range n {
		at := i
		if p.Spec.Order == RandomOrder {
			at = order.at(i)
		}
		h, nth := hosts[at%uint64(len(hosts))], int(at/uint64(len(hosts)))
		if nth >= h.count {
			continue
		}
		if !yield(Probe{Addr: h.addr, Port: h.ports.At(nth), Target: h.name, HostPorts: h.count, Group: number}) {
			return false
		}
	}
	return true
}

// hostOrder labels the permutation of hosts; the groups' labels are their
// numbers.
const hostOrder = 1 << 63

// ISN is the initial sequence number that the plan gives to every try of one
// probe.
func (p Plan) ISN(addr netip.Addr, port uint16) wire.Seq {
	return p.secret.isn(addrNumber(addr), port)
}

// Segments is the most segments that the plan can send, replies to SYN-ACKs
// apart.
func (p Plan) Segments() uint64 { return p.Scope.Probes() * uint64(p.Spec.Tries) }

// Duration estimates how long the plan takes: at its rate if every probe is
// answered at once, and at most if none is. Both are zero where the rate is
// unlimited, and no longer than a Duration can be.
func (p Plan) Duration() (least, most time.Duration) {
	if p.Spec.Rate == 0 {
		return 0, 0
	}
	sending := float64(p.Scope.Probes()) / p.Spec.Rate * float64(time.Second)
	wait := time.Duration(0)
	for try := range p.Spec.Tries {
		wait += backoff(initialRTO, try, p.Spec.Timeout)
	}
	return duration(sending), duration(sending*float64(p.Spec.Tries) + float64(wait))
}

// duration is a number of nanoseconds as the nearest Duration: the slowest
// of the largest plans take longer than one can be.
func duration(nanoseconds float64) time.Duration {
	if nanoseconds >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(nanoseconds)
}

// withoutTimestamps is the plan for some of its targets with SYNs that carry
// no timestamps option. ISNs stay: the same 4-tuple must not see two.
func (p Plan) withoutTimestamps(targets []Target) (Plan, error) {
	scope, err := Normalize(targets, nil, nil)
	p.Scope, p.plain = scope, true
	return p, err
}
