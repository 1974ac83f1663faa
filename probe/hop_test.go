package probe

import (
	"context"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

var gateway = netip.MustParseAddr("10.0.0.254")

// TestDeadGateway: one SYN asks for it, the others stay here.
func TestDeadGateway(t *testing.T) {
	for _, failed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newFakeWorld()
			w.unresolved = map[netip.Addr]bool{gateway: true}
			w.failed = map[netip.Addr]bool{gateway: failed}
			r := scanWorld(t, t.Context(), w, spec(t, "1-100", "10.1.0.1-3"))
			if r.err != nil || len(r.hosts) != 3 || len(r.ports) != 0 {
				t.Fatalf("%v, hosts %v, ports %v", r.err, r.hosts, r.ports)
			}
			for host, status := range r.hosts {
				if status != "no-arp" {
					t.Errorf("%s is %s", host, status)
				}
			}
			if sent := len(w.segments(wire.SYN)); sent != 1 {
				t.Errorf("%d SYNs, want 1", sent)
			}
			if bound := 6 * time.Second; r.took > bound || failed && r.took > bound/2 {
				t.Errorf("it took %v", r.took)
			}
		})
	}
}

// TestQuietNeighbour: a host that drops everything is found by the neighbour
// table, and then all its ports are probed.
func TestQuietNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.path.Gateway = netip.Addr{}
		s := spec(t, "1-100")
		s.Tries, s.Like = 1, Bare
		r := scanWorld(t, t.Context(), w, s)
		if sent := len(w.segments(wire.SYN)); sent != 100 || r.hosts["10.0.0.2"] != "silent" {
			t.Errorf("%d SYNs, hosts %v", sent, r.hosts)
		}
	})
}

// TestHopLostInMidRun: what was not sent any more is not-sent.
func TestHopLostInMidRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		n := 0
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if n++; n <= 50 {
				return after(ms, rst(h, g))
			}
			return after(ms, icmp(ant, h, g, g.Seq, 3, 1))
		}
		r := scanWorld(t, t.Context(), w, spec(t, "1-100"))
		states := map[string]int{}
		for _, verdict := range r.ports {
			state, _, _ := strings.Cut(verdict, " ")
			states[state]++
		}
		if states["closed"] != 50 || states["not-sent"] != 50 {
			t.Errorf("states %v", states)
		}
		for name, record := range r.record {
			if record.Text("state") == "not-sent" && record.Text("detail") != "10.0.0.254 does not answer ARP" {
				t.Errorf("%s: %q", name, record.Text("detail"))
			}
		}
	})
}

// TestCongestedDevice: a full queue is no refusal.
func TestCongestedDevice(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOBUFS} {
		synctest.Test(t, func(t *testing.T) {
			w := newFakeWorld()
			full := time.Now().Add(300 * ms)
			w.refuse = func(h wire.Header, g wire.Segment) error {
				if g.DstPort > 10 && time.Now().Before(full) {
					return errno
				}
				return nil
			}
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
			r := scanWorld(t, t.Context(), w, spec(t, "1-100"))
			for name, verdict := range r.ports {
				if verdict != "closed rst 10.0.0.2" {
					t.Errorf("%s: %s", name, verdict)
				}
			}
			if len(r.ports) != 100 {
				t.Errorf("%d ports", len(r.ports))
			}
		})
	}
}

// TestResetRefused: the user must know that half-open connections stay.
func TestResetRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.refuse = func(h wire.Header, g wire.Segment) error {
			if g.Flags == wire.RST {
				return syscall.EPERM
			}
			return nil
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, synAck(h, g)) }
		r := scanWorld(t, t.Context(), w, spec(t, "80"))
		if !strings.Contains(r.tally.Detail, "refused to send 1 of our resets") {
			t.Errorf("detail %q", r.tally.Detail)
		}
	})
}

// TestHopLostAfterwards: a hop that was found may be lost all the same. It is
// asked once more; what the plan still holds then is not sent, and the run
// ends.
func TestHopLostAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		// The hosts without a route keep the run busy while the hop is found, so
		// that apple's ports are not parked.
		w.unreachable = make(map[netip.Addr]error)
		for addr := apple.Next(); addr.As4()[3] < 250; addr = addr.Next() {
			w.unreachable[addr] = syscall.ENETUNREACH
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.DstPort <= 10 {
				return after(0, rst(h, g))
			}
			return after(0, icmp(ant, h, g, g.Seq, 3, 1))
		}
		s := spec(t, "1-20", "10.0.0.2-249")
		s.Order = GivenOrder
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := scanWorld(t, ctx, w, s)
		if r.err != nil || r.tally.Counts[finding.Closed] != 10 || r.tally.Counts[finding.NotSent] != 10 {
			t.Errorf("%v, %v", r.err, r.tally.Counts)
		}
		if sent := len(w.segments(wire.SYN)); sent != 12 {
			t.Errorf("%d SYNs, want 12", sent)
		}
	})
}

