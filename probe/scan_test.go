package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// spec is a scan of some ports of apple, with the command's defaults.
func spec(t testing.TB, portList string, hosts ...string) Spec {
	t.Helper()
	if hosts == nil {
		hosts = []string{apple.String()}
	}
	s := Spec{Method: Syn, Ports: ports(t, portList), Rate: 1000, Tries: 3, Timeout: 2 * time.Second}
	for _, h := range hosts {
		target, err := ParseTarget(h)
		if err != nil {
			t.Fatal(err)
		}
		s.Targets = append(s.Targets, target)
	}
	return s
}

// result is what a scan in a fake world came to.
type result struct {
	ports  map[string]string // "10.0.0.2:80" -> "open syn-ack 10.0.0.2"
	hosts  map[string]string
	tally  Tally
	err    error
	took   time.Duration
	record map[string]finding.Record
}

// open plans a scan of w and opens a session for it, until the test ends.
func open(t testing.TB, w link.World, s Spec) (*Session, Plan) {
	t.Helper()
	plan, err := s.Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	session, err := Open(w, plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session, plan
}

// scanWorld scans w. It must be called in a synctest bubble.
func scanWorld(t testing.TB, ctx context.Context, w *fakeWorld, s Spec, expect ...finding.State) result {
	t.Helper()
	session, plan := open(t, w, s)
	r := result{ports: map[string]string{}, hosts: map[string]string{}, record: map[string]finding.Record{}}
	start := time.Now()
	r.tally, r.err = Scan(ctx, session, plan, expect, func(record finding.Record) error {
		if err := record.Validate(); err != nil {
			t.Error(err)
		}
		addr := record.Addr("addr")
		if record.Kind == "host-status" {
			r.hosts[addr.String()] = record.Text("status")
			return nil
		}
		port, _ := record.Int("port")
		name := netip.AddrPortFrom(addr, uint16(port)).String()
		if r.ports[name] != "" {
			t.Errorf("%s is reported twice", name)
		}
		r.ports[name] = fmt.Sprint(record.Text("state"), " ", record.Text("reason"))
		if from := record.Addr("from"); from.IsValid() {
			r.ports[name] += " " + from.String()
		}
		r.record[name] = record
		return nil
	})
	r.took = time.Since(start)
	return r
}

const ms = time.Millisecond

func TestScan(t *testing.T) {
	router := netip.MustParseAddr("10.0.0.254")
	tests := []struct {
		name   string
		answer func(h wire.Header, g wire.Segment) []fakeReply
		want   string // of port 80; port 81 is closed
	}{
		{"open", func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, synAck(h, g)) }, "open syn-ack 10.0.0.2"},
		{"closed", func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }, "closed rst 10.0.0.2"},
		{"dropped", func(h wire.Header, g wire.Segment) []fakeReply { return nil }, "filtered no-reply"},
		{"port unreachable", func(h wire.Header, g wire.Segment) []fakeReply {
			return after(ms, icmp(apple, h, g, g.Seq, 3, 3))
		}, "filtered icmp-port-unreachable 10.0.0.2"},
		{"prohibited by the router", func(h wire.Header, g wire.Segment) []fakeReply {
			return after(ms, icmp(router, h, g, g.Seq, 3, 13))
		}, "filtered icmp-admin-prohibited 10.0.0.254"},
		{"a code without a name", func(h wire.Header, g wire.Segment) []fakeReply {
			return after(ms, icmp(router, h, g, g.Seq, 3, 15))
		}, "filtered icmp-3-15 10.0.0.254"},
		{"open after an unreachable host", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{ms, icmp(router, h, g, g.Seq, 3, 1)}, {2 * ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},
		{"unreachable at every try", func(h wire.Header, g wire.Segment) []fakeReply {
			return after(ms, icmp(router, h, g, g.Seq, 3, 1))
		}, "filtered icmp-host-unreachable 10.0.0.254"},
		{"a redirect is no answer", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{ms, icmp(router, h, g, g.Seq, 5, 1)}, {2 * ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},

		// A forger who has not seen the SYN knows addresses and ports only.
		{"forged SYN-ACK", func(h wire.Header, g wire.Segment) []fakeReply {
			return after(ms, replyTo(h, g, wire.SYN|wire.ACK, 7, g.Seq.Add(2)))
		}, "filtered no-reply"},
		{"forged RST with ACK", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{0, replyTo(h, g, wire.RST|wire.ACK, 0, g.Seq)}, {ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},
		{"forged RST without ACK", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{0, replyTo(h, g, wire.RST, g.Seq.Add(1), 0)}, {ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},
		{"forged ICMP", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{0, icmp(apple, h, g, g.Seq.Add(1), 3, 3)}, {ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},
		{"a SYN of the peer's", func(h wire.Header, g wire.Segment) []fakeReply {
			return []fakeReply{{0, replyTo(h, g, wire.SYN, 7, 0)}, {ms, rst(h, g)}}
		}, "closed rst 10.0.0.2"},
		{"a bad checksum", func(h wire.Header, g wire.Segment) []fakeReply {
			bad := rst(h, g)
			bad[len(bad)-1] ^= 1
			return []fakeReply{{0, bad}, {ms, synAck(h, g)}}
		}, "open syn-ack 10.0.0.2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
					switch {
					case g.Flags == wire.RST:
						return nil
					case g.DstPort == 81:
						return after(ms, rst(h, g))
					}
					return test.answer(h, g)
				}
				r := scanWorld(t, t.Context(), w, spec(t, "80,81"))
				if r.err != nil {
					t.Fatal(r.err)
				}
				if got := r.ports["10.0.0.2:80"]; got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if got := r.ports["10.0.0.2:81"]; got != "closed rst 10.0.0.2" {
					t.Errorf("the closed port: %q", got)
				}
			})
		})
	}
}

