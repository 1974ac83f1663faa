package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
)

// Expectation is the states that the user says all ports are in. Empty means
// that nothing is expected.
type Expectation []finding.State

// Tally is a scan in figures.
type Tally struct {
	// Hosts counts the addresses that anything is known of, Silent those
	// among them that answered nothing.
	Hosts, Silent int
	// Counts holds how many ports are in each state.
	Counts map[finding.State]int
	// Answered counts the ports that anything answered for.
	Answered int
	// Missed counts the ports that are not as expected; Untold those of which
	// nothing can be said: of silent hosts, or not sent.
	Missed, Untold int
	// NoRoute is why a host could not be reached, or not any more; nil if all
	// could that are there.
	NoRoute error
	// LimitedBy names what the scan had to wait for; "" for nothing.
	LimitedBy finding.Limit
	// Detail is what else is worth knowing of the scan as a whole; "" for
	// nothing.
	Detail   string
	Progress Progress
}

// Scan runs the plan on a session and hands every finding to emit as soon as
// it is known. It returns ctx's cause when it was interrupted; the tally is
// whole in any case.
func Scan(ctx context.Context, s *Session, plan Plan, expect Expectation, emit func(finding.Record) error) (Tally, error) {
	scan := &scan{
		session: s,
		expect:  expect,
		emit:    emit,
		tally:   Tally{Counts: make(map[finding.State]int)},
		seen:    make(map[netip.Addr]bool),
	}
	err := scan.run(ctx, plan)
	if err == nil && plan.Spec.Like.timestamps() {
		err = scan.withoutTimestamps(ctx, plan)
	}
	for _, h := range scan.silent {
		err = errors.Join(err, scan.host(h))
	}
	scan.tally.Hosts = len(scan.seen)
	scan.tally.Progress, scan.tally.LimitedBy = s.Progress(), s.LimitedBy()
	scan.tally.Detail = scan.remarks(plan)
	return scan.tally, err
}

type scan struct {
	session *Session
	expect  Expectation
	emit    func(finding.Record) error
	tally   Tally
	seen    map[netip.Addr]bool
	// probed counts the probes of the plan that are over.
	probed uint64
	// silent are the hosts that answered nothing.
	silent []HostFinding
	// detail is added to every port of a run.
	detail string
}

// run sends one plan, and keeps the hosts that are silent.
func (s *scan) run(ctx context.Context, plan Plan) error {
	census := newCensus()
	for x, err := range s.session.Run(ctx, plan) {
		if err != nil {
			s.silent = append(s.silent, census.rest()...)
			return err
		}
		s.seen[x.Probe.Addr] = true
		s.probed++
		if x.noRoute() && !errors.Is(x.Refused, link.ErrBroadcast) {
			s.tally.NoRoute = x.Refused
		}
		h, silent, err := census.add(x, s.port)
		if err != nil {
			return err
		}
		if silent {
			s.silent = append(s.silent, h)
		}
	}
	return nil
}

// remarks says what else is worth knowing.
func (s *scan) remarks(plan Plan) string {
	var remarks []string
	if left := plan.Scope.Probes() - min(s.probed, plan.Scope.Probes()); left > 0 {
		remarks = append(remarks, fmt.Sprintf("%d of %d probes were not made, or not waited for", left, plan.Scope.Probes()))
	}
	if n := s.tally.Progress.Unreset; n > 0 {
		remarks = append(remarks, fmt.Sprintf("this host refused to send %d of our resets: what they were to end stays half-open at the targets until it times out", n))
	}
	return strings.Join(remarks, "; ")
}

// port counts a port's finding and passes it on.
func (s *scan) port(f Finding) error {
	s.tally.Counts[f.State]++
	if f.Exchange.Reply != nil {
		s.tally.Answered++
	}
	var gone *NoARPError
	if errors.As(f.Exchange.Refused, &gone) {
		s.tally.NoRoute = gone
	}
	switch {
	case len(s.expect) == 0 || slices.Contains(s.expect, f.State):
	case f.State == finding.NotSent:
		s.tally.Untold++
	default:
		s.tally.Missed++
	}
	if f.Detail == "" && f.State != finding.NotSent {
		f.Detail = s.detail
	}
	return s.emit(f.Record())
}

