package probe

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// roundsWorld counts how often the run goes round.
type roundsWorld struct {
	*fakeWorld
	rounds int
}

func (w *roundsWorld) Open(link.Config) (link.Link, error) { return w, nil }
func (w *roundsWorld) Pending() bool {
	w.rounds++
	return w.fakeWorld.Pending()
}

// moody makes a world that does anything that a network and a kernel do, and
// whose moods are chosen by seed.
func moody(seed uint64) *fakeWorld {
	w := newFakeWorld()
	rng := rand.New(rand.NewPCG(seed, 1))
	if rng.IntN(2) == 0 {
		w.path.Gateway = netip.Addr{}
	}
	if rng.IntN(3) == 0 {
		w.tracked, w.tracks = [2]int{0, 60}, rng.IntN(2) == 0
	}
	w.unresolved, w.failed = map[netip.Addr]bool{}, map[netip.Addr]bool{}
	w.unreachable = map[netip.Addr]error{}
	for host := gateway; host != ant; host = host.Prev() {
		w.unresolved[host], w.failed[host] = rng.IntN(3) == 0, rng.IntN(3) == 0
		if rng.IntN(10) == 0 {
			w.unreachable[host] = syscall.EHOSTUNREACH
		}
	}
	refusals := []error{syscall.EPERM, syscall.ENOBUFS, syscall.EAGAIN}
	w.refuse = func(wire.Header, wire.Segment) error {
		if rng.IntN(5) > 0 {
			return nil
		}
		return refusals[rng.IntN(len(refusals))]
	}
	w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
		var replies []fakeReply
		for rng.IntN(3) > 0 && g.Flags == wire.SYN {
			delay := time.Duration(rng.IntN(1500)) * ms
			switch rng.IntN(12) {
			case 0:
				replies = append(replies, fakeReply{delay, icmp(ant, h, g, g.Seq, 3, 1)})
			case 1:
				replies = append(replies, fakeReply{delay, icmp(gateway, h, g, g.Seq, 3, 1)})
			case 2:
				replies = append(replies, fakeReply{delay, icmp(gateway, h, g, g.Seq, 3, 13)})
			case 3, 4, 5:
				replies = append(replies, fakeReply{delay, synAck(h, g)})
			default:
				replies = append(replies, fakeReply{delay, rst(h, g)})
			}
		}
		return replies
	}
	return w
}

// TestEveryProbeEndsOnce runs plans in worlds that do anything: every probe
// ends, and once; the books agree at every step; the run does not spin.
func TestEveryProbeEndsOnce(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			w := &roundsWorld{fakeWorld: moody(seed)}
			s := spec(t, "1-40", "10.0.0.2-9")
			s.Rate = []float64{0, 100, 1000}[seed%3]
			session, plan := open(t, w, s)
			next, stop := iter.Pull(plan.Probes())
			defer stop()
			r, err := session.newRun(plan, next)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
			defer cancel()
			ended := make(map[endpoint]bool)
			before := time.Duration(0)
			r.loop(ctx, func(x Exchange, err error) bool {
				name := endpoint{addrNumber(x.Probe.Addr), x.Probe.Port}
				if err != nil || ended[name] {
					t.Fatalf("seed %d: %v again, or %v", seed, x.Probe, err)
				}
				ended[name] = true
				if f := Judge(x); f.State == "" || f.Reason == "" {
					t.Errorf("seed %d: no finding of %+v", seed, x)
				}
				if r.heardUntil < before {
					t.Error("heardUntil went back")
				}
				before = r.heardUntil
				r.check(t)
				return true
			})
			if len(ended) != 8*40 || len(r.hosts)+len(r.flights.open)+r.hops.parked+r.flights.onLink != 0 {
				t.Errorf("seed %d: %d probes ended; left are %d hosts, %d flights, %d parked, %d on the link",
					seed, len(ended), len(r.hosts), len(r.flights.open), r.hops.parked, r.flights.onLink)
			}
			if w.rounds > 10_000 {
				t.Errorf("seed %d: %d rounds", seed, w.rounds)
			}
		})
	}
}