// TestRetries: all tries of a probe have one ISN, and different timestamps
// and IP IDs; the waits double; the RTT is that of the try that was answered.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		syns := 0
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			if syns++; syns < 3 {
				return nil
			}
			val, _, _ := g.Options[2].Timestamps()
			return after(30*ms, replyTo(h, g, wire.SYN|wire.ACK, 1, g.Seq.Add(1), wire.Timestamps(9, val)))
		}
		s := spec(t, "80")
		s.Timeout = 10 * time.Second
		r := scanWorld(t, t.Context(), w, s)
		sent := w.segments(wire.SYN)
		if len(sent) != 3 {
			t.Fatalf("%d SYNs, want 3", len(sent))
		}
		for i := 1; i < 3; i++ {
			a, b := sent[i-1], sent[i]
			if a.segment.Seq != b.segment.Seq {
				t.Error("a retry has another ISN")
			}
			if a.header.ID == b.header.ID || a.segment.Options[2].String() == b.segment.Options[2].String() {
				t.Error("tries cannot be told apart")
			}
			if got, want := b.at.Sub(a.at), time.Second<<(i-1); got != want {
				t.Errorf("wait %d was %v, want %v", i, got, want)
			}
		}
		record := r.record["10.0.0.2:80"]
		if rtt, _ := record.Number("rtt_us"); rtt != 30_000 {
			t.Errorf("rtt_us = %v, want 30000", rtt)
		}
		if tries, _ := record.Int("tries"); tries != 3 {
			t.Errorf("tries = %d, want 3", tries)
		}
	})
}

// TestAmbiguousRTT: an RST does not say which try it answers.
func TestAmbiguousRTT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		syns := 0
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if syns++; syns < 2 {
				return nil
			}
			return after(ms, rst(h, g))
		}
		r := scanWorld(t, t.Context(), w, spec(t, "80"))
		if _, ok := r.record["10.0.0.2:80"].Number("rtt_us"); ok {
			t.Error("there is an RTT, though nobody can know it")
		}
	})
}

// TestEverySYNACKIsReset: also the copies, and with the number that the peer
// expects; never a forged one.
func TestEverySYNACKIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			if g.DstPort == 80 {
				return []fakeReply{{ms, synAck(h, g)}, {50 * ms, synAck(h, g)}, {60 * ms, replyTo(h, g, wire.SYN|wire.ACK, 1, 5)}}
			}
			return after(100*ms, rst(h, g))
		}
		r := scanWorld(t, t.Context(), w, spec(t, "80,81"))
		resets := w.segments(wire.RST)
		if len(resets) != 2 {
			t.Fatalf("%d resets, want 2", len(resets))
		}
		isn := w.segments(wire.SYN)
		for _, reset := range resets {
			if reset.segment.DstPort != 80 || !slices.ContainsFunc(isn, func(s fakeSegment) bool {
				return s.segment.DstPort == 80 && s.segment.Seq.Add(1) == reset.segment.Seq
			}) {
				t.Errorf("reset %+v", reset.segment)
			}
		}
		if r.tally.Progress.Strays != 1 {
			t.Errorf("%d strays, want the forged one", r.tally.Progress.Strays)
		}
	})
}