// host counts a silent host and passes it on. Nothing can be said of its
// ports, unless they are expected to answer.
func (s *scan) host(h HostFinding) error {
	s.tally.Silent++
	if len(s.expect) > 0 {
		if slices.Contains(s.expect, finding.Filtered) {
			s.tally.Untold += h.Ports
		} else {
			s.tally.Missed += h.Ports
		}
	}
	return s.emit(h.Record())
}

// The bounds of the second look at silent hosts.
const (
	secondLookHosts   = 256
	secondLookPorts   = 8
	secondLookTimeout = time.Second
)

// withoutTimestamps tries a few ports of the silent hosts again with SYNs
// that carry no timestamps: some devices on the way, and some old kernels
// behind NAT, drop those that do. A host that answers now is probed anew.
func (s *scan) withoutTimestamps(ctx context.Context, plan Plan) error {
	var suspects []Target
	for _, h := range s.silent {
		if h.Status == finding.Silent && len(suspects) < secondLookHosts {
			t := plan.Scope.target(h.Addr)
			t.Ports = likely(t.Ports, secondLookPorts)
			suspects = append(suspects, t)
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	sample, err := plan.withoutTimestamps(suspects)
	if err != nil {
		return err
	}
	sample.Spec.Tries, sample.Spec.Timeout = 1, min(plan.Spec.Timeout, secondLookTimeout)
	answering := make(map[netip.Addr]bool)
	revised := make(map[netip.Addr]HostFinding)
	census := newCensus()
	for x, err := range s.session.Run(ctx, sample) {
		if err != nil {
			return err
		}
		h, silent, err := census.add(x, func(f Finding) error {
			answering[x.Probe.Addr] = answering[x.Probe.Addr] || f.Exchange.Reply != nil
			return nil
		})
		if err != nil {
			return err
		}
		if silent {
			revised[h.Addr] = h
		}
	}
	s.revise(revised)
	if len(answering) == 0 {
		return nil
	}
	return s.again(ctx, plan, answering)
}

// revise takes over what the second look learned of hosts that stayed silent:
// a router gives up on one after three seconds only.
func (s *scan) revise(revised map[netip.Addr]HostFinding) {
	for i := range s.silent {
		h := &s.silent[i]
		if r, ok := revised[h.Addr]; ok && r.Status != finding.Silent {
			h.Status, h.Reason, h.From, h.Detail = r.Status, r.Reason, r.From, r.Detail
		}
	}
}

// likely returns up to n of the ports, common ones before others.
func likely(ports Ports, n int) Ports {
	var picked Ports
	for _, from := range []Ports{CommonPorts(), ports} {
		for port := range from.All() {
			if picked.Len() < n && ports.Contains(port) {
				picked = picked.Union(Ports{{port, port}})
			}
		}
	}
	return picked
}

// again probes the hosts that answer SYNs without timestamps only.
func (s *scan) again(ctx context.Context, plan Plan, answering map[netip.Addr]bool) error {
	const detail = "answers only SYNs without TCP timestamps"
	var targets []Target
	s.silent = slices.DeleteFunc(s.silent, func(h HostFinding) bool {
		if answering[h.Addr] {
			targets = append(targets, plan.Scope.target(h.Addr))
		}
		return answering[h.Addr]
	})
	for _, t := range targets {
		h := HostFinding{Target: t.Name, Addr: t.First, Status: finding.Answers, Ports: t.Ports.Len(), Detail: detail}
		if err := s.emit(h.Record()); err != nil {
			return err
		}
	}
	plan, err := plan.withoutTimestamps(targets)
	if err != nil {
		return err
	}
	s.detail = detail
	return s.run(ctx, plan)
}
