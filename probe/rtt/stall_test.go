package rtt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// A process that is kept from running is not deaf meanwhile: what came in time
// by the kernel's stamps counts, and by the best clock, however late it is read.
func TestKeptFromRunning(t *testing.T) {
	const probes, rtt = 100, 100 * ms
	for name, n := range map[string]int{"one by one": 1, "busy": 11} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(rtt, h, g) }
				s := spec(t, probes, 10*ms)
				s.Timeout, s.Scope = 300*ms, scope(t, targets(n)...)
				session, err := Open(t.Context(), w, plan(t, s))
				if err != nil {
					t.Fatal(err)
				}
				defer session.Close()
				samples := 0
				for x, err := range samplesOf(session, t.Context()) {
					if err != nil || x.Reply != finding.SYNACK || x.RTT != rtt || x.Clock != finding.PacketRing {
						t.Errorf("%+v, %v", x, err)
					}
					// With several under way, for longer than any limit of ours.
					if samples++; samples == probes/2 {
						time.Sleep(5 * time.Second)
					}
				}
				if samples != n*probes {
					t.Errorf("%d samples", samples)
				}
			})
		})
	}
}

// The same between the user's clock and the kernel's, where it seems that the
// probe has left already.
func TestKeptFromSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(100*ms, h, g) }
		w.hold = time.Second
		s := spec(t, 5, 10*ms)
		s.Timeout = 300 * ms
		samples, _ := measure(t, w, s)
		for _, x := range samples {
			if x.Reply != finding.SYNACK || x.RTT != 100*ms {
				t.Errorf("%+v", x)
			}
		}
	})
}

// While more keeps coming than can be read, probes are given up after a while.
func TestBacklog(t *testing.T) {
	var b backlog
	now := time.Duration(0)
	for _, step := range []struct {
		name    string
		after   time.Duration
		waiting bool
		until   time.Duration
	}{
		{"all is read", 10 * ms, false, 10 * ms},
		{"something waits", ms, true, 10 * ms},
		{"kept from running", time.Hour, true, 10 * ms},
		{"all is read again", ms, false, time.Hour + 12*ms},
	} {
		now += step.after
		if b.look(now, step.waiting); b.until != step.until {
			t.Errorf("%s: %v, want %v", step.name, b.until, step.until)
		}
	}
	for range 2000 {
		now += ms
		b.look(now, true)
	}
	if want := now - maxBehind; b.until != want {
		t.Errorf("always behind: %v, want %v", b.until, want)
	}
}