func TestHosts(t *testing.T) {
	const range4 = "10.0.0.2-5"
	router := netip.MustParseAddr("10.0.0.254")
	tests := []struct {
		name  string
		world func(w *fakeWorld)
		hosts map[string]string
		ports int
		sent  int // SYNs; zero: not looked at
	}{
		{name: "all silent", world: func(w *fakeWorld) {},
			hosts: map[string]string{"10.0.0.2": "silent", "10.0.0.3": "silent", "10.0.0.4": "silent", "10.0.0.5": "silent"}},
		{name: "one answers late, its silent ports are filtered", world: func(w *fakeWorld) {
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
				if h.Dst == apple && g.DstPort == 10 {
					return after(500*ms, rst(h, g))
				}
				return nil
			}
		}, hosts: map[string]string{"10.0.0.3": "silent", "10.0.0.4": "silent", "10.0.0.5": "silent"}, ports: 10},
		{name: "no ARP", world: func(w *fakeWorld) {
			w.path.Gateway = netip.Addr{}
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
				return after(300*ms, icmp(ant, h, g, g.Seq, 3, 1))
			}
		}, hosts: map[string]string{"10.0.0.2": "no-arp", "10.0.0.3": "no-arp", "10.0.0.4": "no-arp", "10.0.0.5": "no-arp"}, sent: 40},
		{name: "no ARP seen in the neighbour table only", world: func(w *fakeWorld) {
			w.path.Gateway = netip.Addr{}
			w.unresolved = map[netip.Addr]bool{apple: true}
		}, hosts: map[string]string{"10.0.0.2": "no-arp", "10.0.0.3": "silent", "10.0.0.4": "silent", "10.0.0.5": "silent"}},
		{name: "a router has no way", world: func(w *fakeWorld) {
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
				return after(ms, icmp(router, h, g, g.Seq, 3, 1))
			}
		}, hosts: map[string]string{"10.0.0.2": "unreachable", "10.0.0.3": "unreachable", "10.0.0.4": "unreachable", "10.0.0.5": "unreachable"}},
		{name: "no route to one", world: func(w *fakeWorld) {
			w.unreachable = map[netip.Addr]error{apple: syscall.ENETUNREACH}
		}, hosts: map[string]string{"10.0.0.2": "unreachable", "10.0.0.3": "silent", "10.0.0.4": "silent", "10.0.0.5": "silent"}},
		{name: "only SYNs without timestamps are answered", world: func(w *fakeWorld) {
			w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
				if h.Dst != apple || g.Flags != wire.SYN || slices.ContainsFunc(g.Options, func(o wire.Option) bool { return o.Kind == wire.OptTimestamps }) {
					return nil
				}
				return after(ms, synAck(h, g))
			}
		}, hosts: map[string]string{"10.0.0.2": "answers", "10.0.0.3": "silent", "10.0.0.4": "silent", "10.0.0.5": "silent"}, ports: 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFakeWorld()
				test.world(w)
				r := scanWorld(t, t.Context(), w, spec(t, "1-10", range4))
				if r.err != nil {
					t.Fatal(r.err)
				}
				if fmt.Sprint(r.hosts) != fmt.Sprint(test.hosts) {
					t.Errorf("hosts %v, want %v", r.hosts, test.hosts)
				}
				if len(r.ports) != test.ports {
					t.Errorf("%d ports, want %d", len(r.ports), test.ports)
				}
				if sent := len(w.segments(wire.SYN)); test.sent > 0 && sent > test.sent {
					t.Errorf("%d SYNs, want at most %d", sent, test.sent)
				}
			})
		})
	}
}

// TestRefused: what our own firewall refuses is not-sent, and not tried again.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.refuse = func(h wire.Header, g wire.Segment) error {
			if g.DstPort == 80 {
				return syscall.EPERM
			}
			return nil
		}
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
		r := scanWorld(t, t.Context(), w, spec(t, "80,81"))
		if got := r.ports["10.0.0.2:80"]; got != "not-sent local-refusal" {
			t.Errorf("got %q", got)
		}
		if tries, _ := r.record["10.0.0.2:80"].Int("tries"); tries != 0 {
			t.Errorf("tries = %d, want 0", tries)
		}
		if r.took > time.Second {
			t.Errorf("it took %v", r.took)
		}
	})
}

