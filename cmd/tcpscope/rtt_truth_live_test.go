//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// distant is ant and apple with so much delay and loss each way, and a link
// that remembers everything.
func distant(delay time.Duration, loss float64) netlab.Topology {
	topology := netlab.Pair()
	link := &topology.Links[0]
	link.Log = 1 << 16
	link.AtoB = netlab.Shape{Delay: delay, Loss: loss, Seed: 1}
	link.BtoA = netlab.Shape{Delay: delay, Loss: loss, Seed: 2}
	return topology
}

// fate is what became of a SYN on the link.
type fate struct {
	from netip.AddrPort
	iss  wire.Seq
	in   time.Time
	// delivered says that it arrived; answers counts the SYN-ACKs that it drew.
	delivered bool
	answers   int
	// least and most is how long the first of them that arrived took, reckoned
	// from when the SYN had left its host; zero if none did.
	least, most time.Duration
	// whole is how long it took until our reset was at the other end; zero if
	// none was.
	whole time.Duration
}

// passed is what went over the link between ant and apple.
type passed struct {
	syns []*fate // in order
	// synAcks, acks and resets count segments that entered the link, whether
	// they arrived or not: from apple, from apple, from ant.
	synAcks, acks, resets int
}

// passages reads the link's memory from a point on.
func passages(t *testing.T, lab *netlab.Lab, since time.Time) (p passed) {
	t.Helper()
	type key struct {
		from netip.AddrPort
		iss  wire.Seq
	}
	last := make(map[key]*fate)
	// What is lost leaves the link before what is delayed.
	all := lab.Passages("ant", "apple")
	slices.SortStableFunc(all, func(a, b netlab.Passage) int { return a.In.Compare(b.In) })
	for _, x := range all {
		h, payload, err := wire.ParseHeader(x.Datagram)
		if err != nil {
			t.Fatal(err)
		}
		g, err := wire.ParseSegment(payload)
		if err != nil {
			t.Fatal(err)
		}
		if x.In.Before(since) || g.SrcPort == markerPort || g.DstPort == markerPort {
			continue
		}
		switch {
		case x.FromA && g.Flags == wire.SYN:
			f := &fate{from: netip.AddrPortFrom(h.Src, g.SrcPort), iss: g.Seq, in: x.In, delivered: x.Fate == netlab.Forwarded}
			if last[key{f.from, f.iss}] != nil {
				t.Errorf("a SYN from %v was sent twice", f.from)
			}
			last[key{f.from, f.iss}] = f
			p.syns = append(p.syns, f)
		case !x.FromA && g.Flags == wire.SYN|wire.ACK:
			p.synAcks++
			f := last[key{netip.AddrPortFrom(h.Dst, g.DstPort), g.Ack - 1}]
			if f == nil {
				t.Fatalf("a SYN-ACK to port %d answers no SYN", g.DstPort)
			}
			f.answers++
			if f.most == 0 && x.Fate == netlab.Forwarded {
				f.least, f.most = x.Out.Sub(f.in), x.Delivered.Sub(f.in)
			}
		case !x.FromA && g.Flags == wire.ACK:
			p.acks++
		case x.FromA && g.Flags == wire.RST:
			p.resets++
			if f := last[key{netip.AddrPortFrom(h.Src, g.SrcPort), g.Seq - 1}]; f != nil && f.whole == 0 && x.Fate == netlab.Forwarded {
				f.whole = x.Delivered.Sub(f.in)
			}
		default:
			t.Errorf("from ant %v: %v seq %d ack %d", x.FromA, g.Flags, g.Seq, g.Ack)
		}
	}
	return p
}

// kernelPatience is how long a SYN may take until it is reset, for a run to prove
// anything about kernels: after a second apple's sends its SYN-ACK again.
const kernelPatience = 900 * time.Millisecond

// heldUp reports whether the machine kept anybody from running for so long that
// kernels lost their patience.
func (p *passed) heldUp() bool {
	return slices.ContainsFunc(p.syns, func(f *fate) bool { return f.whole > kernelPatience })
}

// undisturbed runs a measurement until one was not held up by the machine, which
// it reports: five times at most.
func undisturbed(t *testing.T, measure func() (proven bool)) {
	t.Helper()
	for range 5 {
		if measure() {
			return
		}
		t.Log("the machine stood still; once more")
	}
	t.Error("the machine stood still in every run")
}

