package rtt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const ms = time.Millisecond

// Both stamps come from the tap where there is one, and what the user's clock
// says stands beside them.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		world func(*fakeWorld)
		spec  func(*Spec)
		clock finding.Clock
		rtt   time.Duration
	}{
		"ring":              {clock: finding.PacketRing, rtt: 20 * ms},
		"no tap":            {world: func(w *fakeWorld) { w.noTap = syscall.EAFNOSUPPORT }, clock: finding.SocketStamp, rtt: 20*ms + 3*time.Microsecond},
		"by the way":        {spec: func(s *Spec) { s.Clock = finding.SocketStamp }, clock: finding.SocketStamp, rtt: 20*ms + 3*time.Microsecond},
		"user":              {spec: func(s *Spec) { s.Clock = finding.UserClock }, clock: finding.UserClock, rtt: 20*ms + 3*time.Microsecond},
		"unseen":            {world: func(w *fakeWorld) { w.untapped = func(wire.Segment) bool { return true } }, clock: finding.UserClock, rtt: 20*ms + 3*time.Microsecond},
		"clock set":         {world: func(w *fakeWorld) { w.step = -time.Hour }, clock: finding.UserClock, rtt: 20 * ms},
		"clock set forward": {world: func(w *fakeWorld) { w.step = time.Hour }, clock: finding.UserClock, rtt: 20 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.lag = 3 * time.Microsecond
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(20*ms, h, g) }
				s := spec(t, 3, 100*ms)
				if c.world != nil {
					c.world(w)
				}
				if c.spec != nil {
					c.spec(&s)
				}
				samples, session := measure(t, w, s)
				if len(samples) != 3 {
					t.Fatalf("%d samples", len(samples))
				}
				for i, x := range samples {
					if x.N != uint32(i+1) || x.Reply != finding.SYNACK || x.RTT != c.rtt || x.Clock != c.clock ||
						x.User != 20*ms || x.TTL != 63 || x.From != apple {
						t.Errorf("%+v", x)
					}
				}
				record, _ := session.Summary(0, nil)
				if got := finding.Clock(record.Text("clock")); got != c.clock {
					t.Errorf("summary: clock %s", got)
				}
				want := leastError
				if c.clock != finding.PacketRing {
					want = w.lag
				}
				switch bar, known := record.Number("error_us"); {
				case w.noTap != nil && (known || session.calibration.Err == nil):
					t.Errorf("calibrated without a tap: %+v", session.calibration)
				case w.noTap == nil && bar != microseconds(want):
					t.Errorf("error bar %v us, not %v: %+v", bar, want, session.calibration)
				}
			})
		})
	}
}

// Answers may come by another device than the one that SYNs leave by, where
// routes are not the same in both directions. They are answers, and each is
// heard once.
func TestAnswersFromElsewhere(t *testing.T) {
	for name, interval := range map[string]time.Duration{"one by one": 10 * ms, "busy": ms} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.elsewhere = true
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(20*ms, h, g) }
				s := spec(t, 50, interval)
				s.Scope = scope(t, netip.AddrPortFrom(apple, 80), netip.AddrPortFrom(apple, 81))
				samples, session := measure(t, w, s)
				for _, x := range samples {
					if x.Reply != finding.SYNACK || x.RTT != 20*ms || x.Clock != finding.UserClock {
						t.Fatalf("%+v", x)
					}
				}
				if resets := len(w.segments(wire.RST)); len(samples) != 100 || resets != 100 || session.Progress().Strays != 0 {
					t.Errorf("%d samples, %d resets, %+v", len(samples), resets, session.Progress())
				}
			})
		})
	}
}

// A reset goes out for every SYN-ACK, with the number that it expects.
func TestResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(20*ms, h, g) }
		measure(t, w, spec(t, 5, 10*ms))
		syns, resets := w.segments(wire.SYN), w.segments(wire.RST)
		if len(syns) != 5 || len(resets) != 5 {
			t.Fatalf("%d SYN, %d RST", len(syns), len(resets))
		}
		for i, r := range resets {
			if r.segment.Seq != syns[i].segment.Seq.Add(1) || r.segment.SrcPort != syns[i].segment.SrcPort {
				t.Errorf("%+v resets %+v", r, syns[i])
			}
		}
	})
}

