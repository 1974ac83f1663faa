//go:build linux

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// scanned is the JSON that a scan wrote.
type scanned struct {
	Objects []fields `json:"objects"`
	status  int
	stderr  string
}

type fields struct {
	Kind, Target, State, Reason, From, Status, Detail string
	Addr                                              string
	Port                                              uint16
	TTL                                               int
	Tries                                             int
	Strays                                            int
	RTT                                               float64 `json:"rtt_us"`
	Options                                           []string
}

// scanFrom runs tcpscope on a host of a laboratory and reads its JSON.
func scanFrom(t *testing.T, node *netlab.Node, args ...string) scanned {
	t.Helper()
	return scanBy(t, node, command(strings.Join(args, " ")+" -o json"))
}

// scanBy runs a command whose output is JSON.
func scanBy(t *testing.T, node *netlab.Node, cmd *exec.Cmd) scanned {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := node.Run(cmd)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var s scanned
	if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	s.status, s.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	return s
}

// ports are the port objects by number.
func (s scanned) ports() map[uint16]fields {
	ports := make(map[uint16]fields)
	for _, o := range s.Objects {
		if o.Kind == "port" {
			ports[o.Port] = o
		}
	}
	return ports
}

// summary is the last object.
func (s scanned) summary() fields { return s.Objects[len(s.Objects)-1] }

// repeat runs a test's body once, or as often as TCPSCOPE_REPEAT says: a
// result that is right once may be luck.
func repeat(t *testing.T, body func(t *testing.T)) {
	n := 1
	if often, err := strconv.Atoi(os.Getenv("TCPSCOPE_REPEAT")); err == nil {
		n = often
	}
	for i := range n {
		t.Run(strconv.Itoa(i+1), body)
	}
}

// expected words the truth about a port as a scan must report it.
func expected(truth netlab.Truth) string {
	words := map[netlab.Action]string{
		netlab.Drop:                  "filtered no-reply",
		netlab.RejectPortUnreachable: "filtered icmp-port-unreachable",
		netlab.RejectAdminProhibited: "filtered icmp-admin-prohibited",
		netlab.RejectHostProhibited:  "filtered icmp-host-prohibited",
		netlab.RejectNetUnreachable:  "filtered icmp-net-unreachable",
		netlab.RejectHostUnreachable: "filtered icmp-host-unreachable",
		netlab.RejectNetProhibited:   "filtered icmp-net-prohibited",
		netlab.RejectReset:           "closed rst",
	}
	word := words[truth.Action]
	if truth.Action == netlab.Accept {
		word = "closed rst"
	}
	if truth.Open {
		word = "open syn-ack"
	}
	if truth.Source.IsValid() {
		word += " " + truth.Source.String()
	}
	return word
}

// check holds every finding of a scan of apple against the truth.
func check(t *testing.T, s scanned, first, last uint16) {
	t.Helper()
	found := s.ports()
	if want := int(last - first + 1); len(found) != want {
		t.Errorf("%d ports, want %d; %s", len(found), want, s.stderr)
	}
	for port := first; port <= last; port++ {
		o := found[port]
		got := strings.TrimSpace(o.State + " " + o.Reason + " " + o.From)
		if want := expected(netlab.TruthOf(port)); got != want {
			t.Errorf("port %d: got %q, want %q (%d tries)", port, got, want, o.Tries)
		}
	}
}

// TestLiveFirewall: a thousand ports on and behind firewalls, all right.
func TestLiveFirewall(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	repeat(t, func(t *testing.T) {
		s := scanFrom(t, lab.Host("ant"), "syn", "-p", "1-1000", "10.0.2.2")
		check(t, s, 1, 1000)
		if s.status != 0 {
			t.Errorf("exit status %d", s.status)
		}
	})
}

// TestLiveKernelLimits: five rejecting ports are seen in spite of the rate
// limits that kernels put on ICMP errors by default.
func TestLiveKernelLimits(t *testing.T) {
	topology := netlab.Firewalled()
	for i := range topology.Hosts {
		topology.Hosts[i].Sysctl = nil
	}
	repeat(t, func(t *testing.T) {
		// A new laboratory each time: the kernel's allowance comes back slowly.
		lab := netlab.Start(t, topology)
		s := scanFrom(t, lab.Host("ant"), "syn", "-p", "301-305", "10.0.2.2")
		check(t, s, 301, 305)
	})
}

// TestLiveLoss: the same thousand ports over a bad line.
func TestLiveLoss(t *testing.T) {
	topology := netlab.Firewalled()
	bad := netlab.Shape{Delay: 10 * time.Millisecond, Loss: 0.05, Duplicate: 0.05, Reorder: 0.05}
	topology.Links[0].AtoB, topology.Links[0].BtoA = bad, bad
	lab := netlab.Start(t, topology)
	repeat(t, func(t *testing.T) {
		s := scanFrom(t, lab.Host("ant"), "syn", "-p", "1-1000", "--tries", "8", "--timeout", "500ms", "10.0.2.2")
		check(t, s, 1, 1000)
	})
	if lost := lab.Counters("ant", "router").Lost + lab.Counters("router", "ant").Lost; lost == 0 {
		t.Error("the bad line lost nothing")
	}
}

