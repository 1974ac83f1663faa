//go:build linux && peers

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// reference is a running tcpdump, whose stamps count as the truth.
type reference struct {
	// end stops it. The error says that something has escaped it.
	end func() error

	mu sync.Mutex
	// handshakes are those to each destination port, in the order of their
	// SYNs.
	handshakes map[uint16][]*handshake
	last       map[initial]*handshake
}

// handshake is a SYN and its answer. Without an answer its rtt is zero.
type handshake struct {
	at  time.Time
	rtt time.Duration
}

// initial is what tells a SYN from others.
type initial struct {
	from, to netip.AddrPort
	iss      wire.Seq
}

// observe starts tcpdump on a device of a host.
func observe(t *testing.T, host *netlab.Node, device string) *reference {
	t.Helper()
	cmd := exec.Command("tcpdump", "-i", device, "-n", "-s", "128", "-B", "16384", "-U",
		"--time-stamp-precision=nano", "-Z", "root", "-w", "-", "tcp")
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+groupless(t))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	words := bufio.NewReader(stderr)
	if line, err := words.ReadString('\n'); err != nil || !strings.Contains(line, "listening on") {
		t.Fatalf("tcpdump: %s%v", line, err)
	}
	r := &reference{handshakes: make(map[uint16][]*handshake), last: make(map[initial]*handshake)}
	read := make(chan error, 1)
	go func() { read <- r.read(stdout) }()
	r.end = sync.OnceValue(func() error {
		cmd.Process.Signal(os.Interrupt)
		err := <-read
		last, _ := io.ReadAll(words)
		if cmd.Wait() != nil || err != nil || !strings.Contains(string(last), "\n0 packets dropped by kernel") {
			return fmt.Errorf("tcpdump: %s%v", last, err)
		}
		return nil
	})
	t.Cleanup(func() { _ = r.end() })
	return r
}

// groupless builds a library for tcpdump, which always wants to set its groups
// when it runs as root. Where an ordinary user runs the tests it is root of a
// namespace that forbids this (user_namespaces(7)).
func groupless(t *testing.T) string {
	t.Helper()
	library := filepath.Join(t.TempDir(), "groupless.so")
	cmd := exec.Command("gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-")
	cmd.Stdin = strings.NewReader("int initgroups(const char *user, unsigned group) { return 0; }\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return library
}

// read takes in a capture up to its end.
func (r *reference) read(file io.Reader) error {
	packets, err := capture.NewReader(file)
	if err != nil {
		return err
	}
	for {
		p, err := packets.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		h, payload, err := wire.ParseHeader(p.Datagram)
		if err != nil {
			return err
		}
		if g, err := wire.ParseSegment(payload); err == nil {
			r.add(p.At, netip.AddrPortFrom(h.Src, g.SrcPort), netip.AddrPortFrom(h.Dst, g.DstPort), g)
		}
	}
}

func (r *reference) add(at time.Time, from, to netip.AddrPort, g wire.Segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch g.Flags & (wire.SYN | wire.ACK) {
	case wire.SYN:
		// Some tools use the same ISN again once it is answered. Before that,
		// it is a retransmission.
		key := initial{from, to, g.Seq}
		if h := r.last[key]; h == nil || h.rtt != 0 {
			h := &handshake{at: at}
			r.last[key] = h
			r.handshakes[to.Port()] = append(r.handshakes[to.Port()], h)
		}
	case wire.SYN | wire.ACK:
		if h := r.last[initial{to, from, g.Ack - 1}]; h != nil && h.rtt == 0 {
			h.rtt = at.Sub(h.at)
		}
	}
}

// settle waits until tcpdump has told of everything that has happened so far:
// once it tells of a SYN to markerPort, it has told of all before.
func (r *reference) settle(t *testing.T, host *netlab.Node, to netip.Addr) {
	t.Helper()
	markers := func() int { return len(r.to(markerPort)) }
	before := markers()
	err := host.Do(func() error {
		_, err := connect(netip.AddrPortFrom(to, markerPort))
		return err
	})
	if err != unix.ECONNREFUSED {
		t.Fatalf("port %d is to be closed: %v", markerPort, err)
	}
	await(t, "tcpdump", func() bool { return markers() > before })
}

// to are the handshakes to a port so far.
func (r *reference) to(port uint16) []handshake {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]handshake, 0, len(r.handshakes[port]))
	for _, h := range r.handshakes[port] {
		all = append(all, *h)
	}
	return slices.Clip(all)
}