// check holds the books of a run against each other, as they are while the
// outbox is empty.
func (r *run) check(t *testing.T) {
	t.Helper()
	onLink, parked := 0, 0
	for _, f := range r.flights.open {
		places := 0
		if f.place >= 0 && r.flights.waiting[f.place] == f {
			places++
		}
		for _, g := range r.flights.again {
			if g == f {
				places++
			}
		}
		if places != 1 {
			t.Fatalf("flight to %v is in %d places", f.probe, places)
		}
		if f.host.hop != nil && (f.host.hop.state == unasked || f.host.hop.state == lost) {
			t.Fatalf("flight by a hop in state %d", f.host.hop.state)
		}
		if f.host.onLink() {
			onLink++
		}
		if r.hosts[addrNumber(f.probe.Addr)] != f.host {
			t.Fatalf("host of %v is forgotten", f.probe)
		}
	}
	for _, h := range r.hosts {
		parked += len(h.parked)
		if h.left <= 0 {
			t.Fatalf("host with %d probes left", h.left)
		}
		if len(h.parked) > 0 && !slices.Contains(h.hop.hosts, h) && !slices.Contains(r.hops.ready, h) {
			t.Fatal("parked for ever")
		}
	}
	if onLink != r.flights.onLink || parked != r.hops.parked {
		t.Fatalf("%d on the link, counted %d; %d parked, counted %d", onLink, r.flights.onLink, parked, r.hops.parked)
	}
	for _, h := range r.hops.all {
		if h.state == asked && !slices.Contains(r.hops.asking, h) {
			t.Fatal("nobody looks for a hop that was asked")
		}
	}
	r.burst.check(t)
	r.tracked.check(t)
}

func (o *outstanding) check(t *testing.T) {
	t.Helper()
	sum := 0
	for _, n := range o.ticks {
		if n < 0 {
			t.Fatal("a tick below zero")
		}
		sum += n
	}
	if sum != o.total {
		t.Fatalf("total %d, sum %d", o.total, sum)
	}
}

// TestInterruptedBefore: a run that is interrupted before it begins sends
// nothing.
func TestInterruptedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := scanWorld(t, ctx, w, spec(t, "1-100"))
		if !errors.Is(r.err, context.Canceled) || len(w.sent) != 0 || r.took != 0 {
			t.Errorf("%v, %d segments, %v", r.err, len(w.sent), r.took)
		}
	})
}

// TestInterruptedWhileParked: probes that wait for their hop are not waited
// for.
func TestInterruptedWhileParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.unresolved = map[netip.Addr]bool{gateway: true}
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		r := scanWorld(t, ctx, w, spec(t, "1-100"))
		if !errors.Is(r.err, context.DeadlineExceeded) || len(w.segments(wire.SYN)) != 1 || r.took > 2*time.Second {
			t.Errorf("%v, %d SYNs, %v", r.err, len(w.segments(wire.SYN)), r.took)
		}
	})
}

// brokenWorld is a world whose link breaks.
type brokenWorld struct {
	*fakeWorld
	send, receive error
}

func (w *brokenWorld) Open(link.Config) (link.Link, error) { return w, nil }
func (w *brokenWorld) Send(batch []wire.Departure) error {
	return errors.Join(w.send, w.fakeWorld.Send(batch))
}
func (w *brokenWorld) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	if w.receive != nil {
		return 0, w.receive
	}
	return w.fakeWorld.Receive(ctx, batch)
}

// TestBrokenLink: what breaks the link ends the run, and is its error.
func TestBrokenLink(t *testing.T) {
	for _, test := range []struct{ send, receive, want error }{
		{send: syscall.ENETDOWN, want: syscall.ENETDOWN},
		{receive: syscall.ENETDOWN, want: syscall.ENETDOWN},
		{receive: net.ErrClosed, want: net.ErrClosed},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &brokenWorld{newFakeWorld(), test.send, test.receive}
			session, plan := open(t, w, spec(t, "80"))
			tally, err := Scan(t.Context(), session, plan, nil, func(finding.Record) error { return nil })
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if tally.Detail != "1 of 1 probes were not made, or not waited for" {
				t.Errorf("detail %q", tally.Detail)
			}
		})
	}
}

// TestOutputBreaks: an error of the consumer's ends the scan at once.
func TestOutputBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
		session, plan := open(t, w, spec(t, "1-1000"))
		emitted := 0
		_, err := Scan(t.Context(), session, plan, nil, func(finding.Record) error {
			emitted++
			return syscall.EPIPE
		})
		if !errors.Is(err, syscall.EPIPE) || emitted != 1 {
			t.Errorf("%v after %d records", err, emitted)
		}
	})
}