// TestLiveForger: a blind forger on the path changes no finding.
func TestLiveForger(t *testing.T) {
	topology := netlab.Firewalled()
	topology.Links[0].Tamper = netlab.BlindForger()
	lab := netlab.Start(t, topology)
	repeat(t, func(t *testing.T) {
		s := scanFrom(t, lab.Host("ant"), "syn", "-p", "1-1000", "10.0.2.2")
		check(t, s, 1, 1000)
		if s.summary().Strays < 1000 {
			t.Errorf("%d strays: was there a forger?", s.summary().Strays)
		}
	})
}

// place is where a target can be, as seen from ant.
type place struct {
	name     string
	topology netlab.Topology
	target   string
	open     uint16
	ttl      int // of what arrives from there
}

func places() []place {
	layer3 := netlab.Pair()
	layer3.Links[0].Layer3 = true
	self := netlab.Pair()
	self.Hosts[0].Listen = []uint16{80}
	return []place{
		{"neighbour", netlab.Pair(), "10.0.0.2", 80, 64},
		{"layer 3", layer3, "10.0.0.2", 80, 64},
		{"three routers", netlab.Upper(), "10.0.2.2", 80, 61},
		{"nat", netlab.Masquerading(), "203.0.113.2", 80, 63},
		{"loopback", self, "127.0.0.1", 80, 64},
		{"own address", self, "10.0.0.1", 80, 64},
	}
}

// ports are the flag for one open and one closed port.
func (p place) ports() string { return fmt.Sprintf("-p%d,7", p.open) }

// check holds a scan of those ports against what must come out.
func (p place) check(t *testing.T, s scanned) {
	t.Helper()
	found := s.ports()
	for port, state := range map[uint16]string{p.open: "open", 7: "closed"} {
		o := found[port]
		if o.State != state || o.From != p.target || o.TTL != p.ttl || o.RTT <= 0 || o.Tries != 1 {
			t.Errorf("port %d: %+v", port, o)
		}
	}
}

// TestLivePlaces: the same command finds open and closed wherever the target
// is.
func TestLivePlaces(t *testing.T) {
	for _, place := range places() {
		t.Run(place.name, func(t *testing.T) {
			lab := netlab.Start(t, place.topology)
			s := scanFrom(t, lab.Host("ant"), "syn", place.ports(), place.target)
			place.check(t, s)
			if s.status != 0 {
				t.Errorf("exit status %d", s.status)
			}
		})
	}
}

// TestLiveHosts: one line for a host that is not there.
func TestLiveHosts(t *testing.T) {
	topology := netlab.Firewalled()
	topology.Hosts[2].Firewall = netlab.Firewall{Rules: []netlab.Rule{{Hook: netlab.Input, Action: netlab.Drop}}}
	lab := netlab.Start(t, topology)
	tests := []struct {
		target, status, timeout string
	}{
		{"10.0.1.77", "no-arp", "500ms"},
		{"10.0.2.77", "unreachable", "2s"}, // the router gives up after three
		{"10.0.2.2", "silent", "500ms"},
		{"192.0.2.1", "unreachable", "500ms"},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			t.Parallel() // they wait for timers of the kernel's
			s := scanFrom(t, lab.Host("ant"), "syn", "-p", "201-210", "--tries", "2", "--timeout", test.timeout, test.target)
			var hosts []string
			for _, o := range s.Objects {
				if o.Kind == "host-status" {
					hosts = append(hosts, o.Addr+" "+o.Status)
				}
			}
			if want := test.target + " " + test.status; len(s.ports()) != 0 || len(hosts) != 1 || hosts[0] != want {
				t.Errorf("hosts %q, want %q; %d ports; %s", hosts, want, len(s.ports()), s.stderr)
			}
			if s.status != 1 {
				t.Errorf("exit status %d, want 1", s.status)
			}
		})
	}
}

// TestLiveOwnFirewall: what this host's firewall keeps from leaving is
// not-sent, and says nothing about the target.
func TestLiveOwnFirewall(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[0].Firewall = netlab.Firewall{Rules: []netlab.Rule{{Hook: netlab.Output, From: 80, Action: netlab.Drop}}}
	lab := netlab.Start(t, topology)
	ports := scanFrom(t, lab.Host("ant"), "syn", "-p", "80,81", "10.0.0.2").ports()
	if o := ports[80]; o.State != "not-sent" || o.Reason != "local-refusal" || o.Detail == "" {
		t.Errorf("port 80: %+v", o)
	}
	if o := ports[81]; o.State != "closed" {
		t.Errorf("port 81: %+v", o)
	}
}

// TestLiveLikeLinux: our SYN is the kernel's own, but for what chance decides.
func TestLiveLikeLinux(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	likeKernel(t, lab.Host("ant"), netip.MustParseAddrPort("10.0.0.2:80"))
}