// No port is used again for a target before its last probe cannot be answered
// any more, and no ISN ever.
func TestPortsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		s := spec(t, 7000, ms)
		measure(t, w, s)
		last := make(map[uint16]time.Time)
		isns := make(map[wire.Seq]bool)
		var before time.Time
		for i, x := range w.segments(wire.SYN) {
			if at, used := last[x.segment.SrcPort]; used && x.at.Sub(at) < s.Timeout+margin {
				t.Fatalf("port %d again after %v", x.segment.SrcPort, x.at.Sub(at))
			}
			if isns[x.segment.Seq] {
				t.Fatalf("ISN %d again", x.segment.Seq)
			}
			if i > 0 && x.at.Sub(before) != ms {
				t.Fatalf("%v after the one before", x.at.Sub(before))
			}
			before = x.at
			last[x.segment.SrcPort], isns[x.segment.Seq] = x.at, true
		}
		if len(isns) != 7000 {
			t.Errorf("%d probes", len(isns))
		}
	})
}

// The silent are reset too, since it may be the SYN-ACK that was lost.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		start := time.Now()
		samples, session := measure(t, w, spec(t, 2, 100*ms))
		if got := byReply(samples); got[finding.NoReply] != 2 {
			t.Errorf("%v", got)
		}
		// The second port is cleared ahead of its use as well, but was not used.
		if n := len(w.segments(wire.RST)); n != 2 {
			t.Errorf("%d resets", n)
		}
		if took := time.Since(start); took < 2100*ms || took > 2200*ms {
			t.Errorf("took %v", took)
		}
		if s := session.Stats(0); s.Sent != 2 || s.Received != 0 || s.Loss() != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// Where ARP gets no answer, nothing left this host, and it is said so. What our
// own kernel says of it comes too late to matter.
func TestNoARP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{3 * time.Second, icmp(ant, h, g, wire.ICMPUnreachable, 1)}}
		}
		s := spec(t, 5, time.Second)
		s.Scope = scope(t, netip.AddrPortFrom(berry, 80))
		_, session := measure(t, w, s)
		record, _ := session.Summary(0, nil)
		if got := record.Text("detail"); got != "10.0.0.3 does not answer ARP" || session.Stats(0).Late != 0 {
			t.Errorf("%q, %d late", got, session.Stats(0).Late)
		}
	})
}

// A run ends as soon as its last probe is answered.
func TestEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(20*ms, h, g) }
		start := time.Now()
		measure(t, w, spec(t, 3, 100*ms))
		if took := time.Since(start); took > 300*ms {
			t.Errorf("took %v", took)
		}
	})
}

// What may answer a retransmission is no sample, whatever the timeout.
func TestLate(t *testing.T) {
	lossy := func(h wire.Header, g wire.Segment, delay func(n int) time.Duration, n *int) []fakeReply {
		if g.Flags != wire.SYN {
			return nil
		}
		*n++
		return synAck(delay(*n), h, g)
	}
	for name, c := range map[string]struct {
		delay      func(n int) time.Duration
		timeout    time.Duration
		late, good int
	}{
		"a second SYN-ACK":      {func(n int) time.Duration { return 20*ms + time.Duration(n%2)*time.Second }, 3 * time.Second, 5, 5},
		"first of all":          {func(n int) time.Duration { return 1020 * ms }, 3 * time.Second, 2, 8},
		"slow path":             {func(n int) time.Duration { return 700*ms + time.Duration(n)*50*ms }, 3 * time.Second, 0, 10},
		"after the timeout":     {func(n int) time.Duration { return 300*ms + time.Duration(n%2)*250*ms }, 500 * ms, 5, 5},
		"very long path":        {func(n int) time.Duration { return 1500 * ms }, 3 * time.Second, 2, 8},
		"satellite and a loss":  {func(n int) time.Duration { return 600*ms + time.Duration(n/10)*time.Second }, 3 * time.Second, 1, 9},
		"jitter is no mischief": {func(n int) time.Duration { return 20*ms + time.Duration(n)*90*ms }, 3 * time.Second, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, n := newFakeWorld(), 0
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return lossy(h, g, c.delay, &n) }
				s := spec(t, 10, time.Second)
				s.Timeout = c.timeout
				samples, session := measure(t, w, s)
				got := byReply(samples)
				if got[finding.SYNACK] != c.good || got[finding.NoReply] != c.late || session.Stats(0).Late != uint64(c.late) {
					t.Errorf("%v, %d late", got, session.Stats(0).Late)
				}
				for _, x := range samples {
					if x.Answered() && x.RTT > c.timeout {
						t.Errorf("%+v", x)
					}
				}
			})
		})
	}
}