// TestInterrupt: findings so far stay, what the last probes open is reset,
// and nothing is sent any more.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if g.Flags != wire.SYN {
				return nil
			}
			return after(50*ms, synAck(h, g))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stopped by hand")
		time.AfterFunc(200*ms, func() { cancel(stop) })
		r := scanWorld(t, ctx, w, spec(t, "1-1000"))
		if !errors.Is(r.err, stop) {
			t.Errorf("error %v, want the cause", r.err)
		}
		syns, resets := w.segments(wire.SYN), w.segments(wire.RST)
		if len(syns) < 150 || len(syns) > 250 {
			t.Errorf("%d SYNs in 200 ms at 1000/s", len(syns))
		}
		if len(resets) != len(syns) || len(r.ports) != len(syns) {
			t.Errorf("%d SYNs, %d resets, %d findings: all must be equal", len(syns), len(resets), len(r.ports))
		}
		if last := syns[len(syns)-1]; last.at.Sub(syns[0].at) > 210*ms {
			t.Error("sent after the interrupt")
		}
	})
}

func TestExpectation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply {
			if h.Dst == apple && g.DstPort == 80 {
				return after(ms, rst(h, g))
			}
			return nil
		}
		r := scanWorld(t, t.Context(), w, spec(t, "80-82", "10.0.0.2", "10.0.0.3"), finding.Filtered)
		if r.tally.Missed != 1 || r.tally.Untold != 3 || r.tally.Silent != 1 {
			t.Errorf("missed %d, untold %d, silent %d", r.tally.Missed, r.tally.Untold, r.tally.Silent)
		}
	})
}

// TestOnlyTry: an answer that takes as long as the user is willing to wait is
// heard, though nothing was known of the host.
func TestOnlyTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(4900*ms, rst(h, g)) }
		s := spec(t, "80")
		s.Tries, s.Timeout = 1, 5*time.Second
		r := scanWorld(t, t.Context(), w, s)
		if got := r.ports["10.0.0.2:80"]; got != "closed rst 10.0.0.2" {
			t.Errorf("got %q", got)
		}
	})
}

// TestOwnPort: a run that covers its own source port does not probe it.
func TestOwnPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.path.Local, w.path.Source = true, apple
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return after(ms, rst(h, g)) }
		s := spec(t, "80,4000")
		s.SourcePort = 4000
		r := scanWorld(t, t.Context(), w, s)
		if got := r.ports["10.0.0.2:4000"]; got != "not-sent local-refusal" || len(w.segments(wire.SYN)) != 1 {
			t.Errorf("got %q and %d SYNs", got, len(w.segments(wire.SYN)))
		}
	})
}

// TestInterruptedTries: of a port that was not tried as often as it should
// be, nothing is said; nor is its host called silent for it.
func TestInterruptedTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*ms)
		defer cancel()
		r := scanWorld(t, ctx, newFakeWorld(), spec(t, "80"))
		if !errors.Is(r.err, context.DeadlineExceeded) || len(r.ports) != 0 || len(r.hosts) != 0 {
			t.Errorf("%v, ports %v, hosts %v", r.err, r.ports, r.hosts)
		}
	})
}

// TestInterruptedSilence: of a host that was silent so far it is said how much
// is missing.
func TestInterruptedSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1050*ms)
		defer cancel()
		w := newFakeWorld()
		w.path.Neighbors = false
		s := spec(t, "1-100")
		s.Rate, s.Tries, s.Timeout = 10, 1, 100*ms
		var hosts []finding.Record
		session, plan := open(t, w, s)
		_, err := Scan(ctx, session, plan, nil, func(r finding.Record) error {
			hosts = append(hosts, r)
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || len(hosts) != 1 {
			t.Fatalf("%v, records %v", err, hosts)
		}
		ports, _ := hosts[0].Int("ports")
		if want := fmt.Sprintf("interrupted with %d ports left to probe", 100-ports); ports < 8 || hosts[0].Text("detail") != want {
			t.Errorf("%d silent ports, detail %q, want %q", ports, hosts[0].Text("detail"), want)
		}
	})
}

// TestNoRoute: where no host can be reached the error is the route's.
func TestNoRoute(t *testing.T) {
	w := newFakeWorld()
	w.unreachable = map[netip.Addr]error{apple: syscall.ENETUNREACH}
	plan, err := spec(t, "80").Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w, plan); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("error %v", err)
	}
}
