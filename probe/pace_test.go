package probe

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// TestPace: the rate holds, and a run ends when its last answer could have
// come, which the measured RTT bounds.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.DstPort > 500 {
				return nil
			}
			return after(ms, rst(h, g))
		}
		s := spec(t, "1-501")
		s.Rate, s.Order = 500, GivenOrder
		r := scanWorld(t, t.Context(), w, s)
		// A second for the 501 first tries; then 200, 400 and 800 ms.
		if want := 2400 * ms; r.took < want-50*ms || r.took > want+50*ms {
			t.Errorf("it took %v, want about %v", r.took, want)
		}
		if r.tally.LimitedBy != "rate" {
			t.Errorf("limited by %q", r.tally.LimitedBy)
		}
	})
}

// TestConntrackRoom: no more than half of what is free is filled with entries
// of unanswered SYNs.
func TestConntrackRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.tracked, w.tracks = [2]int{100, 300}, true
		s := spec(t, "1-250")
		s.Tries, s.Like = 1, Bare
		r := scanWorld(t, t.Context(), w, s)
		sent := w.segments(wire.SYN)
		for i, first := range sent {
			inUse := 0
			for _, g := range sent[i:] {
				if g.at.Sub(first.at) < synSent-2*time.Second {
					inUse++
				}
			}
			if inUse > 100 {
				t.Fatalf("%d entries at once, want at most 100", inUse)
			}
		}
		if len(sent) != 250 || r.tally.LimitedBy != "conntrack" {
			t.Errorf("%d SYNs, limited by %q", len(sent), r.tally.LimitedBy)
		}
	})
}

// TestUntracked: a table that our SYNs do not enter is no limit.
func TestUntracked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.tracked = [2]int{100, 300}
		s := spec(t, "1-250")
		s.Tries, s.Like = 1, Bare
		if r := scanWorld(t, t.Context(), w, s); r.took > 10*time.Second || r.tally.LimitedBy == "conntrack" {
			t.Errorf("it took %v, limited by %q", r.took, r.tally.LimitedBy)
		}
	})
}

// TestNeighbors: hosts on our own link are asked for in groups, so that the
// neighbour table is not filled.
func TestNeighbors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.path.Gateway = netip.Addr{}
		s := spec(t, "80", "10.0.0.0/22")
		s.Tries, s.Rate, s.Like, s.Timeout = 1, 0, Bare, time.Second
		scanWorld(t, t.Context(), w, s)
		sent := w.segments(wire.SYN)
		for i, first := range sent {
			if n := min(i+groupSize, len(sent)-1); n > i && n == i+groupSize && sent[n].at.Sub(first.at) < time.Second {
				t.Fatalf("more than %d neighbours at once", groupSize)
			}
		}
	})
}

// TestSecondRunSeesTheTable: a session's second run finds its first one's
// entries in the connection tracking table.
func TestSecondRunSeesTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.tracked, w.tracks = [2]int{0, 100}, true
		s := spec(t, "1-40")
		s.Tries = 1
		r := scanWorld(t, t.Context(), w, s) // with a second look at 8 ports
		if sent := len(w.segments(wire.SYN)); sent != 48 || r.err != nil {
			t.Fatalf("%d SYNs, %v", sent, r.err)
		}
		if r.tally.LimitedBy == "conntrack" {
			t.Error("limited by a table that is half empty")
		}
	})
}

// TestOutstanding: whatever comes in whatever order, what is older than the
// while does not count, and nothing counts below zero.
func TestOutstanding(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	o := newOutstanding(10, time.Second)
	var open []int
	now := time.Duration(0)
	for range 20_000 {
		switch n := len(open); rng.IntN(3) {
		case 0:
			now += time.Duration(rng.ExpFloat64() * float64(100*ms))
			o.advance(now)
		case 1:
			open = append(open, o.add())
		default:
			if n > 0 {
				i := rng.IntN(n)
				o.remove(open[i])
				open = slices.Delete(open, i, i+1)
			}
		}
		o.check(t)
	}
	o.advance(now + time.Second)
	if o.total != 0 {
		t.Errorf("%d are left after all time has passed", o.total)
	}
}