// Copies of an answer are counted apart, and each is answered.
func TestDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			return append(append(synAck(20*ms, h, g), synAck(21*ms, h, g)...), synAck(60*ms, h, g)...)
		}
		samples, session := measure(t, w, spec(t, 10, 100*ms))
		s := session.Stats(0)
		// The run ends with the last answer, not with its copies.
		if len(samples) != 10 || s.Received != 10 || s.Duplicates < 18 || s.Late != 0 {
			t.Errorf("%d samples, %d received, %d duplicates, %d late", len(samples), s.Received, s.Duplicates, s.Late)
		}
		if n := len(w.segments(wire.RST)); n != int(s.Received+s.Duplicates) {
			t.Errorf("%d resets", n)
		}
	})
}

// What proves nothing changes nothing.
func TestForgeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			forged := func(flags wire.Flags, ack wire.Seq) fakeReply { return fakeReply{ms, replyTo(h, g, flags, ack)} }
			replies := []fakeReply{
				forged(wire.SYN|wire.ACK, g.Seq), forged(wire.SYN|wire.ACK, g.Seq.Add(2)), forged(wire.SYN|wire.ACK, g.Seq.Add(1+stride)),
				forged(wire.RST, 0), forged(wire.RST|wire.ACK, g.Seq.Add(1<<31)), forged(wire.SYN, 0), forged(wire.FIN|wire.ACK, g.Seq.Add(1)),
				{ms, []byte{0x45}},
			}
			wrong := g
			wrong.Seq++
			replies = append(replies, fakeReply{ms, icmp(berry, h, wrong, wire.ICMPUnreachable, 3)})
			return append(replies, synAck(20*ms, h, g)...)
		}
		samples, session := measure(t, w, spec(t, 5, 100*ms))
		for _, x := range samples {
			if x.RTT != 20*ms {
				t.Errorf("%+v", x)
			}
		}
		s := session.Stats(0)
		if len(samples) != 5 || s.Duplicates != 0 || s.Late != 0 || session.Progress().Strays != 45 {
			t.Errorf("%d samples, %+v, %+v", len(samples), s, session.Progress())
		}
	})
}

// A bare ACK shows that an earlier probe is not forgotten; a reset makes it.
func TestChallenge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			return []fakeReply{{ms, replyTo(h, g, wire.ACK, 77)}}
		}
		s := spec(t, 1, 100*ms)
		samples, _ := measure(t, w, s)
		resets := w.segments(wire.RST)
		if byReply(samples)[finding.NoReply] != 1 || len(resets) != 2 || resets[0].segment.Seq != 77 {
			t.Errorf("%+v, %+v", samples, resets)
		}
	})
}

// Whoever answers everything that we send, a hundred times, is answered a few
// times for each probe.
func TestAnswersAreBounded(t *testing.T) {
	for name, flags := range map[string]wire.Flags{"SYN-ACK": wire.SYN | wire.ACK, "ACK": wire.ACK} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.answer = func(h wire.Header, g wire.Segment) (all []fakeReply) {
					ack := g.Seq
					if g.Flags == wire.SYN {
						ack = g.Seq.Add(1)
						all = synAck(ms, h, g)
					}
					for range 100 {
						all = append(all, fakeReply{ms, replyTo(h, g, flags, ack)})
					}
					return all
				}
				samples, _ := measure(t, w, spec(t, 3, 100*ms))
				resets := len(w.segments(wire.RST))
				if byReply(samples)[finding.SYNACK] != 3 || resets < 3 || resets > 3*(maxAnswers+1) {
					t.Errorf("%d resets for %+v", resets, samples)
				}
			})
		})
	}
}

// TCP and ICMP reach us by different sockets: an error that overtakes the
// answer, or comes with it, does not undo it. One that stands alone counts, and
// an answer long after it is late.
func TestErrorAndAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer, err time.Duration
		want        finding.Reason
		late        uint64
	}{
		"error ahead":      {20 * ms, 19 * ms, finding.SYNACK, 0},
		"error behind":     {19 * ms, 20 * ms, finding.SYNACK, 0},
		"error long ahead": {500 * ms, 20 * ms, finding.ICMP(wire.ICMPUnreachable, 13), 1},
	} {
		for _, interval := range []time.Duration{100 * ms, ms} {
			t.Run(fmt.Sprintf("%s, every %v", name, interval), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newFakeWorld()
					w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
						if g.Flags != wire.SYN {
							return nil
						}
						return append(synAck(c.answer, h, g), fakeReply{c.err, icmp(berry, h, g, wire.ICMPUnreachable, 13)})
					}
					s := spec(t, 5, interval)
					s.Scope = scope(t, targets(2)...) // at a millisecond that is busy
					samples, session := measure(t, w, s)
					for _, x := range samples {
						if x.Reply != c.want || x.Answered() && x.RTT != c.answer {
							t.Errorf("%+v", x)
						}
					}
					// What comes when the run is over, nobody hears.
					if st := session.Stats(0); st.Late > 5*c.late || st.Duplicates != 0 {
						t.Errorf("%+v", st)
					}
				})
			})
		}
	}
}

