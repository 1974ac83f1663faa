package rtt

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/link"
)

func TestPlan(t *testing.T) {
	wide, err := probe.Normalize([]probe.Target{{
		Range: probe.Range{First: netip.MustParseAddr("10.1.0.0"), Last: netip.MustParseAddr("10.1.255.255")},
		Ports: probe.Ports{{First: 80, Last: 81}},
	}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Spec)
		ports  int
		err    string
	}{
		"default":      {func(*Spec) {}, 4, ""},
		"fast":         {func(s *Spec) { s.Interval = ms }, 2202, ""},
		"impatient":    {func(s *Spec) { s.Interval, s.Timeout = ms, 100*ms }, 302, ""},
		"too fast":     {func(s *Spec) { s.Interval = ms / 2 }, 0, "an interval of 500µs: 1ms is the shortest"},
		"too patient":  {func(s *Spec) { s.Timeout = time.Hour }, 0, "a timeout of 1h0m0s: from 1ms to 5m0s are possible"},
		"many ports":   {func(s *Spec) { s.Interval, s.Timeout = ms, 10*time.Second }, 0, "shorten the timeout or lengthen the interval"},
		"not connect":  {func(s *Spec) { s.Interval, s.Timeout, s.Connect = ms, 10*time.Second, true }, 10202, ""},
		"nobody":       {func(s *Spec) { s.Scope = probe.Scope{} }, 0, "no target"},
		"many targets": {func(s *Spec) { s.Scope = wide }, 0, "131072 targets: 65536 at most"},
		"negative":     {func(s *Spec) { s.Count = -1 }, 0, "count"},
		"a flood": {func(s *Spec) {
			s.Scope, s.Interval = scope(t, targets(101)...), ms
		}, 0, "101 targets every 1ms are more than 100000 probes a second: lengthen the interval"},
	} {
		s := spec(t, 1, time.Second)
		c.change(&s)
		p, err := s.Plan(rand.New(rand.NewPCG(1, 2)))
		switch {
		case c.err == "" && (err != nil || p.Ports != c.ports):
			t.Errorf("%s: %d ports, %v", name, p.Ports, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func targets(n int) []netip.AddrPort {
	var all []netip.AddrPort
	for i := range n {
		all = append(all, netip.AddrPortFrom(apple, uint16(i+1)))
	}
	return all
}

// The same seed makes the same plan, and an ISN tells its probe.
func TestISN(t *testing.T) {
	s := spec(t, 1, time.Second)
	s.Scope = scope(t, targets(10)...)
	p, q := plan(t, s), plan(t, s)
	for i := range p.Targets {
		a, b := &p.Targets[i], &q.Targets[i]
		for _, n := range []uint32{1, 2, 1000, 1<<32 - 1} {
			if a.ISN(n) != b.ISN(n) || a.n(a.ISN(n)) != n {
				t.Errorf("target %d, probe %d: %d and %d, read as %d", i, n, a.ISN(n), b.ISN(n), a.n(a.ISN(n)))
			}
		}
		if i > 0 && a.isn == p.Targets[i-1].isn {
			t.Error("two targets with the same ISNs")
		}
	}
}

// Targets begin one after the other, and nothing leaves before its time.
func TestSchedule(t *testing.T) {
	s := spec(t, 3, 100*ms)
	s.Scope = scope(t, targets(20)...)
	p := plan(t, s)
	timetable := p.schedule()
	got := ""
	for now := time.Duration(0); !timetable.over(); now += ms {
		for target, due := timetable.turn(now); due; target, due = timetable.turn(now) {
			got += fmt.Sprintf("%d@%d ", target, now/ms)
		}
	}
	want := ""
	for round := range 3 {
		for target := range 20 {
			want += fmt.Sprintf("%d@%d ", target, 100*round+5*target)
		}
	}
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// crowdedPorts has some ports taken.
type crowdedPorts struct {
	taken func(uint16) bool
	first uint16 // the kernel's choice
	got   []uint16
	shut  int
}

func (c *crowdedPorts) Reserve(src netip.Addr, port uint16) (link.Port, error) {
	if port == 0 {
		port, c.first = c.first, c.first-5000
	}
	if c.taken(port) {
		return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	c.got = append(c.got, port)
	return crowdedPort{c, netip.AddrPortFrom(src, port)}, nil
}

type crowdedPort struct {
	*crowdedPorts
	local netip.AddrPort
}

func (p crowdedPort) Local() netip.AddrPort { return p.local }
func (p crowdedPort) Close() error          { p.shut++; return nil }

func TestReserve(t *testing.T) {
	c := &crowdedPorts{taken: func(p uint16) bool { return p%3 == 0 }, first: 65530}
	r, err := reserve(c, ant, 0, 6)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.got); got != "[65530 65531 65533 65534 60530 60532]" {
		t.Errorf("%s", got)
	}
	for i, l := range r.locals {
		if place, known := r.place(l); place != i || !known {
			t.Errorf("port %d is at %d, not %d", l.Port(), place, i)
		}
	}
	if err := r.close(); err != nil || c.shut != 6 {
		t.Errorf("%v, %d closed", err, c.shut)
	}
}

// The first port is the user's choice, and no other will do in its place. What
// was taken before a failure is given back.
func TestReserveFails(t *testing.T) {
	c := &crowdedPorts{taken: func(p uint16) bool { return p == 4000 }}
	if _, err := reserve(c, ant, 4000, 2); !errors.Is(err, syscall.EADDRINUSE) || len(c.got) != 0 {
		t.Errorf("%v, %v", err, c.got)
	}
	c = &crowdedPorts{taken: func(p uint16) bool { return p > 4001 }}
	if _, err := reserve(c, ant, 4000, 3); !errors.Is(err, syscall.EADDRINUSE) || c.shut != 2 {
		t.Errorf("%v, %d closed", err, c.shut)
	}
}

// A queue keeps its order and its memory.
func TestDeadlines(t *testing.T) {
	var q deadlines
	next, want := uint32(0), uint32(0)
	for range 1000 {
		for range 3 {
			q.push(deadline{n: next})
			next++
		}
		for range 3 {
			if got := q.peek().n; got != want {
				t.Fatalf("%d, not %d", got, want)
			}
			want++
			q.pop()
		}
		q.push(deadline{n: next})
		next++
	}
	for !q.empty() {
		if got := q.peek().n; got != want {
			t.Fatalf("%d, not %d", got, want)
		}
		want++
		q.pop()
	}
	if want != next || cap(q.all) > 4096 {
		t.Errorf("%d of %d; room for %d", want, next, cap(q.all))
	}
}