// markerPort is closed on every host.
const markerPort = 9

// settle waits until a link has delivered or lost all that two hosts have put
// there so far: it keeps the order in each direction, so that behind the answer
// to a SYN nothing is left.
func settle(t *testing.T, from, to *netlab.Node) {
	t.Helper()
	err := from.Do(func() error {
		conn, err := net.Dial("tcp4", netip.AddrPortFrom(to.Addr(), markerPort).String())
		if err == nil {
			conn.Close()
		}
		return err
	})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("port %d of %s is to be closed: %v", markerPort, to.Name(), err)
	}
}

// inTurn sorts the SYNs to one target by their probes' numbers, given the first
// of the ports that the probes take turns to leave from. On the link some may
// have overtaken others: those that went while the kernel sent what had waited
// for an answer to ARP.
func (p *passed) inTurn(first uint16) []*fate {
	from := make(map[uint16][]*fate)
	for _, f := range p.syns {
		from[f.from.Port()] = append(from[f.from.Port()], f)
	}
	var turns []*fate
	for round := 0; len(turns) < len(p.syns); round++ {
		for port := first; int(port-first) < len(from); port++ {
			if round < len(from[port]) {
				turns = append(turns, from[port][round])
			}
		}
		if round > len(p.syns) {
			return nil // they leave from other ports
		}
	}
	return turns
}

// TestLiveRTTLoss: the loss is what the link has lost, probe for probe, and
// what came back too late because the machine held it up: an answer that was
// there in time counts, however late the program got to run. Source ports are
// used again many times, also where apple keeps a half-open connection because
// our resets were lost: to a SYN from there it answers with a bare ACK (RFC
// 5961, Section 4). They are few.
func TestLiveRTTLoss(t *testing.T) {
	const (
		probes, loss = 1000, 0.1
		timeout      = 300 * time.Millisecond
		port         = 20000
		// By so much the link's stamps may differ from those on ant's device.
		exact = 100 * time.Microsecond
	)
	repeat(t, func(t *testing.T) {
		// What one run leaves half-open would answer to the next.
		lab := netlab.Start(t, distant(2*time.Millisecond, loss))
		ant := lab.Host("ant")
		l := latenciesFrom(t, ant, fmt.Sprintf("-c %d -i 1ms --timeout %v --source-port %d 10.0.0.2:80", probes, timeout, port))
		settle(t, ant, lab.Host("apple"))
		samples, summary := l.samples["10.0.0.2:80"], l.summaries["10.0.0.2:80"]
		link := passages(t, lab, time.Time{})
		syns := link.inTurn(port)
		if len(samples) != probes || len(syns) != probes {
			t.Fatalf("exit status %d, %d samples, %d SYNs; %s", l.status, len(samples), len(syns), l.stderr)
		}
		replies := make(map[int]string)
		for _, o := range samples {
			replies[o.N] = o.Reply
		}
		dropped, refused, late := 0, 0, 0
		for i, f := range syns {
			got, want := replies[i+1], "no-reply"
			switch {
			case f.most != 0 && f.most <= timeout-exact:
				want = "syn-ack"
			case f.most != 0 && f.least < timeout+exact && got == "syn-ack":
				want = got // either is right
			case f.most != 0 && f.answers == 1:
				late++
			case f.delivered && f.answers == 0:
				refused++
			default:
				dropped++
			}
			if got != want {
				t.Errorf("probe %d is reported as %s, want %s: %+v", i+1, got, want, *f)
			}
		}
		if summary.Sent != probes || summary.Received != probes-dropped-refused-late {
			t.Errorf("%+v, want %d lost, %d refused and %d late", summary, dropped, refused, late)
		}
		share := float64(dropped+late) / probes
		interval := 2.58 * math.Sqrt(share*(1-share)/probes) // of 99 %
		if summary.Loss == nil || math.Abs(*summary.Loss-share) > interval {
			t.Errorf("%+v, want a loss of %v ± %v", summary, share, interval)
		}
		if refused > link.acks || refused > probes/50 {
			t.Errorf("%d SYNs met a half-open connection; %d bare ACKs", refused, link.acks)
		}
		t.Logf("%d of %d dropped, %d late, %d met a half-open connection", dropped, probes, late, refused)
	})
}