// Where our resets are lost, a probe meets what the one before it on its port
// has left. It is lost, and the user is told why.
func TestMetEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		known := make(map[uint16]wire.Seq)
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			switch isn, met := known[g.SrcPort]; {
			case g.Flags != wire.SYN:
				return nil
			case met:
				return []fakeReply{{ms, replyTo(h, g, wire.ACK, isn.Add(1))}}
			}
			known[g.SrcPort] = g.Seq
			return synAck(ms, h, g)
		}
		s := spec(t, 6, time.Second) // of four ports
		samples, session := measure(t, w, s)
		summary, _ := session.Summary(0, nil)
		for _, x := range samples {
			detail := x.Record(session.plan, nil).Text("detail")
			if met := x.N > 4; met != (x.Met != 0 && x.Met == x.N-4) || met != strings.Contains(detail, fmt.Sprintf("probe %d", x.N-4)) {
				t.Errorf("%+v: %s", x, detail)
			}
		}
		if byReply(samples)[finding.NoReply] != 2 || session.Progress().Strays != 0 || !strings.HasPrefix(summary.Text("detail"), "2 of the lost met") {
			t.Errorf("%+v, %+v, %v", samples, session.Progress(), summary)
		}
	})
}

// A SYN-ACK that is sent again shows that a reset is lost; one that the network
// rejects has opened nothing.
func TestClearsAheadOnlyWhatLingers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(wire.Header, wire.Segment) []fakeReply
		ahead  int
	}{
		"sent again": {func(h wire.Header, g wire.Segment) []fakeReply {
			return append(synAck(ms, h, g), synAck(3*ms, h, g)...)
		}, 21}, // before the 5th, and all that follow
		"rejected": {func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			return []fakeReply{{ms, icmp(berry, h, g, wire.ICMPUnreachable, 13)}}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.answer = c.answer
				s := spec(t, 24, time.Second) // of four ports
				measure(t, w, s)
				answers := 0
				for _, g := range w.segments(wire.SYN) {
					for _, r := range c.answer(g.header, g.segment) {
						if h, _, err := wire.ParseHeader(r.datagram); err == nil && h.Protocol == wire.ProtocolTCP {
							answers++
						}
					}
				}
				if got := len(w.segments(wire.RST)) - answers; got != c.ahead {
					t.Errorf("%d resets ahead, not %d", got, c.ahead)
				}
			})
		})
	}
}

// Once anything is lost, the port that comes next is reset ahead of its use.
func TestClearsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := newFakeWorld(), 0
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if n++; n == 1 {
				return nil
			}
			return synAck(ms, h, g)
		}
		s := spec(t, 20, time.Second)
		p := plan(t, s)
		measure(t, w, s)
		// One for each probe; and one more for each port used twice, but for the
		// first, whose reset came in time.
		if got, want := len(w.segments(wire.RST)), 20+20-p.Ports; got < want-2 || got > want+2 {
			t.Errorf("%d resets, not %d", got, want)
		}
	})
}

func TestReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := newFakeWorld(), 0
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			switch n++; n {
			case 1:
				return []fakeReply{{5 * ms, replyTo(h, g, wire.RST|wire.ACK, g.Seq.Add(1))}}
			case 2:
				return []fakeReply{{5 * ms, icmp(berry, h, g, wire.ICMPUnreachable, 13)}}
			case 3:
				return nil
			}
			return synAck(5*ms, h, g)
		}
		w.refuse = func(h wire.Header, g wire.Segment) error {
			if n == 4 && g.Flags == wire.SYN {
				n++
				return syscall.EPERM
			}
			return nil
		}
		samples, session := measure(t, w, spec(t, 6, 100*ms))
		want := map[finding.Reason]int{finding.RST: 1, finding.AdminProhibited: 1, finding.NoReply: 1, finding.SYNACK: 2, finding.LocalRefusal: 1}
		if got := byReply(samples); !maps.Equal(got, want) {
			t.Errorf("%v", got)
		}
		s := session.Stats(0)
		if s.Sent != 5 || s.Received != 3 || s.Resets != 1 || s.ICMP != 1 || s.NotSent != 1 {
			t.Errorf("%+v", s)
		}
		record, _ := session.Summary(0, nil)
		if !strings.Contains(record.Text("detail"), "operation not permitted") {
			t.Errorf("detail %q", record.Text("detail"))
		}
		for _, x := range samples {
			// By hand, but as Set would.
			got, want := x.Record(session.plan, nil), finding.New("rtt")
			for _, f := range got.Fields {
				want = want.Set(f.Name, f.Value)
			}
			if err := got.Validate(); err != nil || !reflect.DeepEqual(got.Fields, want.Fields) {
				t.Errorf("%v: %v", got, err)
			}
		}
	})
}

// Targets without a way do not keep the others from being measured, and are
// tried again.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.unreachable = map[netip.Addr]error{berry: syscall.ENETUNREACH}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(ms, h, g) }
		s := spec(t, 4, 100*ms)
		s.Scope = scope(t, netip.AddrPortFrom(apple, 80), netip.AddrPortFrom(berry, 80))
		session, err := Open(t.Context(), w, plan(t, s))
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		got := make(map[string]int)
		for x, err := range samplesOf(session, t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprint(x.Target, x.Reply, errors.Is(x.Refused, syscall.ENETUNREACH))]++
			if x.Target == 1 && x.N == 2 {
				delete(w.unreachable, berry)
			}
		}
		want := map[string]int{"0syn-ackfalse": 4, "1local-refusaltrue": 2, "1syn-ackfalse": 2}
		if !maps.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
}

func TestNoWayAtAll(t *testing.T) {
	w := newFakeWorld()
	w.unreachable = map[netip.Addr]error{apple: syscall.ENETUNREACH}
	if _, err := Open(t.Context(), w, plan(t, spec(t, 1, time.Second))); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("%v", err)
	}
}

// Want of privilege is no reason to fall back to less.
func TestNoPrivilege(t *testing.T) {
	w := newFakeWorld()
	w.noTap = syscall.EPERM
	if _, err := Open(t.Context(), w, plan(t, spec(t, 1, time.Second))); !errors.Is(err, syscall.EPERM) {
		t.Errorf("%v", err)
	}
}

// An interrupted run resets what it has opened, and counts what is decided.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(20*ms, h, g) }
		s := spec(t, 0, 100*ms)
		s.Scope = scope(t, netip.AddrPortFrom(apple, 80), netip.AddrPortFrom(berry, 80))
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if h.Dst == berry {
				return nil
			}
			return synAck(20*ms, h, g)
		}
		session, err := Open(t.Context(), w, plan(t, s))
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 1050*ms)
		defer cancel()
		var last error
		samples := 0
		for _, err := range samplesOf(session, ctx) {
			if last = err; err == nil {
				samples++
			}
		}
		if !errors.Is(last, context.DeadlineExceeded) || samples != 11 {
			t.Errorf("%d samples, %v", samples, last)
		}
		if s := session.Stats(1); s.Sent != 0 {
			t.Errorf("undecided probes are counted: %+v", s)
		}
		if syns, resets := len(w.segments(wire.SYN)), len(w.segments(wire.RST)); syns != 22 || resets != 22 {
			t.Errorf("%d SYN, %d RST", syns, resets)
		}
	})
}

// Half of what is free in the connection tracking table is left to others,
// where the kernel makes use of it.
func TestTracking(t *testing.T) {
	for name, c := range map[string]struct {
		limit  int
		tracks bool
		fails  bool
	}{
		"no table":    {0, true, false},
		"room enough": {1000, true, false},
		"unused":      {150, false, false},
		"in use":      {150, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.tracked, w.limit, w.tracks = 50, c.limit, c.tracks
				session, err := Open(t.Context(), w, plan(t, spec(t, 300, 10*ms)))
				if err != nil {
					t.Fatal(err)
				}
				defer session.Close()
				var failed error
				for _, err := range session.Run(t.Context()) {
					failed = err
				}
				if (failed != nil) != c.fails || failed != nil && !strings.Contains(failed.Error(), "connection tracking table") {
					t.Error(failed)
				}
				syns, resets := len(w.segments(wire.SYN)), len(w.segments(wire.RST))
				if c.fails && (syns > 100 || resets != syns) || !c.fails && syns != 300 {
					t.Errorf("%d SYN, %d RST", syns, resets)
				}
			})
		})
	}
}

