package rtt

import (
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
	// Clock is the best clock to use; "" means finding.PacketRing. What cannot
	// be had falls back to the next.
	Clock finding.Clock
	// Connect times connect() instead of sending segments of our own.
	Connect bool
}

// Target is one port of one address.
type Target struct {
	// Name is the host name that Addr was resolved from; "" if there is none.
	Name string
	Addr netip.AddrPort
	// isn is the ISN of probe zero.
	isn wire.Seq
}

// Plan is all that will be sent, decided before anything is.
type Plan struct {
	Spec    Spec
	Targets []Target
	// Ports is how many source ports the probes of one target rotate over.
	Ports int
	// tsval is where our timestamp clock begins.
	tsval uint32
	// stagger is the time between the first probes of two targets.
	stagger time.Duration
}

// Plan decides what to send. The same spec and random numbers give the same
// plan. Its errors name what the user got wrong.
func (s Spec) Plan(rng *rand.Rand) (Plan, error)

// ISN is the initial sequence number of a target's nth probe. It is another
// one for every probe, and nobody who has not seen the SYN can know it.
func (t *Target) ISN(n uint32) wire.Seq

// n is the inverse of ISN.
func (t *Target) n(isn wire.Seq) uint32