// TestLiveRTTStopped: what comes while the program is kept from running is
// there when it goes on, with its stamps.
func TestLiveRTTStopped(t *testing.T) {
	const probes = 500
	topology := distant(50*time.Millisecond, 0)
	topology.Hosts[1].Listen = []uint16{80, 81, 82, 83}
	lab := netlab.Start(t, topology)
	for name, ports := range map[string]string{"one by one": "80", "busy": "80-83"} {
		t.Run(name, func(t *testing.T) {
			undisturbed(t, func() bool {
				began := time.Now()
				l := latenciesStopped(t, lab.Host("ant"), fmt.Sprintf("-c %d -i 1ms -p %s 10.0.0.2", probes, ports))
				settle(t, lab.Host("ant"), lab.Host("apple"))
				if link := passages(t, lab, began); link.heldUp() {
					return false
				}
				for endpoint, all := range l.samples {
					for _, o := range all {
						if o.Reply != "syn-ack" || o.Clock != "packet-ring" {
							t.Errorf("%+v", o)
						}
					}
					if len(all) != probes {
						t.Errorf("%s: %d samples; %s", endpoint, len(all), l.stderr)
					}
				}
				return len(l.samples) > 0
			})
		})
	}
}

// latenciesStopped is latenciesFrom, with a stop while answers are under way:
// once the first of them is reported.
func latenciesStopped(t *testing.T, host *netlab.Node, flags string) latencies {
	t.Helper()
	cmd := command("rtt -o jsonl " + flags)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	lines, text := bufio.NewScanner(stdout), ""
	for i := 0; lines.Scan(); i++ {
		if text += lines.Text() + "\n"; i == 10 {
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(400 * time.Millisecond) // longer than the answers are under way
			_ = cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	status := ended(t, cmd.Wait())
	l := readLatencies(t, text)
	l.status, l.stderr = status, stderr.String()
	return l
}

// TestLiveRTTMillisecond: a probe each millisecond over a path of twenty:
// nothing is lost, and apple's kernel sees a SYN and an RST for each of them
// and nothing else.
func TestLiveRTTMillisecond(t *testing.T) {
	const probes, delay = 1000, 10 * time.Millisecond
	lab := netlab.Start(t, distant(delay, 0))
	ant, apple := lab.Host("ant"), lab.Host("apple")
	repeat(t, func(t *testing.T) {
		undisturbed(t, func() bool {
			began, before, ours := time.Now(), kernelCounters(t, apple), kernelCounters(t, ant)
			l := latenciesFrom(t, ant, fmt.Sprintf("-c %d -i 1ms 10.0.0.2:80", probes))
			await(t, "the last reset", func() bool { return halfOpen(t, apple) == 0 })
			after := kernelCounters(t, apple)
			if n := kernelCounters(t, ant)["Tcp OutRsts"] - ours["Tcp OutRsts"]; n != 0 {
				t.Errorf("ant's kernel has sent %d resets of its own", n)
			}
			link := passages(t, lab, began)
			if link.heldUp() {
				return false
			}
			onlySYNsAndResets(t, before, after, probes)
			if len(link.syns) != probes || link.synAcks != probes || link.resets != probes || link.acks != 0 {
				t.Errorf("%d SYNs, %d SYN-ACKs, %d resets and %d bare ACKs on the link, want %d each and none", len(link.syns), link.synAcks, link.resets, link.acks, probes)
			}
			summary := l.summaries["10.0.0.2:80"]
			if summary.Sent != probes || summary.Received != probes || summary.Late != 0 || *summary.Loss != 0 || l.status != 0 {
				t.Errorf("exit status %d: %+v; %s", l.status, summary, l.stderr)
			}
			for _, o := range l.samples["10.0.0.2:80"] {
				if shortest := float64((2 * delay).Microseconds()); o.RTT < shortest || o.User < o.RTT {
					t.Errorf("probe %d took %v us, %v us by the user's clock", o.N, o.RTT, o.User)
				}
			}
			return true
		})
	})
}

// onlySYNsAndResets holds the counters of the kernel that was probed to what so
// many probes do to them.
func onlySYNsAndResets(t *testing.T, before, after map[string]int, probes int) {
	t.Helper()
	for counter, want := range map[string]int{
		"Tcp InSegs": 2 * probes, "Tcp OutSegs": probes, "Tcp OutRsts": 0, "Tcp RetransSegs": 0, "Tcp InErrs": 0,
		"Tcp PassiveOpens": 0, "Tcp AttemptFails": probes, "Tcp EstabResets": 0,
		"TcpExt EmbryonicRsts": probes, "TcpExt TCPChallengeACK": 0, "TcpExt TCPSYNChallenge": 0, "TcpExt TCPTimeouts": 0,
		"TcpExt ListenDrops": 0, "TcpExt ListenOverflows": 0, "TcpExt TCPReqQFullDrop": 0, "TcpExt TCPReqQFullDoCookies": 0,
		"TcpExt SyncookiesSent": 0, "TcpExt PAWSEstab": 0, "TcpExt TCPOrigDataSent": 0,
	} {
		if got := after[counter] - before[counter]; got != want {
			t.Errorf("apple's %s: %d, want %d", counter, got, want)
		}
	}
}

// TestLiveRTTMany: so many probes that they leave in rounds. Each connection
// that they opened half is reset before the program ends; it is not left to
// our kernel to do so when apple asks again.
func TestLiveRTTMany(t *testing.T) {
	const probes = 100
	topology := netlab.Pair()
	topology.Hosts[1].Listen = []uint16{80, 81, 82, 83}
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	repeat(t, func(t *testing.T) {
		before, ours := kernelCounters(t, apple), kernelCounters(t, ant)
		l := latenciesFrom(t, ant, fmt.Sprintf("-c %d -i 1ms -p 80-82 10.0.0.2", probes))
		if n := halfOpen(t, apple); n != 0 {
			t.Errorf("%d connections are still half-open", n)
		}
		want := len(l.summaries) * probes
		if n := kernelCounters(t, apple)["TcpExt EmbryonicRsts"] - before["TcpExt EmbryonicRsts"]; n != want || want == 0 {
			t.Errorf("%d half-open connections were reset, want %d", n, want)
		}
		if n := kernelCounters(t, ant)["Tcp OutRsts"] - ours["Tcp OutRsts"]; n != 0 {
			t.Errorf("ant's kernel has sent %d resets of its own", n)
		}
		for endpoint, summary := range l.summaries {
			if summary.Received != probes {
				t.Errorf("%s: %+v", endpoint, summary)
			}
		}
	})
}

// TestLiveRTTDuration: a run of half a second is one. Whoever was kept from
// running goes on from there, with fewer probes.
func TestLiveRTTDuration(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	undisturbed(t, func() bool {
		l := latenciesFrom(t, lab.Host("ant"), "--duration 500ms -i 100ms 10.0.0.2:80 10.0.0.2:7")
		all := true
		for _, endpoint := range []string{"10.0.0.2:80", "10.0.0.2:7"} {
			s := l.summaries[endpoint]
			if s.Sent < 1 || s.Sent > 5 || s.Received != s.Sent {
				t.Errorf("%s: %+v", endpoint, s)
			}
			all = all && s.Sent == 5
		}
		return all
	})
}

func TestLiveRTTUnknownName(t *testing.T) {
	netlab.Live(t) // no name server is asked in here
	status, stdout, stderr := call(t, "rtt nonesuch.invalid:80", "")
	const want = "tcpscope: error: cannot resolve \"nonesuch.invalid\": "
	if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}

// kernelCounters are those of a host's kernel, as nstat names them but for the
// space: "TcpExt EmbryonicRsts".
func kernelCounters(t *testing.T, host *netlab.Node) map[string]int {
	t.Helper()
	counters := make(map[string]int)
	err := host.Do(func() error {
		for _, file := range []string{"snmp", "netstat"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				return err
			}
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			for ; len(lines) >= 2; lines = lines[2:] {
				names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
				for i := range names[1:] {
					n, err := strconv.Atoi(values[i+1])
					if err != nil {
						return err
					}
					counters[strings.TrimSuffix(names[0], ":")+" "+names[i+1]] = n
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counters
}