// Whoever was kept from running does not catch up in a burst.
func TestNoBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(ms, h, g) }
		session, err := Open(t.Context(), w, plan(t, spec(t, 20, 10*ms)))
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		n := 0
		for range samplesOf(session, t.Context()) {
			if n++; n == 5 {
				time.Sleep(time.Second)
			}
		}
		sent := w.segments(wire.SYN)
		var before time.Time
		for i, x := range sent {
			if i > 0 && x.at.Sub(before) < 10*ms {
				t.Errorf("probe %d after %v", i+1, x.at.Sub(before))
			}
			before = x.at
		}
		if len(sent) != 20 || n != 20 {
			t.Errorf("%d sent, %d samples", len(sent), n)
		}
	})
}

func TestDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(ms, h, g) }
		s := spec(t, 0, 100*ms)
		s.Duration = time.Second
		samples, _ := measure(t, w, s)
		if len(samples) != 10 {
			t.Errorf("%d samples", len(samples))
		}
	})
}

// Whatever a network does, every probe becomes one sample, and what came in
// time is right.
func TestMoods(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newFakeWorld()
			if rng.IntN(4) == 0 {
				w.noTap = syscall.EAFNOSUPPORT
			}
			delays := make(map[wire.Seq]time.Duration)
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
				if g.Flags != wire.SYN {
					return nil
				}
				var all []fakeReply
				first := time.Duration(0)
				for range rng.IntN(4) {
					delay := time.Duration(1+rng.IntN(3000)) * ms
					switch rng.IntN(5) {
					case 0:
						all = append(all, fakeReply{delay, icmp(berry, h, g, wire.ICMPTimeExceeded, 0)})
						continue
					case 1:
						all = append(all, fakeReply{delay, replyTo(h, g, wire.RST|wire.ACK, g.Seq.Add(1))})
					default:
						all = append(all, synAck(delay, h, g)...)
					}
					if first == 0 || delay < first {
						first = delay
					}
				}
				delays[g.Seq] = first
				return all
			}
			w.refuse = func(wire.Header, wire.Segment) error {
				if rng.IntN(20) == 0 {
					return syscall.EPERM
				}
				return nil
			}
			s := spec(t, 200, time.Duration(1+rng.IntN(50))*ms)
			if rng.IntN(3) == 0 { // so many probes that the tap alone is heard
				s.Interval, s.Scope = 2*ms, scope(t, targets(4)...)
			}
			s.Timeout = time.Duration(200+rng.IntN(3000)) * ms
			samples, session := measure(t, w, s)
			seen := make(map[wire.Seq]bool)
			for _, x := range samples {
				isn := session.plan.Targets[x.Target].ISN(x.N)
				if seen[isn] {
					t.Errorf("seed %d: probe %d twice", seed, x.N)
				}
				seen[isn] = true
				if want := delays[isn]; x.Answered() && x.RTT != want {
					t.Errorf("seed %d: %+v, not %v", seed, x, want)
				}
			}
			for i := range session.targets {
				if st := session.Stats(i); st.Sent+st.NotSent != 200 {
					t.Errorf("seed %d: %+v", seed, st)
				}
			}
			if len(seen) != 200*len(session.targets) {
				t.Errorf("seed %d: %d samples", seed, len(seen))
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		var p Plan
		var comments []string
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			b, err := wire.AppendDatagram(nil, h, g)
			if err != nil {
				t.Error(err)
			}
			comments = append(comments, p.Describe(b, true))
			replies := synAck(ms, h, g)
			for _, r := range replies {
				comments = append(comments, p.Describe(r.datagram, false))
			}
			return replies
		}
		s := spec(t, 2, 100*ms)
		p = plan(t, s)
		measure(t, w, s)
		want := "rtt 10.0.0.2:80, probe 1|answers rtt 10.0.0.2:80, probe 1|reset of what rtt 10.0.0.2:80 may have opened|" +
			"rtt 10.0.0.2:80, probe 2|answers rtt 10.0.0.2:80, probe 2|reset of what rtt 10.0.0.2:80 may have opened"
		if got := strings.Join(comments, "|"); got != want {
			t.Errorf("%s", got)
		}
	})
}