// TestHopComesBack: a gateway that is away for a while costs the probes of
// that while, and no more.
func TestHopComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		away := false
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.DstPort == 50 && !away {
				away = true
				return after(ms, icmp(ant, h, g, g.Seq, 3, 1))
			}
			return after(ms, rst(h, g))
		}
		s := spec(t, "1-100")
		s.Rate, s.Order = 100, GivenOrder
		r := scanWorld(t, t.Context(), w, s)
		if r.tally.Counts[finding.Closed] != 99 || r.tally.Counts[finding.NotSent] != 1 || r.tally.NoRoute == nil {
			t.Errorf("%v, %v", r.tally.Counts, r.tally.NoRoute)
		}
	})
}

// TestWordFromAnotherAddress: our kernel gives up in the name of the
// network's first address, whichever we send from.
func TestWordFromAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.unresolved = map[netip.Addr]bool{gateway: true}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			return after(500*ms, icmp(ant2, h, g, g.Seq, 3, 1))
		}
		r := scanWorld(t, t.Context(), w, spec(t, "1-10"))
		if r.hosts["10.0.0.2"] != "no-arp" || len(w.segments(wire.SYN)) != 1 || r.took > 600*ms {
			t.Errorf("%v, %d SYNs, %v", r.hosts, len(w.segments(wire.SYN)), r.took)
		}
	})
}

// TestHeldHops: as long as the kernel holds datagrams for hosts that we have
// no more time for, the next ones are not asked for.
func TestHeldHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.path.Gateway = netip.Addr{}
		s := spec(t, "80", "10.1.0.0/23")
		w.unresolved = map[netip.Addr]bool{}
		for i := range uint32(512) {
			w.unresolved[numberAddr(addrNumber(s.Targets[0].First)+i)] = true
		}
		time.AfterFunc(3*time.Second, func() { // the kernel gives up on all
			w.mu.Lock()
			defer w.mu.Unlock()
			w.failed = w.unresolved
		})
		s.Tries, s.Rate, s.Like, s.Timeout = 1, 0, Bare, 300*time.Millisecond
		r := scanWorld(t, t.Context(), w, s)
		early := 0
		for _, g := range w.segments(wire.SYN) {
			if g.at.Sub(w.sent[0].at) < 3*time.Second {
				early++
			}
		}
		if early != groupSize || len(r.hosts) != 512 {
			t.Errorf("%d asked for before the kernel gave up, %d hosts", early, len(r.hosts))
		}
	})
}

// TestAskerRefused: a probe that our own firewall refuses asks for no hop, and
// those that were parked behind it do not wait for one that nobody asks for.
func TestAskerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.unresolved = map[netip.Addr]bool{gateway: true} // others' doing
		w.refuse = func(_ wire.Header, g wire.Segment) error {
			if g.DstPort == 1 {
				return syscall.EPERM
			}
			return nil
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
		s := spec(t, "1-20")
		s.Order = GivenOrder
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := scanWorld(t, ctx, w, s)
		if r.err != nil || r.tally.Counts[finding.Closed] != 19 || r.tally.Counts[finding.NotSent] != 1 {
			t.Errorf("%v, %v", r.err, r.tally.Counts)
		}
	})
}

// TestAskerDelayed: a first try for which the device had no room is made
// again, and does not count as one that waits for ARP.
func TestAskerDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.unresolved = map[netip.Addr]bool{gateway: true}
		refused := false
		w.refuse = func(wire.Header, wire.Segment) error {
			if refused {
				return nil
			}
			refused = true
			return syscall.ENOBUFS
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
		r := scanWorld(t, t.Context(), w, spec(t, "1-20"))
		if r.err != nil || r.tally.Counts[finding.Closed] != 20 || r.took > time.Second {
			t.Errorf("%v, %v after %v", r.err, r.tally.Counts, r.took)
		}
	})
}

// TestRetryRefused: a retry that never left is not counted as a try, and the
// answer to the one before it counts.
func TestRetryRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		syns := 0
		w.refuse = func(wire.Header, wire.Segment) error {
			if syns++; syns > 1 {
				return syscall.EPERM
			}
			return nil
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(1500*ms, rst(h, g)) }
		record := scanWorld(t, t.Context(), w, spec(t, "80")).record["10.0.0.2:80"]
		tries, _ := record.Int("tries")
		rtt, _ := record.Number("rtt_us")
		if record.Text("state") != "closed" || tries != 1 || rtt != 1.5e6 {
			t.Errorf("%s after %d tries and %v us", record.Text("state"), tries, rtt)
		}
	})
}