// likeKernel compares our SYN to an open port with the kernel's.
func likeKernel(t *testing.T, host *netlab.Node, target netip.AddrPort) {
	t.Helper()
	ours := firstSYN(t, host, func() error { return host.Run(command("syn -o text=/dev/null " + target.String())) })
	kernels := firstSYN(t, host, func() error {
		return host.Do(func() error {
			conn, err := net.Dial("tcp4", target.String())
			if err != nil {
				return err
			}
			return conn.Close()
		})
	})
	if ours != kernels {
		t.Errorf("\nours     %s\nkernel's %s", ours, kernels)
	}
}

// firstSYN describes the first SYN that leaves a host while f runs.
func firstSYN(t *testing.T, host *netlab.Node, f func() error) string {
	t.Helper()
	var conn *rawsock.PacketConn
	err := host.Do(func() (err error) {
		conn, err = rawsock.OpenPacket(rawsock.PacketConfig{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := f(); err != nil {
		t.Fatal(err)
	}
	arrivals := make([]wire.Arrival, 16)
	for {
		n, err := conn.Receive(t.Context(), arrivals)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range arrivals[:n] {
			h, payload, err := wire.ParseHeader(a.Datagram)
			if err != nil || !a.Outgoing || h.Protocol != wire.ProtocolTCP {
				continue
			}
			g, err := wire.ParseSegment(payload)
			if err != nil || g.Flags != wire.SYN {
				continue
			}
			text := fmt.Sprintf("tos %d ttl %d df %v id0 %v win %d", h.TOS, h.TTL, h.DF, h.ID == 0, g.Window)
			for _, o := range g.Options {
				if _, ecr, ok := o.Timestamps(); ok {
					text += fmt.Sprintf(", TS ecr %d", ecr)
				} else {
					text += ", " + o.String()
				}
			}
			return text
		}
	}
}

// TestLiveInterrupt: Ctrl-C in mid-run leaves whole results and no half-open
// connection.
func TestLiveInterrupt(t *testing.T) {
	topology := netlab.Firewalled()
	slow := netlab.Shape{Delay: 20 * time.Millisecond}
	topology.Links[0].AtoB, topology.Links[0].BtoA = slow, slow
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	dir := t.TempDir()
	file := func(format string) string { return filepath.Join(dir, "scan."+format) }

	cmd := command("syn -p 1-1000 --rate 200 10.0.2.2 -o text -o json=" + file("json") +
		" -o jsonl=" + file("jsonl") + " -o csv=" + file("csv") + " --pcap " + file("pcapng"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := ant.Start(cmd); err != nil {
		t.Fatal(err)
	}
	await(t, "findings in "+file("jsonl"), func() bool {
		b, err := os.ReadFile(file("jsonl"))
		return err == nil && bytes.Count(b, []byte(`"kind":"port"`)) >= 100
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 130 {
		t.Errorf("exit status %d, want 130 (%v)\n%s", status, err, stderr.Bytes())
	}
	whole(t, file)
	if !strings.Contains(stdout.String(), "PORT") {
		t.Errorf("text:\n%s", stdout.String())
	}
	await(t, "an end of half-open connections on apple", func() bool { return halfOpen(t, apple) == 0 })
}

// whole checks that each file is valid, and that they agree.
func whole(t *testing.T, file func(format string) string) {
	t.Helper()
	read := func(format string) []byte {
		b, err := os.ReadFile(file(format))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var document scanned
	if err := json.Unmarshal(read("json"), &document); err != nil {
		t.Errorf("json: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(read("jsonl")), "\n"), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("jsonl: %q", line)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(read("csv"))).ReadAll()
	if err != nil {
		t.Errorf("csv: %v", err)
	}
	if len(lines) != len(document.Objects) || len(rows) != len(lines)+1 {
		t.Errorf("%d objects, %d lines, %d rows with the header", len(document.Objects), len(lines), len(rows))
	}
	if n := len(document.ports()); n < 100 || n >= 1000 {
		t.Errorf("%d ports: that was not in mid-run", n)
	}
	if last := document.summary(); last.Kind != "summary" {
		t.Errorf("the last object is %q", last.Kind)
	}
	if len(read("pcapng")) == 0 {
		t.Error("the capture file is empty")
	}
}

// halfOpen counts a host's embryonic connections.
func halfOpen(t *testing.T, node *netlab.Node) (n int) {
	t.Helper()
	err := node.Do(func() error {
		sockets, err := sockdiag.Dump(sockdiag.SynReceived)
		n = len(sockets)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestLiveMemory: all ports of a host take little memory, and none is missed.
func TestLiveMemory(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	file := filepath.Join(t.TempDir(), "peak")
	cmd := command("syn -p- --rate max 10.0.0.2 -o json")
	cmd.Env = append(cmd.Env, peakEnv+"="+file)
	s := scanBy(t, lab.Host("ant"), cmd)
	for port, o := range s.ports() {
		if (o.State == "open") != (port == 80) || port != 80 && o.State != "closed" {
			t.Errorf("port %d: %s", port, o.State)
		}
	}
	if n := len(s.ports()); n != 65535 {
		t.Errorf("%d ports", n)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s KiB resident", text)
	if kib, err := strconv.Atoi(string(text)); err != nil || kib == 0 || kib > 64<<10 {
		t.Errorf("that is more than 64 MiB, or nothing: %v", err)
	}
}
